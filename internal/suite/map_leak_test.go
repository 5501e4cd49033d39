package suite

import (
	"errors"
	"fmt"
	"iter"
	"runtime"
	"runtime/metrics"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

// The twelve leaks of weak collections, as far as they concern Map. Those of dead entries
// whose cleanup never comes are in map_odd_test.go, those of dropped maps in
// map_dropped_test.go.

// bulky is a key or value whose fate shows in the size of the heap, too.
type bulky struct {
	id int
	_  *bulky
	_  [1000]byte
}

// offHeap returns the bytes the runtime has taken for its own structures outside the heap.
// The records behind weak pointers and cleanups are there; it reuses them but never gives
// them back.
func offHeap() int {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int(s.OtherSys)
}

// metric reads one number of runtime/metrics; 0 if this version of Go does not have it.
func metric(name string) uint64 {
	s := []metrics.Sample{{Name: name}}
	metrics.Read(s)
	if s[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return s[0].Value.Uint64()
}

const (
	kib = 1 << 10
	mib = 1 << 20

	// offHeapNoise is how much offHeap may grow for reasons of the runtime's own, which takes
	// memory in chunks of 256 KiB. 20,000 records that are left behind take more.
	offHeapNoise = 640 * kib
)

// churns are the ways to bind one value and unbind it again, under some key.
var churns = map[string]func(m *weakmap.Map[int, record], key int, v *record){
	"Store and Delete":                func(m *weakmap.Map[int, record], key int, v *record) { m.Store(key, v); m.Delete(key) },
	"Store over itself":               func(m *weakmap.Map[int, record], key int, v *record) { m.Store(key%7, v) },
	"Swap":                            func(m *weakmap.Map[int, record], key int, v *record) { m.Swap(key%7, v) },
	"CompareAndSwap for itself":       func(m *weakmap.Map[int, record], key int, v *record) { m.Store(3, v); m.CompareAndSwap(3, v, v) },
	"CompareAndSwap that fails":       func(m *weakmap.Map[int, record], key int, v *record) { m.CompareAndSwap(key, &record{}, v) },
	"LoadOrStore that loads":          func(m *weakmap.Map[int, record], key int, v *record) { m.LoadOrStore(3, v) },
	"LoadOrStore and LoadAndDelete":   func(m *weakmap.Map[int, record], key int, v *record) { m.LoadOrStore(key, v); m.LoadAndDelete(key) },
	"Compute that binds and deletes":  func(m *weakmap.Map[int, record], key int, v *record) { bindAndUnbind(m, key, v) },
	"Compute that has to start again": func(m *weakmap.Map[int, record], key int, v *record) { computeTwice(m, key%7, v) },
	"LoadOrCompute":                   func(m *weakmap.Map[int, record], key int, v *record) { computeAndDelete(m, key, v, nil) },
	"LoadOrCompute that fails":        func(m *weakmap.Map[int, record], key int, v *record) { computeAndDelete(m, key, v, errors.New("no")) },
	"Store and CompareAndDelete":      func(m *weakmap.Map[int, record], key int, v *record) { m.Store(key, v); m.CompareAndDelete(key, v) },
	"Store and DeleteFunc": func(m *weakmap.Map[int, record], key int, v *record) {
		m.Store(key, v)
		m.DeleteFunc(func(int, *record) bool { return true })
	},
	"Store and Clear": func(m *weakmap.Map[int, record], key int, v *record) { m.Store(key, v); m.Clear() },
}

func bindAndUnbind(m *weakmap.Map[int, record], key int, v *record) {
	m.Compute(key, func(*record) *record { return v })
	m.Compute(key, func(*record) *record { return nil })
}

func computeTwice(m *weakmap.Map[int, record], key int, v *record) {
	other := &record{}
	first := true
	m.Compute(key, func(*record) *record {
		if first {
			first = false
			m.Store(key, other)
		}
		return v
	})
	runtime.KeepAlive(other)
}

func computeAndDelete(m *weakmap.Map[int, record], key int, v *record, err error) {
	m.LoadOrCompute(key, func() (*record, error) { return v, err })
	m.Delete(key)
}

// Whatever a binding attaches to its value must go with the binding: on a value that lives
// forever it would pile up. The runtime's structures are counted while the value lives, and the
// cleanups that run when it dies.
func TestBindingOneValueAgainAndAgainCostsNothingLasting(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		for how, churn := range churns {
			n := scaled(20_000)
			m := newMap[int, record](c)
			v := &record{id: 1}
			for key := range 100 {
				churn(m, key, v)
			}
			heap, off := heapBytes(), offHeap()
			for key := range n {
				churn(m, key, v)
			}
			if grown := heapBytes() - heap; grown > 16*kib+4*n {
				t.Errorf("%s, %d times: the heap has grown by %d bytes", how, n, grown)
			}
			if grown := offHeap() - off; grown > offHeapNoise {
				t.Errorf("%s, %d times: the runtime's structures have grown by %d bytes", how, n, grown)
			}
			if s := m.Stats(); s.Capacity > 8192 {
				t.Errorf("%s, %d times: %d slots for %d entries", how, n, s.Capacity, s.Entries)
			}
			m.Clear()
			queued := metric("/gc/cleanups/queued:cleanups")
			runtime.KeepAlive(v)
			handle := weak.Make(v)
			v = nil
			awaitDeath(t, []weak.Pointer[record]{handle})
			runtime.GC()
			if more := metric("/gc/cleanups/queued:cleanups") - queued; more > 100 {
				t.Errorf("%s, %d times: %d cleanups were left on the value", how, n, more)
			}
			runtime.KeepAlive(m)
		}
	})
}

