package scenario

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"weak"

	"github.com/go-weak/weakmap"
)

var leaks = []Scenario{
	{"leak/same-value", "what stays with a long-lived value that is stored again and again", needCollections, leaking(sameValue)},
	{"leak/many-keys", "what stays with a long-lived value that was stored under many keys", needCollections, leaking(manyKeys)},
	{"leak/dropped-map", "a dropped map that something keeps while its values live", needCollections, leaking(droppedMap)},
	{"leak/cycle", "a cleanup argument or closure that keeps a value which refers to its map", needCollections, leaking(cycle)},
	{"leak/tombstones", "places of deleted entries that are not used again", needCollections, leaking(tombstones)},
	{"leak/no-shrink", "a table that stays as large as it was before a mass death", needCollections, leaking(noShrink)},
	{"leak/specials", "off-heap records of the runtime that stay after a burst", needCollections, leaking(burst)},
	{"leak/no-cleanup", "dead entries whose cleanup never comes, since a finalizer brought the value back", needCollections, leaking(noCleanup)},
	{"leak/deleted-key", "a key that its deleted slot keeps", needCollections, leaking(deletedKey)},
	{"leak/iterators", "values that iterators keep which were not run to their end", needCollections, leaking(iterators)},
	{"leak/old-arrays", "an array that a shard keeps after its table has moved on", needCollections, leaking(oldArrays)},
	{"leak/retained", "what a container held by Config.Retain when it was cleared or dropped", needCollections, leaking(retained)},
	{"leak/evicted", "what a container with RetainMax keeps of values that it has evicted or that were removed", needCollections, leaking(evicted)},
	{"leak/stalled-queue", "reports that stay after a consumer that stalled has gone on", needCollections, leaking(stalledQueue)},
}

// perRound is how many operations each part of a round does.
const perRound = 1000

// inBothModes returns a map for each reclaim mode.
func inBothModes[K comparable]() (maps [2]*weakmap.Map[K, object]) {
	for i, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		maps[i] = newMap[K](configuration{reclaim, 0, good})
	}
	return maps
}

func sameValue(*Run) func() int {
	const few = perRound / 20 // So that what stays after each collection counts too.
	maps, value := inBothModes[int](), &object{}
	return func() int {
		for _, m := range maps {
			for i := range few {
				m.Store(i%4, value)
			}
		}
		runtime.KeepAlive(value)
		return 2 * few
	}
}

func manyKeys(*Run) func() int {
	maps, value := inBothModes[int](), &object{}
	number := 0
	return func() int {
		for _, m := range maps {
			for range perRound {
				number++
				m.Store(number, value)
			}
			m.DeleteFunc(func(key int, _ *object) bool { return key%2 == 0 })
			m.Clear()
		}
		runtime.KeepAlive(value)
		return 2 * perRound
	}
}

func droppedMap(*Run) func() int {
	values := make(held, 100)
	for i := range values {
		values[i] = &object{}
	}
	return func() int {
		for range perRound / len(values) {
			m := newMap[string](configuration{weakmap.PerCycle, 0, good})
			for i, v := range values {
				m.Store(fmt.Sprint("a key of a map that is dropped ", i), v)
			}
		}
		runtime.KeepAlive(values)
		return perRound
	}
}

// A node refers to the map that it is in.
type node struct {
	in *weakmap.Map[int, node]
	_  [6]uint64
}

func cycle(*Run) func() int {
	return func() int {
		for _, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
			for range perRound / 100 {
				m := &weakmap.Map[int, node]{Config: weakmap.Config{Reclaim: reclaim}}
				m.OnReap = func(int) { _ = m.Len() }
				for i := range 100 {
					n := &node{in: m}
					m.Store(i, n)
					weakmap.Finalize(n, func(int) {}, i)
				}
			}
		}
		return 2 * perRound
	}
}

func tombstones(*Run) func() int {
	maps, value := inBothModes[string](), &object{}
	number := 0
	return func() int {
		for _, m := range maps {
			for range perRound {
				number++
				key := fmt.Sprint(number)
				m.Store(key, value)
				if number%2 == 0 {
					m.LoadAndDelete(key)
				} else {
					m.CompareAndDelete(key, value)
				}
			}
		}
		runtime.KeepAlive(value)
		return 2 * perRound
	}
}

func noShrink(r *Run) func() int {
	return func() int {
		const crowd = 20 * perRound
		for _, m := range inBothModes[int]() {
			for i := range crowd {
				m.Store(i, &object{})
			}
			r.settle()
			if c := m.Stats().Capacity; c > capacityFloor {
				r.violation("%d slots are left of a map whose %d values have died", c, crowd)
			}
			r.dead.Add(crowd)
		}
		return 2 * crowd
	}
}

