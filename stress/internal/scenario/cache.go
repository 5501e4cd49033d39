package scenario

import (
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap"
)

// A cache as people write it: get or make, use, let go.
var caches = []Scenario{
	{"cache/same-twice", "two living values for one key: the holder of one must get it again; two computations of one key at once",
		needAll, rounds(sameTwice)},
	{"cache/cell", "two living values in one Cell; two computations of it at once",
		needAll, rounds(sameTwiceInCell)},
	{"cache/right-value", "the value of another key, from a slot that changed hands during a lookup",
		needAll, rounds(func(r *Round) { rightValue(r, newMap[int](r.configuration), 40) })},
	{"cache/right-value-large", "the same in a large table",
		needAll, rounds(rightValueInLargeTable)},
	{"cache/late-waiter", "a computation that is ending and gives a value to somebody who came after that was deleted",
		needAll, rounds(lateWaiter)},
	{"cache/keymap", "the same for values attached to objects, one object per key and goroutines that share them",
		needHits | needCollections, rounds(sameTwiceAttached)},
	{"cache/canonical", "two canonical pointers for one value; a canonical value that changes or is another one's",
		needAll, rounds(canonical)},
	{"cache/strings", "two copies of the bytes of one string, while a part of one is held; bytes that are another string's",
		needAll, rounds(sharedStrings)},
}

