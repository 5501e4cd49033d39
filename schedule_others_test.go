//go:build weakmapsched

package weakmap

import (
	"fmt"
	"unsafe"

	"github.com/go-weak/weakmap/internal/seam"
)

// Scenarios of Config.Retain. What an entry holds is reachable.
var retainScenarios = []scenario{
	{
		name: "use beside letting go", preemptions: 3, reaches: []string{"slot lets go", "use noted", "held after all"},
		stage: func(r *run) {
			m := r.newMap(Config{Retain: 1})
			m.store(0, c1)
			m.age()
			var used *cell
			r.start("pass", func(a *actor) { m.age() })
			r.start("user", func(a *actor) {
				used = m.load(0)
				a.drop(c1)
			})
			r.start("collector", func(a *actor) { killUnheld(a, c1) })
			r.finish = append(r.finish, func() error {
				if used != nil && m.held() == 0 {
					return fmt.Errorf("what was used in the collection of the one pass is not held after it")
				}
				return nil
			})
		},
	},
	{
		name: "use beside removal", preemptions: 3, reaches: []string{"held again"},
		stage: func(r *run) {
			m := r.newMap(Config{Retain: 1})
			m.store(0, c1)
			m.age()
			r.start("pass", func(a *actor) { m.age() })
			r.start("user", func(a *actor) { m.load(0) })
			r.start("remover", func(a *actor) { m.remove(0) })
			r.start("collector", func(a *actor) { killUnheld(a, c1) })
		},
	},
	{
		name: "retained and cleaned", preemptions: 2, reaches: []string{"to let go", "try to lock"},
		stage: func(r *run) {
			m := r.newMap(Config{Retain: 1, Reclaim: PerValue})
			m.store(0, c1)
			m.age()
			r.start("pass", func(a *actor) { m.age() })
			r.start("writer", func(a *actor) { m.store(0, c2) }, c2)
			r.start("user", func(a *actor) { m.load(0) })
			r.start("collector", func(a *actor) { killUnheld(a, c1); killUnheld(a, c2) })
		},
	},
	{
		name: "iteration beside letting go", preemptions: 3, reaches: []string{"referent read", "slot lets go"},
		stage: func(r *run) {
			m := r.newMap(Config{Retain: 1})
			m.store(0, c1)
			m.store(1, c2)
			m.age()
			r.keep(c2)
			m.iterates(1, 1)
			r.start("pass", func(a *actor) { m.age() })
			r.start("remover", func(a *actor) { m.remove(0) })
		},
	},
	{
		// A use is noted in a row while another takes its place.
		name: "use beside growth", preemptions: 2, reaches: []string{"use noted", "to place a shard", "uses carried"},
		stage: func(r *run) {
			m := r.newMap(Config{Retain: 1})
			m.fill()
			m.age()
			r.keep(cells[10:15]...)
			r.keep(c1)
			var used *cell
			r.start("writer", func(a *actor) { m.store(5, c1) })
			r.start("user", func(a *actor) { used = m.load(0) })
			r.finish = append(r.finish, func() error {
				m.age()
				if held := m.held(); used == nil || held != 2 {
					return fmt.Errorf("%d values are held, want the new one and the one that was used", held)
				}
				return nil
			})
		},
	},
	{
		name: "use beside eviction", preemptions: 3, reaches: []string{"slot lets go", "use noted", "held after all"},
		stage: func(r *run) {
			m := r.newMap(Config{RetainMax: 2})
			m.store(0, c1)
			m.store(1, c2)
			r.bound(m)
			r.keep(c2, c3)
			r.start("writer", func(a *actor) { m.store(2, c3) })
			r.start("user", func(a *actor) { m.load(0); a.drop(c1); m.load(0) }, c1)
			r.start("collector", func(a *actor) { killUnheld(a, c1) })
		},
	},
	{
		name: "eviction beside removal and replacement", preemptions: 2, reaches: []string{"slot lets go", "tag cleared", "slot replaced"},
		stage: func(r *run) {
			m := r.newMap(Config{RetainMax: 1})
			m.store(0, c1)
			r.bound(m)
			r.keep(c2, c3)
			r.start("writer", func(a *actor) { m.store(1, c2); m.store(1, c3) })
			r.start("remover", func(a *actor) { m.remove(0) })
			r.start("user", func(a *actor) { m.load(0); m.load(1) })
			r.start("collector", func(a *actor) { killUnheld(a, c1) })
		},
	},
	{
		name: "eviction beside growth", preemptions: 2, reaches: []string{"slot lets go", "to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{RetainMax: 3})
			m.fill()
			r.bound(m)
			r.keep(cells[10:15]...)
			r.keep(c1)
			r.start("writer", func(a *actor) { m.store(5, c1) })
			r.start("user", func(a *actor) { m.load(0) })
			r.start("other", func(a *actor) { m.remove(4) })
		},
	},
}

