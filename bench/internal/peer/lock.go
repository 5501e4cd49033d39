package peer

import (
	"hash/maphash"
	"sync"
)

// locked is a built-in map under a reader-writer lock. P is what it points with:
// a weak handle or a strong pointer.
type locked[K, P comparable] struct {
	mu      sync.RWMutex
	entries map[K]P // read with mu held, written with it held exclusively
}

func newLocked[K, P comparable]() *locked[K, P] {
	return &locked[K, P]{entries: make(map[K]P)}
}

func (l *locked[K, P]) load(key K) P {
	l.mu.RLock()
	p := l.entries[key]
	l.mu.RUnlock()
	return p
}

func (l *locked[K, P]) store(key K, p P) {
	l.mu.Lock()
	l.entries[key] = p
	l.mu.Unlock()
}

func (l *locked[K, P]) compareAndDelete(key K, old P) {
	l.mu.Lock()
	if l.entries[key] == old {
		delete(l.entries, key)
	}
	l.mu.Unlock()
}

func (l *locked[K, P]) len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.entries)
}

// all holds the lock while it yields.
func (l *locked[K, P]) all(yield func(K, P) bool) { l.each(yield) }

// each is all, and reports whether yield wants more.
func (l *locked[K, P]) each(yield func(K, P) bool) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for key, p := range l.entries {
		if !yield(key, p) {
			return false
		}
	}
	return true
}

const (
	shards    = 64
	cacheLine = 128 // two lines of 64: the adjacent-line prefetcher couples pairs
)

// sharded is 64 locked maps, chosen by maphash.
type sharded[K, P comparable] struct {
	seed   maphash.Seed
	shards [shards]struct {
		locked[K, P]
		_ [cacheLine - 32]byte // locked is 32 bytes on 64-bit machines
	}
}

func newSharded[K, P comparable]() *sharded[K, P] {
	s := &sharded[K, P]{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].entries = make(map[K]P)
	}
	return s
}

func (s *sharded[K, P]) shard(key K) *locked[K, P] {
	return &s.shards[maphash.Comparable(s.seed, key)%shards].locked
}

func (s *sharded[K, P]) load(key K) P                  { return s.shard(key).load(key) }
func (s *sharded[K, P]) store(key K, p P)              { s.shard(key).store(key, p) }
func (s *sharded[K, P]) compareAndDelete(key K, old P) { s.shard(key).compareAndDelete(key, old) }

func (s *sharded[K, P]) len() int {
	n := 0
	for i := range s.shards {
		n += s.shards[i].len()
	}
	return n
}

func (s *sharded[K, P]) all(yield func(K, P) bool) {
	for i := range s.shards {
		if !s.shards[i].each(yield) {
			return
		}
	}
}
