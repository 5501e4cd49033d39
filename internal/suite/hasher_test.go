package suite

import (
	"hash/maphash"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// KeyMap and Set with a Hasher: what is found by what, and which object is bound. The tests of
// eachKeying show that the containers keep their other promises with one.

// A schema is compared by its fields.
type schema struct {
	fields []string
	id     int
}

func newSchema(id int, fields ...string) *schema { return &schema{fields, id} }

// byFields has each test choose how bad its hashes are.
type byFields struct{ hash string }

func (b byFields) Hash(h *maphash.Hash, s *schema) {
	switch b.hash {
	case "builtin":
		for _, f := range s.fields {
			maphash.WriteComparable(h, f)
		}
	case "4bits":
		h.WriteByte(byte(len(s.fields[0])) & 3)
	}
}

func (byFields) Equal(x, y *schema) bool { return slices.Equal(x.fields, y.fields) }

// eachSchema runs a test in every configuration with an unused KeyMap and Set of schemas.
func eachSchema(t *testing.T, test func(t *testing.T, m *weakmap.KeyMap[schema, int], s *weakmap.Set[schema])) {
	t.Helper()
	everywhere(t, func(t *testing.T, c configuration) {
		m := &weakmap.KeyMap[schema, int]{Config: c.config(), Hasher: byFields{c.hash}}
		s := &weakmap.Set[schema]{Config: c.config(), Hasher: byFields{c.hash}}
		test(t, m, s)
		runtime.KeepAlive(m)
		runtime.KeepAlive(s)
	})
}

// Which of two equal objects is bound, method by method.
func TestKeyMapBindsTheKeyOf(t *testing.T) {
	stores := map[string]struct {
		last bool // whether the key of the later call is bound
		f    func(m *weakmap.KeyMap[schema, int], key *schema, v int)
	}{
		"Store": {true, func(m *weakmap.KeyMap[schema, int], key *schema, v int) { m.Store(key, v) }},
		"Swap":  {true, func(m *weakmap.KeyMap[schema, int], key *schema, v int) { m.Swap(key, v) }},
		"Compute": {true, func(m *weakmap.KeyMap[schema, int], key *schema, v int) {
			m.Compute(key, func(int, bool) (int, bool) { return v, true })
		}},
		"Compute, the same value": {true, func(m *weakmap.KeyMap[schema, int], key *schema, v int) {
			m.Compute(key, func(current int, loaded bool) (int, bool) {
				if loaded {
					return current, true
				}
				return v, true
			})
		}},
		"LoadOrStore": {false, func(m *weakmap.KeyMap[schema, int], key *schema, v int) { m.LoadOrStore(key, v) }},
		"LoadOrCompute": {false, func(m *weakmap.KeyMap[schema, int], key *schema, v int) {
			_, _, _ = m.LoadOrCompute(key, func() (int, error) { return v, nil })
		}},
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			eachSchema(t, func(t *testing.T, m *weakmap.KeyMap[schema, int], _ *weakmap.Set[schema]) {
				first, second, probe := newSchema(1, "a", "b"), newSchema(2, "a", "b"), newSchema(3, "a", "b")
				store.f(m, first, 10)
				if bound, v, ok := m.LoadKey(probe); bound != first || v != 10 || !ok {
					t.Errorf("LoadKey = %v, %d, %v, want the first", bound, v, ok)
				}
				store.f(m, second, 20)
				want, value := first, 10
				if store.last {
					want = second
					if name != "Compute, the same value" {
						value = 20
					}
				}
				for _, key := range []*schema{first, second, probe} {
					if bound, v, ok := m.LoadKey(key); bound != want || v != value || !ok {
						t.Errorf("LoadKey(%d) = %v, %d, %v, want key %d and %d", key.id, bound, v, ok, want.id, value)
					}
				}
				if n := m.Len(); n != 1 {
					t.Errorf("Len = %d, want 1", n)
				}
				// The entry lives as long as that object.
				other := weak.Make(first)
				if want == first {
					other = weak.Make(second)
					first, second = second, first
				}
				first = nil
				eventually(t, "the other object is gone", func() bool { return other.Value() == nil })
				if bound, v, ok := m.LoadKey(probe); bound != second || v != value || !ok {
					t.Errorf("when the other is gone, LoadKey = %v, %d, %v", bound, v, ok)
				}
				runtime.KeepAlive(second)
				second, want = nil, nil
				wantLen(t, m, 0)
				if bound, v, ok := m.LoadKey(probe); ok || bound != nil || v != 0 {
					t.Errorf("when the key is gone, LoadKey = %v, %d, %v", bound, v, ok)
				}
			})
		})
	}
}

