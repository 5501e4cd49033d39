package weakmap

import (
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/seam"
)

// A shard is one lock stripe. Lookups do not touch it.
type shard struct {
	mu         seam.Mutex      // protects the fields that say so, and the shard's buckets
	inserted   atomic.Uint64   // bindings ever made. Read without lock, written only with mu held, as the next two.
	reaped     atomic.Uint64   // of these, removed because they had died
	deleted    atomic.Uint64   // of these, removed or replaced by a caller
	journal    journal.Journal // the records of the shard's bindings. Guarded by mu.
	generation atomic.Uint32   // rises when the journal gets other chunks, and is vacated when the bindings get other shards. Read without lock, written only with mu held.
	sparing    uint8           // how many more full buckets expelDead lets pass. Guarded by mu.
	tours      *tour           // the iterations that are in the middle of the journal. Guarded by mu.
	askAt      uint64          // how many bindings must have been removed before layout.asks says so again. Guarded by mu.
	dead       []reaped        // to be reported once mu is released. Guarded by mu.
	_          [shardPadding]byte
}

// vacated is the generation of a shard whose journal is not written any more.
const vacated = ^uint32(0)

// shardPadding fills a shard up to cache lines, which processors like to fetch in pairs.
const shardPadding = 256 - (8 + 3*8 + int(unsafe.Sizeof(journal.Journal{})) + 8 + 4*ptrSize + 8 + ptrSize)

const ptrSize = int(unsafe.Sizeof(uintptr(0)))

// A reaped binding is one that was removed because its referent had died.
type reaped struct {
	ref  unsafe.Pointer // of a Map the key, of a KeyMap the value
	bits uint64
}

// used is the number of bindings. Without mu held it is a recent number, and not less than that
// of the keys that are bound throughout the call: a binding is counted as inserted before it is
// published, and as removed after it was taken out or replaced.
func (s *shard) used() int {
	gone := s.reaped.Load() + s.deleted.Load() // before inserted: what comes meanwhile adds, and nothing is missing
	return int(s.inserted.Load() - gone)
}

// record appends a record to the journal. Must be called with mu held.
func (s *shard) record(word, ref unsafe.Pointer, bits uint64) (pos uint32) {
	if s.journal.Moves() {
		s.generation.Add(1) // Before a record of the old chunk misses a removal.
	}
	return s.journal.Append(word, ref, bits)
}

// account counts the removal of a binding, and has it reported if it was dead. Must be called
// with mu held.
func (s *shard) account(t *table, isDead bool, ref unsafe.Pointer, bits uint64) {
	if !isDead {
		s.deleted.Add(1)
		return
	}
	s.reaped.Add(1)
	if t.onReap != nil {
		s.dead = append(s.dead, reaped{ref, bits})
	}
}

// unlock unlocks s and reports what died.
func (t *table) unlock(s *shard) {
	t.checkInvariants(s)
	dead := s.dead
	s.dead = nil
	s.mu.Unlock()
	if dead != nil {
		t.report(dead)
	}
}
