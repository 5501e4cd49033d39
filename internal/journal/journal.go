// Package journal has the records of one shard's bindings in the order in which they were
// made. That is nearly the order in which their referents were allocated, so asking all of
// them whether they are dead walks through memory forwards, and misses fewer caches than the order of
// the buckets does.
//
// A record is written before its binding is published in the row and cleared after the binding
// was taken out, and so keeps what the row names. Its word is written last and cleared first: where
// a reader without lock finds the word that it knows, the binding is there.
// A place is never reused within one list of chunks, but a replacement of what is young
// stays where it was: the old and the new word both belong to the key. What replaces an older binding
// gets a new place, since a place says how old a referent is. A compaction makes new
// chunks, and leaves the old ones to their readers. A chunk that is shared with a row that was
// replaced is copied before the first of its records changes: see Share and Own.
package journal

import (
	"slices"
	"sync/atomic"
	"unsafe"
)

// A Record is the part of a binding that is not in its slot.
type Record struct {
	word unsafe.Pointer // of the weak pointer; nil before the record is made and after it was cleared. Read without lock, written with the shard's lock held.
	ref  unsafe.Pointer // what the slot's key names, if that is an address. As word.
	bits uint64         // Written before word, and never again.
}

// Extra is what some tables keep for a binding beside its Record.
type Extra struct {
	Strong unsafe.Pointer // the referent, while it is held. Guarded by the shard's lock, as all below.
	Ticket unsafe.Pointer // of the referent's cleanup
	Pass   uint32         // the first that found it unused
	Queued uint32         // where it is in a list of the queue, plus one, and ToMain if that is the main one; 0 if it is in none
	Marks  uint32         // those of its slot in a row that was replaced
}

// An extended record is one of a journal with extras.
type extended struct {
	Record
	extra Extra
}

// A Journal is guarded by its shard's lock.
type Journal struct {
	chunks   []unsafe.Pointer // to Size records each, except the first; one byte further where the chunk is shared
	end      uint32           // places given out
	holes    uint32           // of these, those whose record was cleared
	first    uint32           // at all places before it are holes
	room     uint8            // in the first chunk, while it is the only one
	Extended bool             // whether there are extras. Immutable.
	Queue    *Queue           // of what is held, where that has a bound; nil elsewhere. Immutable.
	epochs   [2]epoch         // the last two in which records were made, the later one first
}

// An epoch is the time between two announcements of collections.
type epoch struct {
	number uint32 // how many collections had ended when it began
	first  uint32 // the first place given out since
}

// Begin is called before an insertion, with the number of collections that were announced so
// far. What is inserted from here on was alive when the last of them had ended, so it need not
// be asked before another has: asked while that one marks, what is dying would live on.
func (j *Journal) Begin(number uint32) {
	if j.epochs[0].number != number {
		j.epochs[0], j.epochs[1] = epoch{number, j.end}, j.epochs[0]
	}
}

// Young reports whether the record at a place was made since the last collection.
func (j *Journal) Young(pos uint32) bool { return pos >= j.epochs[0].first }

// Before shortens a copy of a journal, which is only read from then on, to the records that were made
// before collection number was announced, or some more: later ones cannot have died in it.
func (j *Journal) Before(number uint32) {
	for _, e := range j.epochs {
		if int32(e.number-number) >= 0 { // Numbers may wrap.
			j.end = e.first
		}
	}
	j.chunks = j.chunks[:(j.end+Size-1)>>shift]
}

const (
	shift = 7
	// Size is the number of places in a chunk: 3 KiB.
	Size = 1 << shift

	// sparseFloor is how many holes a journal may have in addition to as many as it has records.
	sparseFloor = Size / 2

	// Ahead is how many records are looked at together: more than the memory fetches that a
	// processor has under way.
	Ahead = 32
)

func (j *Journal) stride() uintptr {
	if j.Extended {
		return unsafe.Sizeof(extended{})
	}
	return unsafe.Sizeof(Record{})
}

func (j *Journal) newChunk(n int) unsafe.Pointer {
	if j.Extended {
		return unsafe.Pointer(unsafe.SliceData(make([]extended, n)))
	}
	return unsafe.Pointer(unsafe.SliceData(make([]Record, n)))
}

// At returns the record at a place that was given out.
// Safety: a place below end is one of its chunk.
func (j *Journal) At(pos uint32) *Record {
	return (*Record)(unsafe.Add(chunkAt(j.chunks[pos>>shift]), uintptr(pos%Size)*j.stride()))
}

// chunkAt returns the chunk that an element of chunks leads to. Safety: both addresses are of one object,
// which the element keeps: a chunk begins at an even address.
func chunkAt(p unsafe.Pointer) unsafe.Pointer { return unsafe.Pointer(uintptr(p) &^ 1) }

