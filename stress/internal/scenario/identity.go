package scenario

import (
	"runtime"
	"unsafe"

	"github.com/go-weak/weakmap"
)

// The memory of a dead key is soon another object, which must not be found in its place.
var identities = []Scenario{
	{"identity/reuse", "an object that is found because a dead key was at its address",
		needAll, rounds(reuseAddresses)},
	{"identity/objects", "the same for objects of several types, which ObjectOf tells by their addresses",
		needAll, rounds(reuseObjects)},
	{"identity/equal", "the same where a Hasher tells objects apart: one that is taken for another with its hash",
		needAll, rounds(reuseWithHasher)},
}

// reuseAddresses counts as a hit each new object at an address where a key has been: without
// these nothing was tried.
func reuseAddresses(r *Round) {
	m := &weakmap.KeyMap[object, int64]{Config: r.config()}
	s := &weakmap.Set[object]{Config: r.config()}
	r.collect()
	r.start(2, func(w *worker) {
		past := make(map[uintptr]bool)
		current := make(held, 64)
		for generation := int64(0); w.goOn(); generation++ {
			for range 256 {
				k := &object{id: generation}
				at := uintptr(unsafe.Pointer(k))
				if past[at] {
					w.found++
				}
				if v, ok := m.Load(k); ok {
					w.violation("%v: a new object has the value of generation %d", w.configuration, v)
					return
				}
				if v, loaded := m.LoadAndDelete(k); loaded {
					w.violation("%v: the value of generation %d was deleted from a new object", w.configuration, v)
					return
				}
				if s.Contains(k) || s.Remove(k) {
					w.violation("%v: a new object is in the set", w.configuration)
					return
				}
				if v, loaded := m.LoadOrStore(k, generation); loaded || v != generation {
					w.violation("%v: LoadOrStore for a new object = %d, %t", w.configuration, v, loaded)
					return
				}
				if !s.Add(k) {
					w.violation("%v: Add of a new object = false", w.configuration)
					return
				}
				if v, ok := m.Load(k); !ok || v != generation {
					w.violation("%v: Load = %d, %t, want %d", w.configuration, v, ok, generation)
					return
				}
				past[at] = true
				w.did += 7
				current.keep(w, k)
			}
			if len(past) > 1<<16 {
				clear(past)
			}
		}
		runtime.KeepAlive(current)
	})
	r.wait()
	r.eventually("all keys died", func() bool { return m.Len()+s.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped + r.balance(s).Reaped))
}

// reuseObjects is reuseAddresses for objects of five types, pointers, maps and channels. Some are of
// one size, so that the memory of one type becomes another's.
func reuseObjects(r *Round) {
	m := &weakmap.KeyMap[weakmap.Object, int64]{Config: r.config()}
	s := &weakmap.Set[weakmap.Object]{Config: r.config()}
	type other [8]*object
	made := []func() any{
		func() any { return new(object) },
		func() any { return new(other) },
		func() any { return new([64]byte) },
		func() any { return make(chan *object) },
		func() any { return map[string]*object{} },
	}
	r.collect()
	r.start(2, func(w *worker) {
		past := make(map[uintptr]bool)
		current := make([]any, 64)
		for generation := int64(0); w.goOn(); generation++ {
			for n := range 256 {
				x := made[n%len(made)]()
				o := weakmap.ObjectOf(x)
				at := uintptr(unsafe.Pointer(o))
				if past[at] {
					w.found++
				}
				if v, ok := m.Load(o); ok || s.Contains(o) {
					w.violation("%v: a new %T has the value of generation %d, %t, or is in the set", w.configuration, x, v, ok)
					return
				}
				if v, loaded := m.LoadOrStore(o, generation); loaded || v != generation || !s.Add(o) {
					w.violation("%v: LoadOrStore for a new %T = %d, %t, or it cannot be added", w.configuration, x, v, loaded)
					return
				}
				if v, ok := m.Load(weakmap.ObjectOf(x)); !ok || v != generation || !s.Contains(weakmap.ObjectOf(x)) {
					w.violation("%v: Load of a %T = %d, %t, want %d, or it is not in the set", w.configuration, x, v, ok, generation)
					return
				}
				past[at] = true
				w.did += 6
				current[w.rng.IntN(len(current))] = x
			}
			if len(past) > 1<<16 {
				clear(past)
			}
		}
		runtime.KeepAlive(current)
	})
	r.wait()
	r.eventually("all keys died", func() bool { return m.Len()+s.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped + r.balance(s).Reaped))
}

// reuseWithHasher is reuseAddresses where a Hasher tells objects apart, by numbers that come once.
func reuseWithHasher(r *Round) {
	byNumber := byID{hashOf[int64](r.configuration)}
	m := &weakmap.KeyMap[object, int64]{Config: r.config(), Hasher: byNumber}
	s := &weakmap.Set[object]{Config: r.config(), Hasher: byNumber}
	const workers = 2
	r.collect()
	r.start(workers, func(w *worker) {
		past := make(map[uintptr]bool)
		current := make(held, 64)
		id := int64(w.number)
		for w.goOn() {
			for range w.many(256) {
				id += workers
				k := &object{id: id}
				at := uintptr(unsafe.Pointer(k))
				if past[at] {
					w.found++
				}
				if key, v, ok := m.LoadKey(k); ok {
					w.violation("%v: the new object %d is found as %+v with the value %d", w.configuration, id, key, v)
					return
				}
				if member, ok := s.Load(k); ok {
					w.violation("%v: the new object %d is found in the set as %+v", w.configuration, id, member)
					return
				}
				if v, loaded := m.LoadOrStore(k, id); loaded || v != id {
					w.violation("%v: LoadOrStore for the new object %d = %d, %t", w.configuration, id, v, loaded)
					return
				}
				if member, loaded := s.LoadOrAdd(k); loaded || member != k {
					w.violation("%v: LoadOrAdd of the new object %d = %+v, %t", w.configuration, id, member, loaded)
					return
				}
				if key, v, ok := m.LoadKey(&object{id: id}); !ok || key != k || v != id {
					w.violation("%v: LoadKey(%d) = %+v, %d, %t", w.configuration, id, key, v, ok)
					return
				}
				if member, ok := s.Load(&object{id: id}); !ok || member != k {
					w.violation("%v: Load(%d) = %+v, %t", w.configuration, id, member, ok)
					return
				}
				past[at] = true
				w.did += 6
				current.keep(w, k)
			}
			if len(past) > 1<<16 {
				clear(past)
			}
		}
		runtime.KeepAlive(current)
	})
	r.wait()
	r.eventually("all keys died", func() bool { return m.Len()+s.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped + r.balance(s).Reaped))
}
