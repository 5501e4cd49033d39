package scenario

import (
	"context"
	"hash/maphash"
	"runtime"
	"sync"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/stress/internal/history"
)

// A pinned is what a client holds: a pointer to a value, and the value's number.
type pinned struct {
	value   history.Value
	pointer any
}

// pin holds what pointer points to until the client releases it.
func (c *client) pin(v history.Value, pointer any) { c.pins = append(c.pins, pinned{v, pointer}) }

// fresh makes an object, which the client holds.
func (c *client) fresh() *object {
	o := &object{}
	w := weak.Make(o)
	o.id = int64(c.follow(func() bool { return w.Value() == nil }))
	c.pin(history.Value(o.id), o)
	return o
}

// some returns an object that the client holds, or a fresh one.
func (c *client) some() *object {
	if n := len(c.pins); n > 0 && c.rng.IntN(3) == 0 {
		return c.pins[c.rng.IntN(n)].pointer.(*object)
	}
	return c.fresh()
}

// release lets the last n pins go.
func (c *client) release(n int) {
	for range n {
		last := &c.pins[len(c.pins)-1]
		c.Do(history.Operation{Kind: history.Release, Value: last.value}, func(*history.Operation) bool {
			runtime.KeepAlive(last.pointer)
			last.pointer = nil
			return true
		})
		c.pins = c.pins[:len(c.pins)-1]
	}
}

// releaseSome lets some of them go, or none.
func (c *client) releaseSome() {
	if c.rng.IntN(2) == 0 {
		c.release(c.rng.IntN(len(c.pins) + 1))
	}
}

func (c *client) releaseAll() { c.release(len(c.pins)) }

func mapHistory(s *session) {
	m := newMap[int](s.configuration)
	s.run(func(c *client) {
		c.mapOperation(m)
		c.releaseSome()
	}, (*client).releaseAll)
}

// mapOperation does a random operation and records it.
func (c *client) mapOperation(m *weakmap.Map[int, object]) {
	kinds := []history.Kind{history.Load, history.Load, history.Load, history.Store, history.LoadOrStore, history.LoadOrCompute,
		history.Swap, history.CompareAndSwap, history.CompareAndDelete, history.Delete, history.LoadAndDelete, history.Compute}
	o := history.Operation{Kind: kinds[c.rng.IntN(len(kinds))], Key: c.rng.IntN(historyKeys)}
	var v, old *object // what is bound and what is compared
	switch o.Kind {
	case history.Store, history.LoadOrStore, history.LoadOrCompute, history.Swap, history.CompareAndSwap:
		v = c.some()
		o.New = history.Value(v.id)
	case history.Compute:
		if c.rng.IntN(4) > 0 {
			v = c.some()
			o.New = history.Value(v.id)
		}
	}
	switch o.Kind {
	case history.CompareAndSwap, history.CompareAndDelete:
		old = c.some()
		o.Old = history.Value(old.id)
	}
	var given *object // by the operation
	c.Do(o, func(o *history.Operation) bool {
		switch o.Kind {
		case history.Load:
			given, o.OK = m.Load(o.Key)
		case history.Store:
			m.Store(o.Key, v)
		case history.LoadOrStore:
			given, o.OK = m.LoadOrStore(o.Key, v)
		case history.LoadOrCompute:
			compute := func() (*object, error) {
				runtime.Gosched()
				return v, nil
			}
			if c.rng.IntN(2) == 0 {
				given, o.OK, _ = m.LoadOrCompute(o.Key, compute)
			} else {
				given, o.OK, _ = m.LoadOrComputeContext(context.Background(), o.Key, func(context.Context) (*object, error) { return compute() })
			}
		case history.Swap:
			given, o.OK = m.Swap(o.Key, v)
		case history.CompareAndSwap:
			o.OK = m.CompareAndSwap(o.Key, old, v)
		case history.CompareAndDelete:
			o.OK = m.CompareAndDelete(o.Key, old)
		case history.Delete:
			m.Delete(o.Key)
		case history.LoadAndDelete:
			given, o.OK = m.LoadAndDelete(o.Key)
		case history.Compute:
			m.Compute(o.Key, func(current *object) *object {
				given = current
				return v
			})
		}
		if !o.OK && o.Kind != history.Compute {
			given = nil // At most its own, which it holds already.
		}
		if given != nil {
			o.Value = history.Value(given.id)
		}
		return true
	})
	if given != nil {
		c.pin(history.Value(given.id), given)
	}
}