// ExtraAt returns the extra of the record at a place. Safety: the journal must have extras; then each of
// its records is the beginning of an extended one.
func (j *Journal) ExtraAt(pos uint32) *Extra { return &(*extended)(unsafe.Pointer(j.At(pos))).extra }

// Word returns the word of the weak pointer, or nil.
func (r *Record) Word() unsafe.Pointer { return atomic.LoadPointer(&r.word) }

// Ref returns what the key names.
func (r *Record) Ref() unsafe.Pointer { return atomic.LoadPointer(&r.ref) }

// Bits returns the number that was recorded.
func (r *Record) Bits() uint64 { return r.bits }

// Append makes a record at the next place, and returns that.
func (j *Journal) Append(word, ref unsafe.Pointer, bits uint64) (pos uint32) {
	if j.full() {
		j.grow()
	}
	pos = j.end
	j.end++
	r := j.At(pos)
	r.bits = bits
	if ref != nil {
		atomic.StorePointer(&r.ref, ref)
	}
	atomic.StorePointer(&r.word, word)
	return pos
}

// full reports whether the next place is in no chunk yet.
func (j *Journal) full() bool {
	switch len(j.chunks) {
	case 0:
		return true
	case 1:
		return j.end == uint32(j.room)
	}
	return int(j.end) == len(j.chunks)*Size
}

// Moves reports whether the next Append copies all records to a new chunk: the old one stays as it
// is from then on.
func (j *Journal) Moves() bool { return len(j.chunks) == 1 && j.room < Size && j.full() }

// grow makes room for at least one more record. The chunks of copies stay as they are.
func (j *Journal) grow() {
	switch {
	case len(j.chunks) == 0:
		j.room = max(j.room, 1)
		j.chunks = append(make([]unsafe.Pointer, 0, 1), j.newChunk(int(j.room)))
	case len(j.chunks) == 1 && j.room < Size:
		old := *j
		j.room = larger(old.room)
		j.chunks = []unsafe.Pointer{j.newChunk(int(j.room))}
		j.copyChunk(j.chunks[0], chunkAt(old.chunks[0]), int(old.room))
	default:
		j.chunks = append(j.chunks, j.newChunk(Size))
	}
}

// copyChunk copies n records to a chunk that is not published. Safety: both chunks have room for n, and
// are what newChunk makes for this journal.
func (j *Journal) copyChunk(to, from unsafe.Pointer, n int) {
	if j.Extended {
		copy(unsafe.Slice((*extended)(to), n), unsafe.Slice((*extended)(from), n))
		return
	}
	copy(unsafe.Slice((*Record)(to), n), unsafe.Slice((*Record)(from), n))
}

// Replace gives the record at a place another word and extra, and another ref unless that is
// nil, and returns the old extra.
func (j *Journal) Replace(pos uint32, word, ref unsafe.Pointer, extra Extra) (old Extra) {
	r := j.At(pos)
	if ref != nil {
		atomic.StorePointer(&r.ref, ref)
	}
	atomic.StorePointer(&r.word, word)
	if j.Extended {
		x := j.ExtraAt(pos)
		old, *x = *x, extra
	}
	return old
}

// Clear clears the record at a place, so that nothing keeps what it named, and returns its
// extra.
func (j *Journal) Clear(pos uint32) (old Extra) {
	r := j.At(pos)
	atomic.StorePointer(&r.word, nil)
	atomic.StorePointer(&r.ref, nil)
	j.holes++
	if j.Extended {
		x := j.ExtraAt(pos)
		old, *x = *x, Extra{}
	}
	if pos == j.first { // Each place is passed once, so removals cost the same whatever their order.
		for j.first < j.end && j.At(j.first).word == nil {
			j.first++
		}
	}
	return old
}

// Sparse reports whether Compact is due when there are used records.
func (j *Journal) Sparse(used int) bool { return int(j.holes) > used+sparseFloor }

// Compact closes the holes: it makes new chunks of the records for which keep says so, used
// of them at most, and calls keep once for each record. Copies stay valid.
func (j *Journal) Compact(used int, keep func(r *Record, from uint32) (stays bool), moved func(r *Record, from, to uint32)) {
	old := *j
	*j = Journal{Extended: old.Extended, Queue: old.Queue, epochs: old.epochs}
	for k := range j.epochs {
		j.epochs[k].first = 0
	}
	if used > 0 {
		n := (used + Size - 1) / Size
		j.chunks = make([]unsafe.Pointer, 0, n+1)
		j.room = Size
		if n == 1 {
			for j.room = 1; int(j.room) < used; {
				j.room = larger(j.room)
			}
		}
	}
	for r, pos := range old.Records {
		if keep != nil && !keep(r, pos) {
			continue
		}
		if j.full() {
			j.grow()
		}
		to := j.end
		j.end++
		for k := range j.epochs {
			if pos < old.epochs[k].first {
				j.epochs[k].first++
			}
		}
		j.copyChunk(unsafe.Pointer(j.At(to)), unsafe.Pointer(r), 1)
		if j.Queue != nil && j.ExtraAt(to).Queued != 0 {
			j.Requeue(to)
		}
		if moved != nil {
			moved(r, pos, to)
		}
	}
}

