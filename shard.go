package weakmap

// This file begins with an essay on the engine that all containers share.
//
// # Parts
//
//	Map KeyMap Set Interner Strings      contracts, and what is typed
//	                 |
//	               table <----- reaper   a container's bindings and settings; one pass after each collection
//	                 |
//	              layout                 what is replaced as a whole when a table grows or shrinks
//	              /     \
//	            row    shards            where lookups look; what writers lock
//	                     |
//	                  journal            the bindings in the order in which they were made
//
//	table.go       what a container leads to: table, layout, core
//	key.go         how a key is hashed, compared and recorded; hasher.go: by the caller
//	lookup.go      find; update.go: bind, replace, unbind; iterate.go: go over all
//	grow.go        make room, shrink, take another hash
//	sweep.go       find and remove what is dead; reaper.go: when, for all tables; settle.go: wait for that
//	retain.go      hold what was used lately
//	pervalue.go    with PerValue, the cleanup of each value
//	report.go      which dead bindings OnReap is to be told of
//	flight.go      one computation for a key at a time; claims.go: with a Hasher
//	internal/row   the buckets; internal/journal: the records, and which of them are dead
//
// The engine has no type parameters. It knows a referent by its address and a key by one of a
// few classes, so it is compiled once for a program, however many types the program caches.
//
// # Terms
//
// A binding is what one insertion makes: a key, or what stands for it, is bound to a referent, which
// may die. The public documents call it an entry. It is in two places. Its slot is in a bucket of the
// row, where lookups find it; package row has the diagram. Its record is in the journal of a shard:
//
//	word  8  the weak pointer to the referent
//	ref   8  what the slot's key names, which the record keeps: a string's bytes, a copy of a key, a KeyMap's value
//	bits  8  a number as it is; or the hash, and the length of a string
//
// With PerValue or retention, which few containers have, it takes 32 bytes more. A shard is a lock,
// with the counts and the journal of the bindings that it guards. A layout is a row with its shards.
//
// # Life of a binding
//
//	          insertion                    collection
//	(none) -------------> bound ----------------------------> dead
//	                        |                                   |
//	                        | Delete, Store over it, Clear ...  | a pass, Reap, Settle, or any of those
//	                        v                                   v
//	                     unbound, counted Deleted            unbound, counted Reaped, reported to OnReap
//
// With retention a bound one is held, or let go, and only what was let go dies:
//
//	          insertion              unused for long, or displaced
//	(none) -------------> held ----------------------------------------> let go ----> dead
//	                        ^                                              |
//	                        +----------------------------------------------+
//	                                           a use
//
// Nothing happens to a binding when its referent dies: lookups see that the weak pointer is nil,
// and miss. It is unbound once, under its shard's lock, by the first of
//
//   - the pass after a collection (reaper.pass), Reap, Settle;
//   - with PerValue, the cleanup of its referent (reapByTicket);
//   - a writer that stores over it or deletes it (table.update), clears (core.clear), finds its
//     bucket full (table.reapBucket) or its shard (table.makeRoom).
//
// A sweep and a cleanup name the binding by its hash and the word of its weak pointer, and remove that
// binding or nothing; a writer goes by the key, under the lock. A word whose referent is dead is never
// that of a live binding again. So a late removal cannot remove what has been bound to the same key
// since.
//
// # Why a lookup may trust what it sees
//
// Package row says why what is read of one slot belongs together, and package journal the same of
// a record. An insertion makes the record, fills the slot, raises the counts of the full buckets
// that it passed, and then stores the tag; only that makes the binding visible. A removal clears
// the tag first. A replacement stores the new word over the old: the key is never unbound in
// between. Where that changes the value of a KeyMap's key, it is the value that readers go by: see
// paired. Nothing moves within a layout, and the row of a layout that was replaced does not change
// any more. table.find says what follows for a miss.
//
// What a slot names must be there when it is read, although the collector does not follow slots.
// The record keeps it: the record is made before the slot is filled and cleared after the slot was
// emptied. A layout that was replaced keeps the journals of its time (layout.kept, or its
// shards), whose chunks are copied before they change (shard.own), and a lookup keeps its layout
// until it has what it looks for.
//
// # Locks
//
// In this order; none is held while code of the user runs, except tally.calling.
//
//	lock               protects                                             taken by
//	reaper.turn        one sweep of all tables at a time                    passes, Settle
//	reaper.ticks       announcements of collections                         cleanups of the clock, passes
//	table.growth       which layout is in use                               growth, sweeps, Clear, ageing
//	shard.mu           a shard's buckets, journal, counts; of several       writers, iterations, sweeps
//	                   shards by number, those of a next layout last
//	reaper.mu          the list of tables                                   first insertions, passes
//	tickets.mu         the cleanups of one table that have not run; a leaf  PerValue's writers, cleanups
//	reports.mu         dead bindings that OnReap has not been told of       writers, sweeps, callers of OnReap
//	callback.Queue.mu  the queue of callbacks; a leaf                       those that submit or run them
//
// Apart from these, and before them where both are held:
//
//	tally.calling      two calls of one OnReap from each other              callers of OnReap
//	flights.mu         the computations of a container, a Cell's value      LoadOrCompute, Delete, Clear
//	claims.mu          which keys are being loaded, with a Hasher; a leaf   LoadOrCompute, Delete
//	loads.mu           which loads wait, with weakmapcheck; a leaf          LoadOrCompute
//	exitStripe.mu      some of the finalizers; a leaf                       Finalize, its methods, RunAtExit
//	exits.mu           what comes while RunAtExit runs; a leaf              Finalize, AtExit, RunAtExit
//
// Hash runs before any lock is taken, and == on keys is Go's own. A Hasher is asked with no lock
// held: see table.update.
//
// # Calls of user code
//
//	function              on which goroutine       may use containers   a panic
//	compute, Compute's f  the caller's             yes                  goes to the caller
//	compute with context  one of its own           yes                  goes to a caller
//	del, keep, yield      the caller's             yes                  goes to the caller
//	Hash, Clone           the caller's             yes                  goes to the caller
//	a Hasher's methods    the caller's             yes                  goes to the caller
//	OnReap                one of callbacks, or     yes                  ends the program
//	                      of a synctest bubble
//	callbacks of a Ref    one of callbacks         yes                  ends the program
//	Finalizer functions   one of callbacks, or     yes                  ends the program, or
//	                      of Call, RunAtExit                            goes to the caller
//
// # Where memory goes
//
// For one binding: 24 bytes of record, 30 to 51 of row (172 for seven slots, of which 13 in 16
// are used at most, and two fifths fewer after growth), and what the runtime takes for a weak
// pointer, 16 on the heap and about 32 off it. A string's bytes are the caller's.