// attached is a value of a weak-keyed map; 0 is none.
type attached = history.Value

func keyMapHistory(s *session) {
	m := &weakmap.KeyMap[object, attached]{Config: s.config()}
	var keys [historyKeys]*object
	for i := range keys {
		keys[i] = &object{}
	}
	s.run(func(c *client) {
		m.Store(&object{}, 0) // one whose key dies, beside
		kinds := []history.Kind{history.Load, history.Load, history.Store, history.LoadOrStore, history.LoadOrCompute,
			history.Swap, history.Delete, history.LoadAndDelete, history.Compute}
		o := history.Operation{Kind: kinds[c.rng.IntN(len(kinds))], Key: c.rng.IntN(historyKeys)}
		key := keys[o.Key]
		switch o.Kind {
		case history.Store, history.LoadOrStore, history.LoadOrCompute, history.Swap, history.Compute:
			o.New = c.follow(nil)
		}
		if o.Kind == history.Compute && c.rng.IntN(4) == 0 {
			o.New = 0
		}
		c.Do(o, func(o *history.Operation) bool {
			switch o.Kind {
			case history.Load:
				o.Value, o.OK = m.Load(key)
			case history.Store:
				m.Store(key, o.New)
			case history.LoadOrStore:
				o.Value, o.OK = m.LoadOrStore(key, o.New)
			case history.LoadOrCompute:
				o.Value, o.OK, _ = m.LoadOrCompute(key, func() (attached, error) {
					runtime.Gosched()
					return o.New, nil
				})
			case history.Swap:
				o.Value, o.OK = m.Swap(key, o.New)
			case history.Delete:
				m.Delete(key)
			case history.LoadAndDelete:
				o.Value, o.OK = m.LoadAndDelete(key)
			case history.Compute:
				m.Compute(key, func(current attached, _ bool) (attached, bool) {
					o.Value = current
					return o.New, o.New != 0
				})
			}
			return true
		})
	}, func(*client) {})
	runtime.KeepAlive(&keys)
}

// setHistory says of each element that one value is bound to it, or none.
func setHistory(s *session) {
	set := &weakmap.Set[object]{Config: s.config()}
	var elements [historyKeys]*object
	for i := range elements {
		elements[i] = &object{}
	}
	const in = 1
	s.run(func(c *client) {
		set.Add(&object{}) // one that dies, beside
		kinds := []history.Kind{history.Load, history.LoadOrStore, history.LoadAndDelete}
		o := history.Operation{Kind: kinds[c.rng.IntN(len(kinds))], Key: c.rng.IntN(historyKeys)}
		c.Do(o, func(o *history.Operation) bool {
			switch e := elements[o.Key]; o.Kind {
			case history.Load:
				o.OK = set.Contains(e)
			case history.LoadOrStore:
				o.New, o.OK = in, !set.Add(e)
			case history.LoadAndDelete:
				o.OK = set.Remove(e)
			}
			if o.OK {
				o.Value = in
			}
			return true
		})
	}, func(*client) {})
	runtime.KeepAlive(&elements)
}

func internerHistory(s *session) {
	in := newInterner[int](s.configuration)
	canonicalHistory(s, func(key int) (p *int, holds any) {
		p = in.Intern(key)
		return p, p
	}, func(key int) (p *int, holds any, ok bool) {
		p, ok = in.Lookup(key)
		return p, p, ok
	})
}

