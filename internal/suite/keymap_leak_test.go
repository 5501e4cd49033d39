package suite

import (
	"runtime"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// Lookups and deletes of keys allocate nothing, whether they hit or not.
func TestKeyMapLookupsDoNotAllocate(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		keys, stranger := newRecords(1500), &record{}
		defer runtime.KeepAlive(keys)
		for i, k := range keys {
			m.Store(k, i)
		}
		key := keys[0]
		zeroAllocs(t, "Load, hit", func() { m.Load(key) })
		zeroAllocs(t, "Load, miss", func() { m.Load(stranger) })
		zeroAllocs(t, "Load of nil", func() { m.Load(nil) })
		zeroAllocs(t, "LoadOrStore, hit", func() { m.LoadOrStore(key, 1) })
		compute := func() (int, error) { return 1, nil }
		zeroAllocs(t, "LoadOrCompute, hit", func() { m.LoadOrCompute(key, compute) })
		if crowds(m.Hasher) {
			return
		}
		zeroAllocs(t, "Delete, miss", func() { m.Delete(stranger) })
		zeroAllocs(t, "LoadAndDelete, miss", func() { m.LoadAndDelete(stranger) })
		zeroAllocs(t, "Len", func() { m.Len() })
		next := 0 // of those that stay: too few deletes for the table to shrink
		zeroAllocs(t, "Delete, hit", func() { m.Delete(keys[next]); next++ })
		if n := m.Len(); n != len(keys)-1001 {
			t.Errorf("Len = %d after 1001 deletes", n)
		}
	})
}

// With the counters on, too.
func TestKeyMapCountsHitsAndMisses(t *testing.T) {
	eachKeying(t, func(t *testing.T, c configuration) {
		config := c.config()
		config.Stats = true
		m := &weakmap.KeyMap[record, int]{Config: config, Hasher: hasherOf[record](c)}
		keys, stranger := newRecords(2), &record{}
		m.Load(keys[0])
		m.Store(keys[0], 1)
		m.Load(keys[0])
		m.Load(keys[1])
		m.LoadOrStore(keys[0], 2)
		m.LoadOrCompute(keys[0], func() (int, error) { return 3, nil })
		m.LoadOrCompute(keys[1], func() (int, error) { return 3, nil })
		m.Delete(keys[1])
		m.LoadOrStore(keys[1], 4)
		if s := m.Stats(); s.Hits != 3 || s.Misses != 4 {
			t.Errorf("Stats = %+v, want 3 hits and 4 misses", s)
		}
		zeroAllocs(t, "Load, hit", func() { m.Load(keys[0]) })
		zeroAllocs(t, "Load, miss", func() { m.Load(stranger) })
		runtime.KeepAlive(keys)

		silent := newKeyMap[record, int](c)
		silent.Store(keys[0], 1)
		silent.Load(keys[0])
		silent.Load(keys[1])
		if s := silent.Stats(); s.Hits != 0 || s.Misses != 0 {
			t.Errorf("Stats = %+v without Config.Stats", s)
		}
	})
}

// Looking up and deleting a million objects that are no keys leaves nothing behind,
// on the heap or off it. A weak.Make for each would leave 40 MB of specials.
func TestStrangersLeaveNoTrace(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n /= 10
	}
	strangers := newRecords(n)
	for _, r := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		t.Run("reclaim="+r.String(), func(t *testing.T) {
			m := weakmap.KeyMap[record, int]{Config: weakmap.Config{Reclaim: r}}
			s := weakmap.Set[record]{Config: weakmap.Config{Reclaim: r}}
			members := newRecords(1000)
			for _, k := range members {
				m.Store(k, 1)
				s.Add(k)
			}
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for _, k := range strangers {
				_, loaded := m.Load(k)
				_, deleted := m.LoadAndDelete(k)
				m.Delete(k)
				if loaded || deleted || s.Contains(k) || s.Remove(k) {
					t.Fatal("a stranger was found")
				}
			}
			runtime.ReadMemStats(&after)
			if got := after.Mallocs - before.Mallocs; got > uint64(n)/1000 {
				t.Errorf("%d allocations", got)
			}
			if grown := int64(after.OtherSys - before.OtherSys); grown > 1<<20 {
				t.Errorf("the runtime's own memory grew by %d bytes", grown)
			}
			if m.Len() != len(members) || s.Len() != len(members) {
				t.Errorf("Len = %d and %d, want %d", m.Len(), s.Len(), len(members))
			}
			runtime.KeepAlive(members)
		})
	}
	runtime.KeepAlive(strangers)
}

