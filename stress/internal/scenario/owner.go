package scenario

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/go-weak/weakmap"
)

// A goroutine that owns a key and holds what is bound to it must find it with every lookup,
// whatever others do with other keys. These are the cheapest oracles: no log, no lock, and so
// the ones for volume.
var owners = []Scenario{
	{"owner/map-int", "a reclaim of a live binding; growth, shrinkage or a new hash that loses an entry; a lookup that meets a half-built bucket; integer keys",
		needAll, rounds(func(r *Round) { ownMap(r, func(i int) int { return i }) })},
	{"owner/map-string", "the same with string keys",
		needAll, rounds(func(r *Round) { ownMap(r, func(i int) string { return fmt.Sprint("key ", i) }) })},
	{"owner/map-struct", "the same with keys that take the long way: compared as structs, with an interface in them",
		needAll, rounds(func(r *Round) { ownMap(r, func(i int) compound { return compound{i, float64(i)} }) })},
	{"owner/map-packed", "the same with keys of strings, most of which are packed: a packed key that is taken for a copy, or freed while it is compared",
		needAll, rounds(func(r *Round) {
			ownMap(r, func(i int) twoNames { return twoNames{fmt.Sprint("first ", i), strings.Repeat("x", i%3*100)} })
		})},
	{"owner/keymap", "the same where keys are found by address",
		needAll, rounds(ownKeyMap)},
	{"owner/set", "the same for the elements of a set",
		needAll, rounds(ownSet)},
	{"owner/equal-keymap", "the same where keys are found by equal ones on the stack; a lookup that ends at a dead object with the same hash; the value of one key beside an equal one that replaced it",
		needAll, rounds(ownEqualKeyMap)},
	{"owner/equal-set", "the same for the elements of a set; a Remove by an equal element that leaves it, or takes another",
		needAll, rounds(ownEqualSet)},
	{"owner/interner", "the same where entries are found by content: a canonical pointer that is held is the only one",
		needAll, rounds(ownInterner)},
	{"owner/strings", "the same for strings, of which the owner holds but a part",
		needAll, rounds(ownStrings)},
}

type compound struct {
	n int
	x any
}

type twoNames struct{ first, last string }

const (
	// ownerCount goroutines with a key each.
	ownerCount = 3

	// ofCrowd is the id of objects that no owner has bound.
	ofCrowd = -1

	// lookupsPerLook lookups come between two looks at the clock and the budget.
	lookupsPerLook = 2000
)

