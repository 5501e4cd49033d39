package suite

import (
	"hash/maphash"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap"
)

// Hashers that do what they should not, and many goroutines at once.

// hooked is a Hasher of records by id that calls hooks. A hook that is nil is none.
type hooked struct {
	hash  func(h *maphash.Hash, r *record) // in place of writing the id
	equal func(x, y *record)
}

func (k *hooked) Hash(h *maphash.Hash, r *record) {
	if k.hash != nil {
		k.hash(h, r)
		return
	}
	maphash.WriteComparable(h, r.id)
}

func (k *hooked) Equal(x, y *record) bool {
	if k.equal != nil {
		k.equal(x, y)
	}
	return x.id == y.id
}

// oneHash writes nothing: all records have one hash.
func oneHash(*maphash.Hash, *record) {}

// A table whose objects all have one hash grows like another, and takes no other hash, since
// there is none. It shrinks again, too.
func TestObjectsOfOneHashAreNoFlood(t *testing.T) {
	eachConfig(t, func(t *testing.T, c configuration) {
		calls := 0
		s := &weakmap.Set[record]{Config: c.config(), Hasher: &hooked{hash: oneHash, equal: func(*record, *record) { calls++ }}}
		const n = 600
		elems := newRecords(n)
		for i, e := range elems {
			before := calls
			if !s.Add(e) {
				t.Fatalf("Add(%d) = false", i)
			}
			// Once by the lookup, and once by the insertion, or twice if the table grew in between.
			if asked := calls - before; asked > 3*i {
				t.Fatalf("Add(%d) compares %d times", i, asked)
			}
		}
		full := s.Stats().Capacity
		for i := range elems {
			if m, ok := s.Load(&record{id: i}); m != elems[i] || !ok {
				t.Fatalf("Load(%d) = %v, %v", i, m, ok)
			}
		}
		runtime.KeepAlive(elems)
		wantLen(t, s, 0)
		wantShrunk(t, s, full)
	})
}

// A panic goes to the caller, no lock is held, and nothing has changed.
func TestPanickingHashers(t *testing.T) {
	eachConfig(t, func(t *testing.T, c configuration) {
		h := &hooked{hash: oneHash}
		m := &weakmap.KeyMap[record, int]{Config: c.config(), Hasher: h}
		s := &weakmap.Set[record]{Config: c.config(), Hasher: h}
		keys := newRecords(20)
		for i, k := range keys {
			m.Store(k, i)
			s.Add(k)
		}
		mStats, sStats := m.Stats(), s.Stats()
		compute := func() (int, error) { t.Error("computes"); return 0, nil }
		absent := &record{id: -1}
		calls := map[string]func(*record){
			"KeyMap.Load":           func(r *record) { m.Load(r) },
			"KeyMap.LoadKey":        func(r *record) { m.LoadKey(r) },
			"KeyMap.Store":          func(r *record) { m.Store(r, -1) },
			"KeyMap.Swap":           func(r *record) { m.Swap(r, -1) },
			"KeyMap.LoadOrStore":    func(r *record) { m.LoadOrStore(r, -1) },
			"KeyMap.LoadOrCompute":  func(r *record) { _, _, _ = m.LoadOrCompute(r, compute) },
			"KeyMap.LoadAndDelete":  func(r *record) { m.LoadAndDelete(r) },
			"KeyMap.Delete":         func(r *record) { m.Delete(r) },
			"KeyMap.Compute":        func(r *record) { m.Compute(r, func(int, bool) (int, bool) { return -1, true }) },
			"Set.Add":               func(r *record) { s.Add(r) },
			"Set.LoadOrAdd":         func(r *record) { s.LoadOrAdd(r) },
			"Set.Load":              func(r *record) { s.Load(r) },
			"Set.Contains":          func(r *record) { s.Contains(r) },
			"Set.Remove":            func(r *record) { s.Remove(r) },
			"IsSubset":              func(r *record) { s.IsSubset(s) },
			"KeyMap.Compute, later": func(r *record) { m.Compute(r, func(int, bool) (int, bool) { h.equal = boom; return -1, true }) },
		}
		for name, call := range calls {
			for _, r := range []*record{absent, keys[10], {id: 10}} {
				if name != "KeyMap.Compute, later" {
					h.hash = func(*maphash.Hash, *record) { boom(nil, nil) }
					wantPanic(t, "boom", func() { call(r) })
					h.hash, h.equal = oneHash, boom
				}
				wantPanic(t, "boom", func() { call(r) })
				h.equal = nil
				done := make(chan struct{})
				go func() { // Goexit, too, leaves nothing behind.
					defer close(done)
					if name != "KeyMap.Compute, later" {
						h.equal = func(*record, *record) { runtime.Goexit() }
						call(r)
						t.Errorf("%s returns", name)
					}
				}()
				await(t, name+" ends", done)
				h.equal = nil
			}
		}
		if m.Stats() != mStats || s.Stats() != sStats {
			t.Errorf("Stats changed: %+v, %+v", m.Stats(), s.Stats())
		}
		for i := range keys {
			if key, v, ok := m.LoadKey(&record{id: i}); key != keys[i] || v != i || !ok || !s.Contains(keys[i]) {
				t.Errorf("LoadKey(%d) = %v, %d, %v", i, key, v, ok)
			}
		}
		runtime.KeepAlive(keys)
		keys = nil
		wantLen(t, m, 0)
		wantLen(t, s, 0)
	})
}

