// Package row has the buckets of a table: where lookups look. All buckets are in one
// row, so that a lookup goes from the hash to its bucket in one step: a hash is taken for a
// fraction of the row (Lemire, "Fast random integer generation in an interval", 2019), which
// can therefore have any length. The buckets of a shard are adjacent; a writer holds the lock of
// that shard, a reader holds nothing.
//
// # A bucket
//
// A bucket has seven slots. A lookup that finds nothing reads only the bucket's head, so all heads
// are stored together, and still fit a cache when the slots no longer do. What only writers read is
// stored apart from both.
//
//	slot:    0  word     8  the weak pointer of the referent, or the referent itself while that is held
//	         8  key      8  a number, or the address of the key
//
//	head:    0  tags     8  a byte of hash for each slot, and how many bindings passed the bucket
//	         8  version  4  rises with each removal
//	        12  marks    4  two for each slot: what it was not used since
//	        16  checks  16  sixteen bits for each slot that a key must share to be looked at
//
//	places:  0  pos     28  where in its shard's journal each binding is
//
// A hash is a fraction of the row, and so it points at a slot as well as at a bucket. A binding is put
// into the cache line of that slot if there is room. So a lookup mostly knows the line of its slot before
// it has read the head.
//
// The addresses in slots are hidden from the collector, which would visit what they name
// in the order of hashes, and miss the cache each time. The journal keeps what they name,
// and the collector visits that in the order in which it was made. So a reader of a slot
// relies on the journal: in the row that is in use, a record is made before its slot is
// filled and cleared after its slot was emptied.
//
// # Why a reader may trust what it sees
//
// An insertion fills the slot and then stores the tag: a reader that sees the tag sees the slot. A
// removal clears the tag, raises the version and then empties the slot. A reader takes the
// version, the tags, the slot, and the version again. If it took the first version after
// the rise, it did not see the old tag. If it took it before, and the slot was emptied or
// another binding's when it was read, the version differs. (A version that rises before the
// tag is cleared would let a reader take the new version, the old tag, and the next
// binding's slot.) So with equal versions, what was read of a slot belongs together.
//
// The version has 32 bits: a reader that stops between its two loads while four billion
// bindings are removed from one bucket does not notice.
//
// A replacement under the same key stores only the word: the key is bound to the old and
// the new one, one after the other. In a KeyMap it stores the value's address after that; with a
// Hasher, where the word may be another one's, readers take that from beside the value.
package row

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/prefetch"
	"github.com/go-weak/weakmap/internal/seam"
)

const (
	// Slots is how many bindings a bucket has room for.
	Slots = 7

	// TagBits is how many of a hash's bits, the lowest, are its tag.
	TagBits = 8
)

// A Bucket holds up to seven bindings of one shard. Read without lock, written only with the shard's
// lock held.
type Bucket struct{ slots [Slots]slot }

// A slot is one place for a binding.
type slot struct{ word, key uintptr }

// A Head is what a lookup reads of a bucket first. Read without lock, written only with the shard's
// lock held, except the marks.
type Head struct {
	// tags has one byte of hash for each slot, 0 if the slot is empty, and in its top byte how many
	// bindings passed the bucket because it was full.
	tags    atomic.Uint64
	version atomic.Uint32
	marks   atomic.Uint32 // Written by readers too: a use clears its slot's.
	checks  [(Slots + 1) / 2]atomic.Uint32
}

// places is where the bindings of a bucket are in their shard's journal. Read and written only with
// the shard's lock held.
type places [Slots]uint32

// Tags returns the tags, for Matching and Passed.
func (h *Head) Tags() uint64 { return h.tags.Load() }

// Version returns the version, which rises with each removal.
func (h *Head) Version() uint32 { return h.version.Load() }

// at returns where slot k is. Safety: k is a result of SlotOf, and so below Slots.
func (b *Bucket) at(k uintptr) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(b), k*slotSize)
}

const keyAfter = unsafe.Offsetof(slot{}.key)

