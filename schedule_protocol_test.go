//go:build weakmapsched

package weakmap

import (
	"fmt"
	"unsafe"

	"github.com/go-weak/weakmap/internal/seam"
)

// A text is a key that is found by its bytes, a box one that is compared by ==, a bundle one that is packed,
// and an address one that is a pointer.
func text(n int) string      { return texts3[n] }
func box(n int) [2]int       { return [2]int{n, n} }
func bundle(n int) [1]string { return [1]string{texts3[n]} }
func address(n int) *[2]int  { return &addresses[n] }

var (
	texts3    = [...]string{"k00", "k01", "k02", "k03", "k04", "k05", "k06", "k07"}
	addresses [8][2]int
)

// newBoxMap makes a map whose keys have one hash, and are found by search.
func (r *run) newBoxMap(config Config) *weakMap[[2]int] {
	m := newMapOf(r, config, box)
	m.Hash = func([2]int) uint64 { return 42 }
	return m
}

// takesSlotOver has another binding take a slot while a lookup reads it. The other key was never
// bound to the first value, nor the first key to the other.
func takesSlotOver[K comparable](r *run, m *weakMap[K]) {
	m.store(0, c1)
	r.keep(c1, c2, c3)
	r.start("writer", func(a *actor) { m.remove(0); m.store(1, c2) })
	r.start("reader", func(a *actor) { m.load(0) })
	r.start("other", func(a *actor) { m.load(1) })
}

// isReseeded has keys that are bound throughout found, while their table grows and takes another
// hash.
func isReseeded[K comparable](r *run, m *weakMap[K]) {
	m.fill()
	r.keep(cells[10:15]...)
	r.keep(c1)
	r.start("attacker", func(a *actor) { m.store(5, c1); m.reseed() })
	r.start("reader", func(a *actor) { m.load(0); m.load(3) })
	r.start("writer", func(a *actor) { m.store(6, c1) })
}

// reseed is what a flood does to a table.
func reseed(r *run, c *core) {
	t := c.table.Load()
	t.makeRoom(t.layout.Load(), true)
	r.forget()
}

func (m *weakMap[K]) reseed() { reseed(m.run, &m.core) }

// announce has the reaper know of one more collection.
func announce(a *actor) {
	a.run.yield("announce", nil)
	reaper.announced.Add(1)
}

