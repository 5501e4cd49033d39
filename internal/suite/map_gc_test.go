package suite

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap"
)

func TestEntriesOfDeadValuesLeaveByThemselves(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		storeDoomed(m, numbers(200)...)
		eventually(t, "the map is empty, and nobody called it but for Len", func() bool { return m.Len() == 0 })
		for key := range 200 {
			if got, ok := m.Load(key); ok || got != nil {
				t.Errorf("Load(%d) = %p, %t after its value died", key, got, ok)
			}
		}
		if s := balanced(t, m); s.Reaped != 200 || s.Deleted != 0 {
			t.Errorf("Stats = %+v, want 200 reaped and none deleted", s)
		}
	})
}

func TestHeldValuesSurviveEveryCollection(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(100)...)
		storeDoomed(m, numbers(200)[100:]...)
		eventually(t, "the values that nobody holds left", func() bool { return m.Len() <= 100 })
		for range 3 {
			runtime.GC()
			for key, want := range held {
				if got, ok := m.Load(key); !ok || got != want {
					t.Fatalf("Load(%d) = %p, %t, want %p, true: the value is held", key, got, ok, want)
				}
			}
		}
		if n := m.Len(); n != 100 {
			t.Errorf("Len = %d, want the 100 that are held", n)
		}
		runtime.KeepAlive(held)
	})
}

func TestWhatLoadReturnsIsHeld(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		v := &record{id: 1}
		m.Store(1, v)
		loaded, _ := m.Load(1)
		v = nil
		for range 5 {
			runtime.GC()
			if got, ok := m.Load(1); !ok || got != loaded {
				t.Fatalf("Load = %p, %t, want the pointer %p that an earlier Load returned", got, ok, loaded)
			}
		}
		runtime.KeepAlive(loaded)
		loaded = nil
		eventually(t, "the entry left after the last pointer went", func() bool { return m.Len() == 0 })
		_ = v
	})
}

// The pass after a collection is armed again each time, also when every map was empty for a
// while. A pass that is not would leave the second wave there forever.
func TestWaveAfterWaveIsReclaimed(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		const waves = 5
		for wave := range waves {
			storeDoomed(m, numbers(50)...)
			eventually(t, fmt.Sprintf("wave %d left", wave), func() bool { return m.Len() == 0 })
			runtime.GC() // with nothing in any map
		}
		if s := balanced(t, m); s.Inserts != waves*50 || s.Reaped != s.Inserts {
			t.Errorf("Stats = %+v, want %d inserted and as many reaped", s, waves*50)
		}
	})
}

func TestEveryMapIsReclaimed(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		ints := make([]*weakmap.Map[int, record], 50)
		var names weakmap.Map[string, [4]int]
		names.Config.Reclaim = c.reclaim
		for i := range ints {
			ints[i] = newMap[int, record](c)
			storeDoomed(ints[i], numbers(20)...)
		}
		elsewhere(func() { names.Store("a", new([4]int)) })
		eventually(t, "every map of every type is empty", func() bool {
			for _, m := range ints {
				if m.Len() != 0 {
					return false
				}
			}
			return names.Len() == 0
		})
	})
}

func TestReapRemovesDeadEntriesNowAndCountsThem(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		handles := storeDoomed(m, numbers(100)...)
		held := storeHeld(m, 1000, 1001)
		awaitDeath(t, handles)
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		removed := m.Reap()
		runtime.ReadMemStats(&after)
		if n := m.Len(); n != 2 {
			t.Errorf("Len = %d after Reap, want the 2 that are alive", n)
		}
		// The pass after the collection may have been there first, for all of them or for some.
		if s := balanced(t, m); removed < 0 || removed > 100 || s.Reaped != 100 {
			t.Errorf("Reap = %d and Stats = %+v, want 100 reaped in all", removed, s)
		}
		if n := m.Reap(); n != 0 {
			t.Errorf("second Reap = %d, want 0", n)
		}
		if after.NumGC != before.NumGC {
			t.Error("Reap ran a collection")
		}
		runtime.KeepAlive(held)
	})
}

func TestReapNeedsNoHelpFromTheRuntimesCleanups(t *testing.T) {
	stallCleanups(t)
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, 1000, 1001)
		awaitDeath(t, storeDoomed(m, numbers(100)...))
		if n := m.Len(); n != 102 {
			t.Errorf("Len = %d before Reap, want the 2 that are alive and the 100 that are dead", n)
		}
		if n := m.Reap(); n != 100 {
			t.Errorf("Reap = %d, want 100", n)
		}
		if s := m.Stats(); s.Entries != 2 || s.Reaped != 100 || s.Inserts != 102 || s.Deleted != 0 {
			t.Errorf("Stats = %+v, want 2 of 102 left and 100 reaped", s)
		}
		runtime.KeepAlive(held)
	})
}