func boom(*record, *record) { panic("boom") }

// A Hasher may use the container that calls it, and change it: then the call may look again.
func TestAHasherMayUseItsContainer(t *testing.T) {
	eachConfig(t, func(t *testing.T, c configuration) {
		h := &hooked{hash: oneHash}
		m := &weakmap.KeyMap[record, int]{Config: c.config(), Hasher: h}
		keys := newRecords(200)
		within := false
		meddle := func(change func()) {
			within = true // Not in the calls that change makes.
			h.equal = func(*record, *record) {
				if within {
					within = false
					change()
				}
			}
		}
		// What is about to be found is deleted, replaced by an equal key, or moved by growth.
		for i, k := range keys[:8] {
			m.Store(k, i)
		}
		meddle(func() { m.Delete(keys[0]) })
		if v, ok := m.Load(keys[7]); v != 7 || !ok {
			t.Errorf("Load while another is deleted = %d, %v", v, ok)
		}
		meddle(func() { m.Delete(keys[7]) })
		if v, loaded := m.LoadAndDelete(keys[7]); loaded {
			t.Errorf("LoadAndDelete of what its Hasher deletes = %d", v)
		}
		meddle(func() { m.Store(keys[7], 70) })
		if v, loaded := m.LoadOrStore(keys[7], 71); v != 70 || !loaded {
			t.Errorf("LoadOrStore of what its Hasher stores = %d, %v", v, loaded)
		}
		twin := &record{id: 7}
		meddle(func() { m.Store(twin, 72) })
		if v, loaded := m.Swap(keys[7], 73); v != 72 || !loaded {
			t.Errorf("Swap of what its Hasher stores under an equal key = %d, %v", v, loaded)
		}
		if key, v, _ := m.LoadKey(twin); key != keys[7] || v != 73 {
			t.Errorf("LoadKey = %p, %d", key, v)
		}
		meddle(func() {
			for i, k := range keys[8:] { // Every shard grows.
				m.Store(k, 8+i)
			}
		})
		m.Store(twin, 74)
		meddle(m.Clear)
		m.Store(keys[1], 10)
		h.equal = nil
		if v, ok := m.Load(keys[1]); v != 10 || !ok || m.Len() != 1 {
			t.Errorf("after a Store that its Hasher clears: Load = %d, %v, Len = %d", v, ok, m.Len())
		}
		// Hash, too.
		h.hash = func(_ *maphash.Hash, r *record) {
			if r != keys[2] {
				m.Store(keys[2], 20)
			}
		}
		m.Store(keys[3], 30)
		h.hash = oneHash
		if v, ok := m.Load(keys[2]); v != 20 || !ok || m.Len() != 3 {
			t.Errorf("what Hash stored: Load = %d, %v, Len = %d", v, ok, m.Len())
		}
		balanced(t, m)
		runtime.KeepAlive(keys)
		runtime.KeepAlive(twin)
	})
}

// Canonical objects by equality, as a cache of them is used. While a goroutine holds one, every
// equal object leads to it. If a writer did not judge again what has come since it judged, two
// would be added.
func TestOneObjectIsCanonicalOfAllThatAreEqual(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		s := &weakmap.Set[schema]{Config: c.config(), Hasher: byFields{c.hash}}
		names := []string{"a", "b", "cc", "dd", "eee", "fff"}
		countUp(4, scaled(1500), func(worker int) {
			name := names[rand.IntN(len(names))]
			get := func() *schema {
				own := newSchema(worker, name)
				member, loaded := s.LoadOrAdd(own)
				if member == nil || member.fields[0] != name || !loaded && member != own {
					t.Errorf("LoadOrAdd(%q) = %v, %v", name, member, loaded)
				}
				return member
			}
			member := get()
			if rand.IntN(4) == 0 {
				runtime.Gosched()
			}
			if again := get(); again != member {
				t.Errorf("%q: two are canonical: %p, %p", name, again, member)
			}
			if found, ok := s.Load(newSchema(-1, name)); found != member || !ok {
				t.Errorf("Load(%q) = %p, %v, want %p", name, found, ok, member)
			}
			runtime.KeepAlive(member)
		})
		wantLen(t, s, 0)
	})
}

