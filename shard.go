package weakmap

// This file begins with an essay on the engine that all containers share.
//
// # Parts
//
//	Map  KeyMap  Set  Interner      contracts; what names an entry, what dies, what is reported
//	           |
//	         table                  lookup, update, iteration            table.go
//	           |
//	         layout                 the buckets and shards in use        growth.go
//	        /      \
//	  buckets      shards           where lookups look; who may write    this file
//	                  |
//	               journal          entries in the order of insertion,
//	                  |             and what keeps them                  journal.go
//	               census           which of them are dead               census.go
//	                  |
//	               reaper           one pass after each collection       reaper.go
//
// # Terms
//
// An entry is one binding. Its identity is its address; it is never changed and
// never reused. A bucket is seven slots for entries and a word of tags, one byte
// of hash for each slot. All buckets of a table stand in one row,
// so that a lookup goes from the hash to its bucket in one step; the low bits of
// a bucket's number say which shard it belongs to. A shard is a lock, with the
// counts and the journal of the entries that it guards. A layout is a row of
// buckets with its shards.
//
// # Life of an entry
//
// Bound: it is in a slot, in the journal, and counted. Dead: its referent was
// collected. Nothing happens to the entry then; lookups see that weak.Value is
// nil and miss. Removed: it was taken out of slot and journal, and counted as
// reaped if it was dead and as deleted if not. It is removed once, under its
// shard's lock, by whoever comes first:
//
//   - the pass after a collection (reaper.pass), Reap, Settle;
//   - with PerValue, the cleanup of its value (reclaim);
//   - a writer that stores over it or deletes it (core.update), clears (core.clear),
//     finds its bucket full (shard.expelDead) or its shard (table.makeRoom).
//
// Each of these removes that very entry or nothing. So a late removal cannot take
// away what was bound to the same key since.
//
// # Why a lookup may trust what it sees
//
// Writers change a bucket in an order that makes every state in between one that
// a lookup may see. An insertion writes the slot, then raises the counts of the
// full buckets that it passed, then stores the tag, and only that makes the entry
// findable. A removal clears the tag first. A replacement stores the new entry in
// the slot of the old one: the key is never unbound in between. Nothing ever
// moves within a layout, and a layout that was replaced does not change any more.
// core.search says what follows for a miss.
//
// # Locks
//
// In this order: reaper.turn, reaper.mu, table.growth, shard.mu (of several
// shards, by number), then reports.mu, then callbackQueue.mu, which is a leaf. No
// lock is held while code of the user runs, but for Map.Hash and Interner.Hash,
// which run before any is taken, and == on keys, which is Go's own, and for
// tally.calling, which keeps two calls of one OnReap apart and nothing else.
//
// # Who calls what
//
//	function              on which goroutine       may use containers   a panic
//	compute, Compute's f  the caller's             yes                  goes to the caller
//	del, keep, yield      the caller's             yes                  goes to the caller
//	Hash, Clone           the caller's             Clone, yes; Hash, no goes to the caller
//	OnReap                one of callbacks, or     yes                  ends the program
//	                      of a synctest bubble
//	callbacks of a Ref    one of callbacks         yes                  ends the program
//	Finalizer functions   one of callbacks, or     yes                  ends the program, or
//	                      of Call, RunAtExit                            goes to the caller
//
// # Where memory goes
//
// For one entry with a string key: 32 bytes of entry, 12 to 24 of bucket (three
// slots in four are used at most, three in eight after growth), 8 of journal,
// and what the runtime takes for a weak pointer, 16 on the heap and about 50 off
// it.

import (
	"math/bits"
	"slices"
	"sync/atomic"
	"unsafe"
)

// An entry is one binding: made by one insertion, never changed, removed once.
// Its address is the token that every removal compares, so a late reclaim
// removes this entry or nothing, whatever has been bound to its key since.
// With a string key it takes 32 bytes.
type entry[P, A any] struct {
	weak     reference[P]  // what may die. Immutable.
	attached A             // Map: the key. KeyMap: the value. Set, Interner: nothing. Immutable.
	hash     uint32        // of the key. Written before publication, and atomically by table.reseed with all shards locked; read atomically without lock.
	pos      atomic.Uint32 // its place in shard.journal, or removed. Read without lock, written only with shard.mu held.
}

// removed is the pos of an entry that is bound no more.
const removed = ^uint32(0)

// toAsk names the moments before a reference is only asked whether it is nil: see
// interleave.
const toAsk = "to ask"

func (e *entry[P, A]) isRemoved() bool { return e.pos.Load() == removed }

// slotsPerBucket entries and their tags fill one cache line of 64 bytes.
const slotsPerBucket = 7

