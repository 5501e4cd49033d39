package suite

import (
	"iter"
	"runtime"
	"strconv"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// Keys and elements of unusual kinds, and settings and uses off the common path.

var global, global2 record

// Some objects never die, or not for sure, as they share memory or belong to the program. They
// are keys and elements all the same, and Settle does not wait for them.
func TestOddKeys(t *testing.T) {
	t.Run("global", func(t *testing.T) { oddKeys(t, &global, &global2) })
	t.Run("byte", func(t *testing.T) { oddKeys(t, new(byte), new(byte)) })
	t.Run("empty struct", func(t *testing.T) { oddKeys(t, new(struct{})) })
	t.Run("element", func(t *testing.T) {
		array := new([4]byte)
		oddKeys(t, &array[0], &array[3])
	})
	local := [2]record{}
	t.Run("local", func(t *testing.T) { oddKeys(t, &local[0], &local[1]) })
}

func oddKeys[K any](t *testing.T, keys ...*K) {
	eachKeying(t, func(t *testing.T, c configuration) {
		m, s := newKeyMap[K, int](c), newSet[K](c)
		for range 2 {
			for i, key := range keys {
				if m.Store(key, i); !s.Add(key) {
					t.Errorf("Add(key %d) = false", i)
				}
			}
			settle(t)
			for i, key := range keys {
				if v, ok := m.Load(key); v != i || !ok || !s.Contains(key) {
					t.Errorf("Load(key %d) = %v, %v, Contains = %v", i, v, ok, s.Contains(key))
				}
			}
			if m.Len() != len(keys) || s.Len() != len(keys) {
				t.Errorf("Len = %d and %d, want %d", m.Len(), s.Len(), len(keys))
			}
			for i, key := range keys {
				if v, ok := m.LoadAndDelete(key); v != i || !ok || !s.Remove(key) {
					t.Errorf("LoadAndDelete(key %d) = %v, %v", i, v, ok)
				}
			}
		}
		balanced(t, m)
		balanced(t, s)
		runtime.KeepAlive(keys)
	})
}

func TestContainersCapacity(t *testing.T) {
	const n = 5000
	eachConfig(t, func(t *testing.T, c configuration) {
		config := c.config()
		config.Capacity = n
		keys := newRecords(n)
		m := &weakmap.KeyMap[record, int]{Config: config}
		s := &weakmap.Set[record]{Config: config}
		in := &weakmap.Interner[string]{Config: config}
		var held []*string
		for i, key := range keys {
			m.Store(key, i)
			s.Add(key)
			if held = append(held, in.Intern(strconv.Itoa(i))); i == 0 || i == n-1 {
				for name, c := range map[string]container{"KeyMap": m, "Set": s, "Interner": in} {
					if got := c.Stats().Capacity; got < n {
						t.Errorf("%s: Capacity = %d after %d insertions, want %d or more", name, got, i+1, n)
					}
				}
			}
		}
		runtime.KeepAlive(keys)
		runtime.KeepAlive(held)
	})
}

// An iteration that stands still keeps what it yielded last and nothing else alive.
func TestPausedIterationsKeepNothing(t *testing.T) {
	eachKeying(t, func(t *testing.T, c configuration) {
		m := newKeyMap[record, int](c)
		a, b := newSet[record](c), newSet[record](c)
		in := &weakmap.Interner[record]{Config: c.config()}
		for name, seq := range map[string]iter.Seq[*record]{
			"KeyMap.Keys": m.Keys(), "Set.All": a.All(), "Interner.All": in.All(),
			"Union": weakmap.Union(a, b), "Intersection": weakmap.Intersection(a, b),
			"Difference": weakmap.Difference(a, b), "SymmetricDifference": weakmap.SymmetricDifference(b, a),
		} {
			var handles []weak.Pointer[record]
			stay := func() {}
			elsewhere(func() {
				records := newRecords(200)
				var interned []*record
				for i, r := range records {
					r.link = &record{} // no two are equal
					m.Store(r, i)
					if a.Add(r); name == "Intersection" {
						b.Add(r)
					}
					p := in.Intern(*r)
					handles, interned = append(handles, weak.Make(r), weak.Make(p)), append(interned, p)
				}
				next, stop := iter.Pull(seq)
				for range 2 {
					if _, ok := next(); !ok {
						t.Errorf("%s ends early", name)
					}
				}
				stay = stop
				runtime.KeepAlive(records)
				runtime.KeepAlive(interned)
			})
			eventually(t, "no more than one object is alive while "+name+" stands still", func() bool {
				alive := 0
				for _, h := range handles {
					if h.Value() != nil {
						alive++
					}
				}
				return alive <= 1
			})
			stay()
			for name, c := range map[string]container{"KeyMap": m, "Set": a, "other Set": b, "Interner": in} {
				eventually(t, name+" is empty", func() bool { return c.Len() == 0 })
			}
		}
	})
}

// Deleting one by one leaves no room that was once needed, and many keys that come and go by
// hand need no more room than those that are there at a time.
func TestCapacityWithoutDeaths(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := &weakmap.KeyMap[record, int]{Config: c.config()}
		keys := newRecords(40_000)
		for _, key := range keys {
			m.Store(key, 1)
			m.Delete(key)
		}
		if c := m.Stats().Capacity; c > 8192 {
			t.Errorf("Capacity = %d after keys that came and went", c)
		}
		for _, key := range keys {
			m.Store(key, 1)
		}
		full := m.Stats().Capacity
		for _, key := range keys[10:] {
			m.Delete(key)
		}
		wantShrunk(t, m, full)
		once(t, "Keys", m.Keys(), keys[:10]...)
		if n := m.DeleteFunc(func(*record, int) bool { return true }); n != 10 {
			t.Errorf("DeleteFunc = %d", n)
		}
		runtime.KeepAlive(keys)
	})
}