// pair returns the word of which the sixteen bits of slot k are a half, and which. Safety: k is below
// Slots, and there is a word for each two of them.
func (h *Head) pair(k uintptr) (pair *uint32, shift uintptr) {
	return (*uint32)(unsafe.Add(unsafe.Pointer(&h.checks), k/2*4)), k % 2 * 16
}

// A Binding is what a slot holds.
type Binding struct {
	Word  unsafe.Pointer // of seam.Make, or the referent: see the table
	Key   uintptr
	Check uint16
	Pos   uint32
	Marks uint32
}

const (
	lowBits     = 0x01010101010101 // bit 0 of each tag
	highBits    = 0x80808080808080 // bit 7 of each tag
	passedShift = 56
	passedUnit  = 1 << passedShift
	passedMax   = 255 // A count that got here stays, until the row is replaced.

	ptrSize = unsafe.Sizeof(uintptr(0))
)

// Tag returns the tag of h in each of seven bytes. A tag is never 0 or 1: see Matching. The bits of
// h above it choose the bucket until there are 16 million of these; then tags discriminate less.
func Tag(h uint32) uint64 {
	t := uint64(uint8(h))
	t |= (t - 2) >> 63 << 1
	return t * lowBits
}

// Matching returns a word with bit 7 set in each byte where tags equals tag. A byte above
// a true match is set by mistake if it differs in bit 0 alone; keys are compared anyway. No
// empty slot is: it would need the tag 1, and a reader could see it half filled.
func Matching(tags, tag uint64) uint64 {
	x := tags ^ tag
	return (x - lowBits) &^ x & highBits
}

// SlotOf returns the lowest slot in a result of Matching that is not 0.
func SlotOf(match uint64) uintptr { return uintptr(bits.TrailingZeros64(match)) / 8 }

// Passed reports whether bindings passed a bucket with these tags.
func Passed(tags uint64) bool { return tags>>passedShift != 0 }

// Word returns the word of slot k, or nil. It is loaded as a pointer: there is no moment
// at which the collector could take it for a number.
func (b *Bucket) Word(k uintptr) unsafe.Pointer {
	return atomic.LoadPointer((*unsafe.Pointer)(b.at(k)))
}

// SetWord replaces the word of slot k.
func (b *Bucket) SetWord(k uintptr, word unsafe.Pointer) {
	atomic.StoreUintptr((*uintptr)(b.at(k)), uintptr(word))
}

// Key returns the key of slot k, a number.
func (b *Bucket) Key(k uintptr) uintptr {
	return atomic.LoadUintptr((*uintptr)(unsafe.Add(b.at(k), keyAfter)))
}

// KeyAt returns the key of slot k, an address: see Word.
func (b *Bucket) KeyAt(k uintptr) unsafe.Pointer {
	return atomic.LoadPointer((*unsafe.Pointer)(unsafe.Add(b.at(k), keyAfter)))
}

// SetKey replaces the key of slot k.
func (b *Bucket) SetKey(k uintptr, key uintptr) {
	atomic.StoreUintptr((*uintptr)(unsafe.Add(b.at(k), keyAfter)), key)
}

// Check returns the sixteen bits of slot k.
func (h *Head) Check(k uintptr) uint16 {
	pair, shift := h.pair(k)
	return uint16(atomic.LoadUint32(pair) >> shift)
}

func (h *Head) setCheck(k uintptr, n uint16) {
	pair, shift := h.pair(k)
	atomic.StoreUint32(pair, atomic.LoadUint32(pair)&^(0xffff<<shift)|uint32(n)<<shift)
}

// The marks of a slot say since when it has not been used.
const (
	Idle = 1 << iota // since a pass came by
	Cold             // since an eviction came by

	bothMarks = Idle | Cold

	marksEach = 2
)

// Marks returns those of slot k: none, if it was used since both.
func (h *Head) Marks(k uintptr) uint32 { return MarksOf(h.marks.Load(), k) }

// AllMarks returns those of all slots, for MarksOf.
func (h *Head) AllMarks() uint32 { return h.marks.Load() }

