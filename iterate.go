package weakmap

import (
	"unsafe"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/prefetch"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// An iteration goes over the bindings of one shard after another. It takes a few at a time,
// so that one which ends at once costs the same at any size.
//
// It goes through each journal as that was when the shard's turn came: a key that is unbound and
// bound again after that is in it once. What is removed before it was taken is left out, which is
// allowed. What is replaced is not left out: its key is bound all the time. So a replacement that
// gives the binding another place keeps the key for the iterations that have yet to take it. (Where a
// Hasher finds two objects equal, it is left out if the one that was replaced has died.)
type iteration struct {
	journal    journal.Journal // that of the shard, as it was when its turn came
	generation uint32          // of the shard when the last records were taken, or vacated if they were out of use then
	taken      uint32          // what is at places before it was taken. Guarded by shard.mu.
	kept       []noted         // replaced before they were taken. Guarded by shard.mu.
	shard      *shard          // whose turn it is
	known      bool            // whether the shard knows the iteration
	retains    bool            // whether the table does. Immutable.
	next       *iteration      // another iteration in this shard. Guarded by shard.mu.
}

// iterationBatch bindings are taken in one hold of a lock.
const iterationBatch = journal.Ahead

// A noted binding is what an iteration takes of a record.
type noted struct {
	record *journal.Record // nil if another binding has replaced it, or the table retains
	word   unsafe.Pointer  // of the weak pointer; nil if only the key is known
	ref    unsafe.Pointer  // what the record has, as bits; of a KeyMap the value
	bits   uint64
}

// A listed binding is one that an iteration has come to. It is passed in registers: see Iterate in bench/.
type listed struct {
	referent unsafe.Pointer
	word     unsafe.Pointer // of the weak pointer; nil if what was noted may be bound to another referent by now
	ref      unsafe.Pointer // what the record has, as bits; of a KeyMap the value
	bits     uint64
}

// all yields each binding that is live when its turn comes, no key twice.
func (c *core) all(yield func(e listed) bool) {
	if t := c.table.Load(); t != nil {
		t.all(yield)
	}
}

func (t *table) all(yield func(e listed) bool) { t.layout.Load().all(t, yield) }

// all is that of the table, of which l is the layout. If the bindings are distributed over other shards
// meanwhile, what these held before is still listed, with the bits of l's hashing. The layout itself is let go, with
// what it keeps for lookups.
func (l *layout) all(t *table, yield func(e listed) bool) {
	shards, by := l.shards, l.hashing
	w := iteration{retains: t.retains}
	defer w.end()
	var batch [iterationBatch]noted
	for i := range shards {
		for notes, more := w.enter(&shards[i], batch[:0]); ; notes, more = w.proceed(batch[:0]) {
			if w.retains {
				t.fetchNoted(notes, by)
			}
			for k := range notes {
				if e := w.come(t, by, &notes[k]); e.referent != nil && !yield(e) {
					return
				}
			}
			if !more {
				break
			}
		}
	}
}

// fetchNoted has the processor fetch what lookups of what was noted read, if they may have to wait for it.
func (t *table) fetchNoted(notes []noted, by hashing) {
	if l := t.layout.Load(); l.hashing == by && l.Far() {
		for _, n := range notes {
			l.Prefetch(t.hashOfRecord(&by, n.bits))
		}
	}
}

// come returns what was noted, or what its key is bound to now. The referent is nil if that is dead, or bound no
// more.
func (w *iteration) come(t *table, by hashing, n *noted) listed {
	record, word, ref, bits := n.record, n.word, n.ref, n.bits
	n.record, n.ref = nil, nil // Lets the key go once it was yielded.
	seam.Interleave("listed")
	referent := seam.Value(word)
	seam.Interleave("referent read")
	// A journal whose chunks were replaced does not tell whether the binding is there, and a word that is the same
	// as before does not tell whether a KeyMap's key has another value.
	if record != nil && record.Word() == word && (!t.values || record.Ref() == ref) && w.shard.generation.Load() == w.generation && w.generation != vacated {
		return listed{referent, word, ref, bits}
	}
	return t.lookUpListed(listed{referent, word, ref, bits}, by)
}

// lookUpListed is come by a lookup. by is the hashing of the layout that e's bits are of, as in what follows.
func (t *table) lookUpListed(e listed, by hashing) listed {
	if e.referent == nil && t.keys.class.isReferent() {
		return e // What it was bound to has died with it.
	}
	k := t.keyOfListed(e)
	if !t.keys.isReflexive(k) { // No lookup finds it, and nothing replaces it.
		if e.referent != nil && !t.useListed(e, by) {
			e.referent = nil
		}
		return e
	}
	found := t.search(k)
	if t.values {
		e.ref = found.value
	}
	if e.referent = found.referent; t.keys.class != objects { // An object has one word as long as it lives.
		e.word = nil
	}
	return e
}

// useListed notes the use of a binding that an iteration has come to, if it is bound still, and reports
// whether it is.
func (t *table) useListed(e listed, by hashing) (bound bool) {
	l, h, s := t.lockFor(func(l *layout) uint32 { return t.hashOfListed(l, e, by) })
	defer t.unlock(s)
	b, at, bound := t.locateListed(l, s, h, e)
	if bound && t.retains {
		t.hold(l, s, b, at, e.referent)
	}
	return bound
}

// locateListed returns the slot of a binding that an iteration has come to, whose hash in l is h. It compares
// what is recorded: one referent may be bound to several keys, and a key may not be equal to itself. Must be
// called with the lock of s, the shard of h, held.
func (t *table) locateListed(l *layout, s *shard, h uint32, e listed) (b *row.Bucket, at uintptr, ok bool) {
	return l.Find(h, func(b *row.Bucket, at uintptr) bool {
		r := s.journal.At(l.Pos(b, at))
		return r.Word() == e.word && t.isOf(r, e) && t.hashOfRecord(&l.hashing, r.Bits()) == h // One NaN may be bound many times.
	})
}

// isOf reports whether r records the key of e, by what is recorded. Strings that share their first bytes
// have one address, and differ by the length.
func (t *table) isOf(r *journal.Record, e listed) bool {
	switch t.keys.class {
	case words:
		return r.Bits() == e.bits
	case texts:
		return r.Ref() == e.ref && r.Bits()>>32 == e.bits>>32
	}
	return r.Ref() == e.ref
}

// hashOfListed returns the hash of e in l, or any other if e is not bound. Must be called with no lock held.
func (t *table) hashOfListed(l *layout, e listed, by hashing) uint32 {
	if l.hashing == by {
		return t.hashOfRecord(&l.hashing, e.bits)
	}
	if k := t.keyOfListed(e); t.keys.isReflexive(k) {
		return t.hash(&l.hashing, k)
	}
	for i := range l.shards { // A NaN has another hash each time. This one's is recorded.
		s := &l.shards[i]
		s.mu.Lock()
		for r := range s.journal.Records {
			if r.Word() == e.word && t.isOf(r, e) {
				h := t.hashOfRecord(&l.hashing, r.Bits())
				s.mu.Unlock()
				return h
			}
		}
		s.mu.Unlock()
	}
	return 0
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
func (w *iteration) enter(s *shard, batch []noted) (notes []noted, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.shard, w.journal, w.taken = s, s.journal, s.journal.First()
	batch = w.take(batch)
	if w.taken == w.journal.End() {
		w.journal = journal.Journal{}
		return batch, false
	}
	w.known, w.next, s.iterations = true, s.iterations, w
	return batch, true
}

// detachIterations is called before the journal gets other chunks. In a table that retains the old ones would hold
// what is let go after that, until an iteration through them ends. So these get copies of the records that they have
// not taken. Must be called with s.mu held.
func (s *shard) detachIterations() {
	for w := s.iterations; w != nil; w = w.next {
		if w.retains && w.journal.Extended {
			w.journal = w.journal.Bare(w.taken)
		}
	}
}

// proceed takes the next bindings.
func (w *iteration) proceed(batch []noted) (notes []noted, more bool) {
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
func (w *iteration) take(batch []noted) []noted {
	w.generation = w.shard.generation.Load()
	for w.taken < w.journal.End() && len(batch) < cap(batch) {
		if !w.journal.Shares(&w.shard.journal, w.taken) {
			w.generation = vacated
		}
		c, at := w.journal.Chunk(int(w.taken/journal.Size)), int(w.taken%journal.Size)
		from := at
		for ; at < c.Len() && len(batch) < cap(batch); at++ {
			r := c.At(at)
			word := r.Word()
			if word == nil {
				continue
			}
			prefetch.Line(word)
			n := len(batch)
			batch = batch[:n+1]
			e := &batch[n]
			if e.word, e.ref, e.bits = word, r.Ref(), r.Bits(); !w.retains { // Its record would keep a chunk, and all that this holds.
				e.record = r
			}
		}
		w.taken += uint32(at - from)
	}
	return batch
}

// leave has the shard forget the iteration. Must be called with its lock held.
func (w *iteration) leave() {
	for p := &w.shard.iterations; ; p = &(*p).next {
		if *p == w {
			*p = w.next
			break
		}
	}
	w.known, w.next, w.kept, w.journal = false, nil, nil, journal.Journal{}
}

// end is called when the iteration is over, wherever it is.
func (w *iteration) end() {
	if w.known {
		w.shard.mu.Lock()
		defer w.shard.mu.Unlock()
		w.leave()
	}
}

// keep is called when the record at a place of j, which is e's, is cleared because e is at another.
// Once j has new chunks, an iteration through the old ones finds what was in them then. Must be called
// with the shard's lock held.
func (w *iteration) keep(j *journal.Journal, pos uint32, e noted) {
	if w.taken <= pos && w.journal.Shares(j, pos) {
		w.kept = append(w.kept, e)
	}
}