func sameTwice(r *Round) {
	const keys = 12
	m := newMap[int](r.configuration)
	var computing [keys]atomic.Int32
	r.collect()
	r.start(4, func(w *worker) {
		get := func(key int) *object {
			v, _, err := m.LoadOrCompute(key, func() (*object, error) {
				if computing[key].Add(1) != 1 {
					w.violation("%v: key %d is computed twice at once", w.configuration, key)
				}
				defer computing[key].Add(-1)
				if w.rng.IntN(8) == 0 {
					runtime.Gosched()
				}
				return &object{id: int64(key)}, nil
			})
			if err != nil || v == nil || v.id != int64(key) {
				w.violation("%v: LoadOrCompute(%d) = %+v, %v", w.configuration, key, v, err)
			}
			return v
		}
		for w.goOn() {
			key := w.rng.IntN(keys)
			v := get(key)
			if w.rng.IntN(4) == 0 {
				runtime.Gosched()
			}
			if again := get(key); again != v {
				w.violation("%v: key %d is bound to %p while %p is held", w.configuration, key, again, v)
				return
			}
			if again, ok := m.Load(key); !ok || again != v {
				w.violation("%v: Load(%d) = %p, %t while %p is held", w.configuration, key, again, ok, v)
				return
			}
			w.did += 3
			w.found += 2
			runtime.KeepAlive(v)
		}
	})
	r.wait()
	r.eventually("the cache is empty when nobody holds anything", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}

func sameTwiceInCell(r *Round) {
	var c weakmap.Cell[object]
	var computing atomic.Int32
	r.collect()
	r.start(4, func(w *worker) {
		for w.goOn() {
			get := func() *object {
				v, _, err := c.LoadOrCompute(func() (*object, error) {
					if computing.Add(1) != 1 {
						w.violation("a Cell is computed twice at once")
					}
					defer computing.Add(-1)
					if w.rng.IntN(8) == 0 {
						runtime.Gosched()
					}
					return &object{id: 1}, nil
				})
				if err != nil || v == nil || v.id != 1 {
					w.violation("LoadOrCompute = %+v, %v", v, err)
				}
				return v
			}
			v := get()
			if w.rng.IntN(4) == 0 {
				runtime.Gosched()
			}
			again := get()
			if loaded, ok := c.Load(); again != v || loaded != v || !ok {
				w.violation("a Cell gives %p and %p, %t while %p is held", again, loaded, ok, v)
				return
			}
			w.did += 3
			w.found += 2
			runtime.KeepAlive(v)
		}
	})
	r.wait()
	r.diesInCell(&c)
}

// crowded entries make a table of more than 8,192 buckets.
const crowded = 50_000

func rightValueInLargeTable(r *Round) {
	const keys = 4 // They have one hash, so that they change places among each other.
	m := newMap[int](configuration{reclaim: r.reclaim, shards: r.shards})
	m.Config.Capacity = crowded
	m.Hash = func(key int) uint64 { return uint64(max(key, keys)) }
	crowd := make(held, crowded)
	percent := debug.SetGCPercent(-1) // Collections beside this could take all the time there is.
	for i := range crowd {
		crowd[i] = &object{id: int64(keys + 1 + i)}
		m.Store(keys+1+i, crowd[i])
	}
	debug.SetGCPercent(percent)
	r.restart()
	rightValue(r, m, keys)
	crowd.release()
}

// rightValue binds and unbinds few keys, numbered from 0, so fast that slots change hands all the
// time. What else is in m must stay.
func rightValue(r *Round, m *weakmap.Map[int, object], keys int) {
	others := m.Len()
	r.collect()
	r.start(2, func(w *worker) {
		current := make(held, keys)
		for w.goOn() {
			for range 100 {
				key := w.rng.IntN(keys)
				v := &object{id: int64(key)}
				m.Store(key, v)
				current[key] = v
				m.Delete(w.rng.IntN(keys))
			}
			w.did += 200
		}
		runtime.KeepAlive(current)
	})
	r.start(2, func(w *worker) {
		for w.goOn() {
			for range 1000 {
				key := w.rng.IntN(keys)
				if v, ok := m.Load(key); ok {
					if w.found++; v.id != int64(key) {
						w.violation("%v: Load(%d) gives the value of %d", w.configuration, key, v.id)
						return
					}
				}
			}
			w.did += 1000
		}
	})
	r.wait()
	r.eventually("what nobody holds left", func() bool { return m.Len() == others })
	r.dead.Add(int64(r.balance(m).Reaped))
}

func sameTwiceAttached(r *Round) {
	m := &weakmap.KeyMap[object, int64]{Config: r.config()}
	var made atomic.Int64
	keys := make([]atomic.Pointer[object], 12)
	for i := range keys {
		keys[i].Store(&object{})
	}
	r.collect()
	r.start(4, func(w *worker) {
		for w.goOn() {
			at := &keys[w.rng.IntN(len(keys))]
			key := at.Load()
			first, _, err := m.LoadOrCompute(key, func() (int64, error) { return made.Add(1), nil })
			second, ok := m.Load(key)
			if err != nil || !ok || first != second {
				w.violation("%v: LoadOrCompute = %d, %v and then Load = %d, %t", w.configuration, first, err, second, ok)
				return
			}
			if actual, loaded := m.LoadOrStore(key, -1); !loaded || actual != first {
				w.violation("%v: LoadOrStore = %d, %t after %d", w.configuration, actual, loaded, first)
				return
			}
			w.did += 3
			w.found += 2
			if w.rng.IntN(16) == 0 {
				at.CompareAndSwap(key, &object{}) // The old one dies when the last goroutine lets go.
			}
		}
	})
	r.wait()
	clear(keys)
	r.eventually("nothing is attached when the keys are gone", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}

// A tiny value is pointer-free and smaller than what the runtime keeps apart.
type tiny struct{ n uint16 }

func canonical(r *Round) {
	const values = 16
	in := newInterner[tiny](r.configuration)
	held := in.Intern(tiny{values})
	r.collect()
	r.start(4, func(w *worker) {
		for w.goOn() {
			v := tiny{uint16(w.rng.IntN(values))}
			p := in.Intern(v)
			if w.rng.IntN(4) == 0 {
				runtime.Gosched()
			}
			again := in.Intern(v)
			found, ok := in.Lookup(v)
			if p != again || !ok || p != found || *p != v {
				w.violation("%v: Intern(%v) = %p to %v, then %p; Lookup = %p, %t", w.configuration, v, p, *p, again, found, ok)
				return
			}
			if q := in.Intern(tiny{values}); q != held {
				w.violation("%v: Intern = %p, but the canonical pointer %p is held", w.configuration, q, held)
				return
			}
			w.did += 4
			w.found += 3
			runtime.KeepAlive(p)
		}
	})
	r.wait()
	r.eventually("what nobody holds left", func() bool { return in.Len() == 1 })
	runtime.KeepAlive(held)
	r.dead.Add(int64(r.balance(in).Reaped))
}

// sharedStrings interns few strings, of which each goroutine holds only a part between two calls.
func sharedStrings(r *Round) {
	const values = 16
	in := &weakmap.Strings{Config: r.config()}
	text := func(n int) string { return strings.Repeat(string(rune('a'+n)), 1+3*n) } // of 1 to 46 bytes
	whole := in.Intern(text(values))
	r.collect()
	r.start(4, func(w *worker) {
		for w.goOn() {
			n := w.rng.IntN(values)
			v := text(n)
			from := w.rng.IntN(len(v))
			part := in.Intern(v)[from:]
			if w.rng.IntN(4) == 0 {
				runtime.Gosched()
			}
			again := in.InternBytes([]byte(v))
			found, ok := in.Lookup(v)
			if again != v || found != v || !ok || unsafe.StringData(again[from:]) != unsafe.StringData(part) || unsafe.StringData(found) != unsafe.StringData(again) {
				w.violation("%v: Intern(%q) = %q at %p, Lookup = %q, %t at %p, while its part at %p is held", w.configuration, v, again, unsafe.StringData(again), found, ok, unsafe.StringData(found), unsafe.StringData(part))
				return
			}
			if s := in.Intern(text(values)); unsafe.StringData(s) != unsafe.StringData(whole) {
				w.violation("%v: Intern gives other bytes than those that are held", w.configuration)
				return
			}
			w.did += 4
			w.found += 3
			runtime.KeepAlive(part)
		}
	})
	r.wait()
	r.eventually("what nothing holds left", func() bool { return in.Len() == 1 })
	runtime.KeepAlive(whole)
	r.dead.Add(int64(r.balance(in).Reaped))
}

// lateWaiter deletes what it sees computed, and computes itself: what it deleted before must not
// come back from the computation that is just ending.
func lateWaiter(r *Round) {
	m := newMap[int](r.configuration)
	var key atomic.Int64 // the one that is computed now
	r.collect()
	r.start(1, func(w *worker) {
		for w.goOn() {
			for range 100 {
				k := int(key.Add(1))
				_, _, _ = m.LoadOrCompute(k, func() (*object, error) { return &object{id: 1}, nil })
			}
			w.did += 100
		}
	})
	r.start(2, func(w *worker) {
		for w.goOn() {
			for range 1000 {
				k := int(key.Load())
				first, ok := m.Load(k)
				if !ok || !m.CompareAndDelete(k, first) {
					continue
				}
				second, loaded, _ := m.LoadOrCompute(k, func() (*object, error) { return &object{id: 2}, nil })
				if second == first {
					w.violation("%v: LoadOrCompute gives what the same goroutine has deleted before, loaded = %t", w.configuration, loaded)
					return
				}
				w.found++
			}
			w.did += 1000
		}
	})
	r.wait()
	r.eventually("what nobody holds left", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}