// MarksOf returns those of slot k.
func MarksOf(all uint32, k uintptr) uint32 { return all >> (k * marksEach) & bothMarks }

// Mark sets marks of slot k.
func (h *Head) Mark(k uintptr, marks uint32) { h.marks.Or(marks << (k * marksEach)) }

// Use clears the marks of slot k.
func (h *Head) Use(k uintptr) {
	if h.Marks(k) != 0 {
		h.marks.And(^uint32(bothMarks << (k * marksEach)))
	}
}

// A Row is all buckets of a table. A binding is in its home bucket, or in one after it
// in the same shard if that was full.
type Row struct {
	base  unsafe.Pointer // of the first bucket. Immutable, as all below.
	heads unsafe.Pointer // of the first bucket's head, and behind the heads the places
	n     uint32         // the number of buckets
	each  uint32         // the number of buckets of one shard
	shift uint8          // how far to shift a hash right for the number of its shard: their count is a power of two
}

// A single is the memory of a row of one bucket.
type single struct {
	bucket Bucket
	head   Head
	places places
}

const (
	bucketSize = unsafe.Sizeof(Bucket{})
	headSize   = unsafe.Sizeof(Head{})
	slotSize   = unsafe.Sizeof(slot{})
	lineSize   = 64 // of a processor's cache, in bytes

	// farHeads buckets and more have heads, 128 KB of them, that a lookup may have to wait for.
	farHeads = 1 << 12
)

// nothing is the memory of rows that hold nothing. It is never written.
var nothing single

// Make returns a row of n buckets, or, if n is 0, of one that takes nothing. The number of shards must be
// a power of two, and n a multiple of it.
func Make(n, shards int) Row {
	if n == 0 {
		return over(&nothing, 1, 1)
	}
	return over(unsafe.SliceData(make([]single, n)), n, shards)
}

// over returns a row of n buckets in the memory of n singles. Safety: all its parts fit in there, the
// collector finds no pointer in any of them, and each size is a multiple of what the next part is aligned to.
func over(memory *single, n, shards int) Row {
	base := unsafe.Pointer(memory)
	return Row{base, unsafe.Add(base, uintptr(n)*bucketSize), uint32(n), uint32(n / shards), uint8(32 - bits.Len(uint(shards-1)))}
}

// Home returns the number of the bucket that bindings with hash h are looked for in first.
func (r *Row) Home(h uint32) uint32 { return uint32(uint64(h) * uint64(r.n) >> 32) }

// At returns bucket i. Safety: i is below r.n.
func (r *Row) At(i uint32) *Bucket {
	return (*Bucket)(unsafe.Add(r.base, uintptr(i)*bucketSize))
}

// Head returns the head of bucket i. Safety: i is below r.n.
func (r *Row) Head(i uint32) *Head {
	return (*Head)(unsafe.Add(r.heads, uintptr(i)*headSize))
}

// pos returns where the place of slot k of a bucket is.
func (r *Row) pos(n uint32, k uintptr) *uint32 {
	before := uintptr(r.n)*headSize + uintptr(n)*unsafe.Sizeof(places{})
	return (*uint32)(unsafe.Add(r.heads, before+k*4))
}

// Pos returns the place in the journal of the binding in slot k of b, a bucket of the row. Must be
// called with the shard's lock held.
func (r *Row) Pos(b *Bucket, k uintptr) uint32 { return *r.pos(r.number(b), k) }

// SetPos replaces it.
func (r *Row) SetPos(b *Bucket, k uintptr, pos uint32) { *r.pos(r.number(b), k) = pos }

// Tags returns those of bucket i.
func (r *Row) Tags(i uint32) uint64 { return r.Head(i).Tags() }

// Has reports whether b is a bucket of the row.
func (r *Row) Has(b *Bucket) bool {
	return uintptr(unsafe.Pointer(b))-uintptr(r.base) < uintptr(r.Len())*bucketSize
}

// HeadOf returns the head of b, a bucket of the row.
func (r *Row) HeadOf(b *Bucket) *Head { return r.Head(r.number(b)) }