// A bucket holds up to seven entries of one shard.
type bucket[P, A any] struct {
	// tags has one byte of hash for each slot, 0 if the slot is empty, and in
	// its top byte how many entries passed this bucket because it was full.
	// Read without lock, written only with shard.mu held. Storing a tag is what
	// publishes an entry: its slot and the top byte of each bucket it passed are
	// written before.
	tags  atomic.Uint64
	slots [slotsPerBucket]slot[P, A] // Read without lock, written only with shard.mu held.
}

// A slot has the address of an entry, or of none. The collector does not follow
// it. Through the slots it would come to the entries in the order of their hashes,
// and miss the cache at each; through the journals it comes to them in the order
// in which they lie in memory.
//
// So the journals alone keep the entries, and whoever reads a slot must find its
// entry kept. In the layout in use it is: it is entered in a journal before it is
// put into a slot, and taken out of the slot before it is taken out of the journal.
// A layout that was replaced keeps the journals as they were, by its shards or by
// layout.kept, and a lookup keeps the layout until it has the entry itself.
type slot[P, A any] struct{ address uintptr }

// load returns the entry. It is a pointer from the first: no moment is left at
// which the collector could take the entry for a number.
func (s *slot[P, A]) load() *entry[P, A] {
	return (*entry[P, A])(atomic.LoadPointer((*unsafe.Pointer)(unsafe.Pointer(&s.address))))
}

func (s *slot[P, A]) store(e *entry[P, A]) {
	atomic.StoreUintptr(&s.address, uintptr(unsafe.Pointer(e)))
}

const (
	lowBits     = 0x0001010101010101 // bit 0 of each tag
	highBits    = 0x0080808080808080 // bit 7 of each tag
	tagShift    = 24                 // of the tag in a hash
	passedShift = 56
	passedUnit  = 1 << passedShift
	passedMax   = 255 // A count that got here stays, until the buckets are replaced.
)

// tagOf returns the tag of h in every byte of a bucket's tags. A tag is never
// 0. Bits 24 to 31 are disjoint from those that choose the bucket until there
// are 16 million of these; then tags discriminate less.
func tagOf(h uint32) uint64 {
	t := uint64(h >> tagShift)
	t |= (t - 1) >> 63
	return t * lowBits
}

// matching returns a word with bit 7 set in each byte where tags equals tag. A
// byte above a true match may be set by mistake; the keys are compared anyway.
func matching(tags, tag uint64) uint64 {
	x := tags ^ tag
	return (x - lowBits) &^ x & highBits
}

// slotOf returns the lowest slot in a result of matching.
func slotOf(match uint64) int { return bits.TrailingZeros64(match) / 8 }

// buckets are all buckets of a table, in one row. The low bits of a bucket's
// number are the number of its shard. An entry lies in its home bucket, or in
// one after it in the same shard if that was full.
type buckets[P, A any] struct {
	base unsafe.Pointer // of the first bucket. Immutable.
	mask uint32         // their number, a power of two, less one. Immutable.
	step uint32         // the number of shards, a power of two. Immutable.
}

func makeBuckets[P, A any](n, shards int) buckets[P, A] {
	row := make([]bucket[P, A], n)
	return buckets[P, A]{unsafe.Pointer(unsafe.SliceData(row)), uint32(n - 1), uint32(shards)}
}

// at returns the bucket that i, a hash or a hash and some steps, leads to.
func (r *buckets[P, A]) at(i uint32) *bucket[P, A] {
	return (*bucket[P, A])(unsafe.Add(r.base, uintptr(i&r.mask)*unsafe.Sizeof(bucket[P, A]{})))
}

// prefetch has the processor fetch the bucket that i leads to, and does not wait.
func (r *buckets[P, A]) prefetch(i uint32) { prefetch(unsafe.Pointer(r.at(i))) }

func (r *buckets[P, A]) len() int { return int(r.mask) + 1 }

// limit is how many entries a shard takes before the table grows.
func (r *buckets[P, A]) limit() int { return limitOf(r.len() / int(r.step)) }

// limitOf returns how many entries n buckets take: three slots in four, so that
// an insertion always finds a free one.
func limitOf(n int) int { return n * slotsPerBucket * 3 / 4 }

// insert publishes e, which must not be there, and returns how many buckets it
// passed. Must be called with shard.mu held and fewer than limit entries present.
func (r *buckets[P, A]) insert(e *entry[P, A]) (passed int) {
	for i := e.hash; ; i += r.step {
		b := r.at(i)
		tags := b.tags.Load()
		if free := matching(tags, 0); free != 0 {
			k := slotOf(free)
			b.slots[k].store(e)
			interleave("slot written")
			b.tags.Store(tags | tagOf(e.hash)&(0xff<<(8*k)))
			return passed
		}
		if tags>>passedShift != passedMax {
			b.tags.Store(tags + passedUnit)
		}
		passed++
	}
}

