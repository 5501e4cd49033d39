package suite

import (
	"iter"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// droppedSet makes a set of elems and drops it. gone reports whether it was collected.
func droppedSet(c configuration, elems []*record) (gone func() bool) {
	var w weak.Pointer[weakmap.Set[record]]
	elsewhere(func() {
		s := &weakmap.Set[record]{Config: c.config()}
		s.AddSeq(slices.Values(elems))
		s.Remove(elems[0])
		w = weak.Make(s)
	})
	return func() bool { return w.Value() == nil }
}

type algebra struct {
	name string
	of   func(a, b *weakmap.Set[record]) iter.Seq[*record]
	has  func(inA, inB bool) bool
}

var algebras = []algebra{
	{"Union", weakmap.Union[record], func(a, b bool) bool { return a || b }},
	{"Intersection", weakmap.Intersection[record], func(a, b bool) bool { return a && b }},
	{"Difference", weakmap.Difference[record], func(a, b bool) bool { return a && !b }},
	{"SymmetricDifference", weakmap.SymmetricDifference[record], func(a, b bool) bool { return a != b }},
}

// quarters puts 25 elements each into a only, b only, both and neither.
func quarters(a, b *weakmap.Set[record]) []*record {
	elems := newRecords(100)
	for i, r := range elems {
		if i%4 == 0 || i%4 == 2 {
			a.Add(r)
		}
		if i%4 == 1 || i%4 == 2 {
			b.Add(r)
		}
	}
	return elems
}

func TestSetAlgebra(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		elems := quarters(a, b)
		empty := &weakmap.Set[record]{Config: a.Config}
		for _, alg := range algebras {
			var both, self, right, left []*record
			for i, r := range elems {
				inA, inB := i%4 == 0 || i%4 == 2, i%4 == 1 || i%4 == 2
				if alg.has(inA, inB) {
					both = append(both, r)
				}
				if inA && alg.has(true, true) {
					self = append(self, r)
				}
				if alg.has(inA, false) {
					right = append(right, r)
				}
				if alg.has(false, inA) {
					left = append(left, r)
				}
			}
			seq := alg.of(a, b)
			once(t, alg.name, seq, both...)
			once(t, alg.name+" a second time", seq, both...)
			once(t, alg.name+" of a set with itself", alg.of(a, a), self...)
			once(t, alg.name+" with an empty set", alg.of(a, empty), right...)
			once(t, alg.name+" of an empty set", alg.of(empty, a), left...)
			once(t, alg.name+" of an empty set with itself", alg.of(empty, empty))
		}
		runtime.KeepAlive(elems)
	})
}

func TestSetRelations(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		elems, empty := newRecords(40), &weakmap.Set[record]{}
		is := func(what string, got, want bool) {
			t.Helper()
			if got != want {
				t.Errorf("%s = %v, want %v", what, got, want)
			}
		}
		a.AddSeq(slices.Values(elems[:20]))
		b.AddSeq(slices.Values(elems[:30]))
		is("IsSubset of a larger set", a.IsSubset(b), true)
		is("IsSubset of a smaller set", b.IsSubset(a), false)
		is("IsSubset of itself", a.IsSubset(a), true)
		is("the empty set's IsSubset", empty.IsSubset(a), true)
		is("IsSubset of the empty set", a.IsSubset(empty), false)
		is("IsDisjoint of a set that overlaps", a.IsDisjoint(b), false)
		is("IsDisjoint of itself", a.IsDisjoint(a), false)
		is("IsDisjoint of the empty set", a.IsDisjoint(empty), true)
		is("the empty set's IsDisjoint", empty.IsDisjoint(a), true)
		is("the empty set's IsDisjoint of itself", empty.IsDisjoint(empty), true)
		b.RemoveSeq(a.All())
		is("IsDisjoint of the rest", a.IsDisjoint(b), true)
		is("IsDisjoint the other way round", b.IsDisjoint(a), true)
		is("IsSubset of the rest", a.IsSubset(b), false)
		a.Add(elems[39])
		is("IsDisjoint with one more", a.IsDisjoint(b), true)
		b.Add(elems[39])
		is("IsDisjoint with one in common", a.IsDisjoint(b), false)
		runtime.KeepAlive(elems)
	})
}

// The relations ignore what is dead, although its entries are there still.
func TestSetAlgebraIgnoresTheDead(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		stallCleanups(t)
		held, doomed := newRecords(20), make([]weak.Pointer[record], 20)
		elsewhere(func() {
			for i, r := range newRecords(len(doomed)) {
				doomed[i] = weak.Make(r)
				if a.Add(r); i%2 == 0 {
					b.Add(r)
				}
			}
		})
		a.AddSeq(slices.Values(held[:10]))
		b.AddSeq(slices.Values(held[:5]))
		awaitDeath(t, doomed)
		once(t, "Union", weakmap.Union(a, b), held[:10]...)
		once(t, "Intersection", weakmap.Intersection(a, b), held[:5]...)
		once(t, "Difference", weakmap.Difference(a, b), held[5:10]...)
		once(t, "SymmetricDifference", weakmap.SymmetricDifference(a, b), held[5:10]...)
		if a.RemoveSeq(slices.Values(held[5:10])) != 5 || !a.IsSubset(b) {
			t.Error("IsSubset sees a dead element")
		}
		if a.RemoveSeq(slices.Values(held[:5])) != 5 || !a.IsDisjoint(b) {
			t.Error("IsDisjoint sees a dead element")
		}
		runtime.KeepAlive(held)
	})
}

