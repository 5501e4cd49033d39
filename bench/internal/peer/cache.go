package peer

import (
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/go-weak/weakmap"
)

// Caches returns the participants that hold as many values as their capacity says, and let others
// go: this library with RetainMax alone, otter v2, and an LRU with a lock. Values are asked for and
// stored as in a Map; the last two hold them strongly and find nothing else.
func Caches[K comparable]() []Participant[Map[K]] {
	return []Participant[Map[K]]{
		{Ours, Weak, cacheLibrary[K]},
		{"otter", Weak, cacheOtter[K]},
		{"lru", Weak, cacheLRU[K]},
	}
}

func cacheLibrary[K comparable](capacity int) Map[K] {
	m := &weakmap.Map[K, Value]{Config: weakmap.Config{RetainMax: capacity}}
	return Map[K]{
		Load: func(key K) *Value {
			value, _ := m.Load(key)
			return value
		},
		Store:  m.Store,
		Len:    func() int { return m.Stats().Retained },
		Within: func(n int) bool { return m.Stats().Retained <= n },
	}
}

func cacheOtter[K comparable](capacity int) Map[K] {
	c := otter.Must(&otter.Options[K, *Value]{MaximumSize: capacity})
	return Map[K]{
		Load: func(key K) *Value {
			value, _ := c.GetIfPresent(key)
			return value
		},
		Store: func(key K, value *Value) { c.Set(key, value) },
		Len: func() int {
			c.CleanUp() // It evicts behind the back of its callers.
			return c.EstimatedSize()
		},
		Within: func(n int) bool { return c.EstimatedSize() <= n },
	}
}

func cacheLRU[K comparable](capacity int) Map[K] {
	c, err := lru.New[K, *Value](max(capacity, 1))
	if err != nil {
		panic(err) // No capacity is below 1.
	}
	return Map[K]{
		Load: func(key K) *Value {
			value, _ := c.Get(key)
			return value
		},
		Store:  func(key K, value *Value) { c.Add(key, value) },
		Len:    c.Len,
		Within: func(n int) bool { return c.Len() <= n },
	}
}
