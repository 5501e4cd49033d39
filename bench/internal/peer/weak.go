package peer

import (
	"iter"
	"runtime"
	"sync"
	"weak"

	xsync3 "github.com/puzpuzpuz/xsync/v3"
	xsync4 "github.com/puzpuzpuz/xsync/v4"
)

// The weak maps that people write by hand. All follow one protocol: publish the handle, then
// attach a cleanup that removes the entry if the key still holds that very handle. A late
// cleanup therefore never removes what was stored under its key since. The cleanup function is
// made once per map; its argument is the least that names an entry.

type handle = weak.Pointer[Value]

// A binding is what a cleanup removes.
type binding[K comparable, V any] struct {
	key    K
	handle weak.Pointer[V]
}

func weakSync[K comparable](int) Map[K] {
	var m sync.Map
	remove := func(d binding[K, Value]) { m.CompareAndDelete(d.key, d.handle) }
	return Map[K]{
		Load: func(key K) *Value {
			h, ok := m.Load(key)
			if !ok {
				return nil
			}
			return h.(handle).Value()
		},
		Store: func(key K, value *Value) {
			h := weak.Make(value)
			m.Store(key, h)
			runtime.AddCleanup(value, remove, binding[K, Value]{key, h})
		},
		Len:    func() int { return countSync(&m, -1) },
		Within: func(n int) bool { return countSync(&m, n) <= n },
		All: func(yield func(K, *Value) bool) {
			m.Range(func(key, h any) bool {
				value := h.(handle).Value()
				return value == nil || yield(key.(K), value)
			})
		},
	}
}

// countSync counts the entries of m, and stops after limit+1 unless limit is negative.
func countSync(m *sync.Map, limit int) int {
	n := 0
	m.Range(func(any, any) bool {
		n++
		return limit < 0 || n <= limit
	})
	return n
}

// living yields what each yields, with the values of the handles that live.
func living[K comparable](each iter.Seq2[K, handle]) iter.Seq2[K, *Value] {
	return func(yield func(K, *Value) bool) {
		each(func(key K, h handle) bool {
			value := h.Value()
			return value == nil || yield(key, value)
		})
	}
}

// A syncCache is the weak cache that is written by hand on sync.Map: it makes what it lacks, and
// where several make one value the first counts.
type syncCache[K comparable, V any] struct {
	m      sync.Map // K to weak.Pointer[V]
	remove func(binding[K, V])
}

func newSyncCache[K comparable, V any]() *syncCache[K, V] {
	c := new(syncCache[K, V])
	c.remove = func(b binding[K, V]) { c.m.CompareAndDelete(b.key, b.handle) }
	return c
}

// loadOrMake returns the live value of key. If there is none it binds what create returns, under
// the equal key that create returns with it.
func (c *syncCache[K, V]) loadOrMake(key K, create func() (K, *V)) *V {
	var made *V
	for {
		found, ok := c.m.Load(key)
		if !ok {
			if made == nil {
				key, made = create()
			}
			b := binding[K, V]{key, weak.Make(made)}
			if found, ok = c.m.LoadOrStore(key, b.handle); !ok {
				runtime.AddCleanup(made, c.remove, b)
				return made
			}
		}
		if value := found.(weak.Pointer[V]).Value(); value != nil {
			return value
		}
		c.m.CompareAndDelete(key, found)
	}
}

func weakLocked[K comparable](int) Map[K] {
	m := newLocked[K, handle]()
	remove := func(d binding[K, Value]) { m.compareAndDelete(d.key, d.handle) }
	return Map[K]{
		Load: func(key K) *Value { return m.load(key).Value() },
		Store: func(key K, value *Value) {
			h := weak.Make(value)
			m.store(key, h)
			runtime.AddCleanup(value, remove, binding[K, Value]{key, h})
		},
		Len:    m.len,
		Within: func(n int) bool { return m.len() <= n },
		All:    living(m.all),
	}
}

func weakSharded[K comparable](int) Map[K] {
	m := newSharded[K, handle]()
	remove := func(d binding[K, Value]) { m.compareAndDelete(d.key, d.handle) }
	return Map[K]{
		Load: func(key K) *Value { return m.load(key).Value() },
		Store: func(key K, value *Value) {
			h := weak.Make(value)
			m.store(key, h)
			runtime.AddCleanup(value, remove, binding[K, Value]{key, h})
		},
		Len:    m.len,
		Within: func(n int) bool { return m.len() <= n },
		All:    living(m.all),
	}
}

func weakXsync3[K comparable](int) Map[K] {
	m := xsync3.NewMapOf[K, handle]()
	remove := func(d binding[K, Value]) {
		m.Compute(d.key, func(current handle, loaded bool) (handle, bool) {
			return current, !loaded || current == d.handle
		})
	}
	return Map[K]{
		Load: func(key K) *Value {
			h, _ := m.Load(key)
			return h.Value()
		},
		Store: func(key K, value *Value) {
			h := weak.Make(value)
			m.Store(key, h)
			runtime.AddCleanup(value, remove, binding[K, Value]{key, h})
		},
		Len:    m.Size,
		Within: func(n int) bool { return m.Size() <= n },
		All:    living(m.Range),
	}
}

func weakXsync4[K comparable](int) Map[K] {
	m := xsync4.NewMap[K, handle]()
	remove := func(d binding[K, Value]) {
		m.Compute(d.key, func(current handle, loaded bool) (handle, xsync4.ComputeOp) {
			if loaded && current == d.handle {
				return current, xsync4.DeleteOp
			}
			return current, xsync4.CancelOp
		})
	}
	return Map[K]{
		Load: func(key K) *Value {
			h, _ := m.Load(key)
			return h.Value()
		},
		Store: func(key K, value *Value) {
			h := weak.Make(value)
			m.Store(key, h)
			runtime.AddCleanup(value, remove, binding[K, Value]{key, h})
		},
		Len:    m.Size,
		Within: func(n int) bool { return m.Size() <= n },
		All:    living(m.Range),
	}
}
