package suite

import (
	"runtime"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// oddity checks that two values bound to two keys are found, told apart and removed. The
// pointers are held by the caller.
func oddity[V any](t *testing.T, c configuration, what string, a, b *V) {
	t.Helper()
	m := newMap[string, V](c)
	m.Store("a", a)
	m.Store("b", b)
	for range 2 {
		runtime.GC()
		for key, want := range map[string]*V{"a": a, "b": b} {
			if got, ok := m.Load(key); !ok || got != want {
				t.Fatalf("%s: Load(%q) = %p, %t, want %p, true", what, key, got, ok, want)
			}
		}
	}
	if got, loaded := m.Swap("a", b); !loaded || got != a {
		t.Errorf("%s: Swap = %p, %t, want %p, true", what, got, loaded, a)
	}
	if a != b && m.CompareAndDelete("b", a) {
		t.Errorf("%s: CompareAndDelete takes one value for the other", what)
	}
	if !m.CompareAndSwap("b", b, a) || !m.CompareAndDelete("b", a) {
		t.Errorf("%s: CompareAndSwap or CompareAndDelete does not know the bound value", what)
	}
	if n := m.Len(); n != 1 {
		t.Errorf("%s: Len = %d, want 1", what, n)
	}
	m.Clear()
	if s := m.Stats(); s.Entries != 0 || s.Deleted != s.Inserts {
		t.Errorf("%s: Stats = %+v after Clear, want nothing left and nothing reaped", what, s)
	}
}

var (
	globalByte   byte
	globalRecord record
	globalArray  [4]int
)

func TestValuesOfOddSizesAndPlaces(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		one, two := new(byte), new(byte)
		oddity(t, c, "bytes of one block", one, two)
		oddity(t, c, "fifteen bytes", new([15]byte), new([15]byte))
		oddity(t, c, "interfaces", new(any), new(any))
		oddity(t, c, "a megabyte", new([mib]byte), new([mib]byte))
		oddity(t, c, "nothing", new(struct{}), new(struct{}))
		oddity(t, c, "globals", &globalByte, new(byte))
		oddity(t, c, "global structs", &globalRecord, &record{})
		oddity(t, c, "elements of a global", &globalArray[1], &globalArray[2])
		outer := &struct{ a, b, c int }{}
		oddity(t, c, "fields", &outer.b, &outer.c)
		slice := make([]record, 10)
		oddity(t, c, "elements of a slice", &slice[3], &slice[4])
	})
}

// These are never reported dead: they share memory with others, or have none of their own.
// Nothing may wait for them.
func TestSettleDoesNotWaitForWhatNeverDies(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		tiny, nothing, global := newMap[int, byte](c), newMap[int, struct{}](c), newMap[int, int](c)
		elsewhere(func() {
			for i := range 20 {
				tiny.Store(i, new(byte))
				nothing.Store(i, new(struct{}))
			}
			global.Store(1, &globalArray[0])
			global.Store(2, &globalArray[3])
		})
		settle(t)
		if got, ok := global.Load(1); !ok || got != &globalArray[0] {
			t.Errorf("Load of a global = %p, %t, want %p, true", got, ok, &globalArray[0])
		}
		if n := global.Len(); n != 2 {
			t.Errorf("Len = %d of a map of two globals", n)
		}
		if v, ok := nothing.Load(7); ok && v == nil {
			t.Error("Load of an empty struct = nil, true")
		}
		tiny.Clear()
		nothing.Clear()
		if tiny.Len()+nothing.Len() != 0 {
			t.Errorf("Len = %d and %d after Clear", tiny.Len(), nothing.Len())
		}
	})
}

func TestAnInteriorPointerLivesAsLongAsItsObject(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		type pair struct {
			_     string
			left  record
			right record
		}
		m := newMap[string, record](c)
		p := &pair{}
		m.Store("left", &p.left)
		m.Store("right", &p.right)
		slice := make([]record, 100)
		elements := newMap[int, record](c)
		for i := range slice {
			elements.Store(i, &slice[i])
		}
		for range 3 {
			runtime.GC()
			if got, ok := m.Load("left"); !ok || got != &p.left {
				t.Fatalf("Load of a field = %p, %t, want %p, true: the struct is held", got, ok, &p.left)
			}
			for i := range slice {
				if got, ok := elements.Load(i); !ok || got != &slice[i] {
					t.Fatalf("Load of an element = %p, %t, want %p, true: the slice is held", got, ok, &slice[i])
				}
			}
		}
		right, _ := m.Load("right")
		element, _ := elements.Load(57)
		runtime.KeepAlive(p)
		runtime.KeepAlive(slice)
		p, slice = nil, nil
		for range 3 {
			runtime.GC() // one pointer into an object keeps all of it
			if n := elements.Len(); m.Len() != 2 || n != 100 {
				t.Fatalf("Len = %d and %d, want 2 and 100 while a pointer into the object is held", m.Len(), n)
			}
		}
		runtime.KeepAlive(right)
		runtime.KeepAlive(element)
		right, element = nil, nil
		eventually(t, "the entries leave together with the object", func() bool {
			return m.Len() == 0 && elements.Len() == 0
		})
		_, _, _, _ = p, slice, right, element
	})
}

