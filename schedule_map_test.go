//go:build weakmapsched

package weakmap

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/callback"
	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/row"
)

// A weakMap is a Map whose operations are recorded, on behalf of the actor that runs. Its keys
// are numbers to the scenario, and of any type to the Map.
type weakMap[K comparable] struct {
	Map[K, cell]
	of   func(int) K
	run  *run
	keys []int // that were used
	// aside is how many bindings a scenario has deleted by itself.
	aside uint64
	// collections is how many a scenario has had so far.
	collections uint64
	told        atomic.Int64 // how many calls of OnReap there were
}

// do records an operation on key.
func (m *weakMap[K]) do(name string, key int, old, arg *cell, f func() (*cell, bool)) *cell {
	r := m.run
	if !slices.Contains(m.keys, key) {
		m.keys = append(m.keys, key)
	}
	o := operation{name: name, key: key, old: number(r, old), arg: number(r, arg), call: r.call()}
	got, did := f()
	o.got, o.did = number(r, got), did
	if a := r.running; a != nil && got != nil {
		take(a, got)
	}
	r.record(o)
	return got
}

func (m *weakMap[K]) load(key int) *cell {
	return m.do("Load", key, nil, nil, func() (*cell, bool) { return m.Load(m.of(key)) })
}

func (m *weakMap[K]) store(key int, v *cell) {
	m.do("Swap", key, nil, v, func() (*cell, bool) { return m.Swap(m.of(key), v) })
}

func (m *weakMap[K]) loadOrStore(key int, v *cell) *cell {
	return m.do("LoadOrStore", key, nil, v, func() (*cell, bool) { return m.LoadOrStore(m.of(key), v) })
}

// loadOrCompute computes v.
func (m *weakMap[K]) loadOrCompute(key int, v *cell) *cell {
	return m.do("LoadOrCompute", key, nil, v, func() (*cell, bool) {
		got, loaded, _ := m.LoadOrCompute(m.of(key), func() (*cell, error) {
			m.run.yield("compute", nil)
			return v, nil
		})
		return got, loaded
	})
}

func (m *weakMap[K]) remove(key int) *cell {
	return m.do("LoadAndDelete", key, nil, nil, func() (*cell, bool) { return m.LoadAndDelete(m.of(key)) })
}

func (m *weakMap[K]) compareAndSwap(key int, old, v *cell) {
	m.do("CompareAndSwap", key, old, v, func() (*cell, bool) { return nil, m.CompareAndSwap(m.of(key), old, v) })
}

func (m *weakMap[K]) compareAndDelete(key int, old *cell) {
	m.do("CompareAndDelete", key, old, nil, func() (*cell, bool) { return nil, m.CompareAndDelete(m.of(key), old) })
}

func (m *weakMap[K]) clear() {
	m.do("Clear", 0, nil, nil, func() (*cell, bool) { m.Clear(); return nil, false })
}

// compute binds key to first, or to second if that is bound already.
func (m *weakMap[K]) compute(key int, first, second *cell) {
	m.do("Compute", key, first, second, func() (*cell, bool) {
		return m.Compute(m.of(key), func(current *cell) *cell {
			m.run.yield("compute", nil)
			switch current {
			case nil:
				return first
			case first:
				return second
			}
			return current
		}), false
	})
}

// reap is a pass over the map. No operation may see anything of it.
func (m *weakMap[K]) reap() {
	m.Reap()
	m.run.forget()
}

// sweepAnnounced does what a pass does that goes by the announcements so far.
func (m *weakMap[K]) sweepAnnounced() {
	m.table().sweep(scope{collections: reaper.announced.Load()}, 1)
	m.run.forget()
}

// makeHoles makes holes in the journal until one more removal would close them.
func (m *weakMap[K]) makeHoles(v *cell) {
	n := m.Len() + journal.Size/2
	for k := range n {
		m.Store(m.of(100+k), v)
	}
	for k := range n {
		m.Delete(m.of(100 + k))
	}
	m.aside += uint64(n)
}

// age is what one collection does to what the map retains.
func (m *weakMap[K]) age() {
	m.collections++
	m.table().age(m.collections)
	m.run.forget()
}

// table returns the map's table.
func (m *weakMap[K]) table() *table { return m.core.table.Load() }

// newMap makes the map of a run, which has numbers as keys.
func (r *run) newMap(config Config) *weakMap[int] {
	return newMapOf(r, config, func(n int) int { return n })
}

// newMapOf is newMap for other keys. What must be true of the map in the end is checked then.
func newMapOf[K comparable](r *run, config Config, of func(int) K) *weakMap[K] {
	m := &weakMap[K]{run: r, of: of}
	m.Config = config
	if m.Config.Shards == 0 {
		m.Config.Shards = 1
	}
	m.OnReap = func(K) { m.told.Add(1) }
	r.guards = append(r.guards, &guard{run: r, core: &m.core})
	r.finish = append(r.finish, m.check)
	return m
}

// fill stores cells 10 to 14 under the keys 0 to 4. The map takes no sixth key without growth.
func (m *weakMap[K]) fill() {
	for key := range row.LimitOf(1) {
		m.store(key, cells[10+key])
	}
}

// isFull reports whether the map has two shards, and grows if key is added.
func (m *weakMap[K]) isFull(key int) bool {
	t := m.table()
	if t == nil {
		return false
	}
	l, k := t.layout.Load(), m.of(key)
	return len(l.shards) == 2 && l.shard(t.hash(&l.hashing, t.keys.at(unsafe.Pointer(&k)))).used() >= l.Limit()
}