// number returns that of b, a bucket of the row.
func (r *Row) number(b *Bucket) uint32 {
	return uint32((uintptr(unsafe.Pointer(b)) - uintptr(r.base)) / bucketSize)
}

// aim returns how many bytes into the row the slot is that h points at, which is one of its home bucket.
func (r *Row) aim(h uint32) uintptr {
	return uintptr(uint64(h)*(uint64(r.n)*uint64(bucketSize))>>32) &^ (slotSize - 1)
}

// aimed returns the address of that slot. Safety: h is less than 1<<32, so the slot is in the last
// bucket at most.
func (r *Row) aimed(h uint32) unsafe.Pointer { return unsafe.Add(r.base, r.aim(h)) }

// choose returns which of the free slots of bucket i a binding with hash h is put into: one in the cache
// line of the slot that h points at, if there is one. free is a result of Matching that is not 0. Lines
// are counted from the start of the row, which is the start of one where the row is large.
func (r *Row) choose(h, i uint32, free uint64) uintptr {
	first := (int(r.aim(h)&^(lineSize-1)) - int(uintptr(i)*bucketSize)) / int(slotSize)
	if near := free & slotsBelow(first+lineSize/int(slotSize)) &^ slotsBelow(first); near != 0 && !seam.Controlled {
		return SlotOf(near)
	}
	return SlotOf(free)
}

// slotsBelow returns the bits of the slots below k, which may be none or all.
func slotsBelow(k int) uint64 { return 1<<(8*uint(min(max(k, 0), Slots))) - 1 }

// Fetch reads the line of the slot that h points at, so that it comes while the head does. What it reads
// is not used. A lookup calls it where a tag matches, before anything that waits for the slot. A processor
// that expects a match gets there before the head has come; one that expects none does not read a line
// for nothing.
func (r *Row) Fetch(h uint32) {
	if r.Far() {
		atomic.LoadUintptr((*uintptr)(r.aimed(h)))
	}
}

// Far reports whether a lookup may have to wait for the row's memory.
func (r *Row) Far() bool { return r.n >= farHeads }

// Prefetch has the processor fetch what an insertion of a binding with hash h writes, and does not wait.
func (r *Row) Prefetch(h uint32) {
	i := r.Home(h)
	prefetch.Line(unsafe.Pointer(r.Head(i)))
	prefetch.Line(r.aimed(h))
	prefetch.Line(unsafe.Pointer(r.pos(i, 0)))
}

// Len returns the number of buckets, 0 for a row that takes nothing.
func (r *Row) Len() int {
	if r.base == unsafe.Pointer(&nothing) {
		return 0
	}
	return int(r.n)
}

// Shards returns the number of shards.
func (r *Row) Shards() int { return 1 << (32 - r.shift) }

// ShardIn returns the number of the shard of bindings with hash h, given the number of shards.
func ShardIn(shards int, h uint32) uint32 { return uint32(uint64(h) * uint64(shards) >> 32) }

// Shard returns the number of the shard of bindings with hash h. It is h >> r.shift: the mask, which
// changes nothing, spares the processor a comparison.
func (r *Row) Shard(h uint32) uint32 { return uint32(uint64(h) >> (r.shift & 63)) }

// ShardOf returns the number of the shard of bucket i.
func (r *Row) ShardOf(i uint32) uint32 { return i / r.each }

// Buckets returns the numbers of a shard's buckets: those from the first up to the end.
func (r *Row) Buckets(shard uint32) (first, end uint32) {
	first = shard * r.each
	return first, first + min(r.each, uint32(r.Len()))
}

// Limit is how many bindings a shard takes before the table grows.
func (r *Row) Limit() int { return LimitOf(min(r.Len(), int(r.each))) }

// LimitOf returns how many bindings n buckets take: 13 slots in 16, so that an insertion
// always finds a free one.
func LimitOf(n int) int { return n * Slots * 13 / 16 }

// After returns the bucket at which a probe of hash h goes on after bucket i: the next one of the
// shard, and after the last the first.
func (r *Row) After(h, i uint32) uint32 {
	if i++; i == (r.Shard(h)+1)*r.each {
		i -= r.each
	}
	return i
}