// Every method of a KeyMap, each time by another object than the one that is bound.
func TestKeyMapMethodsWithAHasher(t *testing.T) {
	eachSchema(t, func(t *testing.T, m *weakmap.KeyMap[schema, int], _ *weakmap.Set[schema]) {
		a, b := func() *schema { return newSchema(0, "a") }, func() *schema { return newSchema(0, "bb", "c") }
		var held []*schema
		hold := func(s *schema) *schema { held = append(held, s); return s }
		is := func(what string, v int, ok bool, want int, wantOK bool) {
			t.Helper()
			if v != want || ok != wantOK {
				t.Errorf("%s = %d, %v, want %d, %v", what, v, ok, want, wantOK)
			}
		}
		load := func(what string, key *schema, want int, wantOK bool) {
			t.Helper()
			v, ok := m.Load(key)
			is("Load "+what, v, ok, want, wantOK)
		}
		load("of an unused map", a(), 0, false)
		m.Delete(a())
		m.Store(hold(a()), 1)
		load("after Store", a(), 1, true)
		load("of another", b(), 0, false)
		v, ok := m.Swap(hold(a()), 2)
		is("Swap", v, ok, 1, true)
		v, ok = m.LoadOrStore(a(), 3)
		is("LoadOrStore", v, ok, 2, true)
		v, ok = m.LoadOrStore(hold(b()), 3)
		is("LoadOrStore of another", v, ok, 3, false)
		v, ok, err := m.LoadOrCompute(b(), func() (int, error) { return 4, nil })
		if is("LoadOrCompute", v, ok, 3, true); err != nil {
			t.Error(err)
		}
		v, ok = m.Compute(hold(b()), func(v int, loaded bool) (int, bool) {
			is("Compute's argument", v, loaded, 3, true)
			return 5, true
		})
		is("Compute", v, ok, 5, true)
		v, ok = m.Compute(b(), func(v int, loaded bool) (int, bool) { return 6, false })
		is("Compute that deletes", v, ok, 0, false)
		load("after that", b(), 0, false)
		v, ok = m.LoadAndDelete(a())
		is("LoadAndDelete", v, ok, 2, true)
		v, ok = m.LoadAndDelete(a())
		is("LoadAndDelete again", v, ok, 0, false)
		m.Store(hold(a()), 7)
		m.Delete(a())
		load("after Delete", a(), 0, false)
		m.Store(hold(a()), 8)
		m.Store(hold(b()), 9)
		if n := m.DeleteFunc(func(key *schema, v int) bool { return v == 8 && key.fields[0] == "a" }); n != 1 {
			t.Errorf("DeleteFunc = %d", n)
		}
		load("of what stayed", b(), 9, true)
		for key, v := range m.All() {
			if key.fields[0] != "bb" || v != 9 {
				t.Errorf("All yields %v, %d", key, v)
			}
		}
		m.Clear()
		load("after Clear", b(), 0, false)
		if st := balanced(t, m); st.Entries != 0 || st.Reaped != 0 || st.Inserts != 7 {
			t.Errorf("Stats = %+v", st)
		}
		runtime.KeepAlive(held)
	})
}

func TestSetMethodsWithAHasher(t *testing.T) {
	eachSchema(t, func(t *testing.T, _ *weakmap.KeyMap[schema, int], s *weakmap.Set[schema]) {
		first, other := newSchema(1, "a", "b"), newSchema(2, "a")
		is := func(what string, got *schema, ok bool, want *schema, wantOK bool) {
			t.Helper()
			if got != want || ok != wantOK {
				t.Errorf("%s = %v, %v, want %v, %v", what, got, ok, want, wantOK)
			}
		}
		equal := func() *schema { return newSchema(9, "a", "b") }
		got, ok := s.Load(equal())
		is("Load from an empty set", got, ok, nil, false)
		got, ok = s.LoadOrAdd(first)
		is("LoadOrAdd", got, ok, first, false)
		got, ok = s.LoadOrAdd(equal())
		is("LoadOrAdd of an equal one", got, ok, first, true)
		got, ok = s.LoadOrAdd(first)
		is("LoadOrAdd of the member", got, ok, first, true)
		got, ok = s.Load(equal())
		is("Load", got, ok, first, true)
		got, ok = s.Load(other)
		is("Load of another", got, ok, nil, false)
		got, ok = s.Load(nil)
		is("Load of nil", got, ok, nil, false)
		wantPanic(t, "weakmap: nil element", func() { s.LoadOrAdd(nil) })
		if s.Contains(nil) || s.Remove(nil) {
			t.Error("nil is contained")
		}
		if !s.Contains(equal()) || s.Add(equal()) || !s.Add(other) || s.Len() != 2 {
			t.Errorf("Contains or Add, Len = %d", s.Len())
		}
		if n := s.AddSeq(slices.Values([]*schema{equal(), equal()})); n != 0 {
			t.Errorf("AddSeq = %d", n)
		}
		once(t, "All", s.All(), first, other)
		if !s.Remove(equal()) || s.Remove(equal()) || s.Contains(first) || s.RemoveSeq(slices.Values([]*schema{newSchema(0, "a")})) != 1 {
			t.Error("Remove")
		}
		if st := balanced(t, s); st.Entries != 0 || st.Inserts != 2 || st.Deleted != 2 {
			t.Errorf("Stats = %+v", st)
		}
		runtime.KeepAlive(first)
		runtime.KeepAlive(other)
	})
}

