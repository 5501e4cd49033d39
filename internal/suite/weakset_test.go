package suite

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

func TestSetZeroValueIsEmptyAndFree(t *testing.T) {
	elem := &record{}
	var s, other weakmap.Set[record]
	zeroAllocs(t, "reading an unused Set", func() {
		if s.Contains(elem) || s.Remove(elem) || s.Len() != 0 || s.Reap() != 0 {
			t.Error("an empty set is not empty")
		}
		s.Clear()
		if s.RetainFunc(func(*record) bool { return false }) != 0 || !s.IsSubset(&other) || !s.IsDisjoint(&other) {
			t.Error("an empty set is not empty")
		}
		if s.Stats() != (weakmap.Stats{}) {
			t.Error("Stats of an unused set are not zero")
		}
	})
	for range s.All() {
		t.Error("All of an unused set yields")
	}
}

// Every method by its contract, in one walk.
func TestSetMethods(t *testing.T) {
	eachSet(t, func(t *testing.T, s, _ *weakmap.Set[record]) {
		a, b := &record{}, &record{} // Equal, but not the same.
		is := func(what string, got, want bool) {
			t.Helper()
			if got != want {
				t.Errorf("%s = %v, want %v", what, got, want)
			}
		}
		is("Contains of an empty set", s.Contains(a), false)
		is("Remove from an empty set", s.Remove(a), false)
		is("Add", s.Add(a), true)
		is("Add again", s.Add(a), false)
		is("Contains", s.Contains(a), true)
		is("Contains of an equal object", s.Contains(b), false)
		is("Add of an equal object", s.Add(b), true)
		is("Remove", s.Remove(a), true)
		is("Remove again", s.Remove(a), false)
		is("Contains of what was removed", s.Contains(a), false)
		is("Contains of the other", s.Contains(b), true)
		once(t, "All", s.All(), b)
		if st := balanced(t, s); st.Entries != 1 || st.Inserts != 2 || st.Deleted != 1 || st.Reaped != 0 {
			t.Errorf("Stats = %+v", st)
		}
		s.Clear()
		is("Contains after Clear", s.Contains(b), false)
		is("Add after Clear", s.Add(b), true)
		if n := s.Len(); n != 1 {
			t.Errorf("Len = %d", n)
		}
		if st := balanced(t, s); st.Inserts != 3 || st.Deleted != 2 {
			t.Errorf("Stats = %+v", st)
		}
		runtime.KeepAlive(a)
		runtime.KeepAlive(b)
	})
}

func TestSetNilElement(t *testing.T) {
	eachSet(t, func(t *testing.T, s, _ *weakmap.Set[record]) {
		elem := &record{}
		for range 2 { // An unused set, then one in use.
			wantPanic(t, "weakmap: nil element", func() { s.Add(nil) })
			wantPanic(t, "weakmap: nil element", func() { s.AddSeq(slices.Values([]*record{nil})) })
			if s.Contains(nil) || s.Remove(nil) || s.RemoveSeq(slices.Values([]*record{nil, nil})) != 0 {
				t.Error("nil is contained")
			}
			s.Add(elem)
			if !s.Contains(elem) || s.Len() != 1 {
				t.Errorf("after the panics: Len = %d", s.Len())
			}
		}
		once(t, "All", s.All(), elem)
	})
}

