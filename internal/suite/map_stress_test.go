package suite

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap"
)

// The oracles here need no log of what happened: each thread knows for certain what one of
// its calls must return, whatever the others do. A collector runs in a loop all the time.

// underStress runs a test with few and with many processors, with a collector in a loop.
func underStress(t *testing.T, test func(t *testing.T, c configuration)) {
	for _, procs := range []int{2, 16} {
		t.Run(fmt.Sprintf("procs=%d", procs), func(t *testing.T) {
			withProcs(t, procs)
			everywhere(t, func(t *testing.T, c configuration) {
				stop := collectInBackground()
				defer stop()
				test(t, c)
			})
		})
	}
}

// disturb calls f in a loop on several goroutines until the returned function is called.
func disturb(threads int, f func(i int)) (stop func()) {
	var quit atomic.Bool
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			for i := 0; !quit.Load(); i++ {
				f(i)
			}
		})
	}
	return func() {
		quit.Store(true)
		wg.Wait()
	}
}

// Each of many maps has one key, whose value dies and which is bound again right after the
// collection, while the reclaim of the old entry is under way. A reclaim that goes by the key,
// or by its hash, and not by the entry removes the new binding; one that counts twice breaks Len.
func TestNoReinsertionDuringReclamationIsLost(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		const width = 100
		rounds := scaled(4) // 10⁵ for each reclaim mode and number of processors with WEAKMAP_STRESS=28
		maps := make([]*weakmap.Map[string, record], width)
		for i := range maps {
			maps[i] = newMap[string, record](c)
		}
		held := make([]*record, width)
		check := func(round int, when string) {
			for i, m := range maps {
				if got, ok := m.Load("k"); !ok || got != held[i] {
					t.Fatalf("round %d, %s: Load = %p, %t, want %p, true", round, when, got, ok, held[i])
				}
				if n := m.Len(); n != 1 {
					t.Fatalf("round %d, %s: Len = %d, want 1", round, when, n)
				}
			}
		}
		for round := range rounds {
			clear(held)
			runtime.GC()
			for i, m := range maps {
				v := &record{id: i}
				switch (round + i) % 4 {
				case 0:
					m.Store("k", v)
				case 1:
					m.Swap("k", v)
				case 2:
					v, _ = m.LoadOrStore("k", v) // the one before may live still
				case 3:
					v, _, _ = m.LoadOrCompute("k", func() (*record, error) { return v, nil })
				}
				held[i] = v
				if n := m.Len(); n != 1 {
					t.Fatalf("round %d: Len = %d after binding, want 1", round, n)
				}
			}
			check(round, "at once")
			for range 20 {
				runtime.Gosched() // late reclaims come now
			}
			check(round, "later")
		}
		clear(held)
		eventually(t, "the last values died", func() bool {
			for _, m := range maps {
				if m.Len() != 0 {
					return false
				}
			}
			return true
		})
		for _, m := range maps {
			balanced(t, m)
		}
	})
}