// stringsHistory takes the address of a string's bytes for the canonical pointer. Part of the
// string holds them.
func stringsHistory(s *session) {
	in := &weakmap.Strings{Config: s.config()}
	text := func(key int) string { return "string number " + string(rune('0'+key)) }
	canonicalHistory(s, func(key int) (p *byte, holds any) {
		v := in.Intern(text(key))
		return unsafe.StringData(v), v[7:]
	}, func(key int) (p *byte, holds any, ok bool) {
		v, ok := in.Lookup(text(key))
		if !ok {
			return nil, nil, false
		}
		return unsafe.StringData(v), v[7:], true
	})
}

// equalSetHistory has a new object for each call.
func equalSetHistory(s *session) {
	set := &weakmap.Set[object]{Config: s.config(), Hasher: byID{hashOf[int64](s.configuration)}}
	canonicalHistory(s, func(key int) (p *object, holds any) {
		p, _ = set.LoadOrAdd(&object{id: int64(key)})
		return p, p
	}, func(key int) (p *object, holds any, ok bool) {
		p, ok = set.Load(&object{id: int64(key)})
		return p, p, ok
	})
}

// byID is a Hasher by which objects with one id are the same.
type byID struct{ hash func(int64) uint64 }

func (b byID) Hash(h *maphash.Hash, o *object) {
	n := uint64(o.id)
	if b.hash != nil {
		n = b.hash(o.id)
	}
	maphash.WriteComparable(h, n)
}

func (byID) Equal(x, y *object) bool { return x.id == y.id }

// canonicalHistory numbers canonical values by their weak pointers: their addresses are soon
// those of others.
func canonicalHistory[T any](s *session, intern func(key int) (p *T, holds any), lookup func(key int) (p *T, holds any, ok bool)) {
	var mu sync.Mutex
	numbers := make(map[weak.Pointer[T]]history.Value) // Guarded by mu.
	numberOf := func(p *T) history.Value {
		mu.Lock()
		defer mu.Unlock()
		w := weak.Make(p)
		if _, known := numbers[w]; !known {
			numbers[w] = s.follow(func() bool { return w.Value() == nil })
		}
		return numbers[w]
	}
	s.run(func(c *client) {
		o := history.Operation{Kind: history.Intern, Key: c.rng.IntN(historyKeys)}
		if c.rng.IntN(3) == 0 {
			o.Kind = history.Load
		}
		c.Do(o, func(o *history.Operation) bool {
			var p *T
			var holds any
			switch o.Kind {
			case history.Intern:
				p, holds = intern(o.Key)
				o.OK = true
			case history.Load:
				p, holds, o.OK = lookup(o.Key)
			}
			if o.OK {
				o.Value = numberOf(p)
				c.pin(o.Value, holds)
			}
			return true
		})
		c.releaseSome()
	}, (*client).releaseAll)
}

// cellHistory has a Cell for each key. Clear is its Delete.
func cellHistory(s *session) {
	var cells [historyKeys]weakmap.Cell[object]
	s.run(func(c *client) {
		kinds := []history.Kind{history.Load, history.Load, history.Store, history.LoadOrCompute, history.LoadOrCompute, history.Delete}
		o := history.Operation{Kind: kinds[c.rng.IntN(len(kinds))], Key: c.rng.IntN(historyKeys)}
		cell := &cells[o.Key]
		var v, given *object
		switch o.Kind {
		case history.Store, history.LoadOrCompute:
			v = c.some()
			o.New = history.Value(v.id)
		}
		c.Do(o, func(o *history.Operation) bool {
			switch o.Kind {
			case history.Load:
				given, o.OK = cell.Load()
			case history.Store:
				cell.Store(v)
			case history.LoadOrCompute:
				given, o.OK, _ = cell.LoadOrCompute(func() (*object, error) {
					runtime.Gosched()
					return v, nil
				})
			case history.Delete:
				cell.Clear()
			}
			if !o.OK {
				given = nil // At most its own, which it holds already.
			}
			if given != nil {
				o.Value = history.Value(given.id)
			}
			return true
		})
		if given != nil {
			c.pin(history.Value(given.id), given)
		}
		c.releaseSome()
	}, (*client).releaseAll)
}
