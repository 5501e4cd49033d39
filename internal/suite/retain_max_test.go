package suite

import (
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// Every container keeps that many, and finds the others as long as they are held.
func TestRetainMaxOfEveryContainer(t *testing.T) {
	const n, max = 300, 50
	for _, fresh := range keepers {
		k := fresh(weakmap.Config{Shards: 1, RetainMax: max})
		handles := k.retain(n)
		if st := k.stats(); st.Retained != max || st.Evicted != n-max {
			t.Errorf("%s: %d are held and %d were evicted, want %d and %d", k.name, st.Retained, st.Evicted, max, n-max)
		}
		settle(t)
		living := 0
		for _, h := range handles {
			if h.Value() != nil {
				living++
			}
		}
		if living != max {
			t.Errorf("%s: %d live, want %d", k.name, living, max)
		}
		if k.clear(); k.stats().Retained != 0 {
			t.Errorf("%s: %d are held after Clear", k.name, k.stats().Retained)
		}
		runtime.KeepAlive(k)
	}
}

// Unless Shards is set, what is held exceeds RetainMax by less than a sixteenth, however many processors
// there are and however much else is bound.
func TestRetainMaxOfManyEntries(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(64))
	for _, max := range []int{1, 10, 100, 1000} {
		m := weakmap.Map[int, record]{Config: weakmap.Config{RetainMax: max}}
		held := make([]*record, 20_000)
		for key := range held {
			held[key] = &record{id: key}
			m.Store(key, held[key])
		}
		if n, limit := m.Stats().Retained, max+max/16; n < max || n > limit {
			t.Errorf("RetainMax %d: %d are held, want %d at most", max, n, limit)
		}
		runtime.KeepAlive(held)
	}
}

// At no moment more are held than RetainMax, and one for each shard.
func TestRetainMaxBesideWriters(t *testing.T) {
	uses := 300_000
	if testing.Short() {
		uses /= 10
	}
	for _, c := range []weakmap.Config{
		{Shards: 1, RetainMax: 10},
		{Shards: 8, RetainMax: 3},
		{Shards: 8, RetainMax: 100, Reclaim: weakmap.PerValue},
		{RetainMax: 1000, Retain: 1},
	} {
		m := weakmap.Map[int, record]{Config: c}
		shards := c.Shards
		if shards == 0 {
			shards = c.RetainMax / 16
		}
		stop := collectInBackground()
		var wrong, most atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range uses / 4 {
					key := int(rand.ExpFloat64() * float64(c.RetainMax))
					switch rand.IntN(20) {
					case 0:
						m.Delete(key)
					case 1:
						m.Store(key, &record{id: key})
					default:
						v, _, _ := m.LoadOrCompute(key, func() (*record, error) { return &record{id: key}, nil })
						if v.id != key {
							wrong.Add(1)
						}
					}
					held := int64(m.Stats().Retained)
					for old := most.Load(); held > old && !most.CompareAndSwap(old, held); old = most.Load() {
					}
				}
			})
		}
		wg.Wait()
		stop()
		limit := int64(c.RetainMax + shards)
		if shards == 1 {
			limit = int64(c.RetainMax)
		}
		if t.Logf("%+v: at most %d were held", c, most.Load()); most.Load() > limit || wrong.Load() > 0 {
			t.Errorf("%+v: up to %d were held, want %d at most; %d were another key's", c, most.Load(), limit, wrong.Load())
		}
		for key := range 10 * c.RetainMax {
			m.Delete(key)
		}
		m.Clear()
		if st := m.Stats(); st.Retained != 0 {
			t.Errorf("%+v: %d are held, and nothing is there", c, st.Retained)
		}
	}
}