// Each goroutine adds up what its calls did; the sums must be the map's. A removal that is
// counted twice, or not at all, breaks the balance.
func TestTheBooksBalanceExactly(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		const workers, keys = 4, 60
		m := newMap[int, record](c)
		var reported, inserts, deletes atomic.Int64
		m.OnReap = func(int) { reported.Add(1) }
		var held [workers][8]*record
		countUp(workers, scaled(800), func(worker int) {
			key, v := rand.IntN(keys), &record{}
			held[worker][rand.IntN(8)] = v // so that some live for a while
			// A LoadAndDelete cuts off a load, whose value is then not inserted: so they do not meet.
			switch rand.IntN(9) {
			case 0, 1:
				if _, loaded := m.LoadOrStore(key, v); !loaded {
					inserts.Add(1)
				}
			case 2:
				if _, loaded := m.LoadAndDelete(key | 1); loaded {
					deletes.Add(1)
				}
			case 3, 4:
				inserts.Add(1)
				if _, loaded := m.Swap(key, v); loaded {
					deletes.Add(1)
				}
			case 5:
				if old, ok := m.Load(key); ok && m.CompareAndSwap(key, old, v) {
					inserts.Add(1)
					deletes.Add(1)
				}
			case 6:
				if old, ok := m.Load(key); ok && m.CompareAndDelete(key, old) {
					deletes.Add(1)
				}
			case 7:
				if _, loaded, _ := m.LoadOrCompute(key&^1, func() (*record, error) { return v, nil }); !loaded {
					inserts.Add(1)
				}
			case 8:
				deletes.Add(int64(m.DeleteFunc(func(k int, _ *record) bool { return k == key })))
			}
		})
		s := balanced(t, m)
		if int64(s.Inserts) != inserts.Load() || int64(s.Deleted) != deletes.Load() {
			t.Errorf("Stats = %+v, want %d inserts and %d deletions", s, inserts.Load(), deletes.Load())
		}
		runtime.KeepAlive(&held)
		eventually(t, "all values died", func() bool { return m.Len() == 0 })
		settle(t)
		if s := m.Stats(); int64(s.Reaped) != inserts.Load()-deletes.Load() || int64(s.Reaped) != reported.Load() {
			t.Errorf("Stats = %+v and %d reports, want what was inserted and not deleted: %d", s, reported.Load(), inserts.Load()-deletes.Load())
		}
	})
}

// Half of the keys are held and never change; each iteration must yield all of them, with
// their values, and no key twice, while the other half comes, goes and dies, and the table
// grows and shrinks.
func TestIterationUnderMutationYieldsAllThatIsHeld(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		const fixed = 50
		burst := 400
		if c.collides() {
			burst = 40
		}
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(fixed)...)
		calm := disturb(2, func(int) {
			for range burst {
				key := fixed + rand.IntN(burst)
				m.Store(key, &record{id: key})
			}
			for range burst / 2 {
				m.Delete(fixed + rand.IntN(burst))
			}
		})
		for range scaled(40) {
			seen := map[int]bool{}
			for key, value := range m.All() {
				if seen[key] {
					t.Errorf("key %d yielded twice in one iteration", key)
				}
				seen[key] = true
				if value == nil || value.id != key || key < fixed && value != held[key] {
					t.Errorf("key %d yielded with %p", key, value)
				}
			}
			for key := range fixed {
				if !seen[key] {
					t.Errorf("key %d is held all the time and was not yielded", key)
				}
			}
		}
		calm()
		runtime.KeepAlive(held)
	})
}

// A cache as people write it: get or make, use, let go. While a goroutine holds a value, its
// key must give that value to all; and no two computations of a key may overlap.
func TestACacheNeverGivesTwoLivingValuesForOneKey(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		const keys = 12
		m := newMap[int, record](c)
		var computing [keys]atomic.Int32
		countUp(4, scaled(1500), func(worker int) {
			key := rand.IntN(keys)
			get := func() *record {
				v, _, err := m.LoadOrCompute(key, func() (*record, error) {
					if computing[key].Add(1) != 1 {
						t.Errorf("key %d is computed twice at once", key)
					}
					defer computing[key].Add(-1)
					if rand.IntN(8) == 0 {
						runtime.Gosched()
					}
					return &record{id: key}, nil
				})
				if err != nil || v == nil || v.id != key {
					t.Errorf("LoadOrCompute(%d) = %+v, %v", key, v, err)
				}
				return v
			}
			v := get()
			if rand.IntN(4) == 0 {
				runtime.Gosched()
			}
			if again := get(); again != v {
				t.Errorf("key %d: %p while %p is held", key, again, v)
			}
			runtime.KeepAlive(v)
		})
		eventually(t, "the cache is empty when nobody holds anything", func() bool { return m.Len() == 0 })
		balanced(t, m)
	})
}
