// Package seeded: a weak map by hand that compares.
package seeded

import (
	"runtime"
	"sync"
	"weak"
)

type Cache[K comparable, V any] struct{ m sync.Map }

func (c *Cache[K, V]) Get(key K, make func() *V) *V {
	for {
		if w, ok := c.m.Load(key); ok {
			if v := w.(weak.Pointer[V]).Value(); v != nil {
				return v
			}
			c.m.CompareAndDelete(key, w)
		}
		v := make()
		w := weak.Make(v)
		if _, loaded := c.m.LoadOrStore(key, w); !loaded {
			runtime.AddCleanup(v, func(key K) { c.m.CompareAndDelete(key, w) }, key)
			return v
		}
	}
}