// place is insert into buckets that are not published yet, of many entries at a
// time: the processor fetches their home buckets side by side, and no store is
// ordered. A third of the time of inserting them one by one.
func (r *buckets[P, A]) place(entries []*entry[P, A]) {
	for _, e := range entries {
		r.prefetch(e.hash)
	}
	for _, e := range entries {
		for i := e.hash; ; i += r.step {
			b := r.at(i)
			tags := (*uint64)(unsafe.Pointer(&b.tags))
			if free := matching(*tags, 0); free != 0 {
				k := slotOf(free)
				b.slots[k].address = uintptr(unsafe.Pointer(e))
				*tags |= tagOf(e.hash) & (0xff << (8 * k))
				break
			}
			if *tags>>passedShift != passedMax {
				*tags += passedUnit
			}
		}
	}
}

// remove takes e, which must be there, out. Must be called with shard.mu held.
func (r *buckets[P, A]) remove(e *entry[P, A]) {
	for i := e.hash; ; i += r.step {
		b := r.at(i)
		tags := b.tags.Load()
		for m := matching(tags, tagOf(e.hash)); m != 0; m &= m - 1 {
			k := slotOf(m)
			if b.slots[k].load() != e {
				continue
			}
			// The tag goes first: from here on no lookup that begins finds e.
			b.tags.Store(tags &^ (0xff << (8 * k)))
			interleave("tag cleared")
			b.slots[k].store(nil)
			for j := e.hash; j != i; j += r.step {
				p := r.at(j)
				if tags := p.tags.Load(); tags>>passedShift != passedMax {
					p.tags.Store(tags - passedUnit)
				}
			}
			return
		}
	}
}

// search returns the bucket and slot of the entry with hash h that is the wanted
// one, and the entry, or nil. Must be called with shard.mu held.
func (r *buckets[P, A]) search(h uint32, wanted func(*entry[P, A]) bool) (b *bucket[P, A], k int, e *entry[P, A]) {
	tag := tagOf(h)
	for i := h; ; i += r.step {
		b := r.at(i)
		tags := b.tags.Load()
		for m := matching(tags, tag); m != 0; m &= m - 1 {
			k := slotOf(m)
			// A tag matched by mistake may be that of an empty slot.
			if e := b.slots[k].load(); e != nil && wanted(e) {
				return b, k, e
			}
		}
		if tags>>passedShift == 0 || i-h+r.step > r.mask {
			return nil, 0, nil
		}
	}
}

// traits are the facts about a table that its shards act on.
type traits uint8

const (
	reportsDead traits = 1 << iota // the container has an OnReap
	extended                       // entries are parts of an extension, for one of the next two
	cleaned                        // Config.Reclaim is PerValue
	retains                        // Config.Retain is not 0
)

// A shard is one lock stripe. Lookups do not touch it.
type shard[P, A any] struct {
	mu       mutex            // protects the fields that say so, and the shard's buckets
	inserted atomic.Uint64    // entries ever bound. Read without lock, written only with mu held, as the next two.
	reaped   atomic.Uint64    // of these, removed because they had died
	deleted  atomic.Uint64    // of these, removed or replaced by a caller
	journal  journal[P, A]    // the bound entries in the order of insertion. Guarded by mu.
	dropped  *entry[P, A]     // the first of after.dropped: a single removal allocates nothing. Guarded by mu.
	after    *aftermath[P, A] // what else is to be done once mu is released. Guarded by mu.
	askAt    uint64           // how many entries must have been removed before layout.asks says so again. Guarded by mu.
	tours    *tour[P, A]      // the iterations that are in the middle of the journal. Guarded by mu.
	traits   traits           // Immutable.
	sparing  uint8            // how many more full buckets expelDead lets pass. Guarded by mu.
	_        [shardPadding]byte
}

// shardPadding fills a shard up to two cache lines, which processors like to
// fetch together.
const shardPadding = 128 - 8 - 3*8 - int(unsafe.Sizeof(journal[byte, byte]{})) - 3*ptrSize - 8 - 2

const ptrSize = int(unsafe.Sizeof(uintptr(0)))

// aftermath is what a locked section leaves to be done without the lock.
type aftermath[P, A any] struct {
	dead    []A            // for OnReap
	dropped []*entry[P, A] // live when they were removed: to be dismissed
}