func TestSetSequences(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		elems := newRecords(100)
		count := func(what string, got, want int) {
			t.Helper()
			if got != want {
				t.Errorf("%s = %d, want %d", what, got, want)
			}
		}
		count("AddSeq", a.AddSeq(slices.Values(elems[:60])), 60)
		count("AddSeq of some new", a.AddSeq(slices.Values(elems[40:80])), 20)
		count("AddSeq of the same twice", a.AddSeq(slices.Values([]*record{elems[90], elems[90]})), 1)
		count("AddSeq of itself", a.AddSeq(a.All()), 0)
		count("AddSeq of another set", b.AddSeq(a.All()), 81)
		count("RemoveSeq", a.RemoveSeq(slices.Values(elems[70:90])), 10)
		count("RemoveSeq of the same twice", a.RemoveSeq(slices.Values([]*record{elems[0], elems[0]})), 1)
		count("Len", a.Len(), 70)
		even := func(r *record) bool { return r.id%2 == 0 }
		count("RetainFunc", a.RetainFunc(even), 35)
		for r := range a.All() {
			if !even(r) {
				t.Errorf("RetainFunc left %d", r.id)
			}
		}
		count("RetainFunc again", a.RetainFunc(even), 0)
		count("RetainFunc that may use the set", a.RetainFunc(func(r *record) bool {
			return a.Contains(r) && !a.Add(r) && !a.Remove(elems[0])
		}), 0)
		count("Len", a.Len(), 35)
		count("RemoveSeq of another set", b.RemoveSeq(a.All()), 35)
		count("RemoveSeq of itself", b.RemoveSeq(b.All()), 46)
		count("RetainFunc(nothing)", a.RetainFunc(func(*record) bool { return false }), 35)
		count("Len", a.Len()+b.Len(), 0)
		balanced(t, a)
		balanced(t, b)
		runtime.KeepAlive(elems)
	})
}

func TestSetCountsHitsAndMisses(t *testing.T) {
	eachConfig(t, func(t *testing.T, c configuration) {
		config := c.config()
		config.Stats = true
		s, a, b := &weakmap.Set[record]{Config: config}, &record{}, &record{}
		s.Contains(a)
		s.Add(a)
		s.Contains(a)
		s.Contains(a)
		s.Contains(b)
		if st := s.Stats(); st.Hits != 2 || st.Misses != 2 {
			t.Errorf("Stats = %+v, want 2 hits and 2 misses", st)
		}
		runtime.KeepAlive(a)
	})
}

func TestSetLookupsDoNotAllocate(t *testing.T) {
	eachSet(t, func(t *testing.T, s, _ *weakmap.Set[record]) {
		elems, stranger := newRecords(1500), &record{}
		defer runtime.KeepAlive(elems)
		s.AddSeq(slices.Values(elems))
		zeroAllocs(t, "Contains, hit", func() { s.Contains(elems[0]) })
		zeroAllocs(t, "Contains, miss", func() { s.Contains(stranger) })
		zeroAllocs(t, "Contains of nil", func() { s.Contains(nil) })
		zeroAllocs(t, "Load, hit", func() { s.Load(elems[0]) })
		zeroAllocs(t, "Add and LoadOrAdd, hit", func() { s.Add(elems[0]); s.LoadOrAdd(elems[0]) })
		if crowds(s.Hasher) {
			return
		}
		zeroAllocs(t, "Remove, miss", func() { s.Remove(stranger) })
		next := 0
		zeroAllocs(t, "Remove, hit", func() { s.Remove(elems[next]); next++ })
	})
}

func TestSetElementsGo(t *testing.T) {
	eachSet(t, func(t *testing.T, s, _ *weakmap.Set[record]) {
		held := newRecords(50)
		elsewhere(func() { s.AddSeq(slices.Values(newRecords(50))) })
		s.AddSeq(slices.Values(held))
		wantLen(t, s, len(held))
		once(t, "All", s.All(), held...)
		for _, r := range held {
			if !s.Contains(r) {
				t.Error("Contains misses a held element")
			}
		}
		if st := balanced(t, s); st.Inserts != 100 || st.Reaped != 50 {
			t.Errorf("Stats = %+v", st)
		}
		runtime.KeepAlive(held)
		held = nil
		wantLen(t, s, 0)
	})
}

// See TestKeyMapReusedAddressDoesNotMatch.
func TestSetReusedAddressDoesNotMatch(t *testing.T) {
	eachSet(t, func(t *testing.T, s, _ *weakmap.Set[record]) {
		atReusedAddresses(t, crowds(s.Hasher), func(r *record) { s.Add(r) }, s.Len, s.Reap, func(r *record) {
			if s.Contains(r) || s.Remove(r) {
				t.Fatal("a new object is contained")
			}
			if !s.Add(r) || !s.Contains(r) || !s.Remove(r) || s.Contains(r) {
				t.Fatal("a new object cannot be added and removed")
			}
		})
	})
}