// Without a Hasher the new methods go by identity.
func TestLoadKeyAndLoadWithoutAHasher(t *testing.T) {
	a, b := newSchema(1, "a"), newSchema(1, "a")
	var m weakmap.KeyMap[schema, int]
	var s weakmap.Set[schema]
	if key, v, ok := m.LoadKey(a); key != nil || v != 0 || ok {
		t.Error("LoadKey of an unused map")
	}
	m.Store(a, 1)
	if key, v, ok := m.LoadKey(a); key != a || v != 1 || !ok {
		t.Errorf("LoadKey = %v, %v, %v", key, v, ok)
	}
	if key, _, ok := m.LoadKey(b); key != nil || ok {
		t.Errorf("LoadKey of an equal object = %v, %v", key, ok)
	}
	if got, ok := s.LoadOrAdd(a); got != a || ok {
		t.Errorf("LoadOrAdd = %v, %v", got, ok)
	}
	if got, ok := s.LoadOrAdd(b); got != b || ok {
		t.Errorf("LoadOrAdd of an equal object = %v, %v", got, ok)
	}
	if got, ok := s.Load(b); got != b || !ok {
		t.Errorf("Load = %v, %v", got, ok)
	}
	runtime.KeepAlive(a)
}

func TestHasherLookupsAreCounted(t *testing.T) {
	config := weakmap.Config{Stats: true}
	m := &weakmap.KeyMap[schema, int]{Config: config, Hasher: byFields{"builtin"}}
	s := &weakmap.Set[schema]{Config: config, Hasher: byFields{"builtin"}}
	a := newSchema(1, "a")
	m.LoadKey(a)
	m.Store(a, 1)
	m.LoadKey(newSchema(2, "a"))
	s.Load(a)      // misses
	s.LoadOrAdd(a) // misses
	s.LoadOrAdd(newSchema(2, "a"))
	s.Load(newSchema(2, "a"))
	if st := m.Stats(); st.Hits != 1 || st.Misses != 1 {
		t.Errorf("KeyMap: %+v", st)
	}
	if st := s.Stats(); st.Hits != 2 || st.Misses != 2 {
		t.Errorf("Set: %+v", st)
	}
	runtime.KeepAlive(a)
}

// A hit allocates nothing, and a key that is made for the lookup is made on the stack.
func TestHitsByEqualObjectsDoNotAllocate(t *testing.T) {
	eachSchema(t, func(t *testing.T, m *weakmap.KeyMap[schema, int], s *weakmap.Set[schema]) {
		if raceEnabled {
			t.Skip("sync.Pool forgets under the race detector")
		}
		held := newSchema(1, "a", "b")
		equal := newSchema(2, "a", "b")
		m.Store(held, 1)
		s.Add(held)
		var many []*schema
		for i := range 50 {
			many = append(many, newSchema(i, strings.Repeat("x", i+1)))
			m.Store(many[i], i)
			s.Add(many[i])
		}
		ok := true
		must := func(hit bool) { ok = ok && hit }
		zeroAllocs(t, "Load", func() { _, hit := m.Load(equal); must(hit) })
		zeroAllocs(t, "Load by a key on the stack", func() { _, hit := m.Load(&schema{fields: equal.fields}); must(hit) })
		zeroAllocs(t, "LoadKey", func() { key, _, _ := m.LoadKey(&schema{fields: equal.fields}); must(key == held) })
		zeroAllocs(t, "LoadOrStore", func() { _, hit := m.LoadOrStore(equal, 2); must(hit) })
		compute := func() (int, error) { return 3, nil }
		zeroAllocs(t, "LoadOrCompute", func() { _, hit, _ := m.LoadOrCompute(equal, compute); must(hit) })
		zeroAllocs(t, "Contains", func() { must(s.Contains(&schema{fields: equal.fields})) })
		zeroAllocs(t, "Set.Load", func() { e, _ := s.Load(&schema{fields: equal.fields}); must(e == held) })
		zeroAllocs(t, "Add", func() { must(!s.Add(equal)) })
		zeroAllocs(t, "LoadOrAdd", func() { e, hit := s.LoadOrAdd(equal); must(e == held && hit) })
		if !ok {
			t.Error("a lookup missed")
		}
		runtime.KeepAlive(many)
		runtime.KeepAlive(held)
	})
}

