package scenario

import (
	"runtime"
	"strings"

	"github.com/go-weak/weakmap"
)

// One goroutine replaces what a key is bound to, and holds each value until the next is bound.
// At every moment the bound value is held, so every lookup must hit.
var replacements = []Scenario{
	{"miss/replaced", "a lookup that takes the death of a replaced value for a miss",
		needAll, rounds(func(r *Round) { replace(r, "k") })},
	{"miss/overtaken", "the same, nearly always: comparing a key of 4 MiB takes so long that the lookup is overtaken by Store, collection and growth",
		needAll, rounds(func(r *Round) { replace(r, strings.Repeat("k", 4<<20)) })},
	{"miss/two-keys", "a value that moves between two keys, bound to the new one before the old one is deleted, and is found under neither",
		needAll, rounds(moveBetweenKeys)},
	{"miss/cell", "the same in a Cell",
		needAll, rounds(replaceInCell)},
	{"reclaim/reinsertion", "a late reclaim that removes what was stored under its key since, even the same value again",
		needAll, rounds(reinsert)},
}

func replace(r *Round, key string) {
	m := newMap[string](r.configuration)
	bound := &object{}
	m.Store(key, bound)
	r.collect()
	r.start(1, func(w *worker) {
		fillers := make(held, 200)
		for i := 0; w.goOn(); i++ {
			fresh := &object{id: int64(i)}
			switch i % 4 {
			case 0:
				m.Store(key, fresh)
			case 1:
				m.Swap(key, fresh)
			case 2:
				m.Compute(key, func(*object) *object { return fresh })
			case 3:
				if !m.CompareAndSwap(key, bound, fresh) {
					w.violation("%v: CompareAndSwap of the one who replaces failed", w.configuration)
				}
			}
			runtime.KeepAlive(bound)
			bound = fresh
			w.did++
			if i%50 == 0 { // growth, and shrinkage with the next collection
				for k := range fillers {
					fillers[k] = &object{}
					m.Store(strings.Repeat("f", k), fillers[k])
				}
				fillers.release()
			}
			runtime.Gosched()
		}
	})
	r.start(2, func(w *worker) {
		copied := strings.Clone(key)
		for w.goOn() {
			if v, ok := m.Load(copied); !ok || v == nil {
				w.violation("%v: Load = %p, %t, but whatever was bound was held", w.configuration, v, ok)
				return
			}
			if v, loaded := m.LoadOrStore(copied, &object{id: -1}); !loaded || v.id < 0 {
				w.violation("%v: LoadOrStore = %v, %t, but whatever was bound was held", w.configuration, v, loaded)
				return
			}
			w.did += 2
			w.found += 2
		}
	})
	r.wait()
	runtime.KeepAlive(bound)
	r.settle()
	r.dead.Add(int64(r.balance(m).Reaped))
}

func replaceInCell(r *Round) {
	var c weakmap.Cell[object]
	bound := &object{}
	c.Store(bound)
	r.collect()
	r.start(1, func(w *worker) {
		for w.goOn() {
			fresh := &object{}
			c.Store(fresh)
			runtime.KeepAlive(bound)
			bound = fresh
			w.did++
			runtime.Gosched()
		}
	})
	r.start(2, func(w *worker) {
		for w.goOn() {
			if v, ok := c.Load(); !ok || v == nil {
				w.violation("Load = %p, %t, but whatever was stored was held", v, ok)
				return
			}
			if v, loaded, err := c.LoadOrCompute(func() (*object, error) { return &object{id: -1}, nil }); !loaded || v.id < 0 || err != nil {
				w.violation("LoadOrCompute = %v, %t, %v, but whatever was stored was held", v, loaded, err)
				return
			}
			w.did += 2
			w.found += 2
		}
	})
	r.wait()
	runtime.KeepAlive(bound)
	r.diesInCell(&c)
}

func moveBetweenKeys(r *Round) {
	m := newMap[int](r.configuration)
	value := &object{}
	m.Store(0, value)
	r.collect()
	r.start(1, func(w *worker) {
		for i := 0; w.goOn(); i++ {
			m.Store((i+1)%2, value)
			if i%8 == 0 { // a value that dies under a third key
				m.Store(2, &object{})
			}
			if !m.CompareAndDelete(i%2, value) {
				w.violation("%v: CompareAndDelete failed though the value was bound", w.configuration)
				return
			}
			w.did++
		}
	})
	r.start(2, func(w *worker) {
		for w.goOn() {
			for range 100 {
				// Found under 0, or else under 1 or 0 again, since it moves on at the same time.
				for tries, found := 0, false; !found; tries++ {
					v, ok := m.Load(tries % 2)
					if found = ok; found && v != value {
						w.violation("%v: Load(%d) = %p, want %p", w.configuration, tries%2, v, value)
						return
					}
					if !w.goOn() {
						return
					}
				}
			}
			w.did += 100
			w.found += 100
		}
	})
	r.wait()
	r.settle()
	r.dead.Add(int64(r.balance(m).Reaped))
	if _, zero := m.Load(0); !zero {
		if _, one := m.Load(1); !one {
			r.violation("%v: a value that is held is bound to neither key", r.configuration)
		}
	}
	runtime.KeepAlive(value)
}

// reinsert binds the same keys again and again, so that the reclaims of the last values come
// when new ones are bound, and checks what is held after each.
func reinsert(r *Round) {
	const keys = 64
	maps := [2]*weakmap.Map[int, object]{newMap[int](r.configuration), newMap[int](r.configuration)}
	kept := &object{id: -1} // bound, deleted and bound again
	r.collect()
	r.start(2, func(w *worker) {
		m, current := maps[w.number], make(held, keys)
		for round := 0; w.goOn(); round++ {
			for k := range current {
				v := &object{id: int64(k)}
				switch (round + k) % 5 {
				case 0:
					m.Store(k, v)
				case 1:
					m.Swap(k, v)
				case 2:
					v, _ = m.LoadOrStore(k, v) // the one before may live still
				case 3:
					v, _, _ = m.LoadOrCompute(k, func() (*object, error) { return v, nil })
				case 4:
					m.Store(k, kept)
					m.Delete(k)
					m.Store(k, kept)
					v = kept
				}
				current[k] = v
			}
			for range 2 {
				for k, v := range current {
					if got, ok := m.Load(k); !ok || got != v {
						w.violation("%v: Load(%d) = %p, %t, want %p, which is held", w.configuration, k, got, ok, v)
						return
					}
				}
				runtime.Gosched() // late reclaims come now
			}
			w.did += 3 * keys
			w.found += 2 * keys
			current.release()
		}
	})
	r.wait()
	runtime.KeepAlive(kept)
	for _, m := range maps {
		r.eventually("the last values died", func() bool { return m.Len() == 0 })
		r.dead.Add(int64(r.balance(m).Reaped))
	}
}
