package scenario

import (
	"fmt"
	"runtime"
	"strings"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// Containers that grow large, die out and grow again, and containers that are dropped.
var populations = []Scenario{
	{"population/mass-death", "a table that loses a living entry when most of the others die, that does not shrink, or does not grow again",
		needAll, rounds(massDeath)},
	{"population/dropped", "a dropped map that its values, cleanups or the reaper keep",
		needDeaths | needCollections, rounds(droppedMaps)},
	{"population/settle", "what nobody holds and is there after Settle, or a callback that was due and has not returned",
		needDeaths | needCollections, rounds(settled)},
}

// capacityFloor is how many slots a table may keep after a mass death, whatever it had.
const capacityFloor = 8192

func massDeath(r *Round) {
	m := newMap[string](r.configuration)
	n := r.many(60_000)
	crowd, survivors := make(held, n), n/100
	for !r.over.Load() && !r.done() {
		for i := range crowd {
			crowd[i] = &object{id: int64(i)}
			m.Store(fmt.Sprint(i), crowd[i])
		}
		r.ops.Add(int64(n))
		before := m.Stats().Capacity
		clear(crowd[survivors:])
		r.eventually("the crowd left", func() bool { return m.Len() == survivors })
		m.Reap()
		if after := m.Stats().Capacity; after > max(before/8, capacityFloor) {
			r.violation("%v: %d slots for %d entries after a mass death, %d before", r.configuration, after, survivors, before)
		}
		for i, v := range crowd[:survivors] {
			if got, ok := m.Load(fmt.Sprint(i)); !ok || got != v {
				r.violation("%v: Load(%d) = %p, %t after a mass death, but %p is held", r.configuration, i, got, ok, v)
				return
			}
		}
		r.hits.Add(int64(survivors))
	}
	runtime.KeepAlive(crowd)
	r.dead.Add(int64(r.balance(m).Reaped))
}

// A cargo is part of a key of a dropped map, and tells whether the key went.
type cargo struct {
	text *string
	n    int
}

func droppedMaps(r *Round) {
	const maps, entries = 20, 30
	for !r.over.Load() && !r.done() {
		values := make(held, maps*entries)
		var containers []weak.Pointer[weakmap.Map[cargo, object]]
		var keys []weak.Pointer[string]
		elsewhere(func() {
			for range maps {
				m := newMap[cargo](r.configuration)
				m.Config.Capacity = r.rng.IntN(100)
				m.OnReap = func(cargo) {}
				for i := range entries {
					text := strings.Repeat("x", 100)
					key := cargo{&text, i}
					at := len(keys)
					values[at] = &object{}
					m.Store(key, values[at])
					keys = append(keys, weak.Make(&text))
					switch i % 3 {
					case 0: // one value under two keys
						m.Store(cargo{nil, i}, values[at])
					case 1:
						m.Delete(key)
						m.Store(key, values[at])
					}
				}
				containers = append(containers, weak.Make(m))
			}
		})
		r.eventually("the dropped maps are gone, and their keys, while the values live", func() bool {
			return alive(containers) == 0 && alive(keys) == 0
		})
		r.ops.Add(maps * entries)
		r.dead.Add(maps)
		runtime.KeepAlive(values)
	}
}

func settled(r *Round) {
	m := newMap[int](r.configuration)
	reports := 0 // by OnReap, which never runs twice at once, read after Settle
	m.OnReap = func(key int) {
		if reports++; key%16 == 0 { // Settle has to wait for slow ones too.
			time.Sleep(time.Millisecond)
		}
	}
	km := &weakmap.KeyMap[object, int]{Config: r.config()}
	in := newInterner[string](r.configuration)
	n := r.many(300)
	r.start(1, func(w *worker) { // Other garbage, in another map.
		other := newMap[int](r.configuration)
		for w.goOn() {
			other.Store(w.rng.IntN(n), &object{})
			w.did++
			if w.rng.IntN(64) == 0 {
				runtime.Gosched()
			}
		}
	})
	r.start(1, func(w *worker) {
		for inserted := 0; w.goOn(); {
			elsewhere(func() {
				for i := range n {
					m.Store(i, &object{})
					km.Store(&object{}, i)
					in.Intern(fmt.Sprint("settled ", i)) //weakvet:ignore weakunheld is to die
				}
			})
			inserted += n
			w.did += 3 * int64(n)
			w.settle()
			if m.Len() != 0 || km.Len() != 0 || in.Len() != 0 {
				w.violation("%v: after Settle %d, %d and %d entries are left", w.configuration, m.Len(), km.Len(), in.Len())
				return
			}
			if reports != inserted {
				w.violation("%v: after Settle %d of %d reports have returned", w.configuration, reports, inserted)
				return
			}
			w.sawDeath += 3 * int64(n)
		}
	})
	r.wait()
}