import (
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/seam"
)

// A shard is one lock stripe. Lookups do not touch it.
type shard struct {
	mu         seam.Mutex         // protects the fields that say so, and the shard's buckets
	inserted   atomic.Uint64      // bindings ever made. Read without lock, written only with mu held, as the next two.
	reaped     atomic.Uint64      // of these, removed because they had died
	deleted    atomic.Uint64      // of these, removed or replaced by a caller
	journal    journal.Journal    // the records of the shard's bindings. Guarded by mu.
	generation atomic.Uint32      // rises when the journal gets other chunks, and is vacated when the bindings get other shards. Read without lock, written only with mu held.
	sparing    uint8              // how many more full buckets reapBucket lets pass. Guarded by mu.
	iterations *iteration         // the iterations that are in the middle of the journal. Guarded by mu.
	askAt      uint64             // how many bindings must have been removed before layout.wantsShrink says so again. Guarded by mu.
	_          [shardPadding]byte // Not at the end, where it would take a word when it is empty.
	dead       *[]reaped          // to be reported once mu is released, or nil. Guarded by mu.
}

// vacated is the generation of a shard whose journal is not written any more.
const vacated = ^uint32(0)

// shardPadding fills a shard up to cache lines, which processors like to fetch in pairs.
const shardPadding = 128 - (8 + 3*8 + int(unsafe.Sizeof(journal.Journal{})) + 8 + 2*ptrSize + 8)

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
	gone := s.reaped.Load() + s.deleted.Load() // before inserted: an insertion in between only adds, and nothing is missing
	return int(s.inserted.Load() - gone)
}

// record appends a record to the journal. Must be called with mu held.
func (s *shard) record(word, ref unsafe.Pointer, bits uint64) (pos uint32) {
	if s.journal.Moves() {
		s.generation.Add(1) // Before a record of the old chunk misses a removal.
		s.detachIterations()
	}
	return s.journal.Append(word, ref, bits)
}

// own is called before the record at a place is replaced or cleared: see journal.Own. Must be called
// with mu held.
func (s *shard) own(pos uint32) {
	if s.journal.Own(pos) {
		s.generation.Add(1) // As in record.
	}
}

// countUnbound counts the removal of a binding, and has it reported if it was dead. Must be called
// with mu held.
func (s *shard) countUnbound(t *table, isDead bool, ref unsafe.Pointer, bits uint64) {
	if !isDead {
		s.deleted.Add(1)
		return
	}
	s.reaped.Add(1)
	if t.onReap != nil {
		if s.dead == nil {
			s.dead = new([]reaped)
		}
		*s.dead = append(*s.dead, reaped{ref, bits})
	}
}

// unlock unlocks s and reports what died.
func (t *table) unlock(s *shard) {
	t.checkInvariants(s)
	dead := s.dead
	s.dead = nil
	s.mu.Unlock()
	if dead != nil {
		t.report(*dead)
	}
}
