package suite

import (
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/go-weak/weakmap"
)

func TestKeyMapZeroValueIsEmptyAndFree(t *testing.T) {
	key := &record{}
	var m weakmap.KeyMap[record, int]
	zeroAllocs(t, "reading an unused KeyMap", func() {
		if _, ok := m.Load(key); ok {
			t.Error("Load of an empty map hits")
		}
		if _, ok := m.LoadAndDelete(key); ok {
			t.Error("LoadAndDelete of an empty map hits")
		}
		m.Delete(key)
		m.Clear()
		m.Range(func(*record, int) bool { t.Error("Range yields"); return true })
		if m.DeleteFunc(func(*record, int) bool { return true }) != 0 || m.Len() != 0 || m.Reap() != 0 {
			t.Error("an empty map is not empty")
		}
		if m.Stats() != (weakmap.Stats{}) {
			t.Error("Stats of an unused map are not zero")
		}
	})
	before := runtime.NumGoroutine()
	for range 100 {
		var m weakmap.KeyMap[record, int]
		m.Load(key)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines after reading unused maps, %d before", n, before)
	}
}

// Every method by its contract, in one walk.
func TestKeyMapMethods(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		a, b := &record{}, &record{} // Equal, but not the same.
		load := func(key *record, want int, wantOK bool) {
			t.Helper()
			if got, ok := m.Load(key); got != want || ok != wantOK {
				t.Errorf("Load = %d, %v, want %d, %v", got, ok, want, wantOK)
			}
		}
		load(a, 0, false)
		m.Store(a, 1)
		load(a, 1, true)
		load(b, 0, false)
		m.Store(a, 2)
		load(a, 2, true)
		if got, loaded := m.Swap(a, 3); got != 2 || !loaded {
			t.Errorf("Swap of a bound key = %d, %v", got, loaded)
		}
		if got, loaded := m.Swap(b, 6); got != 0 || loaded {
			t.Errorf("Swap of an unbound key = %d, %v", got, loaded)
		}
		load(b, 6, true)
		if got, loaded := m.LoadOrStore(a, 4); got != 3 || !loaded {
			t.Errorf("LoadOrStore of a bound key = %d, %v", got, loaded)
		}
		if got, loaded := m.LoadAndDelete(a); got != 3 || !loaded {
			t.Errorf("LoadAndDelete of a bound key = %d, %v", got, loaded)
		}
		if got, loaded := m.LoadAndDelete(a); got != 0 || loaded {
			t.Errorf("LoadAndDelete of an unbound key = %d, %v", got, loaded)
		}
		if got, loaded := m.LoadOrStore(a, 5); got != 5 || loaded {
			t.Errorf("LoadOrStore of an unbound key = %d, %v", got, loaded)
		}
		load(a, 5, true)
		m.Delete(a)
		m.Delete(a)
		load(a, 0, false)
		load(b, 6, true)
		if n := m.Len(); n != 1 {
			t.Errorf("Len = %d", n)
		}
		m.Clear()
		load(b, 0, false)
		if s := balanced(t, m); s.Entries != 0 || s.Inserts != 5 || s.Deleted != 5 || s.Reaped != 0 {
			t.Errorf("Stats = %+v", s)
		}
		m.Store(b, 7)
		load(b, 7, true)
		runtime.KeepAlive(a)
		runtime.KeepAlive(b)
	})
}

func TestKeyMapNilKey(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		key := &record{}
		for range 2 { // An unused map, then one in use.
			wantPanic(t, "weakmap: nil key", func() { m.Store(nil, 1) })
			wantPanic(t, "weakmap: nil key", func() { m.LoadOrStore(nil, 1) })
			wantPanic(t, "weakmap: nil key", func() { m.Swap(nil, 1) })
			wantPanic(t, "weakmap: nil key", func() {
				m.LoadOrCompute(nil, func() (int, error) { t.Error("compute called for a nil key"); return 1, nil })
			})
			wantPanic(t, "weakmap: nil key", func() {
				m.Compute(nil, func(int, bool) (int, bool) { t.Error("f called for a nil key"); return 1, true })
			})
			if _, ok := m.Load(nil); ok {
				t.Error("Load(nil) hits")
			}
			if _, ok := m.LoadAndDelete(nil); ok {
				t.Error("LoadAndDelete(nil) hits")
			}
			m.Delete(nil)
			m.Store(key, 7)
			if v, ok := m.Load(key); v != 7 || !ok || m.Len() != 1 {
				t.Errorf("after the panics: Load = %v, %v, Len = %d", v, ok, m.Len())
			}
		}
		balanced(t, m)
	})
}