// larger returns the next room that a first chunk has: 1, 4, 12, 36, 108, Size.
func larger(room uint8) uint8 {
	if room == 1 {
		return 4
	}
	return uint8(min(3*int(room), Size))
}

// Share leaves the records that there are to the copies of j, which a row that was replaced keeps:
// from here on a chunk is copied by Own before one of its records changes.
func (j *Journal) Share() {
	j.chunks = slices.Clip(slices.Clone(j.chunks)) // What is appended goes to another list: see Snapshot.
	for i, p := range j.chunks {
		j.chunks[i] = unsafe.Add(chunkAt(p), 1)
	}
}

// Own is called before the record at a place is replaced or cleared. If the record's chunk is shared,
// Own copies it and returns true: records of the old chunk miss what happens to the new ones.
func (j *Journal) Own(pos uint32) (copied bool) {
	i := pos >> shift
	old := chunkAt(j.chunks[i])
	if j.chunks[i] == old {
		return false
	}
	n := Size
	if len(j.chunks) == 1 {
		n = int(j.room)
	}
	next := j.newChunk(n)
	j.copyChunk(next, old, n)
	if len(j.chunks) == 1 {
		j.chunks = []unsafe.Pointer{next}
	} else {
		j.chunks[i] = next
	}
	return true
}

// Renew has j own all its chunks, and leaves the old ones to its copies.
func (j *Journal) Renew() {
	j.Share()
	for i := range j.chunks {
		j.Own(uint32(i) << shift)
	}
}

// Bare returns a copy of the records from a place on, in chunks of their own and without extras: it does
// not hold what these do. It must not be written to, and has nothing before that place.
func (j *Journal) Bare(from uint32) Journal {
	bare := *j
	bare.Extended, bare.Queue = false, nil
	bare.chunks = make([]unsafe.Pointer, len(j.chunks))
	for pos := from; pos < j.end; pos++ {
		if c := &bare.chunks[pos>>shift]; *c == nil {
			*c = bare.newChunk(Size)
		}
		*bare.At(pos) = *j.At(pos)
	}
	return bare
}

// Snapshot returns a copy that may be read without lock: see Chunk.
func (j *Journal) Snapshot() Journal {
	s := *j
	if len(s.chunks) > 1 { // A single one is never replaced in place, nor is there room behind it where it is shared.
		s.chunks = slices.Clone(s.chunks)
	}
	return s
}

// Holes returns how many of the places given out have no record.
func (j *Journal) Holes() int { return int(j.holes) }

// First returns a place before which there are no records.
func (j *Journal) First() uint32 { return j.first }

// Shares reports whether a place is in the same chunk of j and k.
func (j *Journal) Shares(k *Journal, pos uint32) bool {
	return pos < j.end && pos < k.end && chunkAt(j.chunks[pos>>shift]) == chunkAt(k.chunks[pos>>shift])
}

// End returns how many places were given out.
func (j *Journal) End() uint32 { return j.end }

// A Chunk is the places of a chunk that were given out.
type Chunk struct {
	base   unsafe.Pointer
	stride uintptr
	n      int
}

// Chunk returns chunk i, or none if there are fewer.
func (j *Journal) Chunk(i int) Chunk {
	if i >= len(j.chunks) {
		return Chunk{}
	}
	return Chunk{chunkAt(j.chunks[i]), j.stride(), min(Size, int(j.end)-i*Size)}
}

// Len returns the number of places.
func (c Chunk) Len() int { return c.n }

// At returns the record at place k of the chunk. Safety: k is below Len.
func (c Chunk) At(k int) *Record { return (*Record)(unsafe.Add(c.base, uintptr(k)*c.stride)) }

// Records yields the records that are there, oldest first, with their places. The caller may
// clear the one just yielded. On a copy of a journal it needs no lock; then a record may be
// cleared before the caller reads it.
func (j *Journal) Records(yield func(r *Record, pos uint32) bool) {
	for i := range j.chunks {
		c := j.Chunk(i)
		for k := range c.n {
			if r := c.At(k); r.Word() != nil && !yield(r, uint32(i*Size+k)) {
				return
			}
		}
	}
}