func TestSetDropped(t *testing.T) {
	eachConfig(t, func(t *testing.T, c configuration) {
		elems := newRecords(100)
		s := droppedSet(c, elems)
		eventually(t, "a dropped set is collected", func() bool { return s() })
		runtime.KeepAlive(elems)
	})
}

func TestSetShrinks(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		s := &weakmap.Set[record]{Config: c.config()}
		elsewhere(func() { s.AddSeq(slices.Values(newRecords(70_000))) })
		full := s.Stats().Capacity
		wantLen(t, s, 0)
		wantShrunk(t, s, full)
		runtime.KeepAlive(s)
	})
}

// Random operations on two sets and on two strong maps: all that they return is the same.
func TestSetAgainstDumbSet(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		type dumbSet map[*record]bool
		sets, dumb := []*weakmap.Set[record]{a, b}, []dumbSet{{}, {}}
		pool := newRecords(24)
		for step := range scaled(20_000) {
			which, slot := rand.IntN(2), rand.IntN(len(pool))
			s, d, r := sets[which], dumb[which], pool[slot]
			o, od := sets[1-which], dumb[1-which]
			var got, want bool
			var what string
			switch rand.IntN(12) {
			case 0, 1, 2:
				what, got, want = "Contains", s.Contains(r), d[r]
			case 3, 4, 5:
				what, got, want = "Add", s.Add(r), !d[r]
				d[r] = true
			case 6, 7:
				what, got, want = "Remove", s.Remove(r), d[r]
				delete(d, r)
			case 8:
				delete(d, r)
				delete(od, r)
				pool[slot] = &record{}
			case 9, 10:
				if step%20 != 0 {
					continue
				}
				// What was let go a moment ago may not be dead yet, and would count.
				a.RetainFunc(func(r *record) bool { return slices.Contains(pool, r) })
				b.RetainFunc(func(r *record) bool { return slices.Contains(pool, r) })
				subset, disjoint := true, true
				for r := range d {
					subset = subset && od[r]
					disjoint = disjoint && !od[r]
				}
				what, got, want = "IsSubset", s.IsSubset(o), subset
				if s.IsDisjoint(o) != disjoint {
					t.Fatalf("step %d: IsDisjoint = %v", step, !disjoint)
				}
			case 11:
				if step%100 == 0 {
					s.Clear()
					clear(d)
				}
			}
			if got != want {
				t.Fatalf("step %d: %s = %v, want %v", step, what, got, want)
			}
		}
		wantLen(t, a, len(dumb[0]))
		wantLen(t, b, len(dumb[1]))
		runtime.KeepAlive(pool)
	})
}

// See TestKeyMapOwnerAlwaysHits: what an owner holds is in the set for as long as its owner
// says so, and what it took out is not.
func TestSetOwnerAlwaysHits(t *testing.T) {
	eachSet(t, func(t *testing.T, s, _ *weakmap.Set[record]) {
		defer pressure(func(r *record) { s.Add(r) })()
		end := underPressure(120)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				elems := newRecords(5)
				s.AddSeq(slices.Values(elems))
				for round := 0; time.Now().Before(end); round++ {
					for _, r := range elems {
						if !s.Contains(r) || s.Add(r) {
							t.Error("an element that its owner holds is not contained")
							return
						}
					}
					i := round % len(elems)
					if !s.Remove(elems[i]) || s.Contains(elems[i]) {
						t.Error("Remove by the owner")
					}
					if round%2 == 0 {
						elems[i] = &record{}
					}
					if !s.Add(elems[i]) {
						t.Error("Add by the owner: it is there already")
					}
				}
			})
		}
		wg.Wait()
	})
}
