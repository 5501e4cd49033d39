package weakmap

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// How bindings are made, replaced and removed by callers.

// A fresh binding is one that is not published yet.
type fresh struct {
	word   unsafe.Pointer // of the weak pointer to the referent
	ref    unsafe.Pointer // what a new record refers to
	bound                 // held by the caller until the binding is published or released
	ticket *ticket        // of the cleanup on the referent, with PerValue
}

// prepare makes what it takes to bind k to b, without a lock.
func (t *table) prepare(k key, b bound) fresh {
	l := t.layout.Load()
	h := t.hash(&l.hashing, k)
	l.Prefetch(h) // The bucket comes while the weak pointer is made.
	n := fresh{word: seam.Make(b.referent), ref: t.refOf(k, b.value), bound: b}
	if t.keys.class == alikes && t.values {
		*(*unsafe.Pointer)(unsafe.Add(b.value, t.keys.wordAt)) = n.word
	}
	if t.perValue {
		// The caller holds the referent, so the cleanup cannot come before the binding is
		// published.
		n.ticket = &ticket{table: t.self, word: n.word}
		n.ticket.cleanup = seam.AddCleanup(b.referent, reapByTicket, n.ticket)
		t.tickets.add(n.ticket)
	}
	return n
}

// release undoes prepare for a binding that was not published.
func (t *table) release(n *fresh) {
	t.stopCleanup(n.ticket, n.referent)
}

// A condition says for which bindings an update is meant.
type condition struct {
	when   when
	wanted unsafe.Pointer // the referent, or a KeyMap's value; nil for none
	unless *atomic.Bool   // if it is set, nothing is updated; nil for none. See flights.
}

type when uint8

const (
	always when = iota
	ifSame      // what the key is bound to is what is wanted
)

var anyway, ifAbsent = condition{}, condition{when: ifSame}

func sameAs(wanted unsafe.Pointer) condition { return condition{when: ifSame, wanted: wanted} }

// admits reports whether c is met where the key is bound to b.
func (t *table) admits(c condition, b bound) bool {
	if c.unless != nil && c.unless.Load() {
		return false
	}
	if c.when == always {
		return true
	}
	if t.values {
		return b.value == c.wanted
	}
	return b.referent == c.wanted
}

// insert binds k to b if c is met, and returns what k was bound to.
func (t *table) insert(k key, b bound, c condition) (old bound, inserted bool) {
	n := t.prepare(k, b)
	if old, inserted = t.update(k, &n, c); !inserted {
		t.release(&n)
	}
	runtime.KeepAlive(b.referent) // Up to here no cleanup of it can come.
	return old, inserted
}

// deleteObject unbinds an object of a KeyMap or Set if cond is met, and returns what it was bound
// to. Nil is no key.
func (c *core) deleteObject(object unsafe.Pointer, cond condition) (old bound, removed bool) {
	t := c.table.Load()
	if t == nil || object == nil {
		return bound{}, cond.when == always || cond.wanted == nil
	}
	return t.update(t.keyOfObject(object), nil, cond)
}