// used is the number of entries. Without mu held it is a recent number, and not less
// than that of the keys that are bound throughout the call: an entry is counted as
// inserted before it is published, and as removed after it was taken out or
// replaced.
func (s *shard[P, A]) used() int {
	gone := s.reaped.Load() + s.deleted.Load() // before inserted: what comes meanwhile adds, and nothing is missing
	return int(s.inserted.Load() - gone)
}

// bind publishes e, whose key must not be bound. Must be called with mu held and
// room for e made. It returns how many buckets e passed.
func (s *shard[P, A]) bind(r *buckets[P, A], e *entry[P, A]) (passed int) {
	s.journal.append(e, s.used())
	s.inserted.Add(1)
	return r.insert(e)
}

// rebind publishes e in slot k of b, in place of old, which has the same key.
// Must be called with mu held.
func (s *shard[P, A]) rebind(b *bucket[P, A], k int, old, e *entry[P, A], dead bool) {
	s.journal.append(e, s.used())
	s.inserted.Add(1) // Before old is counted as removed: the key is bound throughout, and used must not leave it out.
	for w := s.tours; w != nil; w = w.next {
		w.keep(old, &s.journal)
	}
	b.slots[k].store(e)
	interleave("slot replaced")
	s.retire(old, dead)
}

// unbind removes e unless it is removed already: compare-and-delete. Must be called with mu held.
func (s *shard[P, A]) unbind(r *buckets[P, A], e *entry[P, A], dead bool) (deleted bool) {
	if e.isRemoved() {
		return false
	}
	r.remove(e)
	s.retire(e, dead)
	if used := s.used(); s.journal.sparse(used) {
		s.journal.compact(used)
	}
	return true
}

// retire does what every removal of e does beside taking it out of its bucket.
// Must be called with mu held.
func (s *shard[P, A]) retire(e *entry[P, A], dead bool) {
	s.journal.remove(e)
	s.account(e, dead)
}

// account counts the removal of e, and has done what follows from it. Must be
// called with mu held.
func (s *shard[P, A]) account(e *entry[P, A], dead bool) {
	switch {
	case dead:
		s.reaped.Add(1)
		s.reportLater(e)
	default:
		s.deleted.Add(1)
		switch {
		case s.traits&extended == 0:
		case s.dropped == nil:
			s.dropped = e
		default:
			a := s.afterwards()
			a.dropped = append(a.dropped, e)
		}
	}
}

// retireAll is retire for many dead entries, some of which may be removed
// already. It leaves them in their buckets and in the journal, which must be
// replaced before mu is released. Must be called with mu held.
func (s *shard[P, A]) retireAll(dead []*entry[P, A]) (retired int) {
	for batch := range slices.Chunk(dead, placedTogether) {
		for _, e := range batch {
			prefetch(unsafe.Pointer(e))
		}
		for _, e := range batch {
			if !e.isRemoved() {
				s.journal.strike(e)
				s.reportLater(e)
				retired++
			}
		}
	}
	s.reaped.Add(uint64(retired))
	return retired
}

// reportLater has OnReap called for e, if there is one. Must be called with mu held.
func (s *shard[P, A]) reportLater(e *entry[P, A]) {
	if s.traits&reportsDead != 0 {
		a := s.afterwards()
		a.dead = append(a.dead, e.attached)
	}
}

func (s *shard[P, A]) afterwards() *aftermath[P, A] {
	if s.after == nil {
		s.after = new(aftermath[P, A])
	}
	return s.after
}

// fullSpared is how many full buckets of a shard are not looked into after one
// without dead.
const fullSpared = 15

// expelDead removes the dead entries of the bucket that h leads to if it is
// full, so that an insertion does not pass it for their sake. It looks at one
// entry, and at the others if that is dead; if not, it lets the next fullSpared
// full buckets pass. Where many are dead that finds them, and where few are it
// costs little: looking into each full bucket was a tenth of a churn. Must be
// called with mu held.
func (s *shard[P, A]) expelDead(r *buckets[P, A], h uint32) {
	b := r.at(h)
	if matching(b.tags.Load(), 0) != 0 {
		return
	}
	if s.sparing > 0 {
		s.sparing--
		return
	}
	interleave(toAsk)
	if e := b.slots[(h>>24)%slotsPerBucket].load(); !s.hasDied(e) {
		s.sparing = fullSpared
		return
	}
	for k := range b.slots {
		interleave(toAsk)
		if e := b.slots[k].load(); s.hasDied(e) {
			s.unbind(r, e, true)
		}
	}
}

// hasDied reports whether e is dead, and does not ask what was inserted since the
// last collection: see journal.begin. Must be called with mu held.
func (s *shard[P, A]) hasDied(e *entry[P, A]) bool {
	return e.pos.Load() < s.journal.epochs[0].first && e.weak.Value() == nil
}