// Next returns where a probe of hash h goes on after bucket i, or whether it ends there.
func (r *Row) Next(h, i uint32, tags uint64) (next uint32, end bool) {
	if !Passed(tags) {
		return i, true
	}
	next = r.After(h, i)
	return next, next == r.Home(h)
}

// Find returns the first slot with hash h, in the order in which a lookup comes to them,
// for which wanted returns true. Must be called with the shard's lock held.
func (r *Row) Find(h uint32, wanted func(b *Bucket, k uintptr) bool) (b *Bucket, k uintptr, ok bool) {
	tag := Tag(h)
	for i, end := r.Home(h), false; !end; {
		b = r.At(i)
		tags := r.Tags(i)
		for m := Matching(tags, tag); m != 0; m &= m - 1 {
			if k = SlotOf(m); wanted(b, k) {
				return b, k, true
			}
		}
		i, end = r.Next(h, i, tags)
	}
	return nil, 0, false
}

// Insert publishes a binding, and returns how many buckets it passed. Must be called with
// the shard's lock held and fewer than Limit bindings present.
func (r *Row) Insert(h uint32, n Binding) (passed int) {
	for i := r.Home(h); ; i = r.After(h, i) {
		head := r.Head(i)
		tags := head.Tags()
		if free := Matching(tags, 0); free != 0 {
			b, k := r.At(i), r.choose(h, i, free)
			b.SetWord(k, n.Word)
			seam.Interleave("word written")
			b.SetKey(k, n.Key)
			head.setCheck(k, n.Check)
			*r.pos(i, k) = n.Pos
			head.Use(k)
			if n.Marks != 0 {
				head.Mark(k, n.Marks)
			}
			seam.Interleave("slot written")
			head.tags.Store(tags | Tag(h)&(0xff<<(8*k)))
			return passed
		}
		if tags>>passedShift != passedMax {
			head.tags.Store(tags + passedUnit)
		}
		passed++
	}
}

// Place is Insert into a row that is not published yet, without an ordered store. Safety: no other
// goroutine reads the row until its layout is published, which orders all these stores.
func (r *Row) Place(h uint32, n Binding) {
	for i := r.Home(h); ; i = r.After(h, i) {
		head := r.Head(i)
		tags := (*uint64)(unsafe.Pointer(&head.tags))
		if free := Matching(*tags, 0); free != 0 {
			b, k := r.At(i), r.choose(h, i, free)
			*(*slot)(b.at(k)) = slot{uintptr(n.Word), n.Key}
			*r.pos(i, k) = n.Pos
			pair, shift := head.pair(k)
			*pair |= uint32(n.Check) << shift
			*tags |= Tag(h) & (0xff << (8 * k))
			*(*uint32)(unsafe.Pointer(&head.marks)) |= n.Marks << (k * marksEach)
			return
		}
		if *tags>>passedShift != passedMax {
			*tags += passedUnit
		}
	}
}

// Remove takes out the binding with hash h in slot k of b. Must be called with the shard's
// lock held.
func (r *Row) Remove(h uint32, b *Bucket, k uintptr) {
	// The order is what readers rely on: see Why a reader may trust what it sees.
	n := r.number(b)
	head := r.Head(n)
	head.tags.Store(head.Tags() &^ (0xff << (8 * k)))
	seam.Interleave("tag cleared")
	head.version.Store(head.Version() + 1)
	seam.Interleave("version raised")
	b.SetWord(k, nil)
	b.SetKey(k, 0)
	for i := r.Home(h); i != n; i = r.After(h, i) {
		p := r.Head(i)
		if tags := p.Tags(); tags>>passedShift != passedMax {
			p.tags.Store(tags - passedUnit)
		}
	}
}

// PassedBy returns how many bindings passed a bucket with these tags, unless there were too many
// to count.
func PassedBy(tags uint64) (n int, exact bool) {
	n = int(tags >> passedShift)
	return n, n != passedMax
}
