package suite

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/go-weak/weakmap"
)

func TestUnusedMapCostsNothing(t *testing.T) {
	for _, c := range []weakmap.Config{
		{},
		{Reclaim: weakmap.PerValue},
		{Shards: 16, Capacity: 1 << 20, Stats: true},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			m := &weakmap.Map[string, record]{Config: c}
			m.OnReap = func(string) {}
			goroutines := runtime.NumGoroutine()
			for call, f := range map[string]func(){
				"Load":             func() { m.Load("k") },
				"Len":              func() { m.Len() },
				"Stats":            func() { m.Stats() },
				"Reap":             func() { m.Reap() },
				"Range":            func() { m.Range(func(string, *record) bool { return true }) },
				"Delete":           func() { m.Delete("k") },
				"LoadAndDelete":    func() { m.LoadAndDelete("k") },
				"CompareAndDelete": func() { m.CompareAndDelete("k", nil) },
				"DeleteFunc":       func() { m.DeleteFunc(func(string, *record) bool { return true }) },
				"Clear":            func() { m.Clear() },
				"All": func() {
					for range m.All() {
					}
				},
				"Keys": func() {
					for range m.Keys() {
					}
				},
				"Values": func() {
					for range m.Values() {
					}
				},
			} {
				if n := testing.AllocsPerRun(100, f); n != 0 {
					t.Errorf("%s on an unused map allocates %v times", call, n)
				}
			}
			if n := runtime.NumGoroutine(); n > goroutines {
				t.Errorf("reading an unused map left %d goroutines behind", n-goroutines)
			}
			if s := m.Stats(); s.Capacity != 0 || s.Entries != 0 || s.Inserts != 0 {
				t.Errorf("Stats of an unused map = %+v, want no slots, no entries", s)
			}
			if n := m.Reap(); n != 0 {
				t.Errorf("Reap of an unused map = %d, want 0", n)
			}
		})
	}
}

func TestAnyNumberOfShardsWorks(t *testing.T) {
	for _, shards := range []int{1, 3, 5, 8, 100, 1000} {
		t.Run(fmt.Sprintf("shards=%d", shards), func(t *testing.T) {
			m := newMap[int, record](configuration{shards: shards, hash: "builtin"})
			held := storeHeld(m, numbers(3000)...)
			for key, want := range held {
				if got, ok := m.Load(key); !ok || got != want {
					t.Fatalf("Load(%d) = %p, %t, want %p, true", key, got, ok, want)
				}
			}
			seen := 0
			for range m.All() {
				seen++
			}
			if seen != 3000 || m.Len() != 3000 {
				t.Errorf("All yields %d and Len = %d, want 3000 and 3000", seen, m.Len())
			}
			runtime.KeepAlive(held)
		})
	}
}

func TestCapacityMakesRoomAtFirstUse(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		const n = 10_000
		for _, shards := range []int{1, 0} {
			c.shards = shards
			m := newMap[int, record](c)
			m.Config.Capacity = n
			held := storeHeld(m, 0)
			first := m.Stats().Capacity
			if first < n && shards == 1 {
				t.Errorf("one shard: %d slots after the first Store, want room for %d", first, n)
			}
			held = append(held, storeHeld(m, numbers(n)[1:]...)...)
			last := m.Stats().Capacity
			if last < n || last > 8*n {
				t.Errorf("shards=%d: %d slots for %d entries", shards, last, n)
			}
			if last != first && shards == 1 {
				t.Errorf("one shard grew from %d to %d slots while taking the %d entries it had room for", first, last, n)
			}
			runtime.KeepAlive(held)
		}
	})
}

func TestCapacityFollowsTheNumberOfEntries(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		var held []*record
		for _, n := range []int{1, 10, 100, 1000, 30_000} {
			held = storeHeld(m, numbers(n)...)
			s := m.Stats()
			if s.Entries != n || s.Capacity < n || s.Capacity > 8*n+8192 {
				t.Errorf("Stats with %d entries: %d entries in %d slots", n, s.Entries, s.Capacity)
			}
		}
		runtime.KeepAlive(held)
	})
}

func TestStatsCountsHitsAndMissesOfLookups(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		m.Config.Stats = true
		v := &record{id: 1}
		compute := func() (*record, error) { return v, nil }
		fail := func() (*record, error) { return nil, nil }
		for _, step := range []struct {
			call         string
			f            func()
			hits, misses uint64
		}{
			{"Load of an unbound key", func() { m.Load("a") }, 0, 1},
			{"LoadOrStore that stores", func() { m.LoadOrStore("a", v) }, 0, 1},
			{"LoadOrStore that loads", func() { m.LoadOrStore("a", v) }, 1, 0},
			{"Load of a bound key", func() { m.Load("a") }, 1, 0},
			{"LoadOrCompute that computes", func() { m.LoadOrCompute("b", compute) }, 0, 1},
			{"LoadOrCompute that loads", func() { m.LoadOrCompute("b", compute) }, 1, 0},
			{"LoadOrCompute that fails", func() { m.LoadOrCompute("c", fail) }, 0, 1},
			{"everything that is no lookup", func() {
				m.Store("d", v)
				m.Swap("d", v)
				m.CompareAndSwap("d", v, v)
				m.CompareAndSwap("d", nil, v)
				m.Compute("d", func(*record) *record { return v })
				m.CompareAndDelete("d", v)
				m.LoadAndDelete("a")
				m.LoadAndDelete("a")
				m.Delete("a")
				m.Range(func(string, *record) bool { return true })
				m.DeleteFunc(func(string, *record) bool { return false })
				m.Len()
				m.Reap()
				m.Clear()
			}, 0, 0},
		} {
			before := m.Stats()
			step.f()
			after := m.Stats()
			if h, n := after.Hits-before.Hits, after.Misses-before.Misses; h != step.hits || n != step.misses {
				t.Errorf("%s counted %d hits and %d misses, want %d and %d", step.call, h, n, step.hits, step.misses)
			}
		}
		runtime.KeepAlive(v)
	})
}