func TestContainersNegativeSettingsPanic(t *testing.T) {
	for _, c := range []weakmap.Config{{Shards: -1}, {Capacity: -1}} {
		key := &record{}
		mustPanic(t, "KeyMap.Store", "weakmap: ", func() { (&weakmap.KeyMap[record, int]{Config: c}).Store(key, 1) })
		mustPanic(t, "Set.Add", "weakmap: ", func() { (&weakmap.Set[record]{Config: c}).Add(key) })
		mustPanic(t, "Interner.Intern", "weakmap: ", func() { (&weakmap.Interner[string]{Config: c}).Intern("x") })
	}
}

// A value is a value: nil, zero and what cannot be compared included.
func TestKeyMapStoresAnyValue(t *testing.T) {
	eachConfig(t, func(t *testing.T, c configuration) {
		key := &record{}
		pointers := weakmap.KeyMap[record, *record]{Config: c.config()}
		pointers.Store(key, nil)
		if v, ok := pointers.Load(key); v != nil || !ok {
			t.Errorf("a nil value loads as %v, %v", v, ok)
		}
		if v, loaded := pointers.LoadOrStore(key, key); v != nil || !loaded {
			t.Errorf("LoadOrStore over a nil value = %v, %v", v, loaded)
		}
		faces := weakmap.KeyMap[record, any]{Config: c.config()}
		faces.Store(key, func() {})
		faces.Swap(key, []int{})
		if v, loaded := faces.LoadAndDelete(key); v == nil || !loaded {
			t.Errorf("an interface loads as %v, %v", v, loaded)
		}
	})
}

func TestKeyMapCompute(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		key := &record{}
		compute := func(wantCurrent int, wantLoaded bool, next int, keep bool) {
			t.Helper()
			actual, ok := m.Compute(key, func(current int, loaded bool) (int, bool) {
				if current != wantCurrent || loaded != wantLoaded {
					t.Errorf("f(%v, %v), want f(%v, %v)", current, loaded, wantCurrent, wantLoaded)
				}
				return next, keep
			})
			if ok != keep || keep && actual != next {
				t.Errorf("Compute = %v, %v, want %v, %v", actual, ok, next, keep)
			}
			if v, ok := m.Load(key); ok != keep || keep && v != next {
				t.Errorf("Load after Compute = %v, %v, want %v, %v", v, ok, next, keep)
			}
		}
		compute(0, false, 0, false) // Nothing, and nothing made of it.
		if s := m.Stats(); s.Inserts != 0 || s.Deleted != 0 {
			t.Errorf("Stats after keeping nothing out: %+v", s)
		}
		compute(0, false, 0, true) // The zero value is one.
		compute(0, true, 5, true)
		compute(5, true, 5, true) // The same: nothing changes.
		if s := balanced(t, m); s.Inserts != 2 || s.Deleted != 1 {
			t.Errorf("Stats after two stores by Compute: %+v", s)
		}
		compute(5, true, 9, false)
		if s := balanced(t, m); s.Entries != 0 || s.Deleted != 2 {
			t.Errorf("Stats after a delete by Compute: %+v", s)
		}
		compute(0, false, 1, true)
		wantPanic(t, "mine", func() { m.Compute(key, func(int, bool) (int, bool) { panic("mine") }) })
		if v, ok := m.Load(key); v != 1 || !ok {
			t.Errorf("Load after a panic in f = %v, %v", v, ok)
		}
	})
}

