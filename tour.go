package weakmap

import "unsafe"

// A tour is an iteration over the entries of one shard after another. It takes a few
// at a time, so that one which ends at once costs the same at any size.
//
// It goes through each journal as that was when the shard's turn came: a key that is
// unbound and bound again meanwhile stands in it once. What is removed before
// it was taken is missing from it, and may be. What is replaced is not: its key is
// bound all the time. So a replacement of an entry that a tour has still to take
// keeps it for the tour.
type tour[P, A any] struct {
	journal journal[P, A]  // that of the shard, as it was when its turn came
	taken   uint32         // what is at positions before it was taken. Guarded by shard.mu.
	kept    []*entry[P, A] // replaced before they were taken. Guarded by shard.mu.
	shard   *shard[P, A]   // the one that knows the tour, if any does
	next    *tour[P, A]    // another tour of this shard. Guarded by shard.mu.
}

// tourBatch entries are taken in one hold of a lock.
const tourBatch = placedTogether

// enter begins with a shard and takes its first entries. more says whether there are others.
func (w *tour[P, A]) enter(s *shard[P, A], batch []*entry[P, A]) (entries []*entry[P, A], more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.journal, w.taken = s.journal, s.journal.first
	batch = w.take(batch)
	if w.taken == w.journal.end {
		return batch, false
	}
	w.shard, w.next, s.tours = s, s.tours, w
	return batch, true
}

// proceed takes the next entries.
func (w *tour[P, A]) proceed(batch []*entry[P, A]) (entries []*entry[P, A], more bool) {
	w.shard.mu.Lock()
	batch = w.take(batch)
	if w.taken < w.journal.end {
		w.shard.mu.Unlock()
		return batch, true
	}
	batch = append(batch, w.kept...)
	w.leave()
	return batch, false
}

// take appends to batch, as far as it has room. Must be called with shard.mu held.
func (w *tour[P, A]) take(batch []*entry[P, A]) []*entry[P, A] {
	for ; w.taken < w.journal.end && len(batch) < cap(batch); w.taken++ {
		if e := w.journal.at(w.taken).Load(); e != nil {
			prefetch(unsafe.Pointer(e))
			batch = append(batch, e)
		}
	}
	return batch
}

// leave has the shard forget the tour, and unlocks it. Must be called with its mu held.
func (w *tour[P, A]) leave() {
	s := w.shard
	for p := &s.tours; ; p = &(*p).next {
		if *p == w {
			*p = w.next
			break
		}
	}
	*w = tour[P, A]{}
	s.mu.Unlock()
}

// end is called when the iteration is over, wherever it is.
func (w *tour[P, A]) end() {
	if w.shard != nil {
		w.shard.mu.Lock()
		w.leave()
	}
}

// keep is called when e, which is in j still, is replaced. Once j has new chunks, a
// tour through the old ones finds what was in them then. Must be called with
// shard.mu held.
func (w *tour[P, A]) keep(e *entry[P, A], j *journal[P, A]) {
	pos := e.pos.Load()
	if w.taken <= pos && pos < w.journal.end && w.journal.at(pos) == j.at(pos) {
		w.kept = append(w.kept, e)
	}
}
