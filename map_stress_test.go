package weakmap_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
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

// An owner holds the value of its key and nobody else touches that key, so every Load must
// hit. It misses if a reclaim removes a live binding, if growth, shrinkage or a split loses
// one, or if a lookup meets an array that is half built.
func TestAnOwnedKeyIsAlwaysFound(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		const owners = 3
		loads := scaled(10_000)
		burst := 500
		if c.collides() {
			burst = 40
		}
		m := newMap[int, record](c)
		calm := disturb(2, func(i int) {
			key := 1000 + rand.IntN(burst)
			switch i % 8 {
			case 0:
				m.Delete(key)
			case 1:
				m.LoadOrStore(key, &record{id: key})
			case 2:
				m.Compute(key, func(*record) *record { return &record{id: key} })
			default:
				m.Store(key, &record{id: key})
			}
			if i%(4*burst) == 0 { // grow, then shrink
				for k := range burst {
					m.Store(2000+k, &record{id: k})
				}
				m.Reap()
			}
			if i%(8*burst) == 0 {
				m.DeleteFunc(func(key int, _ *record) bool { return key >= 1000 })
			}
		})
		var own sync.WaitGroup
		for owner := range owners {
			own.Go(func() {
				mine := &record{id: owner}
				m.Store(owner, mine)
				for i := range loads {
					if got, ok := m.Load(owner); !ok || got != mine {
						t.Errorf("load %d: Load = %p, %t, want %p, true: its owner holds it", i, got, ok, mine)
						break
					}
					if i%1000 == 0 { // a new value now and then, bound in another way
						fresh := &record{id: owner}
						if !m.CompareAndSwap(owner, mine, fresh) {
							t.Errorf("load %d: CompareAndSwap of the owner failed", i)
							break
						}
						mine = fresh
					}
				}
				if got, loaded := m.LoadAndDelete(owner); !loaded || got != mine {
					t.Errorf("LoadAndDelete = %p, %t, want %p, true", got, loaded, mine)
				}
			})
		}
		own.Wait()
		calm()
		eventually(t, "what nobody holds left", func() bool { return m.Len() == 0 })
		awaitBalance(t, m)
	})
}

// One goroutine replaces the value again and again and holds each until the next is bound. So
// at every moment the bound value is held, and every Load must hit. A lookup that reads the
// entry, is overtaken by Store and by a collection, and takes the death of the old value for a
// miss fails here (Caffeine's issue 568).
func TestAReplacedKeyIsAlwaysFound(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		first := &record{id: 0}
		m.Store("k", first)
		calm := disturb(1, func(i int) {
			fresh := &record{id: i}
			switch i % 4 {
			case 0:
				m.Store("k", fresh)
			case 1:
				m.Swap("k", fresh)
			case 2:
				m.Compute("k", func(*record) *record { return fresh })
			case 3:
				m.CompareAndSwap("k", first, fresh)
			}
			runtime.KeepAlive(first)
			first = fresh
		})
		countUp(2, scaled(8000), func(worker int) {
			if got, ok := m.Load("k"); !ok || got == nil {
				t.Errorf("Load = %p, %t, but whatever was bound was held", got, ok)
			}
			if worker == 0 {
				if got, loaded := m.LoadOrStore("k", &record{id: -1}); !loaded || got.id < 0 {
					t.Errorf("LoadOrStore = %v, %t, but whatever was bound was held", got, loaded)
				}
			}
		})
		calm()
		runtime.KeepAlive(first)
		if n := m.Len(); n != 1 {
			t.Errorf("Len = %d, want 1", n)
		}
	})
}

// The same, with a lookup that takes its time between reading the entry and asking whether its
// value lives: the key is megabytes long, and the lookup's copy of it is another, so that they
// have to be compared. Meanwhile the value is replaced, the table moved to other arrays, and
// the old value collected. Taking its death for a miss is then no rare event: with the second
// look at the slot removed this fails nearly always.
func TestALookupOvertakenByStoreAndCollectionHits(t *testing.T) {
	withProcs(t, 4)
	for _, hash := range []string{"builtin", "constant"} {
		t.Run("hash="+hash, func(t *testing.T) {
			inBothModes(t, func(t *testing.T, c configuration) {
				c.hash = hash
				m := newMap[string, record](c)
				key := strings.Repeat("k", 4*mib)
				bound := &record{id: 0}
				m.Store(key, bound)
				var fillers [200]*record
				stop := collectInBackground()
				defer stop()
				calm := disturb(1, func(i int) {
					for k := range fillers { // growth and shrinkage
						if i%2 == 0 {
							fillers[k] = &record{id: k}
							m.Store(fmt.Sprint(k), fillers[k])
						} else {
							m.Delete(fmt.Sprint(k))
						}
					}
					fresh := &record{id: i}
					m.Store(key, fresh)
					runtime.KeepAlive(bound)
					bound = fresh
				})
				copies := []string{strings.Clone(key), strings.Clone(key)}
				countUp(len(copies), scaled(400), func(worker int) {
					if got, ok := m.Load(copies[worker]); !ok || got == nil {
						t.Errorf("Load = %p, %t, but whatever was bound was held", got, ok)
					}
				})
				calm()
				runtime.KeepAlive(bound)
			})
		})
	}
}

// The value of a key dies and the key is bound anew while the reclaim of the old entry is
// under way. A reclaim that goes by the key, not by the entry, removes the new one; one that
// counts twice breaks Len.
func TestNoReinsertionDuringReclamationIsLost(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		n := scaled(100_000) / 9 // 10⁵ for each reclaim mode and number of processors
		m := newMap[string, record](c)
		for i := range n {
			v := &record{id: i}
			switch i % 3 {
			case 0:
				m.Store("k", v)
			case 1:
				m.Swap("k", v)
			case 2:
				v, _ = m.LoadOrStore("k", v) // the one before may live still
			}
			if i%64 == 0 {
				runtime.Gosched() // a good moment for the reclaim of the one before
			}
			if got, ok := m.Load("k"); !ok || got != v {
				t.Fatalf("insertion %d: Load = %p, %t, want %p, true", i, got, ok, v)
			}
			if got := m.Len(); got != 1 {
				t.Fatalf("insertion %d: Len = %d, want 1", i, got)
			}
			runtime.KeepAlive(v)
		}
		eventually(t, "the last value died", func() bool { return m.Len() == 0 })
		awaitBalance(t, m)
	})
}

// Each goroutine adds up what its calls did; the sums must be the map's. A removal that is
// counted twice or not at all, by two who both think that they made it, breaks the balance.
func TestTheBooksBalanceExactly(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		const workers, keys = 4, 60
		m := newMap[int, record](c)
		var reported, inserts, deletes atomic.Int64
		m.OnReap = func(int) { reported.Add(1) }
		var held [workers][8]*record
		countUp(workers, scaled(2000), func(worker int) {
			key, v := rand.IntN(keys), &record{}
			held[worker][rand.IntN(8)] = v // so that some live for a while
			switch rand.IntN(9) {
			case 0, 1:
				if _, loaded := m.LoadOrStore(key, v); !loaded {
					inserts.Add(1)
				}
			case 2:
				if _, loaded := m.LoadAndDelete(key); loaded {
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
				if _, loaded, _ := m.LoadOrCompute(key, func() (*record, error) { return v, nil }); !loaded {
					inserts.Add(1)
				}
			case 8:
				deletes.Add(int64(m.DeleteFunc(func(k int, _ *record) bool { return k == key })))
			}
		})
		s := awaitBalance(t, m)
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
// key must give that value to everyone; and no two computations of a key may overlap.
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
		awaitBalance(t, m)
	})
}