func ownMap[K comparable](r *Round, key func(int) K) {
	m := newMap[K](r.configuration)
	r.collect()
	r.start(1, func(w *worker) { disturbMap(w, m, key) })
	r.start(ownerCount, func(w *worker) {
		mine, k := &object{id: int64(w.number)}, key(w.number)
		m.Store(k, mine)
		for w.goOn() {
			for range lookupsPerLook {
				if v, ok := m.Load(k); !ok || v != mine {
					w.violation("%v: Load(%v) = %p, %t, but its owner holds %p", w.configuration, k, v, ok, mine)
					return
				}
			}
			w.looked()
			fresh := &object{id: int64(w.number)}
			if !m.CompareAndSwap(k, mine, fresh) {
				w.violation("%v: the owner's CompareAndSwap failed", w.configuration)
				return
			}
			mine = fresh
		}
		if v, loaded := m.LoadAndDelete(k); !loaded || v != mine {
			w.violation("%v: LoadAndDelete(%v) = %p, %t, but its owner holds %p", w.configuration, k, v, loaded, mine)
		}
	})
	r.wait()
	r.eventually("all that nobody holds left", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}

// looked accounts for lookupsPerLook hits, and lets the collector's goroutines come in.
func (w *worker) looked() {
	w.did += lookupsPerLook
	w.found += lookupsPerLook
	runtime.Gosched()
}

// disturbMap stores, deletes and drops under keys without an owner, so that the table grows and
// shrinks, beside the owners' keys.
func disturbMap[K comparable](w *worker, m *weakmap.Map[K, object], key func(int) K) {
	const first = 1000
	crowd := w.many(2000)
	recent := make(held, 32)
	for w.goOn() {
		n := 1 + w.rng.IntN(crowd)
		for range n {
			k, v := key(first+w.rng.IntN(crowd)), &object{id: ofCrowd}
			switch w.rng.IntN(8) {
			case 0:
				m.Delete(k)
			case 1:
				m.LoadOrStore(k, v)
			case 2:
				m.Compute(k, func(*object) *object { return v })
			default:
				m.Store(k, v)
				recent.keep(w, v)
			}
		}
		w.did += int64(n)
		switch w.rng.IntN(4) {
		case 0:
			m.Reap()
		case 1:
			m.DeleteFunc(func(_ K, v *object) bool { return v.id == ofCrowd && w.rng.IntN(2) == 0 })
		}
	}
}

func ownKeyMap(r *Round) {
	m := &weakmap.KeyMap[object, int]{Config: r.config()}
	r.collect()
	r.start(1, func(w *worker) {
		recent := make(held, 32)
		for w.goOn() {
			n := 1 + w.rng.IntN(2000)
			for i := range n {
				k := &object{}
				m.Store(k, -1)
				switch i % 4 {
				case 0:
					m.Delete(k)
				case 1:
					recent.keep(w, k)
				}
			}
			w.did += int64(n)
			m.Reap()
		}
	})
	r.start(ownerCount, func(w *worker) {
		mine, value := &object{}, 0
		m.Store(mine, value)
		for w.goOn() {
			for range lookupsPerLook {
				if v, ok := m.Load(mine); !ok || v != value {
					w.violation("%v: Load = %d, %t, but the owner stored %d", w.configuration, v, ok, value)
					return
				}
			}
			w.looked()
			before := value
			value++
			if v, loaded := m.Swap(mine, value); !loaded || v != before {
				w.violation("%v: Swap = %d, %t, but the owner stored %d", w.configuration, v, loaded, before)
				return
			}
		}
		runtime.KeepAlive(mine)
	})
	r.wait()
	r.eventually("all that nobody holds left", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}

func ownSet(r *Round) {
	s := &weakmap.Set[object]{Config: r.config()}
	r.collect()
	r.start(1, func(w *worker) {
		for w.goOn() {
			n := 1 + w.rng.IntN(2000)
			for i := range n {
				o := &object{}
				s.Add(o)
				if i%4 == 0 && !s.Remove(o) {
					w.violation("%v: Remove of an element that was just added = false", w.configuration)
					return
				}
			}
			w.did += int64(n)
			s.Reap()
		}
	})
	r.start(ownerCount, func(w *worker) {
		mine := &object{}
		s.Add(mine)
		for w.goOn() {
			for range lookupsPerLook {
				if !s.Contains(mine) {
					w.violation("%v: an element that is held is not contained", w.configuration)
					return
				}
			}
			w.looked()
			if s.Add(mine) {
				w.violation("%v: an element that is held was added twice", w.configuration)
				return
			}
		}
		runtime.KeepAlive(mine)
	})
	r.wait()
	r.eventually("all that nobody holds left", func() bool { return s.Len() == 0 })
	r.dead.Add(int64(r.balance(s).Reaped))
}

// equals starts a worker that passes new objects to call. No owner holds these, and many are equal,
// since there are few ids. The worker keeps some of the objects that call binds.
func (r *Round) equals(call func(w *worker, o *object) (bound *object), reap func() (removed int)) {
	const first = 1000
	r.start(1, func(w *worker) {
		crowd := w.many(2000)
		recent := make(held, 32)
		for w.goOn() {
			n := 1 + w.rng.IntN(crowd)
			for i := range n {
				if bound := call(w, &object{id: first + int64(w.rng.IntN(crowd))}); i%4 == 0 {
					recent.keep(w, bound)
				}
			}
			w.did += int64(n)
			reap()
		}
		runtime.KeepAlive(recent)
	})
}

// ownEqualKeyMap has each key bound to its own address.
func ownEqualKeyMap(r *Round) {
	m := &weakmap.KeyMap[object, uintptr]{Config: r.config(), Hasher: byID{hashOf[int64](r.configuration)}}
	address := func(o *object) uintptr { return uintptr(unsafe.Pointer(o)) }
	r.collect()
	r.equals(func(w *worker, o *object) *object {
		switch w.rng.IntN(4) {
		case 0:
			m.Delete(o)
		case 1:
			m.LoadOrStore(o, address(o))
		case 2:
			m.Compute(o, func(uintptr, bool) (uintptr, bool) { return address(o), true })
		default:
			m.Store(o, address(o))
		}
		return o
	}, m.Reap)
	r.start(1, func(w *worker) { // The key may be replaced by an equal one at any moment.
		for w.goOn() {
			for range lookupsPerLook {
				id := int64(w.rng.IntN(ownerCount))
				if key, v, ok := m.LoadKey(&object{id: id}); ok && (key.id != id || v != address(key)) {
					w.violation("%v: LoadKey(%d) = %p with the value of %#x", w.configuration, id, key, v)
					return
				}
			}
			w.did += lookupsPerLook
			runtime.Gosched()
		}
	})
	r.start(ownerCount, func(w *worker) {
		id := int64(w.number)
		mine := &object{id: id}
		m.Store(mine, address(mine))
		for w.goOn() {
			for range lookupsPerLook {
				if key, v, ok := m.LoadKey(&object{id: id}); !ok || key != mine || v != address(mine) {
					w.violation("%v: LoadKey = %p, %#x, %t, but the owner stored %p", w.configuration, key, v, ok, mine)
					return
				}
			}
			w.looked()
			for range 1 + w.rng.IntN(lookupsPerLook/10) { // Each binding is in another place than the one before, or in the same.
				old := mine
				mine = &object{id: id}
				if v, loaded := m.Swap(mine, address(mine)); !loaded || v != address(old) {
					w.violation("%v: Swap = %#x, %t, but the owner stored %p", w.configuration, v, loaded, old)
					return
				}
				if w.rng.IntN(2) == 0 {
					if v, loaded := m.LoadAndDelete(&object{id: id}); !loaded || v != address(mine) {
						w.violation("%v: LoadAndDelete = %#x, %t, but the owner stored %p", w.configuration, v, loaded, mine)
						return
					}
					m.Store(mine, address(mine))
				}
				runtime.KeepAlive(old)
				w.did++
			}
		}
		runtime.KeepAlive(mine)
	})
	r.wait()
	r.eventually("all that nothing holds left", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}

func ownEqualSet(r *Round) {
	s := &weakmap.Set[object]{Config: r.config(), Hasher: byID{hashOf[int64](r.configuration)}}
	r.collect()
	r.equals(func(w *worker, o *object) *object {
		if w.rng.IntN(4) == 0 {
			s.Remove(o)
			return o
		}
		member, _ := s.LoadOrAdd(o)
		if member.id != o.id {
			w.violation("%v: LoadOrAdd gives %d for %d", w.configuration, member.id, o.id)
		}
		return member
	}, s.Reap)
	r.start(ownerCount, func(w *worker) {
		mine := &object{id: int64(w.number)}
		s.Add(mine)
		for w.goOn() {
			for range lookupsPerLook {
				if member, ok := s.Load(&object{id: int64(w.number)}); !ok || member != mine {
					w.violation("%v: Load = %p, %t, but the owner holds %p", w.configuration, member, ok, mine)
					return
				}
			}
			w.looked()
			if member, loaded := s.LoadOrAdd(&object{id: int64(w.number)}); !loaded || member != mine {
				w.violation("%v: LoadOrAdd = %p, %t, but the owner holds %p", w.configuration, member, loaded, mine)
				return
			}
			if !s.Remove(&object{id: int64(w.number)}) || !s.Add(mine) { // It is behind what has died since, perhaps.
				w.violation("%v: Remove by an equal one, or Add after it, = false", w.configuration)
				return
			}
		}
		runtime.KeepAlive(mine)
	})
	r.wait()
	r.eventually("all that nothing holds left", func() bool { return s.Len() == 0 })
	r.dead.Add(int64(r.balance(s).Reaped))
}

// crowd has one worker intern values that die at once.
func (r *Round) crowd(intern func(value string), reap func() (removed int)) {
	r.start(1, func(w *worker) {
		crowd := w.many(2000)
		for w.goOn() {
			n := 1 + w.rng.IntN(crowd)
			for range n {
				intern(fmt.Sprint("crowd ", w.rng.IntN(crowd)))
			}
			w.did += int64(n)
			reap()
		}
	})
}

func ownInterner(r *Round) {
	in := newInterner[string](r.configuration)
	r.collect()
	r.crowd(func(value string) {
		in.Intern(value) //weakvet:ignore weakunheld is to die
	}, in.Reap)
	r.start(ownerCount, func(w *worker) {
		value := fmt.Sprint("owner ", w.number)
		mine := in.Intern(value)
		for w.goOn() {
			for range lookupsPerLook {
				if p, ok := in.Lookup(value); !ok || p != mine {
					w.violation("%v: Lookup(%q) = %p, %t, but its owner holds %p", w.configuration, value, p, ok, mine)
					return
				}
			}
			w.looked()
			if p := in.Intern(value); p != mine {
				w.violation("%v: Intern(%q) = %p, but its owner holds %p", w.configuration, value, p, mine)
				return
			}
		}
		runtime.KeepAlive(mine)
	})
	r.wait()
	r.eventually("all that nobody holds left", func() bool { return in.Len() == 0 })
	r.dead.Add(int64(r.balance(in).Reaped))
}

func ownStrings(r *Round) {
	in := &weakmap.Strings{Config: r.config()}
	r.collect()
	r.crowd(func(value string) {
		in.Intern(value) //weakvet:ignore weakunheld is to die
	}, in.Reap)
	r.start(ownerCount, func(w *worker) {
		value := fmt.Sprint("owner ", w.number)
		part := in.Intern(value)[w.number:]
		for w.goOn() {
			for range lookupsPerLook {
				if s, ok := in.Lookup(value); !ok || unsafe.StringData(s[w.number:]) != unsafe.StringData(part) {
					w.violation("%v: Lookup(%q) = %p, %t, but its owner holds the part at %p", w.configuration, value, unsafe.StringData(s), ok, unsafe.StringData(part))
					return
				}
			}
			w.looked()
			if s := in.Intern(value); s != value || unsafe.StringData(s[w.number:]) != unsafe.StringData(part) {
				w.violation("%v: Intern(%q) = %q at %p, but its owner holds the part at %p", w.configuration, value, s, unsafe.StringData(s), unsafe.StringData(part))
				return
			}
		}
		runtime.KeepAlive(part)
	})
	r.wait()
	r.eventually("all that nothing holds left", func() bool { return in.Len() == 0 })
	r.dead.Add(int64(r.balance(in).Reaped))
}