func TestACycleOfValuesDies(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		elsewhere(func() {
			a, b := &record{id: 1}, &record{id: 2}
			a.link, b.link = b, a
			m.Store(1, a)
			m.Store(2, b)
		})
		eventually(t, "values that refer to each other died", func() bool { return m.Len() == 0 })
	})
}

func TestACleanupOfTheProgramAndTheEntryBothGo(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		var cleaned atomic.Int32
		elsewhere(func() {
			for key := range 20 {
				r := &record{id: key}
				runtime.AddCleanup(r, func(n *atomic.Int32) { n.Add(1) }, &cleaned)
				m.Store(key, r)
			}
		})
		eventually(t, "all entries left and all cleanups ran", func() bool {
			return m.Len() == 0 && cleaned.Load() == 20
		})
	})
}

// A value with a runtime finalizer is dead, for a weak pointer, before the finalizer runs. The
// runtime runs no cleanup for it as long as finalizers bring it back: an entry that waits for
// its cleanup stays forever.
func TestTheEntryOfAResurrectedValueLeaves(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		const n = 10
		m := newMap[int, record](c)
		var undead [n]atomic.Pointer[record] // what the finalizers brought back, held from then on
		elsewhere(func() {
			for key := range n {
				r := &record{id: key}
				runtime.SetFinalizer(r, func(r *record) {
					if got, ok := m.Load(r.id); ok {
						t.Errorf("Load = %p, %t when the value's finalizer runs", got, ok)
					}
					undead[r.id].Store(r)
				})
				m.Store(key, r)
			}
		})
		eventually(t, "all finalizers ran", func() bool {
			for key := range undead {
				if undead[key].Load() == nil {
					return false
				}
			}
			return true
		})
		for key := range n {
			if got, ok := m.Load(key); ok {
				t.Errorf("Load(%d) = %p hits after the value's finalizer ran", key, got)
			}
		}
		eventually(t, "the entries of resurrected values left", func() bool { return m.Len() == 0 })
		if s := balanced(t, m); s.Reaped != n {
			t.Errorf("Stats = %+v, want %d reaped", s, n)
		}
		for key := range n { // a new life: bound again, the value is found
			m.Store(key, undead[key].Load())
		}
		runtime.GC()
		for key := range n {
			if got, ok := m.Load(key); !ok || got != undead[key].Load() {
				t.Errorf("Load(%d) = %p, %t of a resurrected value that was stored again, want it", key, got, ok)
			}
		}
		if got := m.Len(); got != n {
			t.Errorf("Len = %d after storing the resurrected values, want %d", got, n)
		}
		runtime.KeepAlive(&undead)
	})
}

// The finalizer stores its object again. The old entry's reclaim comes late, when the same
// value is bound again under the same key, and must not take that binding.
func TestAValueThatItsFinalizerStoresAgainIsFound(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		var undead atomic.Pointer[record]
		for life := range 5 {
			elsewhere(func() {
				r := undead.Swap(nil)
				if r == nil {
					r = &record{}
				}
				runtime.SetFinalizer(r, func(r *record) {
					m.Store(1, r)
					undead.Store(r)
				})
				m.Store(1, r)
			})
			eventually(t, "the finalizer ran", func() bool { return undead.Load() != nil })
			for range 3 {
				runtime.GC()
				if got, ok := m.Load(1); !ok || got != undead.Load() {
					t.Fatalf("life %d: Load = %p, %t, want what the finalizer stored: %p", life, got, ok, undead.Load())
				}
			}
			if n := m.Len(); n != 1 {
				t.Errorf("life %d: Len = %d, want 1", life, n)
			}
		}
	})
}

func TestSettleRemovesEntriesOfResurrectedValues(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		var undead atomic.Pointer[record]
		elsewhere(func() {
			r := &record{}
			runtime.SetFinalizer(r, func(r *record) { undead.Store(r) })
			m.Store(1, r)
		})
		settle(t)
		if n := m.Len(); n != 0 {
			t.Errorf("Len = %d after Settle, want 0: the value was unreachable at the call", n)
		}
		runtime.KeepAlive(undead.Load())
	})
}

func TestAHeldElementOfAMapOfMapsWorks(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		type inner = weakmap.Map[string, record]
		outer := newMap[string, inner](c)
		v := &record{}
		in, loaded, err := outer.LoadOrCompute("x", func() (*inner, error) { return newMap[string, record](c), nil })
		if loaded || err != nil {
			t.Fatalf("LoadOrCompute = %p, %t, %v, want a new map", in, loaded, err)
		}
		in.Store("y", v)
		runtime.GC()
		if again, ok := outer.Load("x"); !ok || again != in {
			t.Errorf("Load = %p, %t, want %p, true", again, ok, in)
		}
		handle := weak.Make(in)
		runtime.KeepAlive(in)
		in = nil
		eventually(t, "the inner map is collected though its value lives", func() bool {
			return handle.Value() == nil && outer.Len() == 0
		})
		runtime.KeepAlive(v)
		_ = in
	})
}
