package suite

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

func TestKeyMapEntriesGoWithTheirKeys(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		held := bindHeld(m, numbers(50)...)
		bindDoomed(m, numbers(50)...)
		wantLen(t, m, len(held))
		for i, key := range held {
			if v, ok := m.Load(key); v != i || !ok {
				t.Errorf("Load of a held key = %v, %v, want %d", v, ok, i)
			}
		}
		once(t, "Keys", m.Keys(), held...)
		if s := balanced(t, m); s.Inserts != 100 || s.Reaped != 50 || s.Deleted != 0 {
			t.Errorf("Stats = %+v", s)
		}
		runtime.KeepAlive(held)
		held = nil
		wantLen(t, m, 0)
		if s := balanced(t, m); s.Reaped != 100 {
			t.Errorf("Stats = %+v", s)
		}
	})
}

// What is dead and still has an entry counts in Len and is seen nowhere else. Reap removes it
// without a collection, and says how much that was.
func TestKeyMapDeadEntriesAreNotSeen(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		release := stallCleanups(t)
		held := bindHeld(m, numbers(50)...)
		awaitDeath(t, bindDoomed(m, slices.Repeat([]int{-1}, 50)...))
		before := m.Len()
		once(t, "Keys", m.Keys(), held...)
		for key, v := range m.All() {
			if key == nil || v == -1 {
				t.Errorf("All yields %p, %d", key, v)
			}
		}
		for v := range m.Values() {
			if v == -1 {
				t.Error("Values yields a dead key's")
			}
		}
		m.DeleteFunc(func(key *record, v int) bool {
			if key == nil || v == -1 {
				t.Errorf("DeleteFunc asks about %p, %d", key, v)
			}
			return false
		})
		if s := m.Stats(); before != 100-int(s.Reaped) {
			t.Errorf("Len = %d, Stats = %+v", before, s)
		}
		before = m.Len()
		if n := m.Reap(); n != before-50 || n == 0 {
			t.Errorf("Reap = %d with %d entries, 50 of them live", n, before)
		}
		if n := m.Len(); n != 50 {
			t.Errorf("Len = %d after Reap", n)
		}
		if n := m.Reap(); n != 0 {
			t.Errorf("a second Reap = %d", n)
		}
		release()
		settle(t)
		if s := balanced(t, m); s.Entries != 50 || s.Reaped != 50 || s.Deleted != 0 {
			t.Errorf("Stats = %+v", s)
		}
		runtime.KeepAlive(held)
	})
}

// OnReap gets the value of each entry whose key died, once; none of those that a caller
// removed. Calls never overlap, and may use the map.
func TestKeyMapOnReap(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		var mu sync.Mutex
		var got []int
		var running atomic.Int32
		extra := &record{}
		m.OnReap = func(v int) {
			if running.Add(1) != 1 {
				t.Error("two calls of OnReap at a time")
			}
			m.Store(extra, -1)
			m.Load(extra)
			m.Reap()
			runtime.Gosched()
			mu.Lock()
			got = append(got, v)
			mu.Unlock()
			running.Add(-1)
		}
		m.Store(extra, -1)
		want := numbers(50)
		bindDoomed(m, want...)
		held := bindHeld(m, numbers(40)...)
		for i, key := range held {
			switch {
			case i < 10: // What was replaced is not reported, but what replaced it.
				m.Swap(key, 100+i)
				want = append(want, 100+i)
			case i < 20: // What was deleted is not.
				m.Delete(key)
			default:
				want = append(want, i)
			}
		}
		wantLen(t, m, 31)
		runtime.KeepAlive(held)
		held = nil
		wantLen(t, m, 1)
		settle(t)
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("OnReap got %v, want %v", got, want)
		}
		if s := balanced(t, m); s.Reaped != uint64(len(want)) {
			t.Errorf("%d calls of OnReap, Stats = %+v", len(want), s)
		}
		runtime.KeepAlive(extra)
	})
}

// A dead entry counts as reaped and is reported whatever removes it: here Clear, and growth.
func TestKeyMapOnReapWhoeverRemoves(t *testing.T) {
	for name, remove := range map[string]func(m *weakmap.KeyMap[record, int], held []*record){
		"Clear": func(m *weakmap.KeyMap[record, int], _ []*record) { m.Clear() },
		"growth": func(m *weakmap.KeyMap[record, int], held []*record) {
			for i, key := range held {
				m.Store(key, i)
			}
			m.Clear()
		},
		"Reap": func(m *weakmap.KeyMap[record, int], _ []*record) { m.Reap(); m.Clear() },
	} {
		t.Run(name, func(t *testing.T) {
			eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
				var calls, wrong atomic.Int64
				m.OnReap = func(v int) {
					if calls.Add(1); v != -1 {
						wrong.Add(1)
					}
				}
				release := stallCleanups(t)
				held, late := bindHeld(m, numbers(50)...), newRecords(500)
				awaitDeath(t, bindDoomed(m, slices.Repeat([]int{-1}, 50)...))
				remove(m, late)
				if s := m.Stats(); s.Entries != 0 || s.Reaped != 50 || s.Deleted != s.Inserts-50 {
					t.Errorf("Stats = %+v, want 50 reaped, the rest deleted", s)
				}
				release()
				settle(t)
				if calls.Load() != 50 || wrong.Load() != 0 {
					t.Errorf("%d calls of OnReap, %d of them with a live key's value; want 50, 0", calls.Load(), wrong.Load())
				}
				runtime.KeepAlive(held)
				runtime.KeepAlive(late)
			})
		})
	}
}

