package suite

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// Lookups that must hit, because the bound value is held at every moment.

// An owner holds the value of its key and no other goroutine touches that key, so every Load must
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
		balanced(t, m)
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
// have to be compared. In that time the value is replaced, the table moved to other arrays, and
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
