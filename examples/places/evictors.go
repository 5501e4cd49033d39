package places

import (
	"slices"
	"sync"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// One goroutine evicts what is too old from all caches of a program, and keeps none of them.

type agingCache struct {
	mu    sync.Mutex
	since map[string]time.Time
}

func (c *agingCache) evict(before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, since := range c.since {
		if since.Before(before) {
			delete(c.since, key)
		}
	}
}

// before: evictors

type evictorByHand struct {
	mu     sync.Mutex
	caches []weak.Pointer[agingCache]
}

func (e *evictorByHand) Watch(c *agingCache) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := weak.Make(c); !slices.Contains(e.caches, w) {
		e.caches = append(e.caches, w)
	}
}

func (e *evictorByHand) Unwatch(c *agingCache) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.caches = slices.DeleteFunc(e.caches, func(w weak.Pointer[agingCache]) bool { return w == weak.Make(c) })
}

// Evict is also what forgets caches that are gone.
func (e *evictorByHand) Evict(before time.Time) {
	var alive []*agingCache
	e.mu.Lock()
	e.caches = slices.DeleteFunc(e.caches, func(w weak.Pointer[agingCache]) bool {
		c := w.Value()
		if c != nil {
			alive = append(alive, c)
		}
		return c == nil
	})
	e.mu.Unlock()
	for _, c := range alive { // without the lock: a cache may take long, or be unwatched during that
		c.evict(before)
	}
}

// after: evictors

type evictor struct {
	caches weakmap.Set[agingCache]
}

func (e *evictor) Watch(c *agingCache)   { e.caches.Add(c) }
func (e *evictor) Unwatch(c *agingCache) { e.caches.Remove(c) }

func (e *evictor) Evict(before time.Time) {
	for c := range e.caches.All() {
		c.evict(before)
	}
}

// end

func (e *evictorByHand) Len() int {
	e.Evict(time.Time{})
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.caches)
}

func (e *evictor) Len() int { return e.caches.Len() }
