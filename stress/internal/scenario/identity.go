package scenario

import (
	"runtime"
	"unsafe"

	"github.com/go-weak/weakmap"
)

// Keys that are found by address: the memory of a dead one is soon another object.
var identities = []Scenario{
	{"identity/reuse", "an object that is found because a dead key was at its address",
		needAll, rounds(reuseAddresses)},
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