func burst(*Run) func() int {
	keyed, set, in := &weakmap.KeyMap[object, int]{}, &weakmap.Set[object]{}, &weakmap.Interner[int]{}
	return func() int {
		for i := range perRound {
			o := &object{}
			keyed.Store(o, i)
			set.Add(o)
			in.Intern(i) //weakvet:ignore weakunheld is to die
			weakmap.Finalize(o, func(int) {}, i)
			//weakvet:ignore weakunheld is to die
			weakmap.NewRef(o, func() {}) //weakvet:ignore weakdropped is to die
		}
		return 5 * perRound
	}
}

func noCleanup(*Run) func() int {
	maps, number := inBothModes[int](), 0
	back := make(chan *object, perRound) // what the finalizers bring back, to be held for a round
	return func() int {
		for len(back) > 0 {
			<-back
		}
		for range perRound {
			number++
			o := &object{}
			runtime.SetFinalizer(o, func(o *object) {
				select {
				case back <- o:
				default:
				}
			})
			for _, m := range maps {
				m.Store(number, o)
			}
		}
		return 2 * perRound
	}
}

func deletedKey(*Run) func() int {
	maps, value := inBothModes[string](), &object{}
	for _, m := range maps {
		m.Store("one that stays", value)
	}
	number := 0
	return func() int {
		for _, m := range maps {
			for range perRound {
				number++
				key := fmt.Sprint(number, strings.Repeat(" long", 50))
				m.Store(key, value)
				m.Delete(key)
			}
		}
		runtime.KeepAlive(value)
		return 2 * perRound
	}
}

func iterators(*Run) func() int {
	maps := inBothModes[int]()
	return func() int {
		values := make(held, 100)
		for _, m := range maps {
			for i := range values {
				values[i] = &object{}
				m.Store(i, values[i])
			}
			for range perRound / len(values) {
				for range m.Values() {
					break
				}
				next, stop := iter.Pull2(m.All())
				next()
				stop()
			}
		}
		runtime.KeepAlive(values)
		return 2 * perRound
	}
}

func retained(r *Run) func() int {
	const each = perRound / 10
	rng := rand.New(rand.NewPCG(r.Seed, 0))
	both := func() []retainer {
		return append(retainers(configuration{weakmap.PerCycle, 0, good}, forEver), retainers(configuration{weakmap.PerValue, 0, good}, forEver)...)
	}
	cleared := both()
	return func() int {
		dropped := both()
		for _, c := range append(dropped, cleared...) {
			for id := range int64(each) {
				if o := c.add(id); id%4 == 0 {
					c.remove(rng, o)
				}
			}
		}
		for _, c := range cleared {
			c.Clear()
		}
		return 2 * each * len(cleared)
	}
}

// evicted has ever new values come, of which few are held, and some are removed or used again.
func evicted(r *Run) func() int {
	const each = perRound / 10
	rng := rand.New(rand.NewPCG(r.Seed, 0))
	bound := weakmap.Config{RetainMax: each / 4}
	all := append(retaining(configuration{weakmap.PerCycle, 0, good}, bound), retaining(configuration{weakmap.PerValue, 1, good}, bound)...)
	next := int64(0)
	return func() int {
		for _, c := range all {
			for range each {
				next++
				switch o := c.add(next); next % 4 {
				case 0:
					c.remove(rng, o)
				case 1:
					c.use(rng, next, weak.Make(o))
				}
			}
		}
		return each * len(all)
	}
}

func oldArrays(*Run) func() int {
	maps, value := inBothModes[int](), &object{}
	return func() int {
		for _, m := range maps {
			for i := range 4 * perRound {
				m.Store(i, value)
			}
			for i := range 4 * perRound {
				m.Delete(i)
			}
		}
		runtime.KeepAlive(value)
		return 16 * perRound
	}
}

func stalledQueue(r *Run) func() int {
	return func() int {
		gate := make(chan struct{})
		var reports atomic.Int64
		maps := inBothModes[int]()
		for _, m := range maps {
			m.OnReap = func(int) { <-gate; reports.Add(1) }
			elsewhere(func() {
				for i := range perRound {
					m.Store(i, &object{})
				}
			})
		}
		for _, m := range maps {
			r.eventually("all entries left", func() bool { return m.Len() == 0 })
		}
		close(gate)
		r.within("the reports that waited come", func() bool { return reports.Load() == 2*perRound })
		r.dead.Add(2 * perRound)
		runtime.KeepAlive(&maps)
		return 2 * perRound
	}
}
