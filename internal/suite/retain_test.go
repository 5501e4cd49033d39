package suite

import (
	"fmt"
	"iter"
	"math/bits"
	"runtime"
	"slices"
	"testing"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// forever is a Retain that no test reaches. Its low bits are 0: cut to 32 bits it would be 0.
const forever = 1 << (bits.UintSize / 2)

type handle = weak.Pointer[record]

// A keeper is a container with Config.Retain, whatever its type. Uses and removals are of record 0.
type keeper struct {
	name     string
	add      func(id int) *record // adds a record and returns the one that is held
	all      iter.Seq[*record]
	clear    func()
	stats    func() weakmap.Stats
	alive    func() bool // whether the container itself lives
	uses     map[string]func(h handle) (found bool)
	removals map[string]func(h handle)
}

// retain adds records 0 to n-1, and returns weak pointers to what is held.
func (k keeper) retain(n int) []handle {
	handles := make([]handle, n)
	elsewhere(func() {
		for id := range handles {
			handles[id] = weak.Make(k.add(id))
		}
	})
	return handles
}

// yields reports whether a sequence yields anything.
func yields[T any](seq func(yield func(T) bool)) (found bool) {
	seq(func(T) bool { found = true; return true })
	return found
}

// yieldsPair is yields for two values at a time.
func yieldsPair[A, B any](seq func(yield func(A, B) bool)) (found bool) {
	seq(func(A, B) bool { found = true; return false }) // DeleteFunc is to delete nothing.
	return found
}

func retainingMap(c weakmap.Config) keeper {
	m := &weakmap.Map[int, record]{Config: c}
	return keeper{
		name: "Map", all: m.Values(), clear: m.Clear, stats: m.Stats, alive: lives(m),
		add: func(id int) *record { r := &record{id: id}; m.Store(id, r); return r },
		uses: map[string]func(handle) bool{
			"Load":        func(handle) bool { _, ok := m.Load(0); return ok },
			"LoadOrStore": func(handle) bool { _, ok := m.LoadOrStore(0, &record{}); return ok },
			"LoadOrCompute": func(handle) bool {
				_, ok, _ := m.LoadOrCompute(0, func() (*record, error) { return &record{}, nil })
				return ok
			},
			"Compute":    func(handle) bool { return m.Compute(0, func(current *record) *record { return current }) != nil },
			"Keys":       func(handle) bool { return yields(m.Keys()) },
			"Values":     func(handle) bool { return yields(m.Values()) },
			"All":        func(handle) bool { return yieldsPair(m.All()) },
			"Range":      func(handle) bool { return yieldsPair(m.Range) },
			"DeleteFunc": func(handle) bool { return yieldsPair(func(del func(int, *record) bool) { m.DeleteFunc(del) }) },
		},
		removals: map[string]func(handle){
			"Delete":           func(handle) { m.Delete(0) },
			"LoadAndDelete":    func(handle) { m.LoadAndDelete(0) },
			"CompareAndDelete": func(h handle) { m.CompareAndDelete(0, h.Value()) },
			"DeleteFunc":       func(handle) { m.DeleteFunc(func(int, *record) bool { return true }) },
			"Clear":            func(handle) { m.Clear() },
			"Compute":          func(handle) { m.Compute(0, func(*record) *record { return nil }) },
			"Store over it":    func(handle) { m.Store(0, &record{}) },
			"Swap":             func(handle) { m.Swap(0, &record{}) },
			"CompareAndSwap":   func(h handle) { m.CompareAndSwap(0, h.Value(), &record{}) },
		},
	}
}

func retainingKeyMap(c weakmap.Config) keeper {
	return retainingKeyMapBy("KeyMap", c, nil, handle.Value)
}

// retainingEqualKeyMap has record 0 found by an equal one.
func retainingEqualKeyMap(c weakmap.Config) keeper {
	return retainingKeyMapBy("KeyMap with a Hasher", c, &hooked{}, anEqualOne())
}

// anEqualOne returns what leads to a record that is the same as record 0 by a Hasher.
func anEqualOne() func(handle) *record {
	equal := &record{}
	return func(handle) *record { return equal }
}

// retainingKeyMapBy has record 0 looked up by what as returns.
func retainingKeyMapBy(name string, c weakmap.Config, h weakmap.Hasher[*record], as func(handle) *record) keeper {
	zero := func() (int, error) { return 0, nil }
	m := &weakmap.KeyMap[record, int]{Config: c, Hasher: h}
	k := keeper{
		name: name, all: m.Keys(), clear: m.Clear, stats: m.Stats, alive: lives(m),
		add: func(id int) *record { key := &record{id: id}; m.Store(key, id); return key },
		uses: map[string]func(handle) bool{
			"Load":          func(h handle) bool { _, ok := m.Load(as(h)); return ok },
			"LoadKey":       func(h handle) bool { key, _, ok := m.LoadKey(as(h)); return ok && key == h.Value() },
			"LoadOrStore":   func(h handle) bool { _, ok := m.LoadOrStore(as(h), 0); return ok },
			"LoadOrCompute": func(h handle) bool { _, ok, _ := m.LoadOrCompute(as(h), zero); return ok },
			"Keys":          func(handle) bool { return yields(m.Keys()) },
			"Values":        func(handle) bool { return yields(m.Values()) },
			"All":           func(handle) bool { return yieldsPair(m.All()) },
			"DeleteFunc":    func(handle) bool { return yieldsPair(func(del func(*record, int) bool) { m.DeleteFunc(del) }) },
		},
		removals: map[string]func(handle){
			"Delete":        func(h handle) { m.Delete(as(h)) },
			"LoadAndDelete": func(h handle) { m.LoadAndDelete(as(h)) },
			"DeleteFunc":    func(handle) { m.DeleteFunc(func(*record, int) bool { return true }) },
			"Clear":         func(handle) { m.Clear() },
			"Compute":       func(h handle) { m.Compute(as(h), func(int, bool) (int, bool) { return 0, false }) },
		},
	}
	if h != nil { // Another object takes the place of record 0.
		k.removals["Store over it"] = func(handle) { m.Store(&record{}, 0) }
		k.removals["Compute over it"] = func(handle) { m.Compute(&record{}, func(int, bool) (int, bool) { return 1, true }) }
	}
	return k
}

func retainingSet(c weakmap.Config) keeper {
	return retainingSetBy("Set", c, nil, handle.Value)
}

func retainingEqualSet(c weakmap.Config) keeper {
	return retainingSetBy("Set with a Hasher", c, &hooked{}, anEqualOne())
}

func retainingSetBy(name string, c weakmap.Config, h weakmap.Hasher[*record], as func(handle) *record) keeper {
	s := &weakmap.Set[record]{Config: c, Hasher: h}
	return keeper{
		name: name, all: s.All(), clear: s.Clear, stats: s.Stats, alive: lives(s),
		add: func(id int) *record { elem := &record{id: id}; s.Add(elem); return elem },
		uses: map[string]func(handle) bool{
			"Contains": func(h handle) bool { return s.Contains(as(h)) },
			"Add":      func(h handle) bool { elem := as(h); return elem != nil && !s.Add(elem) },
			"Load":     func(h handle) bool { member, ok := s.Load(as(h)); return ok && member == h.Value() },
			"LoadOrAdd": func(h handle) bool {
				elem := as(h)
				if elem == nil {
					return false
				}
				member, loaded := s.LoadOrAdd(elem)
				return loaded && member == h.Value()
			},
			"All":        func(handle) bool { return yields(s.All()) },
			"RetainFunc": func(handle) bool { return yields(func(keep func(*record) bool) { s.RetainFunc(keep) }) },
		},
		removals: map[string]func(handle){
			"Remove":     func(h handle) { s.Remove(as(h)) },
			"RetainFunc": func(handle) { s.RetainFunc(func(*record) bool { return false }) },
			"Clear":      func(handle) { s.Clear() },
		},
	}
}

func retainingInterner(c weakmap.Config) keeper {
	i := &weakmap.Interner[record]{Config: c}
	return keeper{
		name: "Interner", all: i.All(), clear: i.Clear, stats: i.Stats, alive: lives(i),
		add: func(id int) *record { return i.Intern(record{id: id}) },
		uses: map[string]func(handle) bool{
			"Lookup": func(handle) bool { _, ok := i.Lookup(record{}); return ok },
			"Intern": func(h handle) bool { return i.Intern(record{}) == h.Value() },
			"All":    func(handle) bool { return yields(i.All()) },
		},
		removals: map[string]func(handle){"Clear": func(handle) { i.Clear() }},
	}
}

var keepers = []func(weakmap.Config) keeper{
	retainingMap, retainingKeyMap, retainingSet, retainingInterner, retainingEqualKeyMap, retainingEqualSet,
}

// A useCase is one way to use or remove record 0 of a keeper that is not used otherwise.
type useCase struct {
	keeper
	what string
	h    handle
}

func (u useCase) use() bool      { return u.uses[u.what](u.h) }
func (u useCase) retained() int  { return u.stats().Retained }
func (u useCase) String() string { return u.name + ", " + u.what }

func everyUse(c weakmap.Config) (cases []useCase) {
	for _, fresh := range keepers {
		for what := range fresh(c).uses {
			cases = append(cases, useCase{keeper: fresh(c), what: what})
		}
	}
	return cases
}

// retaining runs a test in both reclaim modes, with one shard and with the default.
func retaining(t *testing.T, retain int, test func(t *testing.T, c weakmap.Config)) {
	t.Helper()
	inBothModes(t, func(t *testing.T, c configuration) {
		for _, shards := range []int{1, 0} {
			t.Run(fmt.Sprintf("shards=%d", shards), func(t *testing.T) {
				test(t, weakmap.Config{Reclaim: c.reclaim, Shards: shards, Retain: retain})
			})
		}
	})
}

// cycles returns how many collections have ended.
func cycles() int { return int(metric("/gc/cycles/total:gc-cycles")) }

func isDead(h handle) bool { return h.Value() == nil }

// awaitPasses waits until an unused record has gone, after the passes that this takes.
func awaitPasses(t *testing.T, between func()) {
	t.Helper()
	m := retainingMap(weakmap.Config{Retain: 2})
	h := m.retain(1)[0]
	eventually(t, "what nobody uses goes", func() bool { between(); return isDead(h) })
	runtime.KeepAlive(m)
}

// Each record is used once in each collection, in one of the ways. If a hit of what is held is not
// noted, this or TestAUseAmidAPassIsNotLost fails in 5 runs of 5; if not made young, this in 4.
func TestWhatIsUsedStaysHeld(t *testing.T) {
	retaining(t, 2, func(t *testing.T, c weakmap.Config) {
		cases := everyUse(c)
		for i := range cases {
			cases[i].h = cases[i].retain(1)[0]
		}
		for range 2 {
			awaitPasses(t, func() {
				for _, u := range cases {
					if !u.use() {
						t.Fatalf("%v: does not find what it used in each collection", u)
					}
				}
			})
		}
	})
}

func TestWhatIsUnusedIsLetGo(t *testing.T) {
	for _, retain := range []int{1, 5} {
		t.Run(fmt.Sprintf("Retain=%d", retain), func(t *testing.T) {
			retaining(t, retain, func(t *testing.T, c weakmap.Config) {
				start := cycles()
				var all []keeper
				var handles []handle
				for _, fresh := range keepers {
					k := fresh(c)
					all, handles = append(all, k), append(handles, k.retain(3)...)
				}
				eventually(t, "what is unused is let go and removed", func() bool {
					dead := slices.ContainsFunc(handles, isDead)
					if since := cycles() - start; dead && since <= retain {
						t.Fatalf("let go after %d collections, want %d", since, retain)
					}
					return !slices.ContainsFunc(all, func(k keeper) bool { s := k.stats(); return s.Retained > 0 || s.Entries > 0 })
				})
				awaitDeath(t, handles)
			})
		})
	}
}

// If what is used again is not held again, this fails in 5 runs of 5.
func TestWhatWasLetGoAndIsUsedAgainIsHeldAgain(t *testing.T) {
	retaining(t, 2, func(t *testing.T, c weakmap.Config) {
		cases := everyUse(c)
		var held []*record
		for i := range cases {
			held = append(held, cases[i].add(0))
			cases[i].h = weak.Make(held[i])
		}
		eventually(t, "all is let go", func() bool {
			return !slices.ContainsFunc(cases, func(u useCase) bool { return u.retained() > 0 })
		})
		start := cycles()
		for i, u := range cases {
			if found := u.use(); !found || u.retained() != 1 {
				t.Errorf("%v: found %t, %d retained; want true and 1", u, found, u.retained())
			}
			held[i] = nil
		}
		runtime.GC()
		dead := slices.IndexFunc(cases, func(u useCase) bool { return isDead(u.h) })
		if since := cycles() - start; dead >= 0 && since <= c.Retain {
			t.Errorf("%v: let go after %d collections, want %d", cases[dead], since, c.Retain)
		}
		eventually(t, "all is let go again", func() bool {
			return !slices.ContainsFunc(cases, func(u useCase) bool { return u.stats().Entries > 0 })
		})
	})
}

func TestRemovalLetsGoAtOnce(t *testing.T) {
	retaining(t, forever, func(t *testing.T, c weakmap.Config) {
		var all []useCase
		var handles []handle
		for _, fresh := range keepers {
			for what := range fresh(c).removals {
				all = append(all, useCase{keeper: fresh(c), what: what})
				handles = append(handles, all[len(all)-1].retain(1)...)
			}
		}
		awaitPasses(t, func() {})
		elsewhere(func() {
			for i, u := range all {
				if isDead(handles[i]) {
					t.Errorf("%v: not held until then", u)
				}
				u.removals[u.what](handles[i])
				if s := u.stats(); s.Retained != s.Entries || s.Deleted != 1 {
					t.Errorf("%v: %+v, want as many retained as entries, and 1 deleted", u, s)
				}
			}
		})
		awaitDeath(t, handles)
		runtime.KeepAlive(all)
	})
}

func TestRetainedIsExact(t *testing.T) {
	var weakly weakmap.Map[int, record] // without Retain
	held := storeHeld(&weakly, 0)
	if _, ok := weakly.Load(0); !ok || weakly.Stats().Retained != 0 {
		t.Errorf("without Retain: hit %t, %+v", ok, weakly.Stats())
	}
	runtime.KeepAlive(held)
	retaining(t, forever, func(t *testing.T, c weakmap.Config) {
		for _, fresh := range keepers {
			k := fresh(c)
			want := func(what string, n int) {
				if s := k.stats(); s.Retained != n || s.Entries != n {
					t.Errorf("%s, %s: %+v, want %d entries, all retained", k.name, what, s, n)
				}
			}
			want("unused", 0)
			k.retain(300) // the table grows
			want("300 added", 300)
			settle(t)
			want("Settle", 300)
			for range k.all { // It uses the others, if at all, when they are removed.
				k.clear()
			}
			want("Clear during an iteration", 0)
		}
		m := weakmap.Map[int, record]{Config: c}
		m.Compute(1, func(current *record) *record {
			if current == nil {
				m.Store(1, &record{}) // so f is called again
			}
			return &record{}
		})
		m.LoadOrCompute(2, func() (*record, error) { m.Store(2, &record{}); return &record{}, nil })
		if s := m.Stats(); s.Retained != 2 || s.Entries != 2 {
			t.Errorf("%+v, want 2 entries, retained: not what lost against a Store", s)
		}
	})
}

func TestNegativeRetainPanics(t *testing.T) {
	for _, fresh := range keepers {
		mustPanic(t, "the first insertion", "weakmap: negative Config.Retain: -1", func() { fresh(weakmap.Config{Retain: -1}).add(0) })
	}
}

func TestHitsOfHeldEntriesDoNotAllocate(t *testing.T) {
	retaining(t, forever, func(t *testing.T, c weakmap.Config) {
		for _, u := range everyUse(c) {
			if slices.Contains([]string{"Load", "LoadKey", "LoadOrCompute", "LoadOrAdd", "Contains", "Add", "Lookup", "Intern"}, u.what) {
				u.h = u.retain(1)[0]
				zeroAllocs(t, u.String(), func() { u.use() })
			}
		}
	})
}

func TestADroppedContainerGoesAlthoughItRetains(t *testing.T) {
	retaining(t, forever, func(t *testing.T, c weakmap.Config) {
		for _, fresh := range keepers {
			collectable(t, fresh(c).name, func(watch func(func() bool)) any {
				k := fresh(c)
				watch(k.alive)
				watch(lives(k.add(0)))
				return k.add(1) // lives on
			})
		}
	})
}

// Records that are due to be let go are used while a pass lets go of them.
func TestAUseAmidAPassIsNotLost(t *testing.T) {
	const keys = 20_000
	c := weakmap.Config{Shards: 1, Retain: 2}
	m, later := weakmap.Map[int, record]{Config: c}, weakmap.Map[int, record]{Config: c}
	r := &record{}
	for key := range keys {
		m.Store(key, r)
	}
	tick := time.NewTicker(12 * time.Millisecond)
	defer tick.Stop()
	ticking := func(cond func() bool) func() bool { // with a collection now and then
		return func() bool {
			select {
			case <-tick.C:
				go runtime.GC()
			default:
			}
			return cond()
		}
	}
	for round := range scaled(10) {
		later.Store(0, r) // A pass comes to later after m, and lets go of it when it has done so with m.
		within(t, "a pass has begun to let go", ticking(func() bool { return m.Stats().Retained < keys }))
		start := cycles()
		for key := range keys {
			m.Load(keys - 1 - key) // It meets the pass, which goes the other way.
		}
		within(t, "the pass has ended", ticking(func() bool { return later.Stats().Retained == 0 }))
		if n := m.Stats().Retained; n != keys && cycles()-start < c.Retain {
			t.Fatalf("round %d: %d of %d retained, although all have been used", round, n, keys)
		}
	}
	runtime.KeepAlive(r)
}