// update binds k to n, or unbinds it if n is nil, if c is met. It returns what was bound, if
// that lives. The caller keeps n's referent alive across the call.
//
// With a Hasher it judges what is alike to k before it takes the lock. If it then meets a live
// binding that is alike and was not judged, that has come since, and is judged first: so of two
// equal keys that are bound at the same time, the later writer finds that of the other.
func (t *table) update(k key, n *fresh, c condition) (old bound, updated bool) {
	var judged verdicts
	for {
		l := t.layout.Load()
		h := t.hash(&l.hashing, k)
		if t.keys.class == alikes && !t.judge(l, h, k, &judged, n) {
			continue
		}
		s := l.shard(h)
		s.mu.Lock()
		if t.layout.Load() != l {
			s.mu.Unlock() // The table grew or shrank while we waited.
			continue
		}
		var is verdict
		others := 0
		b, at, found := l.Find(h, func(b *row.Bucket, at uintptr) bool {
			head := l.HeadOf(b)
			_, old, is = t.match(b, head, at, head.Version(), k, h)
			if is == alike {
				is = judged.of(old.referent)
				return is != other
			}
			if is == other && t.crowds(b, head, at, k, h) {
				others++
			}
			return is == alive || is == dead
		})
		if found && is == alike {
			s.mu.Unlock()
			continue
		}
		if !found {
			old = bound{} // and not what a key that is only alike is bound to
		}
		if !t.admits(c, old) {
			if found && is == alive && t.retains {
				t.hold(l, s, b, at, old.referent)
			}
			s.mu.Unlock()
			return old, false
		}
		if !found && n != nil && s.used() >= l.Limit() {
			s.mu.Unlock()
			t.makeRoom(l, false)
			continue
		}
		seam.Interleave("admitted")
		var gone *ticket
		flood, shrinks := false, false
		if n != nil {
			s.journal.Begin(uint32(reaper.announced.Load()))
		}
		switch {
		case found && n != nil:
			gone = t.rebind(l, s, b, at, n, h, is == dead)
		case found:
			gone = t.unbind(l, s, b, at, h, is == dead)
			shrinks = l.wantsShrink(s)
		case n != nil:
			if !reaper.settling() {
				t.reapBucket(l, s, h)
			}
			passed := t.bind(l, s, k, n, h)
			flood = l.isFlooded(s, passed, others)
		}
		t.unlock(s)
		t.stopCleanup(gone, old.referent)
		switch {
		case flood:
			t.makeRoom(l, true)
		case shrinks:
			t.shrink(l)
		}
		if n != nil {
			t.register()
		}
		runtime.KeepAlive(old.referent) // It did not die before its removal was counted as one by a caller.
		return old, true
	}
}

// crowds reports whether slot at of b, which an insertion of another key with hash h met on its
// way, counts towards a flood. What has died does not: the bindings of a value or a key that dies
// and comes again have one hash, and go with the next pass. Must be called with the shard's lock
// held.
func (t *table) crowds(b *row.Bucket, head *row.Head, at uintptr, k key, h uint32) bool {
	return !t.keys.class.isReferent() || head.Check(at) != t.checkOf(k, h) || t.referent(b.Word(at)) != nil
}

// bind publishes n under k, which must not be bound, and returns how many buckets it passed.
// Must be called with the shard's lock held and room made.
func (t *table) bind(l *layout, s *shard, k key, n *fresh, h uint32) (passed int) {
	bits := t.bitsOf(k, h)
	pos := s.record(n.word, n.ref, bits)
	binding := t.slotOf(t.slotWord(n.word), n.ref, bits, pos)
	if s.journal.Extended {
		*s.journal.ExtraAt(pos), binding.Word, binding.Marks = t.extraOf(s, n, h, nil)
		if s.journal.Queue != nil {
			s.journal.Requeue(pos)
		}
	}
	s.inserted.Add(1)
	return l.Insert(h, binding)
}

// rebind publishes n in place of what slot at of b is bound to, under the same key: that is
// never unbound in between, and what is recorded of it stays. It returns the ticket of the old
// binding. Must be called with the shard's lock held.
func (t *table) rebind(l *layout, s *shard, b *row.Bucket, at uintptr, n *fresh, h uint32, wasDead bool) *ticket {
	pos := l.Pos(b, at)
	s.own(pos) // Before iterations are told below: those that go through what was shared find it there.
	ref, bits := s.journal.At(pos).Ref(), s.journal.At(pos).Bits()
	word := t.slotWord(n.word)
	var extra journal.Extra
	var marks uint32
	if s.journal.Extended {
		extra, word, marks = t.extraOf(s, n, h, s.journal.ExtraAt(pos))
	}
	s.inserted.Add(1) // Before the old one is counted: a key that is bound throughout always counts.
	// The slot first, and then the record. A reader that has the old address got it while the
	// record kept that, and overwriting the record shades it; what the slot names now is held
	// by n until the record is. Where the key is another object, readers go by the value: see paired.
	b.SetWord(at, word)
	seam.Interleave("word replaced")
	if t.values {
		b.SetKey(at, uintptr(n.ref))
	}
	if t.retains {
		head := l.HeadOf(b)
		head.Use(at)
		head.Mark(at, marks)
	}
	seam.Interleave("slot replaced")
	var old journal.Extra
	var value unsafe.Pointer // nil: what is recorded of the key stays
	if t.values {
		value = n.ref
	}
	switch {
	case s.journal.Young(pos) || t.values && s.journal.At(pos).Word() == n.word:
		old = s.journal.Replace(pos, n.word, value, extra)
	default:
		// A place says how old a referent is, so this one gets another. Iterations that have not
		// come to the old one are told: the key is bound all the time.
		kept := noted{ref: ref, bits: bits}
		if t.values {
			kept = noted{word: n.word, ref: value, bits: bits}
		}
		to := s.record(n.word, kept.ref, bits)
		if s.journal.Extended {
			*s.journal.ExtraAt(to) = extra
		}
		l.SetPos(b, at, to)
		for w := s.iterations; w != nil; w = w.next {
			w.keep(&s.journal, pos, kept)
		}
		old, pos = s.journal.Clear(pos), to
	}
	if s.journal.Queue != nil {
		s.journal.Requeue(pos)
	}
	runtime.KeepAlive(n)
	s.countUnbound(t, wasDead, ref, bits)
	t.tidy(l, s) // Keys may be replaced for as long as the program runs, and none ever removed.
	return (*ticket)(old.Ticket)
}