// The sequences are lazy: they tell what the sets hold when they are ranged over, stop when
// they are told to, and keep nothing alive but their sets.
func TestSetAlgebraIsLazy(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		for _, alg := range algebras {
			a.Clear()
			b.Clear()
			seq := alg.of(a, b)
			once(t, alg.name+" of sets that are empty yet", seq)
			elems := quarters(a, b)
			n := 0
			for range seq {
				n++
			}
			if n < 25 {
				t.Errorf("%s yields %d elements that were added after it was made", alg.name, n)
			}
			for range seq {
				n--
				break
			}
			next, stop := iter.Pull(seq)
			if _, ok := next(); !ok {
				t.Errorf("%s does not yield to iter.Pull", alg.name)
			}
			stop()
			runtime.KeepAlive(elems)
			elems = nil
			wantLen(t, a, 0)
			runtime.KeepAlive(seq)
		}
	})
}

// No element twice, whatever the sets do during the iteration. Catches the obvious implementation,
// which walks a and then what of b is not in a: an element that moves from a to b in between comes
// twice.
func TestSetAlgebraYieldsNoElementTwice(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		for name, move := range map[string]func(r *record){
			"from a to b":        func(r *record) { b.Add(r); a.Remove(r) },
			"from b to a":        func(r *record) { a.Add(r); b.Remove(r) },
			"to the other":       func(r *record) { a.Add(r); b.Add(r); a.Remove(r) },
			"out and in again":   func(r *record) { a.Remove(r); b.Remove(r); a.Add(r); b.Add(r) },
			"out of both":        func(r *record) { a.Remove(r); b.Remove(r) },
			"all from a to b":    func(*record) { b.AddSeq(a.All()); a.Clear() },
			"with many made":     func(*record) { elsewhere(func() { a.AddSeq(slices.Values(newRecords(50))) }) },
			"by the algebra":     func(*record) { a.RemoveSeq(weakmap.Intersection(a, b)); b.AddSeq(weakmap.Union(b, a)) },
			"while it is reaped": func(*record) { a.Reap(); b.Reap() },
		} {
			for _, alg := range algebras {
				a.Clear()
				b.Clear()
				elems := quarters(a, b)
				seen := map[*record]bool{}
				for r := range alg.of(a, b) {
					if r == nil || seen[r] {
						t.Errorf("%s yields an element twice when it moves %s", alg.name, name)
						break
					}
					if seen[r] = true; len(seen) > 1000 {
						break // What the body makes may be yielded, for ever.
					}
					move(r)
				}
				runtime.KeepAlive(elems)
			}
		}
	})
}

// Goroutines that combine two sets in either order, and change both from the bodies, go on: no
// lock is held while one yields, nor two at a time. Catches a deadlock (the test hangs), an
// element that comes twice, and one that both hold all the time and that does not come.
func TestSetAlgebraUnderPressure(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		var inBoth [20]*record
		for i := range inBoth {
			inBoth[i] = &record{id: -1}
			a.Add(inBoth[i])
			b.Add(inBoth[i])
		}
		defer pressure(func(r *record) { a.Add(r); b.Add(&record{}) })()
		end := underPressure(120)
		var wg sync.WaitGroup
		for _, sets := range [][2]*weakmap.Set[record]{{a, b}, {b, a}, {a, a}} {
			wg.Go(func() {
				mine := newRecords(20)
				for round := 0; time.Now().Before(end); round++ {
					alg := algebras[round%len(algebras)]
					seen, kept := map[*record]bool{}, 0
					for r := range alg.of(sets[0], sets[1]) {
						if r == nil || seen[r] {
							t.Errorf("%s yields an element twice", alg.name)
							return
						}
						if seen[r] = true; r.id == -1 {
							kept++
						}
						if m := mine[len(seen)%len(mine)]; len(seen)%2 == 0 {
							a.Add(m)
							b.Remove(m)
						} else {
							b.Add(m)
							a.Remove(m)
						}
					}
					want := 0
					if alg.has(true, true) {
						want = len(inBoth)
					}
					if kept != want {
						t.Errorf("%s yields %d of %d that are in both sets", alg.name, kept, want)
						return
					}
					sets[0].IsSubset(sets[1])
					sets[1].IsDisjoint(sets[0])
				}
			})
		}
		wg.Wait()
		runtime.KeepAlive(&inBoth)
	})
}