// For sets with the same Hasher, equal elements are the same in set algebra too.
func TestSetAlgebraWithAHasher(t *testing.T) {
	eachSchema(t, func(t *testing.T, _ *weakmap.KeyMap[schema, int], a *weakmap.Set[schema]) {
		b := &weakmap.Set[schema]{Config: a.Config, Hasher: a.Hasher}
		mine, theirs := []*schema{}, []*schema{}
		for i, name := range []string{"v", "ww", "xxx", "yyyy", "zzzzz"} {
			if i < 4 {
				mine = append(mine, newSchema(i, name))
			}
			if i > 1 {
				theirs = append(theirs, newSchema(10+i, name))
			}
		}
		a.AddSeq(slices.Values(mine))
		b.AddSeq(slices.Values(theirs))
		once(t, "Intersection", weakmap.Intersection(a, b), mine[2:]...)
		once(t, "Intersection the other way round", weakmap.Intersection(b, a), theirs[:2]...)
		once(t, "Difference", weakmap.Difference(a, b), mine[:2]...)
		once(t, "Union", weakmap.Union(a, b), append(slices.Clone(mine), theirs[2])...)
		once(t, "SymmetricDifference", weakmap.SymmetricDifference(a, b), mine[0], mine[1], theirs[2])
		if a.IsSubset(b) || a.IsDisjoint(b) || !a.IsSubset(a) {
			t.Error("IsSubset or IsDisjoint")
		}
		if n := a.RemoveSeq(b.All()); n != 2 || a.Len() != 2 || !a.IsDisjoint(b) {
			t.Errorf("RemoveSeq = %d, Len = %d", n, a.Len())
		}
		runtime.KeepAlive(mine)
		runtime.KeepAlive(theirs)
	})
}

// folded takes ASCII words for the same whatever their case.
type folded struct{}

func (folded) Hash(h *maphash.Hash, s string) { h.WriteString(strings.ToLower(s)) }
func (folded) Equal(x, y string) bool         { return strings.EqualFold(x, y) }

func TestByValueAndComparable(t *testing.T) {
	s := weakmap.Set[string]{Hasher: weakmap.ByValue(folded{})}
	upper, lower := new(string), new(string)
	*upper, *lower = "ABC", "abc"
	if m, loaded := s.LoadOrAdd(upper); m != upper || loaded {
		t.Errorf("LoadOrAdd = %v, %v", m, loaded)
	}
	if m, loaded := s.LoadOrAdd(lower); m != upper || !loaded {
		t.Errorf("LoadOrAdd = %v, %v", m, loaded)
	}
	wantPanic(t, "weakmap: ByValue: nil Hasher", func() { weakmap.ByValue[string](nil) })

	type point struct{ x, y float64 }
	points := weakmap.Set[point]{Hasher: weakmap.Comparable[point]()}
	zero, negative := &point{0, 1}, &point{math.Copysign(0, -1), 1}
	if points.Add(zero); points.Add(negative) {
		t.Error("0 and -0 are equal, and both are in")
	}
	nan := &point{math.NaN(), 0}
	if !points.Add(nan) || points.Contains(nan) || points.Remove(nan) || !points.Add(nan) {
		t.Error("what is not equal to itself was found")
	}
	if n := points.RetainFunc(func(p *point) bool { return p != nan }); n != 2 || points.Len() != 1 {
		t.Errorf("RetainFunc removes %d, %d are left", n, points.Len())
	}
	runtime.KeepAlive(nan)

	var faces weakmap.Set[any]
	faces.Hasher = weakmap.Comparable[any]()
	one, another, bad := new(any), new(any), new(any)
	*one, *another, *bad = 1, 1, []int{}
	if faces.Add(one); faces.Add(another) {
		t.Error("two equal interfaces are in")
	}
	mustPanic(t, "Add of what has no hash", "runtime error: hash of unhashable", func() { faces.Add(bad) })
	if !faces.Contains(another) || faces.Len() != 1 {
		t.Error("the set is not usable after a panic")
	}
	runtime.KeepAlive(one)
	runtime.KeepAlive(upper)
	runtime.KeepAlive(zero)
}
