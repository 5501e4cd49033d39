package weakmap

import (
	"unsafe"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// What Config.Retain adds: a binding holds its referent strongly until that has gone unused for
// a number of collections. While it does, the record has the referent beside the word, and the
// slot has the referent in place of the word: a hit asks no weak pointer. The slot has the age
// too. The pass after a collection ages the slots; a hit makes one young again.
//
// Everything but the age is written with the shard's lock held. A hit of what is held takes no
// lock; the first hit of what was let go does, to hold it again.

// extraOf returns the extra of the record of n, and the word of its slot.
func (t *table) extraOf(n *fresh, h uint32) (x journal.Extra, word unsafe.Pointer) {
	word = t.slotWord(n.word)
	if n.ticket != nil {
		n.ticket.hash.Store(h)
		x.Ticket = unsafe.Pointer(n.ticket)
	}
	if t.retains {
		x.Strong = n.referent
		t.retained.Inc()
		word = heldWord(x.Strong, word)
	}
	return x, word
}

// heldWord returns the word of a slot whose record has strong: see table.slotWord.
func heldWord(strong, word unsafe.Pointer) unsafe.Pointer {
	if strong != nil && uintptr(strong)&1 == 0 {
		return strong
	}
	return word
}

// let lets go of what x held, and returns its ticket.
func (t *table) let(x journal.Extra) *ticket {
	if x.Strong != nil {
		t.retained.Dec()
	}
	return (*ticket)(x.Ticket)
}

// use notes that slot at of b, which had the word and is k's, was used, and that its referent is
// v, which the caller holds: it is held from here on.
//
// Here the age is cleared first and the slot looked at then; letGo takes the referent out of the
// slot first and looks at the age then. So one of the two sees the other, and what was used stays
// held.
func (t *table) use(b *row.Bucket, head *row.Head, at uintptr, word, v unsafe.Pointer, k key) {
	head.Use(at)
	seam.Interleave("use noted")
	if b.Word(at) == v {
		return
	}
	for {
		l := t.layout.Load()
		h := t.hash(&l.hashing, k) // It may be another than in b's layout.
		s := l.shard(h)
		s.mu.Lock()
		if t.layout.Load() != l {
			t.unlock(s)
			continue
		}
		// The slot may be in a layout that was replaced, or another binding's. If there is none
		// with this word, the binding was removed, or is held already. What the slot held it may
		// have let go of since.
		wanted := func(c *row.Bucket, at uintptr) bool {
			w := c.Word(at)
			return w == word || word == v && t.referent(w) == v
		}
		if l.Has(b) {
			if wanted(b, at) {
				t.hold(s, b, at, v)
			}
		} else if b, at, ok := l.Find(h, wanted); ok {
			t.hold(s, b, at, v)
		}
		t.unlock(s)
		return
	}
}

// hold has slot at of b hold its referent, which is v, and makes it young. Must be called with
// the shard's lock held.
func (t *table) hold(s *shard, b *row.Bucket, at uintptr, v unsafe.Pointer) {
	t.layout.Load().HeadOf(b).Use(at)
	x := s.journal.ExtraAt(b.Pos(at))
	if x.Strong == nil {
		x.Strong = v
		t.retained.Inc()
		seam.Interleave("record holds")
		// The record first: what a slot names, its record keeps.
		b.SetWord(at, heldWord(v, b.Word(at)))
		seam.Interleave("held again")
	}
}

// letGo has slot at of b hold its referent no more, and returns what it held. Must be called with
// the shard's lock held.
func (t *table) letGo(s *shard, b *row.Bucket, at uintptr) unsafe.Pointer {
	pos := b.Pos(at)
	x := s.journal.ExtraAt(pos)
	v := x.Strong
	if v != nil {
		seam.Interleave("to let go")
		// The slot first, and then the record: see package row.
		b.SetWord(at, t.slotWord(s.journal.At(pos).Word()))
		seam.Interleave("slot lets go")
		x.Strong = nil
		t.retained.Dec()
	}
	return v
}

// useListed notes that an iteration has come to e.
func (t *table) useListed(e listed) {
	for {
		l := t.layout.Load()
		h := t.hashOfListed(l, e)
		s := l.shard(h)
		s.mu.Lock()
		if t.layout.Load() != l {
			t.unlock(s)
			continue
		}
		if b, at, ok := l.Find(h, func(b *row.Bucket, at uintptr) bool {
			return s.journal.At(b.Pos(at)).Word() == e.word
		}); ok {
			t.hold(s, b, at, e.referent)
		}
		t.unlock(s)
		return
	}
}

// agedTogether is how many buckets a pass looks at in one hold of a lock.
const agedTogether = 64

// age lets go of what has gone unused for Config.Retain collections, when there have been so
// many since the last call. It is called by one pass at a time.
func (t *table) age(collections uint64) {
	t.growth.Lock()
	defer t.growth.Unlock()
	// An age has few bits. Where Retain is greater than fits, it is counted in units.
	unit := uint64(t.retain)/(row.AgeMax-1) + 1
	t.unaged += min(collections, maxRetain)
	older := min(t.unaged/unit, row.AgeMax)
	t.unaged -= t.unaged / unit * unit
	limit := uint32((uint64(t.retain) + unit - 1) / unit)
	if older == 0 {
		return
	}
	l := t.layout.Load()
	for i := range l.shards {
		s := &l.shards[i]
		for from := i; from < l.Len(); from += agedTogether * l.Shards() {
			s.mu.Lock()
			for n := from; n < min(from+agedTogether*l.Shards(), l.Len()); n += l.Shards() {
				t.ageBucket(s, l.At(uint32(n)), l.Head(uint32(n)), uint32(older), limit)
			}
			t.unlock(s)
		}
	}
}

// maxRetain is for ever, and leaves room to count beyond it.
const maxRetain = 1 << 30

// ageBucket is age for one bucket. Must be called with the shard's lock held.
func (t *table) ageBucket(s *shard, b *row.Bucket, head *row.Head, older, limit uint32) {
	for at := range uintptr(row.Slots) {
		if b.Word(at) == nil {
			continue
		}
		if s.journal.ExtraAt(b.Pos(at)).Strong == nil {
			continue
		}
		age := head.Age(at)
		seam.Interleave("age read")
		switch {
		case age == 0:
			head.SetAge(at, 0, 1) // Its time begins.
		case age+older <= limit:
			head.SetAge(at, age, age+older)
		default:
			v := seam.Strong(t.letGo(s, b, at))
			seam.Interleave("let go")
			// It may have been used meanwhile. We hold it up to here, or a collection just now
			// could take what was used.
			if head.Age(at) == 0 {
				t.hold(s, b, at, v)
			}
		}
	}
}

// letAllGo has shard i of l hold nothing. Must be called with its lock held.
func (t *table) letAllGo(l *layout, s *shard, i uint32) {
	for n := i; int(n) < l.Len(); n += uint32(l.Shards()) {
		b := l.At(n)
		for at := range uintptr(row.Slots) {
			if b.Word(at) != nil {
				t.letGo(s, b, at)
			}
		}
	}
}
