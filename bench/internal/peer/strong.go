package peer

import (
	"sync"

	xsync3 "github.com/puzpuzpuz/xsync/v3"
	xsync4 "github.com/puzpuzpuz/xsync/v4"
)

// The same maps with strong pointers: what the work costs when nothing has to die.

func strongSync[K comparable](int) Map[K] {
	var m sync.Map
	return Map[K]{
		Load: func(key K) *Value {
			value, ok := m.Load(key)
			if !ok {
				return nil
			}
			return value.(*Value)
		},
		Store:  func(key K, value *Value) { m.Store(key, value) },
		Len:    func() int { return countSync(&m, -1) },
		Within: func(n int) bool { return countSync(&m, n) <= n },
		All: func(yield func(K, *Value) bool) {
			m.Range(func(key, value any) bool { return yield(key.(K), value.(*Value)) })
		},
	}
}

func strongLocked[K comparable](int) Map[K] {
	m := newLocked[K, *Value]()
	return Map[K]{
		Load:   func(key K) *Value { return m.load(key) },
		Store:  func(key K, value *Value) { m.store(key, value) },
		Len:    m.len,
		Within: func(n int) bool { return m.len() <= n },
		All:    m.all,
	}
}

func strongSharded[K comparable](int) Map[K] {
	m := newSharded[K, *Value]()
	return Map[K]{
		Load:   func(key K) *Value { return m.load(key) },
		Store:  func(key K, value *Value) { m.store(key, value) },
		Len:    m.len,
		Within: func(n int) bool { return m.len() <= n },
		All:    m.all,
	}
}

func strongXsync3[K comparable](int) Map[K] {
	m := xsync3.NewMapOf[K, *Value]()
	return Map[K]{
		Load: func(key K) *Value {
			value, _ := m.Load(key)
			return value
		},
		Store:  func(key K, value *Value) { m.Store(key, value) },
		Len:    m.Size,
		Within: func(n int) bool { return m.Size() <= n },
		All:    m.Range,
	}
}

func strongXsync4[K comparable](int) Map[K] {
	m := xsync4.NewMap[K, *Value]()
	return Map[K]{
		Load: func(key K) *Value {
			value, _ := m.Load(key)
			return value
		},
		Store:  func(key K, value *Value) { m.Store(key, value) },
		Len:    m.Size,
		Within: func(n int) bool { return m.Size() <= n },
		All:    m.Range,
	}
}