// bound has it checked at each step that m, which has one shard, holds no more than it may.
func (r *run) bound(m *weakMap[int]) {
	r.guards = append(r.guards, &guard{run: r, core: &m.core, most: m.Config.RetainMax})
}

// Scenarios of computations, of the other containers, and of the reaper's list.
var otherScenarios = []scenario{
	{
		// The late caller deletes what was computed, and must not get it after that.
		name: "computation beside deletion", preemptions: 3, reaches: []string{"await", "to end"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			r.keep(c1, c2, c3)
			r.start("one", func(a *actor) { m.loadOrCompute(0, c1) })
			r.start("late", func(a *actor) { m.remove(0); m.loadOrCompute(0, c2) })
		},
	},
	{
		name: "computations and a store", preemptions: 3, reaches: []string{"await", "to end"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			r.keep(c1, c2, c3)
			r.start("one", func(a *actor) { m.loadOrCompute(0, c1) })
			r.start("other", func(a *actor) { m.loadOrCompute(0, c2) })
			r.start("writer", func(a *actor) { m.store(0, c3); m.remove(0) })
		},
	},
	{
		name: "address used again, beside pass", preemptions: 3, reaches: []string{seam.ToAsk},
		stage: func(r *run) {
			m := r.newKeyMap(Config{})
			m.store(c1, attached)
			r.start("allocator", func(a *actor) {
				kill(a, c1)
				r.allocate(unsafe.Pointer(c1))
				take(a, c1)
				m.load(c1)
				m.store(c1, attached+1)
				m.load(c1)
			})
			r.start("reaper", func(a *actor) { m.Reap(); r.forget() })
			r.start("other reaper", func(a *actor) { m.Reap(); r.forget() })
		},
	},
	{
		name: "address used again, beside cleanup", preemptions: 3, reaches: []string{"try to lock"},
		stage: func(r *run) {
			m := r.newKeyMap(Config{Reclaim: PerValue})
			m.store(c1, attached)
			r.start("allocator", func(a *actor) {
				kill(a, c1)
				r.allocate(unsafe.Pointer(c1))
				take(a, c1)
				m.load(c1)
				m.store(c1, attached+1)
				m.store(c1, attached+2)
				m.load(c1)
			})
			r.start("reaper", func(a *actor) { m.Reap(); r.forget() })
		},
	},
	{
		name: "one canonical value", preemptions: 3, reaches: []string{"kill", "slot written"},
		stage: func(r *run) {
			in := &Interner[int]{Config: Config{Shards: 1}}
			r.guards = append(r.guards, &guard{run: r, core: &in.core})
			intern := func() *int {
				o := operation{name: "Intern", call: r.call()}
				p := in.Intern(7)
				if o.got = number(r, p); r.running != nil {
					take(r.running, p)
				}
				r.record(o)
				return p
			}
			first := intern()
			r.start("one", func(a *actor) { intern() })
			r.start("other", func(a *actor) { intern() })
			r.start("collector", func(a *actor) { killUnheld(a, first); in.Reap(); r.forget() })
			r.finish = append(r.finish, func() error {
				intern()
				if !r.history.explained() {
					return fmt.Errorf("no order of the operations explains what they gave")
				}
				in.Reap()
				return balanced(in.Stats(), 1)
			})
		},
	},
	{
		// An empty table leaves the reaper's list, and one with entries is on it.
		name: "insertion beside prune", preemptions: 3, reaches: []string{"registration cleared", "found not empty"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			m.remove(0)
			r.keep(c1, c2)
			r.start("pass", func(a *actor) {
				reaper.each(func(*table) {}, func() {})
			})
			r.start("one", func(a *actor) { m.store(0, c1) })
			r.start("other", func(a *actor) { m.store(1, c2) })
			r.finish = append(r.finish, func() error {
				if n := len(reaper.tables); n != 1 {
					return fmt.Errorf("the table is listed %d times", n)
				}
				return nil
			})
		},
	},
}
