// Package seeded: a sync.Map whose cleanup does not compare.
package seeded

import (
	"runtime"
	"sync"
	"weak"
)

type Cache[K comparable, V any] struct{ m sync.Map }

func (c *Cache[K, V]) Put(key K, v *V) {
	c.m.Store(key, weak.Make(v))
	runtime.AddCleanup(v, func(key K) { c.m.Delete(key) }, key)
}