func TestOneValueUnderManyKeysCostsNothingOnceTheyAreGone(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		const keys = 1000
		m := newMap[int, record](c)
		v := &record{id: 1}
		round := func() {
			for key := range keys {
				m.Store(key, v)
			}
			for key := range keys {
				m.Delete(key)
			}
		}
		round()
		heap, off := heapBytes(), offHeap()
		for range scaled(20) {
			round()
		}
		if grown := heapBytes() - heap; grown > 64*kib {
			t.Errorf("the heap has grown by %d bytes", grown)
		}
		if grown := offHeap() - off; grown > offHeapNoise {
			t.Errorf("the runtime's structures have grown by %d bytes", grown)
		}
		runtime.KeepAlive(v)
		runtime.KeepAlive(m)
	})
}

func TestFunctionsPassedInAreNotKept(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		v := &record{id: 1}
		var captured []weak.Pointer[bulky]
		elsewhere(func() {
			ballast := func() *bulky {
				b := &bulky{}
				captured = append(captured, weak.Make(b))
				return b
			}
			a, b, c, d, e, f := ballast(), ballast(), ballast(), ballast(), ballast(), ballast()
			m.LoadOrCompute(1, func() (*record, error) { a.id++; return v, nil })
			m.LoadOrCompute(2, func() (*record, error) { b.id++; return nil, errors.New("no") })
			panicText(func() { m.LoadOrCompute(3, func() (*record, error) { c.id++; panic("no") }) })
			m.Compute(4, func(*record) *record { d.id++; return v })
			m.Compute(1, func(current *record) *record { e.id++; return current })
			m.DeleteFunc(func(int, *record) bool { f.id++; return false })
		})
		awaitDeath(t, captured)
		if n := m.Len(); n != 2 {
			t.Errorf("Len = %d, want the two bindings of the value that is held", n)
		}
		runtime.KeepAlive(v)
	})
}

func TestWhatLoadOrComputeReturnedIsNotKept(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		elsewhere(func() {
			for key := range 100 {
				m.LoadOrCompute(key, func() (*record, error) { return &record{id: key}, nil })
			}
		})
		eventually(t, "all computed values are dead", func() bool { return m.Len() == 0 })
	})
}

