//go:build weakmapsched

package weakmap

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// Scenarios of keys that a Hasher compares. A key of the history is a family of cells: those that
// are the same. A KeyMap's value is the number of the key that it was stored with, so that a key
// which dies takes its value along in the model too.

// families are cells that are the same, and all have one hash. The last of each is held by all.
var families = [2][]*cell{cells[20:24], cells[24:28]}

func familyOf(c *cell) int {
	return slices.IndexFunc(families[:], func(f []*cell) bool { return slices.Contains(f, c) }) + 1
}

// alikeBy is the Hasher of families.
type alikeBy struct{ run *run }

func (alikeBy) Hash(h *maphash.Hash, _ *cell) {}

func (h alikeBy) Equal(x, y *cell) bool {
	h.run.yield("compared", nil)
	return familyOf(x) == familyOf(y)
}

// An equalMap is a KeyMap by equality whose operations are recorded.
type equalMap struct {
	KeyMap[cell, int]
	run       *run
	computing int
}

func (r *run) newEqualMap(config Config) *equalMap {
	m := &equalMap{run: r}
	m.Config, m.Hasher = config, alikeBy{r}
	m.Config.Shards = 1
	r.guards = append(r.guards, &guard{run: r, core: &m.core})
	r.finish = append(r.finish, func() error {
		m.load(families[0][3])
		m.load(families[1][3])
		if !r.history.explained() {
			return fmt.Errorf("no order of the operations explains what they gave")
		}
		m.Reap()
		n := 0
		for range m.All() {
			n++
		}
		return balanced(m.Stats(), n)
	})
	return m
}

func (m *equalMap) load(key *cell) {
	o := operation{name: "Load", key: familyOf(key), call: m.run.call()}
	bound, v, ok := m.LoadKey(key)
	if o.got = v; ok && number(m.run, bound) != v {
		m.run.fail(fmt.Errorf("key %d is found with the value of key %d", number(m.run, bound), v))
	}
	m.run.record(o)
}

func (m *equalMap) store(key *cell) {
	o := operation{name: "Swap", key: familyOf(key), arg: number(m.run, key), call: m.run.call()}
	o.got, o.did = m.Swap(key, o.arg)
	m.run.record(o)
}

func (m *equalMap) remove(key *cell) {
	o := operation{name: "LoadAndDelete", key: familyOf(key), call: m.run.call()}
	o.got, o.did = m.LoadAndDelete(key)
	m.run.record(o)
}

func (m *equalMap) loadOrCompute(key *cell) {
	o := operation{name: "LoadOrCompute", key: familyOf(key), arg: number(m.run, key), call: m.run.call()}
	o.got, o.did, _ = m.LoadOrCompute(key, func() (int, error) {
		if m.computing++; m.computing > 1 {
			m.run.fail(fmt.Errorf("two computations for equal keys at a time"))
		}
		m.run.yield("computes", nil)
		m.computing--
		return o.arg, nil
	})
	m.run.record(o)
}

// An equalSet is a Set by equality whose operations are recorded.
type equalSet struct{ *weakSet }

func (r *run) newEqualSet(config Config) equalSet {
	s := equalSet{r.newSet(config)}
	s.Hasher = alikeBy{r}
	return s
}

func (s equalSet) load(c *cell) {
	o := operation{name: "Load", key: familyOf(c), call: s.run.call()}
	member, _ := s.Load(c)
	o.got = number(s.run, member)
	s.run.record(o)
}

func (s equalSet) loadOrAdd(c *cell) {
	o := operation{name: "LoadOrStore", key: familyOf(c), arg: number(s.run, c), call: s.run.call()}
	member, loaded := s.LoadOrAdd(c)
	o.got, o.did = number(s.run, member), loaded
	s.run.record(o)
}

var a1, a2, a3, b1 = families[0][0], families[0][1], families[0][3], families[1][0]

var equalityScenarios = []scenario{
	{
		// The writers have judged all candidates when another one adds an equal object.
		name: "judged, and another came", preemptions: 2, reaches: []string{"judged", "slot written"},
		stage: func(r *run) {
			s := r.newEqualSet(Config{})
			r.keep(a1, a2, a3, b1)
			s.loadOrAdd(b1)
			r.start("one", func(a *actor) { s.loadOrAdd(a1) })
			r.start("other", func(a *actor) { s.loadOrAdd(a2) })
			r.start("reader", func(a *actor) { s.load(a3); s.load(a3) })
		},
	},
	{
		// What was judged the same dies, and an equal object comes in its place.
		name: "judged, and it died", preemptions: 2, reaches: []string{"judged", "kill"},
		stage: func(r *run) {
			s := r.newEqualSet(Config{Reclaim: PerValue})
			s.loadOrAdd(a1)
			r.keep(a2, a3)
			r.start("one", func(a *actor) { s.loadOrAdd(a2) })
			r.start("other", func(a *actor) { s.loadOrAdd(a3) })
			r.start("collector", func(a *actor) { killUnheld(a, a1) })
		},
	},
	{
		// Word and value of a slot change one after the other. The key before dies at once.
		name: "key replaced by an equal one", preemptions: 3, reaches: []string{"word replaced", "found dead", "compared"},
		stage: func(r *run) {
			m := r.newEqualMap(Config{})
			m.store(a1)
			r.keep(a2, a3)
			r.start("writer", func(a *actor) { m.store(a2); a.drop(a1) }, a1)
			r.start("reader", func(a *actor) { m.load(a3); m.load(a3) })
			r.start("collector", func(a *actor) { killUnheld(a, a1) })
		},
	},
	{
		name: "key replaced by an equal one, retained", preemptions: 2, reaches: []string{"word replaced", "use noted"},
		stage: func(r *run) {
			m := r.newEqualMap(Config{Retain: 1})
			m.store(a1)
			m.core.table.Load().age(1)
			r.keep(a3)
			r.start("pass", func(a *actor) { m.core.table.Load().age(1); r.forget() })
			r.start("writer", func(a *actor) { m.store(a2) }, a2)
			r.start("reader", func(a *actor) { m.load(a3) })
			r.start("collector", func(a *actor) { killUnheld(a, a1); killUnheld(a, a2) })
		},
	},
	{
		name: "equal keys, and one of the same hash", preemptions: 3, reaches: []string{"compared", "tag cleared"},
		stage: func(r *run) {
			m := r.newEqualMap(Config{})
			m.store(a1)
			r.keep(a1, a2, a3, b1)
			r.start("remover", func(a *actor) { m.remove(a2); m.store(b1) })
			r.start("writer", func(a *actor) { m.store(a2) })
			r.start("reader", func(a *actor) { m.load(a3) })
		},
	},
	{
		name: "loads of equal keys", preemptions: 2, reaches: []string{"await", "judged", "computes"},
		stage: func(r *run) {
			m := r.newEqualMap(Config{})
			r.keep(a1, a2, a3, b1)
			r.start("one", func(a *actor) { m.loadOrCompute(a1) })
			r.start("other", func(a *actor) { m.loadOrCompute(a2) })
			r.start("third", func(a *actor) { m.loadOrCompute(a3) })
		},
	},
	{
		// The deletion is by another object than the one that is being loaded.
		name: "load beside deletion of an equal key", preemptions: 3, reaches: []string{"computes"},
		stage: func(r *run) {
			m := r.newEqualMap(Config{})
			r.keep(a1, a2, a3)
			r.start("one", func(a *actor) { m.loadOrCompute(a1) })
			r.start("deleter", func(a *actor) { m.remove(a2); m.load(a3) })
		},
	},
}