// Storing under one key again and again costs nothing lasting: no cleanup stays
// with the key, no journal grows.
func TestKeyMapStoringAgainLeavesNoTrace(t *testing.T) {
	rounds := 200_000
	if testing.Short() {
		rounds /= 10
	}
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		key := &record{}
		m.Store(key, 0)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		for i := range rounds / 4 {
			m.Store(key, i)
			m.Delete(key)
			m.Compute(key, func(int, bool) (int, bool) { return i, true })
			m.Swap(key, i)
		}
		settle(t)
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		if grown := int64(after.OtherSys - before.OtherSys); grown > 1<<20 {
			t.Errorf("the runtime's own memory grew by %d bytes", grown)
		}
		wantLen(t, m, 1)
		runtime.KeepAlive(key)
	})
}

// However an entry leaves, its value is let go with it, although the key and
// the map live on; a dead key's value goes without a further operation.
func TestKeyMapLetsValuesGo(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, *record]) {
		rest := newRecords(50) // so that no array or chunk goes as a whole
		for _, k := range rest {
			m.Store(k, nil)
		}
		for _, leave := range []struct {
			how string
			f   func(*record)
		}{
			{"Delete", func(k *record) { m.Delete(k) }},
			{"LoadAndDelete", func(k *record) { m.LoadAndDelete(k) }},
			{"Store", func(k *record) { m.Store(k, nil) }},
			{"Swap", func(k *record) { m.Swap(k, nil) }},
			{"Compute", func(k *record) { m.Compute(k, func(*record, bool) (*record, bool) { return nil, false }) }},
			{"DeleteFunc", func(*record) { m.DeleteFunc(func(_, v *record) bool { return v != nil }) }},
			{"LoadOrStore of another", func(k *record) {
				m.Delete(k)
				m.LoadOrStore(k, nil)
			}},
			{"a break in All", func(k *record) {
				for range m.All() {
					break
				}
				m.Delete(k)
			}},
			{"Clear", func(*record) { m.Clear() }},
		} {
			key := &record{}
			w := func() weak.Pointer[record] {
				v := new(record)
				m.Store(key, v)
				return weak.Make(v)
			}()
			leave.f(key)
			eventually(t, "the value goes after "+leave.how, func() bool { return w.Value() == nil })
			runtime.KeepAlive(key)
		}
		w := func() weak.Pointer[record] {
			v := new(record)
			m.Store(&record{}, v)
			return weak.Make(v)
		}()
		eventually(t, "the value goes when its key has died", func() bool { return w.Value() == nil })
		runtime.KeepAlive(rest)
	})
}

// A dropped map is collected, values and all, while its keys live on.
func TestKeyMapDropped(t *testing.T) {
	eachConfig(t, func(t *testing.T, c configuration) {
		keys := newRecords(100)
		type testMap = weakmap.KeyMap[record, *record]
		m, values := func() (weak.Pointer[testMap], []weak.Pointer[record]) {
			m := &testMap{Config: c.config(), OnReap: func(*record) { t.Error("OnReap after the map itself was collected") }}
			var values []weak.Pointer[record]
			for _, k := range keys {
				v := new(record)
				m.Store(k, v)
				values = append(values, weak.Make(v))
			}
			m.Delete(keys[0])
			return weak.Make(m), values
		}()
		eventually(t, "a dropped map is collected", func() bool { return m.Value() == nil })
		for _, v := range values {
			eventually(t, "a dropped map's values are collected", func() bool { return v.Value() == nil })
		}
		runtime.KeepAlive(keys)
		keys = nil
		settle(t) // Had it been reported, OnReap would have been called by now.
	})
}

// A map whose value reaches it, or whose value reaches its key, goes too.
func TestKeyMapDroppedWithCycle(t *testing.T) {
	eachKeying(t, func(t *testing.T, c configuration) {
		key := &record{}
		m, own := func() (weak.Pointer[weakmap.KeyMap[record, any]], weak.Pointer[record]) {
			m := newKeyMap[record, any](c)
			m.Store(key, m)
			own := &record{}
			m.Store(own, own)
			return weak.Make(m), weak.Make(own)
		}()
		eventually(t, "a dropped map that is its own value is collected", func() bool { return m.Value() == nil })
		eventually(t, "and so is the key that its value reached", func() bool { return own.Value() == nil })
		runtime.KeepAlive(key)
	})
}

func TestKeyMapShrinks(t *testing.T) {
	for _, r := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		t.Run("reclaim="+r.String(), func(t *testing.T) {
			m := &weakmap.KeyMap[record, int]{Config: weakmap.Config{Reclaim: r}}
			keys := newRecords(70_000)
			for i, k := range keys {
				m.Store(k, i)
			}
			full := m.Stats().Capacity
			if full < len(keys) {
				t.Errorf("Capacity = %d with %d entries", full, len(keys))
			}
			held := keys[:10]
			keys = append([]*record(nil), held...)
			wantLen(t, m, len(held))
			wantShrunk(t, m, full)
			runtime.KeepAlive(keys)
		})
	}
}
