package weakmap

import (
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// What Config.Retain, RetainFor and RetainMax add: a binding holds its referent strongly until
// that has gone unused for long enough, or must make room for another. While it does, the record
// has the referent beside the word, and the slot has the referent in place of the word: a hit asks
// no weak pointer. A hit clears the slot's marks, if there are any; passes and evictions set them.
//
// Everything but the marks is written with the shard's lock held. A hit of what is held takes no
// lock; the first hit of what was let go does, to hold it again. What is not held always has a
// mark, by which that hit knows.

// A retention is a table's settings of what it retains, and what it needs for that.
type retention struct {
	collections uint64        // Config.Retain
	time        time.Duration // Config.RetainFor
	max         int64         // Config.RetainMax

	unbounded *xsync.Counter         // how many are held; nil if max says how many may be
	bounded   atomic.Int64           // how many are held, if max says how many may be. Raised with a shard's lock held, while it is below max or that shard holds nothing.
	evicted   atomic.Uint64          // how many were let go for max
	ghosts    atomic.Pointer[ghosts] // nil while there are none

	number uint32     // of the last pass. Guarded by growth, as recent.
	recent []passTime // those since which nothing has gone unused for long enough, oldest first
}

// A passTime is a pass, and when it was: what it and every pass since found unused was last used
// before.
type passTime struct {
	number      uint32
	collections uint64
	time        time.Time
}

// newRetention returns nil if c retains nothing.
func newRetention(c Config) *retention {
	if c.Retain == 0 && c.RetainFor == 0 && c.RetainMax == 0 {
		return nil
	}
	r := &retention{collections: uint64(c.Retain), time: c.RetainFor, max: int64(c.RetainMax)}
	if r.max == 0 {
		r.unbounded = xsync.NewCounter()
	}
	return r
}

// holds returns how many referents are held.
func (r *retention) holds() int {
	if r.max == 0 {
		return int(max(r.unbounded.Value(), 0))
	}
	return int(r.bounded.Load())
}

func (r *retention) count(delta int64) {
	if r.max == 0 {
		r.unbounded.Add(delta)
	} else {
		r.bounded.Add(delta)
	}
}

// extraOf returns the extra of the record of n, the word of its slot, and the marks. old is the
// extra of the binding that n replaces, or nil: if that holds its referent, n takes over its room, as
// one that was used. Must be called with the shard's lock held.
func (t *table) extraOf(s *shard, n *fresh, h uint32, old *journal.Extra) (x journal.Extra, word unsafe.Pointer, marks uint32) {
	word = t.slotWord(n.word)
	if n.ticket != nil {
		n.ticket.hash.Store(h)
		x.Ticket = unsafe.Pointer(n.ticket)
	}
	if t.retention != nil {
		x.Strong = n.referent
		word = heldWord(x.Strong, word)
		if old != nil && old.Strong != nil {
			x.Queued = old.Queued
		} else {
			t.take(s)
			if s.journal.Queue != nil {
				x.Queued, marks = t.retention.listFor(h), row.Cold
			}
		}
	}
	return x, word, marks
}

// heldWord returns the word of a slot whose record has strong: see table.slotWord.
func heldWord(strong, word unsafe.Pointer) unsafe.Pointer {
	if strong != nil && uintptr(strong)&1 == 0 {
		return strong
	}
	return word
}

// take counts one more referent that s is to hold, and lets others go for it if the bound is
// reached. So each shard exceeds it by one at most, and only if it held none. Must be called with
// the shard's lock held.
func (t *table) take(s *shard) {
	if r := t.retention; r.max != 0 {
		for r.bounded.Load() >= r.max && t.evict(s) {
		}
	}
	t.retention.count(1)
}

// releaseExtra lets go of what x, the extra of a binding that was removed, held, and returns its ticket. Must
// be called with the shard's lock held.
func (t *table) releaseExtra(s *shard, x journal.Extra) *ticket {
	if x.Strong != nil {
		s.journal.Dequeue(&x)
		t.retention.count(-1)
	}
	return (*ticket)(x.Ticket)
}

// use notes that slot at of b, which had the word and is k's, was used, and that its referent is
// v, which the caller holds: it is held from here on.
//
// use clears the marks first and then looks at the slot; releaseHold takes the referent out of the slot
// first and then looks at the marks. So one of the two sees the other, and what was used stays
// held. The same holds for the layout: see carryUses.
func (t *table) use(b *row.Bucket, head *row.Head, at uintptr, word, v unsafe.Pointer, k key) {
	head.Use(at)
	seam.Interleave("use noted")
	if t.layout.Load().Has(b) && b.Word(at) == v {
		return
	}
	l, h, s := t.lockFor(func(l *layout) uint32 { return t.hash(&l.hashing, k) }) // It may be another than in b's layout.
	defer t.unlock(s)
	if l.Has(b) {
		// Since the slot was read, the binding may have been removed, and the slot be another's. Then it
		// is that one's marks that were cleared, and as it may have let go of its referent, nothing would
		// hold it again: it counts as used.
		if word := b.Word(at); word != nil {
			if v := t.referent(word); v != nil {
				t.hold(l, s, b, at, v)
			}
		}
		return
	}
	// The slot is in a layout that was replaced. If there is none with this word, the binding was
	// removed. If the slot held its referent, it may have let go of it since, or the reverse; with a
	// Hasher word is that of the key, and not of the slot.
	if b, at, ok := l.Find(h, func(b *row.Bucket, at uintptr) bool {
		w := b.Word(at)
		return (w == word || w == v || word == v && t.referent(w) == v) && t.hashOfRecord(&l.hashing, s.journal.At(l.Pos(b, at)).Bits()) == h
	}); ok {
		t.hold(l, s, b, at, v)
	}
}

// hold has slot at of b hold its referent, which is v, and notes a use. Must be called with the
// shard's lock held.
func (t *table) hold(l *layout, s *shard, b *row.Bucket, at uintptr, v unsafe.Pointer) {
	head := l.HeadOf(b)
	head.Use(at)
	pos := l.Pos(b, at)
	x := s.journal.ExtraAt(pos)
	if x.Strong != nil {
		return
	}
	t.take(s)
	x.Strong = v
	if s.journal.Queue != nil {
		x.Queued = t.retention.listFor(t.hashOfRecord(&l.hashing, s.journal.At(pos).Bits()))
		s.journal.Requeue(pos)
		head.Mark(at, row.Cold)
	}
	seam.Interleave("record holds")
	// The record first: what a slot names, its record keeps.
	b.SetWord(at, heldWord(v, b.Word(at)))
	seam.Interleave("held again")
}

// releaseHold has slot at of b let go of its referent, unless the slot was used since mark was set, and
// reports whether it did. Must be called with the shard's lock held.
func (t *table) releaseHold(l *layout, s *shard, b *row.Bucket, at uintptr, mark uint32) bool {
	pos := l.Pos(b, at)
	x := s.journal.ExtraAt(pos)
	held := b.Word(at)
	seam.Interleave("to let go")
	// The slot first, and then the record: see package row.
	b.SetWord(at, t.slotWord(s.journal.At(pos).Word()))
	seam.Interleave("slot lets go")
	if head := l.HeadOf(b); mark != 0 && head.Marks(at)&mark == 0 {
		b.SetWord(at, held)
		seam.Interleave("held after all")
		return false
	}
	s.journal.Dequeue(x)
	x.Strong = nil
	t.retention.count(-1)
	return true
}

// evict has s let go of one referent, and reports whether it held any.
//
// What is new waits in the small list, a tenth of what s holds, and leaves unless it was used before
// its turn comes. So most of what comes once goes soon. What was used goes to the main list, and so
// does what comes again while its hash is remembered. That is S3-FIFO (Yang et al., SOSP 2023). The
// main list is SIEVE (Zhang et al., NSDI 2024): the hand goes from old to new, and passes what was
// used since it last came by. Must be called with the shard's lock held.
func (t *table) evict(s *shard) bool {
	l := t.layout.Load()
	q := s.journal.Queue
	for looks := 0; ; looks++ {
		main := !q.SmallIsFull()
		pos, ok := q.Next(main)
		if !ok {
			return false
		}
		h := t.hashOfRecord(&l.hashing, s.journal.At(pos).Bits())
		b, at, _ := l.Find(h, func(b *row.Bucket, at uintptr) bool { return l.Pos(b, at) == pos })
		head := l.HeadOf(b)
		mark := uint32(row.Cold)
		if looks > 3*q.Len() {
			mark = 0 // All are used all the time. One must go.
		}
		if mark != 0 && head.Marks(at)&mark == 0 || !t.releaseHold(l, s, b, at, mark) {
			head.Mark(at, row.Cold)
			if !main {
				s.journal.Dequeue(s.journal.ExtraAt(pos))
				s.journal.Enqueue(pos, true)
			}
			continue
		}
		head.Mark(at, row.Cold) // It may have been used since it was marked, if one had to go. The next use holds it again.
		t.retention.evicted.Add(1)
		if !main {
			t.retention.remember(h)
		}
		return true
	}
}

// ghosts are the hashes of what was let go for Config.RetainMax while it was new: about as many as
// may be held. They are in groups by hash, the latest first. Accessed atomically; if two goroutines
// write to a group at once, one hash may be lost. All are invalid once the keys have another hash.
type ghosts []atomic.Uint32

// ghostGroup is how many are in a group, unless there are fewer in all.
const ghostGroup = 8

// newGhosts returns room for n, rounded up to whole groups unless one is more than enough.
func newGhosts(n int) ghosts {
	if n > ghostGroup {
		n = (n + ghostGroup - 1) / ghostGroup * ghostGroup
	}
	return make(ghosts, n)
}

// group returns the group of h, which has h if it is remembered.
func (g ghosts) group(h uint32) []atomic.Uint32 {
	n := min(ghostGroup, len(g))
	i := int(uint64(h*0x9e3779b1) * uint64(len(g)/n) >> 32)
	return g[i*n : (i+1)*n]
}

// remember has what has hash h go to the main list if it comes again soon.
func (r *retention) remember(h uint32) {
	g := r.ghosts.Load()
	if g == nil {
		made := newGhosts(int(r.max))
		r.ghosts.CompareAndSwap(nil, &made)
		if g = r.ghosts.Load(); g == nil {
			return // All have been forgotten.
		}
	}
	group := g.group(h)
	for i := len(group) - 1; i > 0; i-- {
		group[i].Store(group[i-1].Load())
	}
	group[0].Store(h | 1) // It is not 0, which stands for none.
}

// listFor returns the list for what has hash h, for Extra.Queued.
func (r *retention) listFor(h uint32) uint32 {
	if g := r.ghosts.Load(); g != nil {
		for i, group := 0, g.group(h); i < len(group); i++ {
			if group[i].Load() == h|1 {
				group[i].Store(0)
				return journal.ToMain
			}
		}
	}
	return 0
}

// forget drops what was remembered. r may be nil.
func (r *retention) forget() {
	if r != nil {
		r.ghosts.Store(nil)
	}
}

// agedTogether is how many buckets a pass looks at in one hold of a lock.
const agedTogether = 64

// age lets go of what has gone unused for long enough. It is called by one pass at a time, when that
// many collections have ended.
func (t *table) age(collections uint64) {
	r := t.retention
	if r.collections == 0 && r.time == 0 {
		return
	}
	t.growth.Lock()
	defer t.growth.Unlock()
	expired := r.begin(collections, time.Now())
	l := t.layout.Load()
	for i := range l.shards {
		s := &l.shards[i]
		for from, end := l.Buckets(uint32(i)); from < end; from += agedTogether {
			s.mu.Lock()
			for n := from; n < min(from+agedTogether, end); n++ {
				t.ageBucket(l, s, l.At(n), expired)
			}
			t.unlock(s)
		}
	}
}

// passesKept is how many passes are remembered. If more fall within the time that something may
// go unused, every other one is forgotten, and what it found goes with the one after it.
const passesKept = 128

// begin begins a pass, and returns the last pass before it that was long enough ago: what that, or
// an earlier one, found unused is to go. It is 0 if there is none.
func (r *retention) begin(collections uint64, now time.Time) (expired uint32) {
	due := 0
	for _, p := range r.recent {
		if (r.collections == 0 || collections-p.collections < r.collections) && (r.time == 0 || now.Sub(p.time) < r.time) {
			break
		}
		expired = p.number
		due++
	}
	r.recent = append(r.recent[:0], r.recent[due:]...)
	if len(r.recent) >= passesKept {
		kept := r.recent[:0]
		for i, p := range r.recent {
			if i%2 == 1 {
				kept = append(kept, p)
			}
		}
		r.recent = kept
	}
	r.number++
	r.recent = append(r.recent, passTime{r.number, collections, now})
	return expired
}

// ageBucket is age for one bucket. Must be called with the shard's lock held.
func (t *table) ageBucket(l *layout, s *shard, b *row.Bucket, expired uint32) {
	head := l.HeadOf(b)
	for at := range uintptr(row.Slots) {
		if b.Word(at) == nil {
			continue
		}
		x := s.journal.ExtraAt(l.Pos(b, at))
		if x.Strong == nil {
			continue
		}
		idle := head.Marks(at)&row.Idle != 0
		seam.Interleave("marks read")
		switch {
		case !idle:
			x.Pass = t.retention.number
			head.Mark(at, row.Idle)
		case x.Pass <= expired:
			t.releaseHold(l, s, b, at, row.Idle)
		}
	}
}

// releaseHolds has shard i of l hold nothing. Must be called with its lock held.
func (t *table) releaseHolds(l *layout, s *shard, i uint32) {
	for n, end := l.Buckets(i); n < end; n++ {
		b := l.At(n)
		for at := range uintptr(row.Slots) {
			if b.Word(at) != nil && s.journal.ExtraAt(l.Pos(b, at)).Strong != nil {
				t.releaseHold(l, s, b, at, 0)
			}
		}
	}
}

// saveMarks puts the marks of l's slots into the records, for the layout that replaces it, and
// returns them by bucket. Must be called with the locks of all shards of l held.
func (t *table) saveMarks(l *layout) []uint32 {
	saved := make([]uint32, l.Len())
	for n := range saved {
		b, head := l.At(uint32(n)), l.Head(uint32(n))
		saved[n] = head.AllMarks()
		for at := range uintptr(row.Slots) {
			if b.Word(at) != nil {
				j := &l.shards[l.ShardOf(uint32(n))].journal
				x := j.ExtraAt(l.Pos(b, at))
				if x.Marks = row.MarksOf(saved[n], at); x.Strong == nil {
					x.Marks |= row.Cold // A use of what had the slot before may just have cleared them: see use.
				}
			}
		}
	}
	return saved
}

// carryUses notes in next the uses that were noted in l since its marks were saved. It is called
// once next is published: a use in l that is noted afterwards sees that, and is noted again. So is one
// of what has let go of its referent. A slot may have been emptied, or another's, before its use was
// noted. Must be called with the locks of all shards of l held.
func (t *table) carryUses(l, next *layout, saved []uint32) {
	locked := &next.shards[0] == &l.shards[0] // Others may be locked by writers that have seen next.
	for n, marks := range saved {
		b, used := l.At(uint32(n)), marks&^l.Head(uint32(n)).AllMarks()
		for at := range uintptr(row.Slots) {
			if row.MarksOf(used, at) == 0 || b.Word(at) == nil {
				continue
			}
			shard, pos := l.ShardOf(uint32(n)), l.Pos(b, at)
			r := l.journalOf(shard).At(pos)
			h, _, ok := t.rehashed(l, next, int(shard), r, pos)
			if !ok {
				continue
			}
			s := next.shard(h)
			if !locked {
				s.mu.Lock()
			}
			if b, at, ok := t.locate(next, s, h, r.Word()); ok && s.journal.ExtraAt(next.Pos(b, at)).Strong != nil {
				next.HeadOf(b).Use(at)
			}
			if !locked {
				s.mu.Unlock()
			}
		}
	}
}

// journalOf returns the journal that the slots of shard i of l lead to.
func (l *layout) journalOf(i uint32) *journal.Journal {
	if l.kept != nil && int(i) < len(*l.kept) {
		return &(*l.kept)[i]
	}
	return &l.shards[i].journal
}
