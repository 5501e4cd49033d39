package weakmap

import (
	"unsafe"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/prefetch"
	"github.com/go-weak/weakmap/internal/seam"
)

// A tour is an iteration over the bindings of one shard after another. It takes a few at a time,
// so that one which ends at once costs the same at any size.
//
// It goes through each journal as that was when the shard's turn came: a key that is unbound and
// bound again after that is in it once. What is removed before it was taken is left out, which is
// allowed. What is replaced is not left out: its key is bound all the time. So a replacement that
// gives the binding another place keeps the key for the tours that have yet to take it.
type tour struct {
	journal    journal.Journal // that of the shard, as it was when its turn came
	generation uint32          // of the shard when the last records were taken, or vacated if they were out of use then
	taken      uint32          // what is at places before it was taken. Guarded by shard.mu.
	kept       []listed        // replaced before they were taken. Guarded by shard.mu.
	shard      *shard          // whose turn it is
	known      bool            // whether the shard knows the tour
	next       *tour           // another tour of this shard. Guarded by shard.mu.
}

// tourBatch bindings are taken in one hold of a lock.
const tourBatch = journal.Ahead

// A listed binding is one that an iteration has come to.
type listed struct {
	record   *journal.Record // nil if another binding has replaced it, unless that of a KeyMap's key
	word     unsafe.Pointer  // of the weak pointer; nil if only the key is known, or once that is bound to another referent
	ref      unsafe.Pointer  // what the record has, as bits; of a KeyMap the value
	bits     uint64
	referent unsafe.Pointer // nil until it is resolved
}

// all yields each binding that is live when its turn comes, no key twice.
func (c *core) all(yield func(e listed) bool) {
	if t := c.table.Load(); t != nil {
		t.all(yield)
	}
}

func (t *table) all(yield func(e listed) bool) {
	// If the bindings are distributed over other shards during the tour, what these shards held
	// before is still listed.
	shards := t.layout.Load().shards
	var w tour
	defer w.end()
	var batch [tourBatch]listed
	for i := range shards {
		for entries, more := w.enter(&shards[i], batch[:0]); ; entries, more = w.proceed(batch[:0]) {
			for k := range entries {
				e := entries[k]
				entries[k] = listed{} // Lets the key go once it was yielded.
				if w.resolve(t, &e) && !yield(e) {
					return
				}
			}
			if !more {
				break
			}
		}
	}
}

// resolve finds the referent of e, and reports whether it lives and is bound.
func (w *tour) resolve(t *table, e *listed) bool {
	seam.Interleave("listed")
	e.referent = seam.Value(e.word)
	seam.Interleave("referent read")
	// A journal whose chunks were replaced does not tell whether e is still bound.
	if e.record != nil && e.record.Word() == e.word && w.shard.generation.Load() == w.generation && w.generation != vacated {
		if e.referent != nil && t.retains {
			t.useListed(*e)
		}
		return e.referent != nil
	}
	if e.referent == nil && t.keys.class.isReferent() {
		return false // What it was bound to has died with it.
	}
	found := t.search(t.keyOfListed(*e))
	if found.referent != e.referent {
		e.referent, e.word = found.referent, nil
	}
	if t.values {
		e.ref = found.value
	}
	return found.referent != nil
}

// keyOfListed returns the key of e.
func (t *table) keyOfListed(e listed) key {
	switch t.keys.class {
	case objects, copies:
		return key{at: e.referent}
	case alikes:
		return key{at: e.referent, n: uintptr(uint32(e.bits))}
	case copiedTexts, contents:
		return keyOfString(t.keys.textOf(e.referent, uintptr(e.bits>>32)))
	}
	return t.storedAs(e.ref, e.bits)
}

// enter begins with a shard and takes its first bindings. more says whether there are others.
func (w *tour) enter(s *shard, batch []listed) (entries []listed, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.shard, w.journal, w.taken = s, s.journal, s.journal.First()
	batch = w.take(batch)
	if w.taken == w.journal.End() {
		return batch, false
	}
	w.known, w.next, s.tours = true, s.tours, w
	return batch, true
}

// proceed takes the next bindings.
func (w *tour) proceed(batch []listed) (entries []listed, more bool) {
	w.shard.mu.Lock()
	defer w.shard.mu.Unlock()
	if batch = w.take(batch); w.taken < w.journal.End() {
		return batch, true
	}
	batch = append(batch, w.kept...)
	w.leave()
	return batch, false
}

// take appends to batch, as far as it has room. Must be called with the shard's lock held.
func (w *tour) take(batch []listed) []listed {
	w.generation = w.shard.generation.Load()
	for ; w.taken < w.journal.End() && len(batch) < cap(batch); w.taken++ {
		if r := w.journal.At(w.taken); r.Word() != nil {
			prefetch.Line(r.Word())
			if !w.journal.Shares(&w.shard.journal, w.taken) {
				w.generation = vacated
			}
			batch = append(batch, listed{record: r, word: r.Word(), ref: r.Ref(), bits: r.Bits()})
		}
	}
	return batch
}

// leave has the shard forget the tour. Must be called with its lock held.
func (w *tour) leave() {
	for p := &w.shard.tours; ; p = &(*p).next {
		if *p == w {
			*p = w.next
			break
		}
	}
	w.known, w.next, w.kept, w.journal = false, nil, nil, journal.Journal{}
}

// end is called when the iteration is over, wherever it is.
func (w *tour) end() {
	if w.known {
		w.shard.mu.Lock()
		defer w.shard.mu.Unlock()
		w.leave()
	}
}

// keep is called when the record at a place of j, which is e's, is cleared because e is at another.
// Once j has new chunks, a tour through the old ones finds what was in them then. Must be called
// with the shard's lock held.
func (w *tour) keep(j *journal.Journal, pos uint32, e listed) {
	if w.taken <= pos && w.journal.Shares(j, pos) {
		w.kept = append(w.kept, e)
	}
}