func TestDeletionsLeaveNoTombstones(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		const window = 10
		n := scaled(30_000)
		m := newMap[int, record](c)
		held := make([]*record, window)
		heap := heapBytes()
		for key := range n {
			held[key%window] = &record{id: key}
			m.Store(key, held[key%window])
			m.Delete(key - window)
		}
		if s := m.Stats(); s.Entries != window || s.Capacity > 8192 {
			t.Errorf("%d entries in %d slots after %d keys came and went", s.Entries, s.Capacity, n)
		}
		if grown := heapBytes() - heap; grown > 256*kib {
			t.Errorf("the heap has grown by %d bytes after %d keys came and went", grown, n)
		}
		for key := n - window; key < n; key++ {
			if got, ok := m.Load(key); !ok || got != held[key%window] {
				t.Errorf("Load(%d) = %p, %t, want %p, true", key, got, ok, held[key%window])
			}
		}
		runtime.KeepAlive(held)
	})
}

// removals are the ways in which a binding leaves.
var removals = map[string]func(m *weakmap.Map[*bulky, record], key *bulky, v *record){
	"Delete":           func(m *weakmap.Map[*bulky, record], key *bulky, _ *record) { m.Delete(key) },
	"LoadAndDelete":    func(m *weakmap.Map[*bulky, record], key *bulky, _ *record) { m.LoadAndDelete(key) },
	"CompareAndDelete": func(m *weakmap.Map[*bulky, record], key *bulky, v *record) { m.CompareAndDelete(key, v) },
	"Clear":            func(m *weakmap.Map[*bulky, record], _ *bulky, _ *record) { m.Clear() },
	"Compute": func(m *weakmap.Map[*bulky, record], key *bulky, _ *record) {
		m.Compute(key, func(*record) *record { return nil })
	},
	"DeleteFunc": func(m *weakmap.Map[*bulky, record], key *bulky, _ *record) {
		m.DeleteFunc(func(k *bulky, _ *record) bool { return k == key })
	},
	"Store over, then Delete": func(m *weakmap.Map[*bulky, record], key *bulky, v *record) { m.Store(key, v); m.Delete(key) },
	"death":                   func(*weakmap.Map[*bulky, record], *bulky, *record) {},
}

// A removed entry must not keep its key: not in its slot, not in the journal, not in the array
// that the shard had before it grew; also if the map is empty now, and is not called.
func TestARemovedEntryDoesNotKeepItsKey(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		for _, others := range []int{0, 5, 300} {
			var maps []*weakmap.Map[*bulky, record]
			var keys []weak.Pointer[bulky]
			var held []any
			elsewhere(func() {
				for how, remove := range removals {
					m := newMap[*bulky, record](c)
					maps = append(maps, m)
					key, v := &bulky{}, &record{}
					keys = append(keys, weak.Make(key))
					m.Store(key, v)
					for range others { // the table grows
						k, v := &bulky{}, &record{}
						m.Store(k, v)
						held = append(held, k, v)
					}
					remove(m, key, v)
					if how != "death" {
						held = append(held, v)
					}
				}
			})
			eventually(t, fmt.Sprintf("the keys removed from maps of %d others are dead", others), func() bool {
				for _, key := range keys {
					if key.Value() != nil {
						return false
					}
				}
				return true
			})
			runtime.KeepAlive(maps)
			runtime.KeepAlive(held)
		}
	})
}

func TestTheKeysBytesOfADeadStringEntryAreFreed(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		var bytes []weak.Pointer[byte]
		elsewhere(func() {
			for i := range 50 {
				key := fmt.Sprintf("a key of more than sixteen bytes: %d", i)
				bytes = append(bytes, weak.Make(unsafe.StringData(key)))
				m.Store(key, &record{id: i})
			}
		})
		awaitDeath(t, bytes)
		if n := m.Len(); n != 0 {
			t.Errorf("Len = %d, but the keys are gone", n)
		}
	})
}

