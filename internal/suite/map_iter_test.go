package suite

import (
	"iter"
	"runtime"
	"slices"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

func TestEveryIteratorYieldsEachBindingOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(300)...)
		check := func(what string, keys []int) {
			slices.Sort(keys)
			if !slices.Equal(keys, numbers(300)) {
				t.Errorf("%s yields %d keys, want each of the 300 once", what, len(keys))
			}
		}
		var ranged, all, keys, values []int
		m.Range(func(key int, value *record) bool {
			if value != held[key] {
				t.Errorf("Range yields %p under key %d, want %p", value, key, held[key])
			}
			ranged = append(ranged, key)
			return true
		})
		for key, value := range m.All() {
			if value != held[key] {
				t.Errorf("All yields %p under key %d, want %p", value, key, held[key])
			}
			all = append(all, key)
		}
		for key := range m.Keys() {
			keys = append(keys, key)
		}
		for value := range m.Values() {
			values = append(values, value.id)
		}
		check("Range", ranged)
		check("All", all)
		check("Keys", keys)
		check("Values", values)
		runtime.KeepAlive(held)
	})
}

func TestIterationOfAnEmptyMapYieldsNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		check := func(when string) {
			m.Range(func(int, *record) bool { t.Errorf("Range yields from %s", when); return true })
			for range m.All() {
				t.Errorf("All yields from %s", when)
			}
			for range m.Keys() {
				t.Errorf("Keys yields from %s", when)
			}
			for range m.Values() {
				t.Errorf("Values yields from %s", when)
			}
		}
		check("an unused map")
		held := storeHeld(m, numbers(20)...)
		m.Clear()
		check("a cleared map")
		runtime.KeepAlive(held)
	})
}

func TestIterationStopsWhenTold(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(100)...)
		n := 0
		m.Range(func(int, *record) bool { n++; return n < 7 })
		if n != 7 {
			t.Errorf("Range called its function %d times, want 7", n)
		}
		n = 0
		for range m.All() {
			if n++; n == 7 {
				break
			}
		}
		for range m.Keys() {
			if n++; n == 14 {
				break
			}
		}
		for range m.Values() {
			if n++; n == 21 {
				break
			}
		}
		if n != 21 {
			t.Errorf("three loops that stop after 7 ran %d times in all, want 21", n)
		}
		runtime.KeepAlive(held)
	})
}

func TestAnIteratorCanBeUsedAgain(t *testing.T) {
	m := newMap[int, record](configuration{hash: "builtin"})
	all := m.All() // made while the map is unused
	held := storeHeld(m, 1, 2)
	for round := range 3 {
		n := 0
		for range all {
			n++
		}
		if n != 2 {
			t.Errorf("round %d yields %d bindings, want 2", round, n)
		}
	}
	runtime.KeepAlive(held)
}

func TestADeadEntryIsNeverYielded(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		awaitDeath(t, storeDoomed(m, numbers(60)...))
		held := storeHeld(m, 100, 101)
		n := 0
		for key, value := range m.All() {
			n++
			if value == nil || key < 100 {
				t.Errorf("All yields dead key %d with %p", key, value)
			}
		}
		for key := range m.Keys() {
			if key < 100 {
				t.Errorf("Keys yields dead key %d", key)
			}
		}
		for value := range m.Values() {
			if value == nil {
				t.Error("Values yields nil")
			}
		}
		if n != 2 {
			t.Errorf("All yields %d bindings, want the 2 that are alive", n)
		}
		runtime.KeepAlive(held)
	})
}

// Every method is called from the body of an iteration. One that takes a lock which the
// iteration holds would hang.
func TestAnyMethodMayBeCalledFromAnIteration(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(50)...)
		fresh := &record{id: -1}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for key, value := range m.All() {
				if key >= 1000 {
					continue // made by this loop
				}
				useEveryMethod(m, key+1000, fresh)
				if got, ok := m.Load(key); !ok || got != value {
					t.Errorf("Load(%d) from the body = %p, %t, want %p, true", key, got, ok, value)
				}
				m.Delete(key)
			}
		}()
		await(t, "an iteration whose body uses the map ends", done)
		for key := range held {
			if _, ok := m.Load(key); ok {
				t.Errorf("key %d was not yielded, or not deleted from the body", key)
			}
		}
		runtime.KeepAlive(held)
		runtime.KeepAlive(fresh)
	})
}