// Scenarios of single steps of the protocol between lookups, writers and the collector.
var protocolScenarios = []scenario{
	{
		name: "slot taken over, numbers", preemptions: 3, reaches: []string{"version raised", "slot half read"},
		stage: func(r *run) { takesSlotOver(r, r.newMap(Config{})) },
	},
	{
		name: "slot taken over, texts", preemptions: 3, reaches: []string{"version raised", "slot half read"},
		stage: func(r *run) { takesSlotOver(r, newMapOf(r, Config{}, text)) },
	},
	{
		name: "slot taken over, addresses", preemptions: 3, reaches: []string{"version raised", "slot half read"},
		stage: func(r *run) { takesSlotOver(r, newMapOf(r, Config{}, address)) },
	},
	{
		name: "slot taken over, boxes", preemptions: 3, reaches: []string{"version raised", "slot half read"},
		stage: func(r *run) { takesSlotOver(r, r.newBoxMap(Config{})) },
	},
	{
		name: "slot taken over, compared", preemptions: 3, reaches: []string{"version raised", "slot half read"},
		stage: func(r *run) { takesSlotOver(r, newMapOf(r, Config{}, func(n int) [1]int { return [1]int{n} })) },
	},
	{
		name: "slot taken over, packed", preemptions: 3, reaches: []string{"version raised", "slot half read"},
		stage: func(r *run) { takesSlotOver(r, newMapOf(r, Config{}, bundle)) },
	},
	{
		// The slot is another object's when its value is read, and the object's again when the weak
		// pointer is.
		name: "slot taken over twice, objects", preemptions: 3, reaches: []string{"version raised", "slot half read"},
		stage: func(r *run) {
			m := r.newKeyMap(Config{})
			m.store(c1, attached+1)
			r.keep(c1, c2)
			r.start("writer", func(a *actor) {
				m.remove(c1)
				m.store(c2, attached+2)
				m.remove(c2)
				m.store(c1, attached+3)
			})
			r.start("reader", func(a *actor) { m.load(c1) })
		},
	},
	{
		name: "replacement beside lookup, retained", preemptions: 2, reaches: []string{"slot replaced", "slot lets go"},
		stage: func(r *run) {
			m := r.newMap(Config{Retain: 1})
			m.store(0, c1)
			m.age()
			r.start("writer", func(a *actor) { m.store(0, c2) }, c2)
			r.start("reader", func(a *actor) { m.load(0) })
			r.start("pass", func(a *actor) { m.age() })
			r.start("collector", func(a *actor) { killUnheld(a, c1); killUnheld(a, c2) })
		},
	},
	{
		// The record of what is older than a collection gets another place.
		name: "replacement of what is old", preemptions: 2, reaches: []string{"slot replaced", "announce"},
		stage: func(r *run) {
			m := r.newMap(Config{Reclaim: PerValue})
			m.store(0, c1)
			m.store(1, c3)
			r.keep(c3)
			m.iterates(1, 1)
			r.start("writer", func(a *actor) { announce(a); m.store(0, c2); m.store(1, c3) }, c2)
			r.start("collector", func(a *actor) { kill(a, c1); m.sweepAnnounced(); killUnheld(a, c2) })
		},
	},
	{
		// A pass asks nothing that was inserted since the last announcement, and all that is older.
		name: "pass beside announcements", preemptions: 3, reaches: []string{"announce", seam.ToAsk},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			r.keep(c3)
			r.start("collector", func(a *actor) { kill(a, c1); announce(a); killUnheld(a, c2); announce(a); m.sweepAnnounced() })
			r.start("writer", func(a *actor) { m.store(1, c2); m.store(0, c3) }, c2)
			r.finish = append(r.finish, func() error {
				if n := m.Len(); n > 2 {
					return fmt.Errorf("%d bindings are left", n)
				}
				return nil
			})
		},
	},
	{
		name: "reseed beside lookup, numbers", preemptions: 2, reaches: []string{"to place a shard"},
		stage: func(r *run) { isReseeded(r, r.newMap(Config{})) },
	},
	{
		name: "reseed beside lookup, texts", preemptions: 2, reaches: []string{"to place a shard"},
		stage: func(r *run) { isReseeded(r, newMapOf(r, Config{}, text)) },
	},
	{
		name: "reseed beside lookup, boxes", preemptions: 2, reaches: []string{"to place a shard"},
		stage: func(r *run) { isReseeded(r, newMapOf(r, Config{}, box)) },
	},
	{
		name: "reseed beside lookup, packed", preemptions: 2, reaches: []string{"to place a shard"},
		stage: func(r *run) { isReseeded(r, newMapOf(r, Config{}, bundle)) },
	},
	{
		// More shards and another hash, one after the other: a lookup may be two layouts back.
		name: "reseed beside set", preemptions: 3, reaches: []string{"to place a shard", "slot half read"},
		stage: func(r *run) {
			s := r.newSet(Config{})
			for _, c := range cells[10:14] {
				s.add(c)
			}
			r.keep(cells[11:14]...)
			r.keep(c1)
			r.start("attacker", func(a *actor) { s.add(c1); reseed(r, &s.core) })
			r.start("reader", func(a *actor) { s.contains(cells[11]); s.contains(cells[12]) })
			r.start("collector", func(a *actor) { kill(a, cells[10]) })
		},
	},
	{
		name: "reseed beside interner", preemptions: 2, reaches: []string{"to place a shard", "slot half read"},
		stage: func(r *run) { internsBesideReseed(r, func(n int) [2]int { return [2]int{n, n} }) },
	},
	{
		name: "reseed beside interner of texts", preemptions: 2, reaches: []string{"to place a shard", "slot half read"},
		stage: func(r *run) { internsBesideReseed(r, text) },
	},
	{
		// What is used by a lookup in the layout before the reseed is held in the one after.
		name: "use beside reseed", preemptions: 2, reaches: []string{"use noted", "to place a shard"},
		stage: func(r *run) {
			m := newMapOf(r, Config{Retain: 1}, text)
			m.store(0, c1)
			r.keep(c1)
			m.age()
			m.age() // It is not held any more.
			used := false
			r.start("user", func(a *actor) { used = m.load(0) != nil })
			r.start("attacker", func(a *actor) { m.reseed() })
			r.finish = append(r.finish, func() error {
				if used && m.held() == 0 {
					return fmt.Errorf("what was used is not held")
				}
				return nil
			})
		},
	},
	{
		name: "use by an iteration beside reseed", preemptions: 2, reaches: []string{"referent read", "to place a shard"},
		stage: func(r *run) {
			m := newMapOf(r, Config{Retain: 1}, text)
			m.store(0, c1)
			r.keep(c1)
			m.age()
			m.age()
			m.iterates(0, 0)
			r.start("attacker", func(a *actor) { m.reseed() })
			r.finish = append(r.finish, func() error {
				if m.held() == 0 {
					return fmt.Errorf("what an iteration came to is not held")
				}
				return nil
			})
		},
	},
	{
		// The table grows when the iteration has listed what is removed then.
		name: "iteration beside growth and removal", preemptions: 2, reaches: []string{"listed", "to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.fill()
			r.keep(cells[10:15]...)
			r.keep(c1)
			m.iterates(0, 2)
			r.start("writer", func(a *actor) { m.store(5, c1); m.remove(3) })
		},
	},
	{
		name: "iteration beside reseed and removal", preemptions: 2, reaches: []string{"listed", "to place a shard"},
		stage: func(r *run) {
			m := newMapOf(r, Config{}, text)
			m.fill()
			r.keep(cells[10:15]...)
			m.iterates(0, 2)
			r.start("attacker", func(a *actor) { m.reseed(); m.remove(3) })
		},
	},
	{
		// An iteration takes some at a time. What it has not come to gets another place behind it.
		name: "replacement of what is not taken", preemptions: 2, reaches: []string{"slot replaced", "listed"},
		stage: func(r *run) {
			m := r.newMap(Config{Capacity: 100})
			for n := range iterationBatch + 2 {
				m.store(n, cells[10+n])
			}
			r.keep(cells[10 : 12+iterationBatch]...)
			r.keep(c1)
			r.muted = []string{"referent read", "slot half read", "tags read"}
			m.iterates(0, iterationBatch+1)
			r.start("writer", func(a *actor) { announce(a); m.store(iterationBatch+1, c1) })
		},
	},
	{
		// With one more removal, the journal has too many holes.
		name: "compaction during an iteration", preemptions: 3, reaches: []string{"listed", "compacted"},
		stage: func(r *run) {
			m := r.newMap(Config{Capacity: 100})
			r.keep(c1, c2, c3)
			m.store(0, c1)
			m.store(1, c1)
			m.makeHoles(c2)
			m.store(2, c2)
			m.store(3, c3)
			m.iterates(0, 0)
			r.start("remover", func(a *actor) { m.remove(1); m.remove(2); m.remove(3) })
			r.start("writer", func(a *actor) { m.store(0, c2) })
		},
	},
	{
		name: "compaction beside lookup and pass", preemptions: 2, reaches: []string{"compacted"},
		stage: func(r *run) {
			m := r.newMap(Config{Capacity: 100})
			r.keep(c2, c3)
			m.store(0, c1)
			m.store(1, c3)
			m.makeHoles(c2)
			m.store(2, c2)
			r.start("remover", func(a *actor) { m.remove(1) })
			r.start("collector", func(a *actor) { kill(a, c1); m.reap() })
			r.start("writer", func(a *actor) { m.store(2, c3); m.load(0) })
		},
	},
	{
		// Most bindings die at once, and a new layout is made of the others.
		name: "mass death beside lookup and insertion", preemptions: 2, reaches: []string{"to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			m.store(1, c2)
			r.muted = []string{seam.ToAsk}
			for n := range massDeath + 1 {
				m.Store(100+n, cells[20])
			}
			r.keep(c1, c3)
			r.start("collector", func(a *actor) { kill(a, c2); kill(a, cells[20]); m.reap() })
			r.start("reader", func(a *actor) { m.load(0); m.load(1) })
			r.start("writer", func(a *actor) { m.store(1, c3) })
		},
	},
	{
		name: "shrinking beside lookup and insertion", preemptions: 2, reaches: []string{"to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			m.store(1, c2)
			for n := range 60 {
				m.Store(100+n, cells[20])
			}
			r.muted = []string{seam.ToAsk, "version raised"}
			r.keep(c1, c3)
			r.start("collector", func(a *actor) { kill(a, c2); kill(a, cells[20]); m.reap() })
			r.start("reader", func(a *actor) { m.load(0); m.load(1) })
			r.start("writer", func(a *actor) { m.store(1, c3) })
		},
	},
	{
		// A table that a pass finds empty gives its memory back, and one with entries keeps them.
		name: "insertion beside emptying", preemptions: 3, reaches: []string{"registration cleared", "to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.fill()
			m.store(5, c1)
			for key := range 6 {
				m.remove(key)
			}
			r.keep(c1, c2)
			r.start("pass", func(a *actor) { reaper.each(func(*table) {}, func() {}) })
			r.start("writer", func(a *actor) { m.store(0, c1); m.load(0) })
			r.start("other", func(a *actor) { m.store(1, c2); m.remove(1) })
			r.finish = append(r.finish, func() error {
				if n := len(reaper.tables); n != 1 {
					return fmt.Errorf("the table is listed %d times", n)
				}
				return nil
			})
		},
	},
}

// internsBesideReseed looks up values that are held, while their table grows and takes another
// hash. of returns different values for different numbers.
func internsBesideReseed[T comparable](r *run, of func(int) T) {
	in := &Interner[T]{Config: Config{Shards: 1}}
	r.guards = append(r.guards, &guard{run: r, core: &in.core})
	intern := func(n int) *T {
		o := operation{name: "Intern", key: n, call: r.call()}
		p := in.Intern(of(n))
		if o.got = number(r, p); r.running != nil {
			take(r.running, p)
		}
		r.record(o)
		return p
	}
	held := make([]*T, 4)
	for n := range held {
		if held[n] = intern(n); n > 0 {
			r.kept = append(r.kept, r.object(unsafe.Pointer(held[n])))
		}
	}
	r.start("attacker", func(a *actor) { intern(4); reseed(r, &in.core) })
	r.start("reader", func(a *actor) { intern(1); intern(0) })
	r.start("collector", func(a *actor) { killUnheld(a, held[0]) })
	r.finish = append(r.finish, func() error {
		for n := range 5 {
			intern(n)
		}
		if !r.history.explained() {
			return fmt.Errorf("no order of the operations explains what they gave")
		}
		in.Reap()
		return balanced(in.Stats(), 5)
	})
}