// Catches a lookup by address that does not ask whether the entry is of this very object: it
// hits, deletes or replaces what was bound to a dead one.
func TestKeyMapReusedAddressDoesNotMatch(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		store := func(r *record) { m.Store(r, -1) }
		atReusedAddresses(t, crowds(m.Hasher), store, m.Len, m.Reap, func(r *record) {
			if v, ok := m.Load(r); ok {
				t.Fatalf("a new object hits: %d", v)
			}
			if v, ok := m.LoadAndDelete(r); ok {
				t.Fatalf("a new object deletes: %d", v)
			}
			m.Delete(r)
			switch r.id % 3 {
			case 0:
				if v, loaded := m.Swap(r, r.id); loaded {
					t.Fatalf("Swap of a new object replaces %d", v)
				}
			case 1:
				if v, loaded := m.LoadOrStore(r, r.id); loaded {
					t.Fatalf("LoadOrStore of a new object loads %d", v)
				}
			case 2:
				m.Compute(r, func(v int, loaded bool) (int, bool) {
					if loaded {
						t.Errorf("Compute of a new object loads %d", v)
					}
					return r.id, true
				})
			}
			if v, ok := m.Load(r); v != r.id || !ok {
				t.Fatalf("Load after a store = %v, %v, want %d", v, ok, r.id)
			}
			m.Delete(r)
		})
		if s := balanced(t, m); s.Deleted != s.Inserts/3*2 || s.Reaped != s.Inserts/3 {
			t.Errorf("Stats = %+v: want a third reaped, two thirds deleted", s)
		}
	})
}

// Catches a reaper that removes by address: the newcomer's entry goes with that of the dead
// object whose address it has.
func TestKeyMapReusedAddressIsNotReaped(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		var newcomers []*record
		dead := func() int { return m.Len() - len(newcomers) }
		atReusedAddresses(t, crowds(m.Hasher), func(r *record) { m.Store(r, -1) }, dead, func() int { return 0 }, func(r *record) {
			newcomers = append(newcomers, r)
			m.Store(r, len(newcomers))
		})
		check := func() {
			for i, r := range newcomers {
				if v, ok := m.Load(r); v != i+1 || !ok {
					t.Fatalf("Load(newcomer %d) = %v, %v", i+1, v, ok)
				}
			}
		}
		m.Reap()
		check()
		wantLen(t, m, len(newcomers))
		check()
	})
}

// A finalizer brings a key back at its old address. To the map it is dead, as its weak pointers
// are: its entry is not seen again, and it can be stored again. Catches a lookup that compares
// addresses only.
func TestKeyMapResurrectedKeyIsAStranger(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		release := stallCleanups(t)
		back := make(chan *record, 1)
		elsewhere(func() {
			key := &record{}
			m.Store(key, 1)
			runtime.SetFinalizer(key, func(key *record) { back <- key })
		})
		var key *record
		eventually(t, "the finalizer runs", func() bool {
			select {
			case key = <-back:
				return true
			default:
				return false
			}
		})
		if v, ok := m.Load(key); ok {
			t.Errorf("Load of a resurrected key = %v", v)
		}
		if v, loaded := m.Swap(key, 2); loaded {
			t.Errorf("Swap of a resurrected key replaces %v", v)
		}
		release()
		settle(t) // PerValue alone leaves the dead entry until the object is gone for good.
		wantLen(t, m, 1)
		if v, ok := m.Load(key); v != 2 || !ok {
			t.Errorf("Load of a key stored again = %v, %v", v, ok)
		}
		runtime.KeepAlive(key)
		key = nil
		wantLen(t, m, 0)
	})
}

// What the type's doc says first: no ephemerons.
func TestKeyMapValueThatReachesItsKeyKeepsBoth(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, *record]) {
		var keys []weak.Pointer[record]
		elsewhere(func() {
			direct, indirect := &record{id: 1}, &record{id: 2}
			m.Store(direct, direct)
			m.Store(indirect, &record{link: indirect})
			keys = []weak.Pointer[record]{weak.Make(direct), weak.Make(indirect)}
		})
		for range 3 {
			settle(t)
		}
		if n := m.Len(); n != 2 {
			t.Errorf("Len = %d", n)
		}
		for _, key := range keys {
			if key.Value() == nil {
				t.Fatal("a key died although its value reaches it and the map lives")
			}
			m.Delete(key.Value())
		}
		awaitDeath(t, keys)
		wantLen(t, m, 0)
	})
}