// useEveryMethod calls every method of the map, and leaves key unbound.
func useEveryMethod(m *weakmap.Map[int, record], key int, v *record) {
	m.Store(key, v)
	m.Load(key)
	m.LoadOrStore(key, v)
	m.LoadOrCompute(key+500_000, func() (*record, error) { return v, nil })
	m.Swap(key, v)
	m.CompareAndSwap(key, v, v)
	m.Compute(key, func(*record) *record { return v })
	m.CompareAndDelete(key, v)
	m.LoadAndDelete(key)
	m.Delete(key + 500_000)
	m.DeleteFunc(func(k int, _ *record) bool { return k == key })
	m.Range(func(int, *record) bool { return false })
	for range m.Keys() {
		break
	}
	for range m.Values() {
		break
	}
	m.Len()
	m.Stats()
	m.Reap()
}

// The table grows and is rebuilt under the iteration. Following the new array from the old
// position would yield a key twice or skip one.
func TestGrowthDuringIterationNeitherRepeatsNorSkips(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		extra := 5000
		if c.collides() {
			extra = 300
		}
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(100)...)
		var more []*record
		seen := map[int]int{}
		for key := range m.All() {
			if seen[key]++; seen[key] > 1 {
				t.Fatalf("key %d yielded a second time", key)
			}
			if len(seen) == 10 {
				for i := range extra {
					v := &record{id: i}
					more = append(more, v)
					m.Store(1000+i, v)
				}
			}
		}
		for key := range held {
			if seen[key] != 1 {
				t.Errorf("key %d, bound and held throughout, yielded %d times", key, seen[key])
			}
		}
		runtime.KeepAlive(held)
		runtime.KeepAlive(more)
	})
}

func TestShrinkageDuringIterationNeitherRepeatsNorSkips(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		n := scaled(40_000)
		m := newMap[int, record](c)
		handles := storeDoomed(m, numbers(n)...)
		held := storeHeld(m, numbers(100)...) // these replace the first hundred
		seen := map[int]int{}
		for key := range m.All() {
			if seen[key]++; seen[key] > 1 {
				t.Fatalf("key %d yielded a second time", key)
			}
			if len(seen) == 10 {
				awaitDeath(t, handles)
				m.Reap()
			}
		}
		for key := range held {
			if seen[key] != 1 {
				t.Errorf("key %d, bound and held throughout, yielded %d times", key, seen[key])
			}
		}
		runtime.KeepAlive(held)
	})
}

func TestReplacingDuringIterationYieldsEachKeyOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(100)...)
		fresh := make([]*record, 100)
		for i := range fresh {
			fresh[i] = &record{id: i}
		}
		seen := map[int]int{}
		for key, value := range m.All() {
			if value != held[key] && value != fresh[key] {
				t.Errorf("All yields %p under key %d: a value of another key", value, key)
			}
			if seen[key]++; seen[key] > 1 {
				t.Fatalf("key %d yielded a second time", key)
			}
			m.Store(key, fresh[key])
			m.Delete((key + 50) % 100)
			m.Store((key+50)%100, fresh[(key+50)%100])
		}
		if n := m.Len(); n != 100 {
			t.Errorf("Len = %d, want 100", n)
		}
		runtime.KeepAlive(held)
		runtime.KeepAlive(fresh)
	})
}

// A snapshot of strong pointers would keep every value alive while the body runs.
func TestAnIterationKeepsNoValueButTheOneItYielded(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		handles := storeDoomed(m, numbers(200)...)
		var next func() (int, *record, bool)
		var stop func()
		var yielded int
		var current weak.Pointer[record]
		elsewhere(func() {
			next, stop = iter.Pull2(m.All())
			key, v, ok := next()
			if !ok {
				return // a collection came between: nothing is left to check
			}
			yielded, current = key, weak.Make(v)
		})
		eventually(t, "every value but the one that the suspended iteration yielded is dead", func() bool {
			for key, h := range handles {
				if h.Value() != nil && (key != yielded || h != current) {
					return false
				}
			}
			return true
		})
		elsewhere(stop)
		eventually(t, "the map is empty after the iteration", func() bool { return m.Len() == 0 })
	})
}
