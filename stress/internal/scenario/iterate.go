package scenario

import (
	"runtime"

	"github.com/go-weak/weakmap"
)

// What is bound and held throughout an iteration is yielded, once, whatever dies, comes and goes
// during it.
var iterations = []Scenario{
	{"iterate/map", "an iteration that leaves out what is held, or yields a key twice or with another's value, while the table grows and shrinks",
		needAll, rounds(iterateMap)},
	{"iterate/set", "the same for sets, and for what their algebra makes of them",
		needAll, rounds(iterateSets)},
}

// fixed is how many bindings are held throughout.
const fixed = 50

func iterateMap(r *Round) {
	m := newMap[int](r.configuration)
	burst := r.many(400)
	var held [fixed]*object
	for k := range held {
		held[k] = &object{id: int64(k)}
		m.Store(k, held[k])
	}
	r.collect()
	r.start(1, func(w *worker) {
		for w.goOn() {
			for range burst {
				key := fixed + w.rng.IntN(burst)
				m.Store(key, &object{id: int64(key)})
			}
			for range burst / 2 {
				m.Delete(fixed + w.rng.IntN(burst))
			}
			w.did += int64(burst)
		}
	})
	r.start(2, func(w *worker) {
		for w.goOn() {
			seen := map[int]bool{}
			for key, value := range m.All() {
				if seen[key] {
					w.violation("%v: key %d is yielded twice in one iteration", w.configuration, key)
				}
				seen[key] = true
				if value == nil || value.id != int64(key) || key < fixed && value != held[key] {
					w.violation("%v: key %d is yielded with %p", w.configuration, key, value)
				}
				if key >= fixed && w.rng.IntN(8) == 0 {
					m.CompareAndDelete(key, value)
				}
				w.did++
			}
			for key := range fixed {
				if !seen[key] {
					w.violation("%v: key %d is held all the time and is not yielded", w.configuration, key)
				}
			}
			w.found += fixed
		}
	})
	r.wait()
	runtime.KeepAlive(&held)
	r.settle()
	r.dead.Add(int64(r.balance(m).Reaped))
}

func iterateSets(r *Round) {
	odd, all := &weakmap.Set[object]{Config: r.config()}, &weakmap.Set[object]{Config: r.config()}
	var held [fixed]*object
	for i := range held {
		held[i] = &object{id: int64(i)}
		all.Add(held[i])
		if i%2 == 1 {
			odd.Add(held[i])
		}
	}
	r.collect()
	r.start(1, func(w *worker) {
		for w.goOn() {
			for i := range 400 {
				o := &object{id: fixed}
				odd.Add(o)
				if i%2 == 0 {
					all.Add(o)
				}
				if i%4 == 0 {
					odd.Remove(o)
				}
			}
			w.did += 400
		}
	})
	r.start(2, func(w *worker) {
		for w.goOn() {
			// In each, held objects with these numbers must stand, and no others that are held.
			for _, expect := range []struct {
				what string
				of   func(func(*object) bool)
				in   func(id int64) bool
			}{
				{"All", all.All(), func(int64) bool { return true }},
				{"Union", weakmap.Union(odd, all), func(int64) bool { return true }},
				{"Intersection", weakmap.Intersection(all, odd), func(id int64) bool { return id%2 == 1 }},
				{"Difference", weakmap.Difference(all, odd), func(id int64) bool { return id%2 == 0 }},
				{"SymmetricDifference", weakmap.SymmetricDifference(odd, all), func(id int64) bool { return id%2 == 0 }},
			} {
				var seen [fixed]int
				for o := range expect.of {
					if o.id < fixed {
						seen[o.id]++
					}
					w.did++
				}
				for id, times := range seen {
					want := 0
					if expect.in(int64(id)) {
						want = 1
					}
					if times != want {
						w.violation("%v: %s yields element %d %d times, want %d", w.configuration, expect.what, id, times, want)
					}
				}
				w.found += fixed
			}
		}
	})
	r.wait()
	runtime.KeepAlive(&held)
	r.settle()
	r.dead.Add(int64(r.balance(odd).Reaped + r.balance(all).Reaped))
}
