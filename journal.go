package weakmap

import (
	"iter"
	"slices"
	"sync/atomic"
	"unsafe"
)

// A journal lists the entries of one shard in the order in which they were
// inserted. That is nearly the order in which their values were allocated, so
// asking all of them whether they are dead walks through memory forwards: a
// tenth of what it costs in the order of the buckets.
//
// Guarded by shard.mu, except that a snapshot is read without lock: slots are
// atomic, positions are never used twice within one list of chunks, and a
// compaction makes new chunks.
type journal[P, A any] struct {
	chunks [][]atomic.Pointer[entry[P, A]] // chunkSize slots each, but for the first, which grows up to that
	end    uint32                          // positions given out
	holes  uint32                          // of these, those whose entry was removed
	first  uint32                          // at all positions before it are holes
	epochs [2]epoch                        // the last two in which entries were inserted, the later one first
}

// An epoch is the time between two announcements of collections.
type epoch struct {
	number uint32 // how many collections had ended when it began
	first  uint32 // the first position given out since
}

const (
	chunkShift = 7 // 128 entries: 1 KiB of pointers
	chunkSize  = 1 << chunkShift
	firstChunk = 2 // slots in the first chunk at first, so that a small map stays small

	// sparseFloor is how many holes a journal may have beside as many as it has
	// entries.
	sparseFloor = chunkSize / 2
)

// append gives e the next position, where used entries are present without it.
// The slot is written without an atomic store: no snapshot reads beyond the end
// that it was taken with.
func (j *journal[P, A]) append(e *entry[P, A], used int) {
	if j.full() {
		if j.sparse(used) {
			j.compact(used)
		}
		if j.full() {
			j.grow()
		}
	}
	e.pos.Store(j.end)
	*(**entry[P, A])(unsafe.Pointer(&j.chunks[j.end>>chunkShift][j.end%chunkSize])) = e
	j.end++
}

// begin is called before an insertion, with the number of collections that were
// announced so far. What is inserted from here on was alive when the last of them had
// ended, so nobody need ask it before another has: asked while that one marks, what is dying
// would live on.
func (j *journal[P, A]) begin(number uint32) {
	if j.epochs[0].number != number {
		j.epochs[0], j.epochs[1] = epoch{number, j.end}, j.epochs[0]
	}
}

// before returns the end of what may hold victims of the first collections, as many as
// number says: the first position given out after these had been announced, or a later one.
func (j *journal[P, A]) before(number uint32) (end uint32) {
	end = j.end
	for _, e := range j.epochs {
		if int32(e.number-number) >= 0 { // Numbers may wrap.
			end = e.first
		}
	}
	return end
}

// cut shortens a copy of a journal, which is only read from then on.
func (j *journal[P, A]) cut(end uint32) {
	j.chunks, j.end = j.chunks[:(end+chunkSize-1)>>chunkShift], end
}

// full reports whether the next position has no slot yet.
func (j *journal[P, A]) full() bool {
	last := len(j.chunks) - 1
	return last < 0 || int(j.end) == last*chunkSize+len(j.chunks[last])
}

// grow makes room for at least one more entry. The chunks of snapshots stay as they are.
func (j *journal[P, A]) grow() {
	if len(j.chunks) == 0 {
		j.chunks = append(j.chunks, make([]atomic.Pointer[entry[P, A]], firstChunk))
		return
	}
	if first := j.chunks[0]; len(first) < chunkSize {
		larger := make([]atomic.Pointer[entry[P, A]], 2*len(first))
		for i := range first {
			larger[i].Store(first[i].Load())
		}
		j.chunks = [][]atomic.Pointer[entry[P, A]]{larger}
		return
	}
	j.chunks = append(j.chunks, make([]atomic.Pointer[entry[P, A]], chunkSize))
}

// remove takes e out and marks it as removed. The slot is cleared, so nothing
// keeps e or its key.
func (j *journal[P, A]) remove(e *entry[P, A]) {
	pos := e.pos.Load()
	j.at(pos).Store(nil)
	j.strike(e)
	if pos == j.first { // Each position is passed once, so removals cost the same whatever their order.
		for j.first < j.end && j.at(j.first).Load() == nil {
			j.first++
		}
	}
}

func (j *journal[P, A]) at(pos uint32) *atomic.Pointer[entry[P, A]] {
	return &j.chunks[pos>>chunkShift][pos%chunkSize]
}

// strike marks e as removed and leaves it in its slot. The journal must be renewed
// before the lock is released.
func (j *journal[P, A]) strike(e *entry[P, A]) {
	e.pos.Store(removed)
	j.holes++
}

// renew makes new chunks for the same entries, used of them: the old chunks stay
// as they are from here on.
func (j *journal[P, A]) renew(used int) {
	if j.holes > 0 {
		j.compact(used)
		return
	}
	j.chunks = slices.Clone(j.chunks)
	for i, c := range j.chunks {
		j.chunks[i] = slices.Clone(c)
	}
}

// sparse reports whether compaction is due when used entries are present.
func (j *journal[P, A]) sparse(used int) bool {
	return int(j.holes) > used+sparseFloor
}

// compact closes the holes, where used entries are present. It makes new
// chunks: snapshots of the old ones stay valid.
func (j *journal[P, A]) compact(used int) {
	old := *j
	*j = journal[P, A]{epochs: old.epochs}
	for k := range j.epochs {
		j.epochs[k].first = 0
	}
	if used > chunkSize/2 {
		j.chunks = make([][]atomic.Pointer[entry[P, A]], 0, used/chunkSize+2)
		j.chunks = append(j.chunks, make([]atomic.Pointer[entry[P, A]], chunkSize))
	}
	for e := range old.entries() {
		if e.isRemoved() { // As strike leaves them.
			continue
		}
		for k := range j.epochs {
			if e.pos.Load() < old.epochs[k].first {
				j.epochs[k].first++
			}
		}
		j.append(e, used)
	}
}

// entries yields what is present, oldest first. The entry just yielded may be
// removed meanwhile.
func (j *journal[P, A]) entries() iter.Seq[*entry[P, A]] {
	return func(yield func(*entry[P, A]) bool) {
		for i := range j.chunks {
			c := j.chunk(i)
			for k := range c {
				if k%placedTogether == 0 {
					for ahead := k; ahead < min(k+placedTogether, len(c)); ahead++ {
						prefetch(unsafe.Pointer(c[ahead].Load()))
					}
				}
				if e := c[k].Load(); e != nil && !yield(e) {
					return
				}
			}
		}
	}
}

// chunk returns the slots of chunk i that were given out.
func (j *journal[P, A]) chunk(i int) []atomic.Pointer[entry[P, A]] {
	c := j.chunks[i]
	return c[:min(len(c), int(j.end)-i*chunkSize)]
}