// unbind removes what slot at of b is bound to, and returns its ticket. Must be called with the
// shard's lock held.
func (t *table) unbind(l *layout, s *shard, b *row.Bucket, at uintptr, h uint32, isDead bool) *ticket {
	pos := l.Pos(b, at)
	s.own(pos)
	r := s.journal.At(pos)
	ref, bits := r.Ref(), r.Bits()
	// The slot first: what a slot names, its record keeps.
	l.Remove(h, b, at)
	gone := t.releaseExtra(s, s.journal.Clear(pos))
	s.countUnbound(t, isDead, ref, bits)
	t.tidy(l, s)
	return gone
}

// unbindDead unbinds the binding with hash h and the word of a dead referent, if it is bound
// still, and reports whether it was. Such a word is never that of a live binding again, so this
// is a deletion by comparison. Must be called with the shard's lock held.
func (t *table) unbindDead(l *layout, s *shard, h uint32, word unsafe.Pointer) bool {
	b, at, ok := t.locate(l, s, h, word)
	if ok {
		t.unbind(l, s, b, at, h, true)
	}
	return ok
}

// locate returns the slot of the binding with hash h and the word. One referent may be bound to several
// keys, whose tags and buckets may be the same: if another key's slot were taken for that of h, it would
// be taken out of the counts of the wrong buckets, and a lookup that goes by these would stop before it
// came to a binding. Must be called with the lock of s, the shard of h, held.
func (t *table) locate(l *layout, s *shard, h uint32, word unsafe.Pointer) (b *row.Bucket, at uintptr, ok bool) {
	return l.Find(h, func(b *row.Bucket, at uintptr) bool {
		r := s.journal.At(l.Pos(b, at))
		return r.Word() == word && t.hashOfRecord(&l.hashing, r.Bits()) == h
	})
}

// A move is a record's from one place to another.
type move struct {
	bucket *row.Bucket
	slot   uintptr
	to     uint32
}

// tidy closes the holes in the journal of s if there are many. Must be called with the shard's lock
// held.
func (t *table) tidy(l *layout, s *shard) {
	if used := s.used(); s.journal.Sparse(used) {
		t.compact(l, s, used)
	}
}

// compact closes the holes in the journal of s, and tells the row. Must be called with the
// shard's lock held.
func (t *table) compact(l *layout, s *shard, used int) {
	s.detachIterations()
	moves := make([]move, 0, used)
	s.journal.Compact(used, nil, func(r *journal.Record, from, to uint32) {
		h := t.hashOfRecord(&l.hashing, r.Bits())
		b, at, _ := l.Find(h, func(b *row.Bucket, at uintptr) bool { return l.Pos(b, at) == from && b.Word(at) != nil })
		moves = append(moves, move{b, at, to})
	})
	// Only now: what was moved must not be taken for what is still to be moved.
	for _, m := range moves {
		l.SetPos(m.bucket, m.slot, m.to)
	}
	seam.Interleave("compacted")
	s.generation.Add(1)
}

