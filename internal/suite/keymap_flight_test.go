package suite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// What LoadOrCompute of KeyMap does not have in common with that of other containers, for which see
// load_share_test.go.

func TestKeyMapLoadOrComputeMayUseTheMap(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		key, others := new(record), newRecords(200)
		v, loaded, err := m.LoadOrCompute(key, func() (int, error) {
			for i, k := range others { // Enough to make every shard grow.
				m.Store(k, i)
			}
			m.Delete(key)
			inner, _, err := m.LoadOrCompute(&record{}, func() (int, error) { return 20, nil })
			return inner + m.Len(), err
		})
		if v != 221 || loaded || err != nil {
			t.Errorf("LoadOrCompute = %v, %v, %v", v, loaded, err)
		}
		runtime.KeepAlive(others)
	})
}

// The zero value without an error is a value: unlike in Map nothing is nil.
func TestKeyMapLoadOrComputeZeroValue(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		key := new(record)
		for _, bound := range []bool{false, true} {
			v, loaded, err := m.LoadOrCompute(key, func() (int, error) {
				if bound {
					t.Error("a second computation for the key runs")
				}
				return 0, nil
			})
			if v != 0 || loaded != bound || err != nil {
				t.Errorf("LoadOrCompute = %v, %v, %v, want 0, %v, nil", v, loaded, err, bound)
			}
		}
		runtime.KeepAlive(key)
	})
}

// A computation that has ended, in whatever way, keeps nothing of its key.
func TestKeyMapLoadOrComputeLetsTheKeyGo(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		var keys []weak.Pointer[record]
		for _, compute := range []func() (int, error){
			func() (int, error) { return 1, nil },
			func() (int, error) { return 1, errors.New("mine") },
			func() (int, error) { panic("mine") },
			func() (int, error) { runtime.Goexit(); return 1, nil },
		} {
			var wg sync.WaitGroup
			wg.Go(func() {
				key := &record{}
				keys = append(keys, weak.Make(key))
				defer func() { recover() }()
				m.LoadOrCompute(key, compute)
			})
			wg.Wait()
		}
		for _, k := range keys {
			eventually(t, "a key is collected after its computation", func() bool { return k.Value() == nil })
		}
		wantLen(t, m, 0)
	})
}

// Many callers, keys that die, collections: each key's callers agree on one
// value, and one of them is told that it stored it. Catches a flight that is
// left before its value is stored, and two flights for one key.
func TestKeyMapLoadOrComputeAgree(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		defer collectInBackground()()
		const workers, rounds = 4, 150
		keys := newRecords(rounds)
		var got, stored [workers][rounds]int
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i, k := range keys {
					v, loaded, err := m.LoadOrCompute(k, func() (int, error) {
						runtime.Gosched()
						return w + 1, nil
					})
					if err != nil {
						t.Errorf("LoadOrCompute: %v", err)
					}
					if got[w][i] = v; !loaded {
						stored[w][i] = 1
					}
				}
			})
		}
		wg.Wait()
		for i := range rounds {
			n := 0
			for w := range workers {
				n += stored[w][i]
				if got[w][i] != got[0][i] {
					t.Fatalf("key %d: callers got %d and %d", i, got[w][i], got[0][i])
				}
			}
			if n != 1 {
				t.Fatalf("key %d: %d callers were told that they stored", i, n)
			}
		}
		runtime.KeepAlive(keys)
	})
}

// fmt takes no lock, and a built-in map that is read while it is written ends the program.
func TestPrintingAKeyMapReadsNoMap(t *testing.T) {
	m := weakmap.KeyMap[record, int]{Hasher: weakmap.Comparable[record]()}
	for _, load := range []func(*record, func() (int, error)) (int, bool, error){
		m.LoadOrCompute,
		func(key *record, compute func() (int, error)) (int, bool, error) {
			return m.LoadOrComputeContext(t.Context(), key, func(context.Context) (int, error) { return compute() })
		},
	} {
		text := ""
		load(new(record), func() (int, error) {
			text = fmt.Sprintf("%v %+v", &m, struct{ of *weakmap.KeyMap[record, int] }{&m})
			return 1, nil
		})
		if text == "" || strings.Contains(text, "map[") {
			t.Errorf("during a load it is printed as %q", text)
		}
		m.Clear()
	}
}