// iterates starts an iteration. The keys from low to high must be yielded once, others once at most,
// and each with what it is bound to when it is yielded.
func (m *weakMap[K]) iterates(low, high int) {
	yielded := map[int]int{}
	m.run.start("iterator", func(*actor) {
		called := m.run.call()
		for k, v := range m.All() {
			key := slices.IndexFunc(m.keys, func(n int) bool { return m.of(n) == k })
			key = m.keys[key]
			yielded[key]++
			m.run.record(operation{name: "Load", key: key, got: number(m.run, v), did: true, call: called})
			called = m.run.call()
		}
	})
	m.run.finish = append(m.run.finish, func() error {
		for _, key := range m.keys {
			if n := yielded[key]; n > 1 || n == 0 && low <= key && key <= high {
				return fmt.Errorf("key %d was yielded %d times", key, n)
			}
		}
		return nil
	})
}

// check says what is wrong with the map when all have ended: a lookup of some key, an entry that
// was lost or is left over, the books, or what is stored then.
func (m *weakMap[K]) check() error {
	if held := m.held(); held != m.Stats().Retained {
		return fmt.Errorf("%d bindings hold their values, Stats.Retained is %d", held, m.Stats().Retained)
	}
	live := 0
	for _, key := range m.keys {
		if m.load(key) != nil {
			live++
		}
	}
	if !m.run.history.explained() {
		return fmt.Errorf("no order of the operations explains what they gave")
	}
	if m.Config.Reclaim == PerCycle {
		m.Reap()
	}
	if err := callbacks.Wait(context.Background(), callback.Everywhere); err != nil {
		return err
	}
	st, told := m.Stats(), uint64(m.told.Load())
	if deleted, tells := m.run.history.deletions(); st.Reaped != told || tells && st.Deleted != uint64(deleted)+m.aside {
		return fmt.Errorf("OnReap was called %d times and the callers deleted %d, but the books say: %v", told, deleted, st)
	}
	if err := balanced(st, live); err != nil {
		return err
	}
	// An entry that was removed and is in some bucket still would be found now.
	for _, key := range m.keys {
		m.Store(m.of(key), cells[63])
	}
	return balanced(m.Stats(), len(m.keys))
}

// held returns how many bindings of the map hold their referents.
func (m *weakMap[K]) held() (n int) {
	t := m.table()
	if t == nil || !t.retains {
		return 0
	}
	shards := t.layout.Load().shards
	for i := range shards {
		j := &shards[i].journal
		for _, pos := range j.Records {
			if j.ExtraAt(pos).Strong != nil {
				n++
			}
		}
	}
	return n
}

// balanced says what is wrong with the counts of a container with that many live bindings.
func balanced(st Stats, live int) error {
	if st.Inserts != st.Reaped+st.Deleted+uint64(st.Entries) || st.Entries != live {
		return fmt.Errorf("%d keys are bound, but the books say: %v", live, st)
	}
	return nil
}

// A keyMap is a KeyMap whose operations are recorded. An object that dies makes room for another
// at its address, and is another key.
type keyMap struct {
	KeyMap[cell, int]
	run *run
}

// newKeyMap makes the KeyMap of a run, in which the key that is used last is bound in the end.
func (r *run) newKeyMap(config Config) *keyMap {
	m := &keyMap{run: r}
	m.Config = config
	m.Config.Shards = 1
	r.guards = append(r.guards, &guard{run: r, core: &m.core})
	r.finish = append(r.finish, func() error {
		if !r.history.explained() {
			return fmt.Errorf("no order of the operations explains what they gave")
		}
		if m.Config.Reclaim == PerCycle {
			m.Reap()
		}
		return balanced(m.Stats(), 1)
	})
	return m
}

func (m *keyMap) load(key *cell) {
	o := operation{name: "Load", key: number(m.run, key), call: m.run.call()}
	o.got, o.did = m.Load(key)
	m.run.record(o)
}

func (m *keyMap) store(key *cell, value int) {
	o := operation{name: "Swap", key: number(m.run, key), arg: value, call: m.run.call()}
	o.got, o.did = m.Swap(key, value)
	m.run.record(o)
}

func (m *keyMap) remove(key *cell) {
	o := operation{name: "LoadAndDelete", key: number(m.run, key), call: m.run.call()}
	o.got, o.did = m.LoadAndDelete(key)
	m.run.record(o)
}

// A weakSet is a Set whose operations are recorded.
type weakSet struct {
	Set[cell]
	run *run
}

// newSet makes the Set of a run.
func (r *run) newSet(config Config) *weakSet {
	s := &weakSet{run: r}
	s.Config = config
	s.Config.Shards = 1
	r.guards = append(r.guards, &guard{run: r, core: &s.core})
	r.finish = append(r.finish, func() error {
		if !r.history.explained() {
			return fmt.Errorf("no order of the operations explains what they gave")
		}
		s.Reap()
		n := 0
		for range s.All() {
			n++
		}
		return balanced(s.Stats(), n)
	})
	return s
}

func (s *weakSet) contains(c *cell) {
	o := operation{name: "Load", key: number(s.run, c), call: s.run.call()}
	if o.did = s.Contains(c); o.did {
		o.got = o.key
	}
	s.run.record(o)
}

func (s *weakSet) add(c *cell) {
	o := operation{name: "LoadOrStore", key: number(s.run, c), call: s.run.call()}
	o.arg, o.got, o.did = o.key, o.key, !s.Add(c)
	s.run.record(o)
}
