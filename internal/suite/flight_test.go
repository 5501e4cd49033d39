package suite

import (
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

// One goroutine computes for key after key; another deletes what it sees bound and computes
// for the same key itself. It must not be given what it has deleted, although the computation
// that this came from may still be ending. With the late ones let in, this failed in five runs
// of five, and the one below in four.
func TestLoadOrComputeNeverGivesWhatWasDeletedBefore(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		fresh := func() (*record, error) { return new(record), nil }
		neverGivesDeleted(t, m.LoadOrCompute, func(key int) *record {
			first, ok := m.Load(key)
			if !ok || !m.CompareAndDelete(key, first) {
				return nil
			}
			return first
		}, fresh)
	})
}

func TestKeyMapLoadOrComputeNeverGivesWhatWasDeletedBefore(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := weakmap.KeyMap[record, *record]{Config: c.config()}
		keys := newRecords(1 << 16)
		fresh := func() (*record, error) { return new(record), nil }
		neverGivesDeleted(t, func(key int, f func() (*record, error)) (*record, bool, error) {
			return m.LoadOrCompute(keys[key%len(keys)], f)
		}, func(key int) *record {
			first, _ := m.LoadAndDelete(keys[key%len(keys)])
			return first
		}, fresh)
	})
}

// neverGivesDeleted has one goroutine call load for key after key, and another take each key
// and call load for it.
func neverGivesDeleted(t *testing.T, load func(int, func() (*record, error)) (*record, bool, error), take func(int) *record, fresh func() (*record, error)) {
	t.Helper()
	next, done := make(chan int, 1), make(chan struct{})
	go func() {
		defer close(done)
		for key := range next {
			load(key, fresh)
		}
	}()
	taken := 0
	for key, end := 0, time.Now().Add(200*time.Millisecond); time.Now().Before(end); key++ {
		next <- key
		for range 100 {
			first := take(key)
			if first == nil {
				continue
			}
			taken++
			if second, loaded, err := load(key, fresh); second == first || err != nil {
				t.Errorf("key %d: LoadOrCompute = %p, %t, %v: this had been deleted", key, second, loaded, err)
			}
			break
		}
	}
	close(next)
	<-done
	if taken == 0 {
		t.Error("nothing was ever taken")
	}
}