// What is used all the time stays, however many others come once.
func TestRetainMaxKeepsWhatIsUsed(t *testing.T) {
	passing := 50_000
	if testing.Short() {
		passing /= 10
	}
	m := weakmap.Map[int, record]{Config: weakmap.Config{RetainMax: 64, Shards: 1}}
	m.Store(-1, &record{id: -1})
	defer collectInBackground()()
	var stop atomic.Bool
	var used, lost atomic.Int64
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				if _, ok := m.Load(-1); !ok {
					lost.Add(1)
					return
				}
				if used.Add(1)%16 == 0 { // The writer waits for its users: on few processors they give way.
					runtime.Gosched()
				}
			}
		})
	}
	for i := range passing {
		m.Store(i, &record{id: i})
		for before := used.Load(); i%32 == 0 && used.Load() < before+2 && lost.Load() == 0; { // Its users are at work.
			runtime.Gosched()
		}
	}
	stop.Store(true)
	wg.Wait()
	if st := m.Stats(); lost.Load() > 0 || st.Evicted < uint64(passing/2) {
		t.Errorf("what is used was lost %d times; %d were evicted", lost.Load(), st.Evicted)
	}
}

// What was evicted is found while it is held elsewhere, and when it was used is held again.
func TestWhatWasEvictedIsHeldAgainWhenItIsUsed(t *testing.T) {
	m := weakmap.Map[int, record]{Config: weakmap.Config{RetainMax: 1, Shards: 1}}
	first := &record{id: 1}
	m.Store(1, first)
	elsewhere(func() { m.Store(2, &record{id: 2}) })
	settle(t)
	if v, ok := m.Load(1); !ok || v != first {
		t.Fatalf("Load(1) = %p, %t, want %p", v, ok, first)
	}
	if st := m.Stats(); st.Retained != 1 || st.Evicted != 2 {
		t.Errorf("%v; want 1 retained and 2 evicted", st)
	}
	h := weak.Make(first)
	first = nil
	settle(t)
	if _, ok := m.Load(2); ok {
		t.Error("what was evicted lives although nothing holds it")
	}
	if v, ok := m.Load(1); !ok || v != h.Value() {
		t.Error("what was used is not held")
	}
}

// A value that was used within the time is there, whatever the collector does.
func TestRetainForForgetsNothingWithinItsTime(t *testing.T) {
	uses := 10_000_000
	if testing.Short() {
		uses /= 20
	}
	const window = 300 * time.Millisecond
	m := weakmap.Map[int, record]{Config: weakmap.Config{RetainFor: window}}
	defer collectInBackground()()
	const keys = 1000
	last := make([]time.Time, keys)
	forgotten, expired := 0, 0
	for i := 0; i < uses; i += keys / 10 {
		from := rand.IntN(10) * keys / 10
		now := time.Now()
		for key := from; key < from+keys/10; key++ {
			_, found, _ := m.LoadOrCompute(key, func() (*record, error) { return &record{id: key}, nil })
			if !found && !last[key].IsZero() {
				if time.Since(last[key]) < window {
					forgotten++
				} else {
					expired++
				}
			}
			last[key] = now
		}
	}
	if t.Logf("%d uses, %d after their time", uses, expired); forgotten > 0 {
		t.Errorf("of %d uses %d found nothing within the time", uses, forgotten)
	}
}

// When the time is up the next collections let go, and where there are none nothing goes.
func TestRetainForLetsGoInCollections(t *testing.T) {
	for _, fresh := range keepers {
		k := fresh(weakmap.Config{RetainFor: 20 * time.Millisecond})
		old := debug.SetGCPercent(-1)
		const n = 10
		handles := k.retain(n)
		time.Sleep(60 * time.Millisecond)
		if got := k.stats().Retained; got != n {
			t.Errorf("%s: %d are held although there was no collection, want %d", k.name, got, n)
		}
		debug.SetGCPercent(old)
		eventually(t, k.name+": nothing is held", func() bool {
			time.Sleep(5 * time.Millisecond)
			return k.stats().Retained == 0 && !slices.ContainsFunc(handles, func(h handle) bool { return h.Value() != nil })
		})
		runtime.KeepAlive(k)
	}
}

func TestNegativeRetentionPanics(t *testing.T) {
	mustPanic(t, "RetainFor", "weakmap: negative Config.RetainFor: -1ns", func() {
		(&weakmap.Map[int, record]{Config: weakmap.Config{RetainFor: -1}}).Store(1, &record{})
	})
	mustPanic(t, "RetainMax", "weakmap: negative Config.RetainMax: -1", func() {
		(&weakmap.Map[int, record]{Config: weakmap.Config{RetainMax: -1}}).Store(1, &record{})
	})
}