// The key is replaced by an equal one again and again, with another value, and both are held
// until the next are bound. So each lookup hits, and has a key with the value that was stored
// with it.
func TestAKeyReplacedByAnEqualOneIsAlwaysFoundWithItsValue(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		m := &weakmap.KeyMap[schema, int]{Config: c.config(), Hasher: byFields{c.hash}}
		bound := newSchema(0, "a")
		m.Store(bound, 0)
		m.Store(newSchema(-1, "b"), -1) // It dies, and may have the same hash.
		calm := disturb(1, func(i int) {
			fresh := newSchema(i, "a")
			switch i % 3 {
			case 0:
				m.Store(fresh, i)
			case 1:
				m.Swap(fresh, i)
			case 2:
				m.Compute(fresh, func(int, bool) (int, bool) { return i, true })
			}
			runtime.KeepAlive(bound)
			bound = fresh
		})
		countUp(2, scaled(4000), func(worker int) {
			if key, v, ok := m.LoadKey(newSchema(-1, "a")); !ok || key == nil || key.id != v {
				t.Errorf("LoadKey = %v, %d, %v, but whatever was bound was held", key, v, ok)
			}
			if worker == 0 {
				if v, loaded := m.LoadOrStore(newSchema(-2, "a"), -2); !loaded || v < 0 {
					t.Errorf("LoadOrStore = %d, %v, but whatever was bound was held", v, loaded)
				}
				for key, v := range m.All() {
					if key.id != v {
						t.Errorf("All yields key %d with %d", key.id, v)
					}
				}
			}
		})
		calm()
		runtime.KeepAlive(bound)
		bound = nil
		wantLen(t, m, 0)
	})
}

// Loads of different keys with one hash do not wait for each other, and those of equal keys
// compute once.
func TestLoadsOfEqualKeysComputeOnce(t *testing.T) {
	underStress(t, func(t *testing.T, c configuration) {
		names := []string{"a", "b", "cc", "dd"}
		var computing [4]atomic.Int32
		m := &weakmap.KeyMap[schema, *schema]{Config: c.config(), Hasher: byFields{c.hash}} //weakvet:ignore weakcycle no value is a key
		countUp(4, scaled(800), func(int) {
			k := rand.IntN(len(names))
			key := newSchema(k, names[k])
			v, _, err := m.LoadOrCompute(key, func() (*schema, error) {
				if computing[k].Add(1) != 1 {
					t.Errorf("%q is computed twice at once", names[k])
				}
				defer computing[k].Add(-1)
				if rand.IntN(2) == 0 {
					runtime.Gosched()
				}
				return newSchema(k, strings.ToUpper(names[k])), nil
			})
			if err != nil || v.id != k {
				t.Errorf("LoadOrCompute(%q) = %v, %v", names[k], v, err)
			}
			if rand.IntN(2) == 0 {
				m.DeleteFunc(func(key, _ *schema) bool { return key.id == k }) // It cuts off nothing.
			}
			runtime.KeepAlive(key)
		})
		wantLen(t, m, 0)
	})
}

func TestLoadsOfOtherKeysWithTheSameHashDoNotWait(t *testing.T) {
	m := &weakmap.KeyMap[record, int]{Hasher: &hooked{hash: oneHash}}
	gate, inside := make(chan struct{}), make(chan struct{})
	a, b := &record{id: 1}, &record{id: 2}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if v, loaded, err := m.LoadOrCompute(a, func() (int, error) { close(inside); <-gate; return 1, nil }); v != 1 || loaded || err != nil {
			t.Errorf("the first LoadOrCompute = %v, %v, %v, want 1, false, nil", v, loaded, err)
		}
	}()
	await(t, "the first computation runs", inside)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if v, loaded, err := m.LoadOrCompute(b, func() (int, error) { return 2, nil }); v != 2 || loaded || err != nil {
			t.Errorf("LoadOrCompute of another key = %v, %v, %v", v, loaded, err)
		}
	}()
	await(t, "another key is computed", done)
	close(gate)
	await(t, "the first computation ends", ended)
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
}