// Compute holds no lock while f runs, so f may change the very binding: then it
// is called again with what is there. An implementation that does not look
// again loses an update; one that locks hangs.
func TestKeyMapComputeRunsAgain(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		key := &record{}
		for _, meanwhile := range []struct {
			do   func()
			left int // what f must see last
		}{
			{func() { m.Store(key, 100) }, 100},
			{func() { m.Store(key, 1) }, 1}, // The same value again: f need not notice.
			{func() { m.Delete(key) }, 0},
			{func() { m.Clear() }, 0},
			{func() { m.Compute(key, func(v int, _ bool) (int, bool) { return v + 1, true }) }, 2},
		} {
			for _, keep := range []bool{true, false} {
				m.Store(key, 1)
				calls, seen := 0, 0
				actual, ok := m.Compute(key, func(v int, loaded bool) (int, bool) {
					if calls++; calls == 1 {
						meanwhile.do()
					}
					seen = v
					return v + 1000, keep
				})
				if seen != meanwhile.left {
					t.Errorf("f saw %d last, when %d was bound", seen, meanwhile.left)
				}
				if v, bound := m.Load(key); bound != keep || ok != keep || keep && (v != actual || v != meanwhile.left+1000) {
					t.Errorf("Compute = %v, %v, Load = %v, %v", actual, ok, v, bound)
				}
			}
		}
		balanced(t, m)
	})
}

// Lost updates: increments by Compute add up.
func TestKeyMapComputeIsAtomic(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		keys := newRecords(3)
		const workers, rounds = 4, 500
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for i := range rounds {
					m.Compute(keys[i%len(keys)], func(n int, _ bool) (int, bool) { return n + 1, true })
				}
			})
		}
		wg.Wait()
		sum := 0
		for _, n := range m.All() {
			sum += n
		}
		if sum != workers*rounds {
			t.Errorf("%d increments left %d", workers*rounds, sum)
		}
		runtime.KeepAlive(keys)
	})
}

// Keys that lie within an record are keys of their own, and die with it.
func TestKeyMapInteriorPointers(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		array := new([10]record)
		slice := make([]record, 10)
		for i := range array {
			m.Store(&array[i], i)
			m.Store(&slice[i], 100+i)
		}
		runtime.GC()
		for i := range array {
			if v, ok := m.Load(&array[i]); v != i || !ok {
				t.Errorf("Load(&array[%d]) = %v, %v", i, v, ok)
			}
			if v, ok := m.Load(&slice[i]); v != 100+i || !ok {
				t.Errorf("Load(&slice[%d]) = %v, %v", i, v, ok)
			}
		}
		held := &array[7] // holds the whole array
		array, slice = nil, nil
		wantLen(t, m, 10)
		if v, ok := m.Load(held); v != 7 || !ok {
			t.Errorf("Load of the held element = %v, %v", v, ok)
		}
		held = nil
		wantLen(t, m, 0)
	})
}

// Two fields of one object are two keys.
func TestKeyMapFieldsAsKeys(t *testing.T) {
	type pair struct{ first, second record }
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		p := new(pair)
		m.Store(&p.first, 1)
		if _, ok := m.Load(&p.second); ok {
			t.Error("one field's binding is the other's")
		}
		m.Store(&p.second, 2)
		m.Delete(&p.first)
		if v, _ := m.Load(&p.second); v != 2 {
			t.Errorf("Load(&p.second) = %d", v)
		}
		runtime.KeepAlive(p)
	})
}

func TestKeyMapIterators(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		keys := newRecords(300)
		for i, k := range keys {
			m.Store(k, i)
		}
		seen := 0
		for k, v := range m.All() {
			if k != keys[v] {
				t.Fatalf("All yields %p, %d", k, v)
			}
			seen++
		}
		if seen != len(keys) {
			t.Errorf("All yields %d of %d", seen, len(keys))
		}
		once(t, "Keys", m.Keys(), keys...)
		values := slices.Sorted(m.Values())
		if len(values) != len(keys) || values[0] != 0 || values[len(values)-1] != len(keys)-1 || len(slices.Compact(values)) != len(keys) {
			t.Errorf("Values yields %d of %d", len(values), len(keys))
		}
		if got := maps.Collect(m.Range); len(got) != len(keys) {
			t.Errorf("Range yields %d of %d", len(got), len(keys))
		}
		for range m.All() {
			break
		}
		for range m.Keys() {
			break
		}
		for range m.Values() {
			break
		}
		yields := 0
		m.Range(func(*record, int) bool { yields++; return yields < 10 })
		if yields != 10 {
			t.Errorf("Range goes on after yield returned false: %d", yields)
		}
		runtime.KeepAlive(keys)
	})
}