// Three times a burst of values comes and dies. Neither the table nor the journal nor the
// runtime's records may be larger after the third than after the first.
func TestABurstLeavesNothingBehind(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		n := scaled(30_000)
		m := newMap[int, record](c)
		start := heapBytes()
		var after [3]int
		var off [3]int
		for burst := range after {
			storeDoomed(m, numbers(n)...)
			eventually(t, "the burst is dead and gone", func() bool { return m.Len() == 0 && m.Stats().Capacity <= 8192 })
			// The pass that has removed the last of them may be about to give their places back.
			limit, what := start+512*kib, "the heap has grown by 512 KiB at most"
			if burst > 0 {
				limit, what = after[0]+128*kib, "the heap has grown by 128 KiB at most since the first burst"
			}
			eventually(t, what, func() bool {
				after[burst], off[burst] = heapBytes(), offHeap()
				return after[burst] <= limit
			})
		}
		if grown := off[2] - off[0]; grown > mib {
			t.Errorf("the runtime's structures have grown by %d bytes from the first to the third burst", grown)
		}
		runtime.KeepAlive(m)
	})
}

func TestIteratorsKeepNoValues(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		all, keys, values := m.All(), m.Keys(), m.Values()
		var stops []func()
		elsewhere(func() {
			held := storeHeld(m, numbers(100)...)
			for range all {
			}
			for range keys {
			}
			for range values {
			}
			next, stop := iter.Pull(keys)
			next() // suspended after the first key
			stops = append(stops, stop)
			runtime.KeepAlive(held)
		})
		eventually(t, "the values died, though iterators are kept and one is suspended", func() bool { return m.Len() == 0 })
		elsewhere(stops[0])
		runtime.KeepAlive([]any{all, keys, values})
	})
}

// The reports of dead entries wait in a queue. Once the callbacks have been made, the keys
// must go.
func TestTheQueueOfCallbacksKeepsNoKeys(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[*bulky, record](c)
		gate := make(chan struct{})
		m.OnReap = func(*bulky) { <-gate }
		var keys []weak.Pointer[bulky]
		elsewhere(func() {
			for range 300 {
				key := &bulky{}
				keys = append(keys, weak.Make(key))
				m.Store(key, &record{})
			}
		})
		eventually(t, "the entries left while the first callback blocks", func() bool { return m.Len() == 0 })
		close(gate)
		settle(t)
		awaitDeath(t, keys)
		if s := m.Stats(); s.Reaped != 300 {
			t.Errorf("Stats = %+v, want 300 reaped", s)
		}
	})
}

// What a container lets go while an iteration is under way goes with the next collections, although the table has
// another layout since: with other shards, with the same, or with the same and its entries moved together.
func TestAnIterationHoldsNothingThatWasLetGo(t *testing.T) {
	for _, c := range []struct {
		name   string
		config weakmap.Config
		n      int
		change func(m *weakmap.Map[int, record])
	}{
		{"other shards", weakmap.Config{Retain: 1}, 100, nil},
		{"the same shards", weakmap.Config{Retain: 1, Shards: 2}, 2000, nil},
		{"a bound", weakmap.Config{RetainMax: 5000, Shards: 2}, 2000, nil},
		{"entries moved together", weakmap.Config{Retain: 1, Shards: 1}, 2000, func(m *weakmap.Map[int, record]) {
			value := new(record)
			for i := range 10_000 {
				m.Store(-1-i, value)
				m.Delete(-1 - i)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &weakmap.Map[int, record]{Config: c.config}
			store := func(first int) (handles []weak.Pointer[record]) {
				for i := range c.n {
					v := new(record)
					m.Store(first+i, v)
					handles = append(handles, weak.Make(v))
				}
				return handles
			}
			var first []weak.Pointer[record]
			elsewhere(func() { first = store(0) })
			next, stop := iter.Pull(m.Keys())
			defer stop()
			next()
			elsewhere(func() {
				if c.change != nil {
					c.change(m)
				} else {
					for i := range 4 {
						store((i + 1) * c.n)
					}
				}
				m.Clear()
			})
			awaitDeath(t, first)
		})
	}
}