// Insertions outrun the collector's callbacks for good here. So insertions must remove the dead,
// or the table grows with every value that ever lived.
func TestDeadSpaceIsBoundedEvenIfNoCallbackComes(t *testing.T) {
	stallCleanups(t)
	inBothModes(t, func(t *testing.T, c configuration) {
		const wave = 3000
		m := newMap[int, record](c)
		for i := range scaled(20) {
			awaitDeath(t, storeDoomed(m, numbers((i + 1) * wave)[i*wave:]...))
		}
		if s := m.Stats(); s.Entries > 4*wave+8192 || s.Capacity > 16*wave+8192 {
			t.Errorf("%d entries in %d slots: the dead of waves of %d pile up", s.Entries, s.Capacity, wave)
		}
	})
}

func TestMassDeathEmptiesAndShrinksTheMap(t *testing.T) {
	for _, procs := range []int{2, 16} {
		t.Run(fmt.Sprintf("procs=%d", procs), func(t *testing.T) {
			withProcs(t, procs)
			everywhere(t, func(t *testing.T, c configuration) {
				n := scaled(15_000)
				if c.collides() {
					n = 500
				}
				m := newMap[int, record](c)
				storeDoomed(m, numbers(n)...)
				held := storeHeld(m, numbers(n/100)...) // these replace the first ones
				full := m.Stats().Capacity
				eventually(t, "the entries of all dead values left", func() bool { return m.Len() == n/100 })
				// The pass may still be at work on the array.
				eventually(t, "the map has shrunk", func() bool { return m.Stats().Capacity <= max(full/8, 8192) })
				for key, want := range held {
					if got, ok := m.Load(key); !ok || got != want {
						t.Fatalf("Load(%d) = %p, %t after the mass death, want the held %p", key, got, ok, want)
					}
				}
				more := storeHeld(m, numbers(n/10)...)
				for key, want := range more {
					if got, ok := m.Load(key); !ok || got != want {
						t.Fatalf("Load(%d) = %p, %t after growing again, want %p", key, got, ok, want)
					}
				}
				runtime.KeepAlive(held)
				runtime.KeepAlive(more)
			})
		})
	}
}

func TestReapShrinksTheMap(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		n := scaled(150_000)
		m := newMap[int, record](c)
		handles := storeDoomed(m, numbers(n)...)
		full := m.Stats().Capacity
		awaitDeath(t, handles)
		m.Reap()
		if s := m.Stats(); s.Entries != 0 || s.Capacity > max(full/8, 8192) {
			t.Errorf("after Reap: %d entries in %d slots, want none in an eighth of %d", s.Entries, s.Capacity, full)
		}
	})
}

// Nothing forces a collection here: what the collector runs on its own must do. The dead that
// have not been reaped yet must not pile up.
func TestOrdinaryCollectionsBoundTheDead(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("needs many entries")
	}
	inBothModes(t, func(t *testing.T, c configuration) {
		const n = 300_000
		m := newMap[int, record](c)
		most := 0
		elsewhere(func() {
			for key := range n {
				m.Store(key, &record{id: key})
				if key%1024 == 0 {
					most = max(most, m.Len())
				}
			}
		})
		if most > n/2 {
			t.Errorf("%d of %d entries were there at once, and none was held", most, n)
		}
		eventually(t, "the map is empty", func() bool { return m.Len() == 0 })
	})
}

func TestEmptyMapsKeepNoGoroutine(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		before := runtime.NumGoroutine()
		maps := make([]*weakmap.Map[int, record], 20)
		for i := range maps {
			maps[i] = newMap[int, record](c)
			maps[i].OnReap = func(int) {}
			storeDoomed(maps[i], numbers(100)...)
		}
		eventually(t, "all maps are empty", func() bool {
			for _, m := range maps {
				if m.Len() != 0 {
					return false
				}
			}
			return true
		})
		eventually(t, "the goroutines that reclaimed and reported are gone", func() bool {
			return runtime.NumGoroutine() <= before
		})
	})
}

// All keys of one value lose it together: a map that shows the value under one key after a
// miss under another has brought it back from the dead.
func TestDeathIsTheSameForEveryKeyAndFinal(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		const keys = 8
		for range scaled(10) {
			m := newMap[int, record](c)
			elsewhere(func() {
				v := &record{id: 1}
				for key := range keys {
					m.Store(key, v)
				}
			})
			collected := make(chan struct{})
			go func() {
				defer close(collected)
				runtime.GC()
				runtime.GC()
			}()
			var dead atomic.Bool
			countUp(2, 40, func(worker int) {
				key, was := rand.IntN(keys), dead.Load()
				if v, ok := m.Load(key); ok && (was || v.id != 1) {
					t.Errorf("Load(%d) = %+v after another key of the same value missed", key, v)
				} else if !ok {
					dead.Store(true)
				}
				for range rand.IntN(100) {
					runtime.Gosched()
				}
			})
			<-collected
			eventually(t, "the value died", func() bool { return m.Len() == 0 })
		}
	})
}