func TestALookupOfADeadValueCountsAsAMiss(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		m.Config.Stats = true
		awaitDeath(t, storeDoomed(m, 0, 1, 2))
		v := &record{}
		m.Load(0)
		m.LoadOrStore(1, v)
		m.LoadOrCompute(2, func() (*record, error) { return v, nil })
		if s := m.Stats(); s.Hits != 0 || s.Misses != 3 {
			t.Errorf("Stats after three lookups of dead values = %+v, want 0 hits and 3 misses", s)
		}
		runtime.KeepAlive(v)
	})
}

func TestHitsAndMissesAreNotCountedUnlessAskedFor(t *testing.T) {
	var m weakmap.Map[string, record]
	v := &record{}
	m.Load("a")
	m.Store("a", v)
	m.Load("a")
	m.LoadOrStore("a", v)
	s := m.Stats()
	if s.Hits != 0 || s.Misses != 0 {
		t.Errorf("Stats = %+v without Config.Stats, want neither hits nor misses", s)
	}
	if s.Inserts != 1 || s.Entries != 1 {
		t.Errorf("Stats = %+v, want the one insert and entry: these are always counted", s)
	}
	runtime.KeepAlive(v)
}

func TestStatsCountsInsertsAndDeletions(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		a, b := &record{id: 1}, &record{id: 2}
		for _, step := range []struct {
			call             string
			f                func()
			inserts, deletes uint64
		}{
			{"Store of an unbound key", func() { m.Store("k", a) }, 1, 0},
			{"Store over another value", func() { m.Store("k", b) }, 1, 1},
			{"Store of the bound value again", func() { m.Store("k", b) }, 1, 1},
			{"Swap for another value", func() { m.Swap("k", a) }, 1, 1},
			{"Swap for the bound value", func() { m.Swap("k", a) }, 1, 1},
			{"LoadOrStore that loads", func() { m.LoadOrStore("k", b) }, 0, 0},
			{"CompareAndSwap", func() { m.CompareAndSwap("k", a, b) }, 1, 1},
			{"CompareAndSwap that fails", func() { m.CompareAndSwap("k", a, b) }, 0, 0},
			{"Compute that returns another value", func() { m.Compute("k", func(*record) *record { return a }) }, 1, 1},
			{"Compute that returns current", func() { m.Compute("k", func(v *record) *record { return v }) }, 0, 0},
			{"Compute that returns nil", func() { m.Compute("k", func(*record) *record { return nil }) }, 0, 1},
			{"Compute that returns nil for nil", func() { m.Compute("k", func(*record) *record { return nil }) }, 0, 0},
			{"Compute of an unbound key", func() { m.Compute("k", func(*record) *record { return a }) }, 1, 0},
			{"CompareAndDelete that fails", func() { m.CompareAndDelete("k", b) }, 0, 0},
			{"CompareAndDelete", func() { m.CompareAndDelete("k", a) }, 0, 1},
			{"LoadOrStore that stores", func() { m.LoadOrStore("k", a) }, 1, 0},
			{"LoadAndDelete", func() { m.LoadAndDelete("k") }, 0, 1},
			{"Delete of an unbound key", func() { m.Delete("k") }, 0, 0},
			{"LoadOrCompute", func() { m.LoadOrCompute("k", func() (*record, error) { return a, nil }) }, 1, 0},
			{"Delete", func() { m.Delete("k") }, 0, 1},
			{"three Stores", func() { m.Store("x", a); m.Store("y", a); m.Store("z", a) }, 3, 0},
			{"DeleteFunc of one", func() { m.DeleteFunc(func(k string, _ *record) bool { return k == "y" }) }, 0, 1},
			{"Clear", m.Clear, 0, 2},
		} {
			before := m.Stats()
			step.f()
			after := m.Stats()
			if i, d := after.Inserts-before.Inserts, after.Deleted-before.Deleted; i != step.inserts || d != step.deletes {
				t.Errorf("%s counted %d inserts and %d deletions, want %d and %d", step.call, i, d, step.inserts, step.deletes)
			}
			if after.Inserts != after.Reaped+after.Deleted+uint64(after.Entries) || after.Entries != m.Len() {
				t.Errorf("after %s: %+v does not balance, Len = %d", step.call, after, m.Len())
			}
			if after.Reaped != 0 {
				t.Errorf("after %s: %+v reports reaped entries", step.call, after)
			}
		}
		runtime.KeepAlive(a)
		runtime.KeepAlive(b)
	})
}

func TestStatsPrintsAsOneLine(t *testing.T) {
	m := weakmap.Map[int, record]{Config: weakmap.Config{Stats: true, Retain: 1}}
	held := storeHeld(&m, 1, 2, 3)
	m.Delete(3)
	m.Load(1)
	m.Load(4)
	const want = "2 entries in 7 slots, 2 retained; 3 inserted, 0 reaped, 1 deleted; 1 hits, 1 misses, 0 of them of dead values"
	if got := m.Stats().String(); got != want {
		t.Errorf("Stats prints as %q, want %q", got, want)
	}
	runtime.KeepAlive(held)
}