// fullSpared is how many full buckets of a shard are skipped after one that had no dead bindings.
const fullSpared = 15

// reapBucket removes the dead bindings of the bucket that h leads to if it is full, so that an
// insertion need not pass it because of them. It looks at one, and at the others if that is
// dead; if not, it skips the next fullSpared full buckets. Where many are dead that finds
// them, and where few are it costs little. Must be called with the shard's lock held.
func (t *table) reapBucket(l *layout, s *shard, h uint32) {
	i := l.Home(h)
	b := l.At(i)
	if row.Matching(l.Tags(i), 0) != 0 {
		return
	}
	if s.sparing > 0 {
		s.sparing--
		return
	}
	seam.Interleave(seam.ToAsk)
	if !t.hasDied(l, s, b, uintptr(h&0xff)%row.Slots) {
		s.sparing = fullSpared
		return
	}
	for at := range uintptr(row.Slots) {
		seam.Interleave(seam.ToAsk)
		if t.hasDied(l, s, b, at) {
			bits := s.journal.At(l.Pos(b, at)).Bits()
			t.unbind(l, s, b, at, t.hashOfRecord(&l.hashing, bits), true)
		}
	}
}

// hasDied reports whether what slot at of b is bound to is dead, and does not ask what was inserted
// since the last collection: see journal.Begin. Must be called with the shard's lock held.
func (t *table) hasDied(l *layout, s *shard, b *row.Bucket, at uintptr) bool {
	return !s.journal.Young(l.Pos(b, at)) && t.referent(b.Word(at)) == nil
}

// clear removes every binding.
func (c *core) clear() {
	t := c.table.Load()
	if t == nil {
		return
	}
	t.growth.Lock()
	defer t.growth.Unlock()
	l := t.layout.Load()
	t.lockAll(l)
	type unbound struct {
		referent unsafe.Pointer
		ticket   *ticket
	}
	var gone []unbound
	for i := range l.shards {
		s := &l.shards[i]
		if t.retains {
			t.releaseHolds(l, s, uint32(i))
		}
		for r, pos := range s.journal.Records {
			seam.Interleave(seam.ToAsk)
			v := seam.Value(r.Word())
			if t.perValue && v != nil {
				gone = append(gone, unbound{seam.Strong(v), (*ticket)(s.journal.ExtraAt(pos).Ticket)})
			}
			s.countUnbound(t, v == nil, r.Ref(), r.Bits())
		}
	}
	t.retention.forget()
	t.relayout(l, 0, nothingStays)
	t.unlockAll(l)
	for _, g := range gone {
		t.stopCleanup(g.ticket, g.referent)
	}
}

// deleteFunc removes the bindings for which del returns true, and returns how many.
func (t *table) deleteFunc(del func(e listed) bool) (deleted int) {
	l := t.layout.Load()
	by := l.hashing
	l.all(t, func(e listed) bool {
		if del(e) && t.deleteListed(e, by) {
			deleted++
		}
		return true
	})
	return deleted
}

// deleteListed deletes a binding that an iteration has come to, whose referent the caller holds, if it
// is bound still, and reports whether it was. It goes by what is recorded, since a key that is not
// equal to itself can be deleted too, or by the key where that is all that is known.
func (t *table) deleteListed(e listed, by hashing) bool {
	if e.word == nil {
		wanted := e.referent
		if t.values {
			wanted = e.ref
		}
		_, deleted := t.update(t.keyOfListed(e), nil, sameAs(wanted))
		return deleted
	}
	l, h, s := t.lockFor(func(l *layout) uint32 { return t.hashOfListed(l, e, by) })
	b, at, found := t.locateListed(l, s, h, e)
	var gone *ticket
	shrinks := false
	if found {
		gone = t.unbind(l, s, b, at, h, false)
		shrinks = l.wantsShrink(s)
	}
	t.unlock(s)
	t.stopCleanup(gone, e.referent)
	if shrinks {
		t.shrink(l)
	}
	runtime.KeepAlive(e.referent) // It did not die before its removal was counted as one by a caller.
	return found
}
