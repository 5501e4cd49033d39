package weakmap

import (
	"hash/maphash"
	"math/bits"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// How a table changes its layout: it grows when a shard is full, shrinks when most of it is
// empty, and takes another hash when it is flooded. A goroutine that does so holds table.growth
// first and then the locks of all shards, so writers wait and lookups do not. Sweeps hold
// table.growth too, and find one layout from beginning to end.

const (
	// Honest keys hardly ever pass floodPassed full buckets. In 300 million insertions with random
	// hashes, half of them into shards that filled and half into shards that were kept at their limit by
	// a removal before each, the most was 76; with a quarter of the limit free it was 12, and with half
	// 6. TestHonestKeysAreNoFlood counts them. A table that passes for flooded takes another hash, and
	// nothing is lost.
	floodPassed = 96

	// An honest key never meets floodAlike bindings of other keys with its tag: in the same insertions
	// the most was 7 while shards filled, 4 with a quarter of the limit free, and 14 in shards that were
	// kept at their limit, which have bindings far from home, so that searches are longer.
	// Bindings of the same hash cost a lookup more than full buckets that it passes do: with
	// 32 of them a load takes up to twice as long as of random keys, and with 512 twelve times.
	floodAlike = 32
)

// isFlooded reports whether an insertion into s passed more full buckets, or met more bindings of
// other keys with its tag, than one of an honest key ever does. Where more than a quarter of a shard
// is free, honest keys are found at once, and even a quarter of the steps allowed in a full shard is
// much more than theirs: there the bound is lower, and is on the sum of both. A binding with the same
// tag costs twice what a bucket does. Must be called with s.mu held.
func (l *layout) isFlooded(s *shard, passed, alike int) bool {
	if l.hashing.seeded {
		return false
	}
	// From 16 million buckets on, tags share bits with the number of the bucket, and with each doubling
	// twice as many are alike.
	alike >>= max(bits.Len(uint(l.Len()-1))-(32-row.TagBits), 0)
	if free := quartersFree(s.used(), l.Limit()); free > 0 {
		return passed+2*alike > floodPassed>>min(free, 2)
	}
	return passed > floodPassed || alike > floodAlike
}

// quartersFree returns how many quarters of limit, of which used are taken, are free.
func quartersFree(used, limit int) int { return max(limit-used, 0) * 4 / max(limit, 1) }

// pileUp bindings of honest keys never pass one bucket of a table that has just shrunk, of whose room a
// quarter at least is free: in the same insertions the most was 17.
const pileUp = 24

// isCrowded reports whether keys lie in l as those of a flood do. An insertion notices that only in
// the layout in use. Keys that are far apart there may collide when the table has shrunk; when it
// grows, they only move apart.
func (l *layout) isCrowded() bool {
	if l.hashing.seeded {
		return false
	}
	for i := range l.Len() {
		if n, _ := row.PassedBy(l.Tags(uint32(i))); n > pileUp {
			return true
		}
	}
	return false
}

// disperse has the table take another hash if it has shrunk to a layout that is crowded. Must be
// called with t.growth held and no shard locked.
func (t *table) disperse() {
	l := t.layout.Load()
	if !l.isCrowded() {
		return
	}
	t.lockAll(l)
	defer t.unlockAll(l)
	t.relayout(l, l.Len(), reseeded)
}

// makeRoom is called by a writer that found its shard of l full, or flooded. It removes what is
// dead first, and if that was enough the table does not grow: dead space stays bounded even when
// insertions outrun the collector's callbacks.
func (t *table) makeRoom(l *layout, flood bool) {
	t.growth.Lock()
	defer t.growth.Unlock()
	if t.layout.Load() == l && !flood && !reaper.settling() {
		t.sweepLocked(reaper.scope(), 1)
	}
	if t.layout.Load() != l {
		return // Another goroutine has made room, or the sweep has.
	}
	t.lockAll(l)
	defer t.unlockAll(l)
	buckets, full, total := l.Len(), false, 0
	for i := range l.shards {
		used := l.shards[i].used()
		full = full || used > l.Limit()*3/4
		total += used
	}
	// A hash that fills one shard while the others are nearly empty is flooded too.
	// Shards of one or two buckets are filled by chance.
	uneven := !l.hashing.seeded && l.Limit() >= row.LimitOf(bucketsPerShard) && total*8 < l.Limit()*len(l.shards)
	switch {
	case flood || full && uneven:
		t.relayout(l, max(buckets, bucketsFor(2*total)), reseeded)
	case full:
		// Half as many again, rounded up. Tables that double are half empty after that, and lookups in
		// them miss the processor's caches more often; smaller steps make insertions slower. See
		// docs/design.md.
		t.relayout(l, bucketsFor(row.LimitOf(buckets)*3/2), allStays)
	}
}

// wantsShrink reports whether an entry's removal from s gives reason to ask whether the
// table should shrink, which is for shrink to decide: s is nearly empty, and has not
// asked for a while. The answer costs a look at every shard, so a shard asks once in
// as many removals as there are shards. Must be called with s.mu held.
func (l *layout) wantsShrink(s *shard) bool {
	if !l.sparse(s.used(), 1) || l.Len() <= max(smallBuckets, int(l.table.minShards)) {
		return false
	}
	gone := s.reaped.Load() + s.deleted.Load()
	if gone < s.askAt {
		return false
	}
	s.askAt = gone + uint64(max(len(l.shards), asksApart))
	return true
}

// sparse reports whether a number of shards of l are full to an eighth at most, holding used bindings
// together.
func (l *layout) sparse(used, shards int) bool {
	return used*8 <= l.Len()/l.Shards()*shards*row.Slots
}

const (
	// smallBuckets need no shrinking when entries are deleted one by one.
	smallBuckets = 8

	// asksApart is the least number of removals between two times that a shard asks.
	asksApart = 16

	// rebuildShare bounds what shrinking costs a removal. A layout of n buckets is replaced by
	// a smaller one only after n/rebuildShare removals since it was made, so each of them pays for
	// rebuildShare buckets at most.
	rebuildShare = 8
)

// shrink replaces l by a smaller layout, if there is little in it and enough was
// removed since it was made. If another goroutine is busy with the layout, it leaves
// that to a later call.
func (t *table) shrink(l *layout) {
	if t.growth.TryLock() {
		defer t.growth.Unlock()
		t.shrinkLocked(l, l.Len()/rebuildShare)
	}
}

// shrinkLocked replaces l by a smaller layout if it is sparse, if that many entries
// at least were removed since l was made, and if the new layout is at most half as
// large. The last is known only when the entries of each shard are counted; if it is
// not, as with keys that crowd into a few shards, deletions make no other attempt until half
// of what was counted is gone. A sweep, which asks for no removals, makes one once anything
// is gone: with PerValue, shards whose lock was held lose their dead later than others, and are
// crowded for a moment. Must be called with t.growth held.
func (t *table) shrinkLocked(l *layout, removals int) {
	if t.layout.Load() != l || l.Len() <= smallBuckets {
		return
	}
	inserted, reaped, deleted := l.counts()
	gone := reaped + deleted
	used := int(inserted - gone)
	inVain := gone < t.shrinkAt
	if removals == 0 {
		inVain = inVain && uint32(gone) == t.triedAt
	}
	if inVain || !l.sparse(used, len(l.shards)) || 2*t.least(inserted) > l.Len() || gone < t.laidOut+uint64(removals) {
		return
	}
	defer t.disperse()
	t.lockAll(l)
	defer t.unlockAll(l)
	next := t.newLayout(l.hashing)
	n, shards := t.fit(l, next, max(bucketsFor(used*3/2), t.least(inserted)), allStays)
	if 2*n > l.Len() {
		t.shrinkAt, t.triedAt = gone+uint64(used+1)/2, uint32(gone)
		return
	}
	t.build(l, next, n, shards, allStays)
}

// empty drops what a table without entries does not need: the buckets that it grew to, and the
// chunks of its journals. If another goroutine is busy with the layout, or has inserted since, it
// leaves everything.
func (t *table) empty() {
	if !t.growth.TryLock() {
		return
	}
	defer t.growth.Unlock()
	l := t.layout.Load()
	t.lockAll(l)
	defer t.unlockAll(l)
	inserted, reaped, deleted := l.counts()
	used := inserted - reaped - deleted
	if used == 0 {
		t.retention.forget()
	}
	switch {
	case used > 0:
	case l.Len() > t.least(inserted):
		t.relayout(l, 0, nothingStays)
	default:
		for i := range l.shards {
			s := &l.shards[i]
			s.journal.Compact(0, nil, nil)
			s.generation.Add(1)
		}
	}
}

// least returns the least number of buckets of the table, given how many entries were ever
// inserted: the room that was asked for stays until it was used up.
func (t *table) least(inserted uint64) int {
	if inserted < uint64(t.capacity) {
		return int(t.reserved)
	}
	return int(t.minShards)
}

func (t *table) lockAll(l *layout) {
	for i := range l.shards {
		l.shards[i].mu.Lock()
	}
}

func (t *table) unlockAll(l *layout) {
	for i := range l.shards {
		t.unlock(&l.shards[i])
	}
}

// A change of layout says which records go over to the next.
type change struct {
	stays  func(shard int, r *journal.Record, pos uint32) bool // nil: all
	reseed bool                                                // under a hash that an attacker cannot foresee
}

var (
	allStays     = change{}
	reseeded     = change{reseed: true}
	nothingStays = change{stays: func(int, *journal.Record, uint32) bool { return false }}
)

// relayout publishes a layout of n buckets, or of more if the bindings need them. What does not
// stay was counted already. Must be called with t.growth and the locks of all shards of l held.
func (t *table) relayout(l *layout, n int, c change) {
	next := t.newLayout(l.hashing)
	if c.reseed {
		next = t.newLayout(hashing{seeded: true, seed: maphash.MakeSeed()})
	}
	inserted, reaped, deleted := l.counts()
	n, shards := t.fit(l, next, max(n, bucketsFor(int(inserted-reaped-deleted)*3/2), t.least(inserted)), c)
	t.build(l, next, n, shards, c)
}

// build fills next, which has n buckets and the given shards, with the bindings of l that stay, and
// publishes it. Must be called with t.growth and the locks of all shards of l held.
func (t *table) build(l, next *layout, n, shards int, c change) {
	next.Row = row.Make(n, shards)
	var marks []uint32
	if t.retains {
		marks = t.saveMarks(l)
	}
	if shards == len(l.shards) && !c.reseed {
		t.keepJournals(l, next, c)
	} else {
		next.shards = t.newShards(shards)
		t.distribute(l, next, c)
	}
	for i := range next.shards {
		seam.Interleave("to place a shard")
		t.place(next, &next.shards[i])
	}
	_, reaped, deleted := next.counts()
	t.laidOut = reaped + deleted
	t.layout.Store(next) // All of it becomes visible at once.
	if t.retains {
		seam.Interleave("layout in use")
		t.carryUses(l, next, marks)
		seam.Interleave("uses carried")
	}
}

// keepJournals hands the shards of l to next. Their journals as they are stay with l, and their chunks
// do not change any more: what next changes it copies first, and what retains does so at once, as an
// eviction changes more than a record.
func (t *table) keepJournals(l, next *layout, c change) {
	next.shards = l.shards
	kept := make([]journal.Journal, 0, len(l.shards))
	l.kept = &kept
	for i := range next.shards {
		s := &next.shards[i]
		s.detachIterations()
		kept = append(kept, s.journal)
		switch {
		case c.stays != nil:
			s.journal.Compact(s.used(), func(r *journal.Record, pos uint32) bool { return c.stays(i, r, pos) }, nil)
		case next.Len() < l.Len() && s.journal.Holes() > 0:
			s.journal.Compact(s.used(), nil, nil)
		case t.retains:
			s.journal.Renew()
		default:
			s.journal.Share()
			continue
		}
		s.generation.Add(1)
	}
}

// place puts what the journal of s records into the row of next, which is not published yet. The
// processor fetches the buckets of several records side by side.
func (t *table) place(next *layout, s *shard) {
	type placed struct {
		h uint32
		b row.Binding
	}
	var batch [journal.Ahead]placed
	n := 0
	flush := func() {
		for i := range n {
			next.Place(batch[i].h, batch[i].b)
		}
		n = 0
	}
	for r, pos := range s.journal.Records {
		h := t.hashOfRecord(&next.hashing, r.Bits())
		next.Prefetch(h)
		b := t.slotOf(t.slotWord(r.Word()), r.Ref(), r.Bits(), pos)
		if t.retains {
			x := s.journal.ExtraAt(pos)
			b.Word, b.Marks = heldWord(x.Strong, b.Word), x.Marks
		}
		batch[n] = placed{h, b}
		if n++; n == len(batch) {
			flush()
		}
	}
	flush()
}

// fit returns how many buckets, at least n, and shards hold the bindings of l. In a layout smaller
// than l no shard is full from the beginning: the next insertion would undo the shrinking.
func (t *table) fit(l, next *layout, n int, c change) (buckets, shards int) {
	for ; ; n = larger(n) {
		shards = t.shardsFor(n)
		n = multipleOf(shards, n)
		used := make([]int, shards)
		for i := range l.shards {
			if shards == len(l.shards) && !c.reseed {
				used[i] = l.shards[i].used()
				continue
			}
			for r, pos := range l.shards[i].journal.Records {
				if c.stays == nil || c.stays(i, r, pos) {
					if h, _, ok := t.rehashed(l, next, i, r, pos); ok {
						used[row.ShardIn(shards, h)]++
					}
				}
			}
		}
		fits, limit := true, row.LimitOf(n/shards)
		if n < l.Len() {
			limit = limit * 3 / 4
		}
		for _, u := range used {
			fits = fits && u <= limit
		}
		if fits {
			return n, shards
		}
	}
}

// rehashed returns the hash in next of a record of shard i of l, and its bits there; or false if its key
// has gone with the referent. It says the same each time, which fit relies on. No Hasher is asked: a table
// with one takes no other hash.
func (t *table) rehashed(l, next *layout, i int, r *journal.Record, pos uint32) (h uint32, bits uint64, ok bool) {
	bits = r.Bits()
	if next.hashing == l.hashing {
		return t.hashOfRecord(&next.hashing, bits), bits, true
	}
	e := listed{ref: r.Ref(), bits: bits}
	switch t.keys.class {
	case objects, alikes, copies, copiedTexts, contents:
		if e.referent = seam.Value(r.Word()); e.referent == nil {
			return 0, 0, false
		}
	}
	k := t.keyOfListed(e)
	if t.keys.isReflexive(k) {
		h = t.hash(&next.hashing, k)
	} else { // A NaN's hash is another one each time, and no lookup asks for it.
		h = uint32(maphash.Comparable(next.hashing.seed, [2]uint32{uint32(i), pos}))
	}
	return h, t.bitsOf(k, h), true
}

// distribute fills the journals of next's new shards from those of l, which stay as they are for
// lookups in l. The shards of l are left to iterations under way.
func (t *table) distribute(l, next *layout, c change) {
	inserted, reaped, deleted := l.counts()
	if t.retains {
		kept := make([]journal.Journal, len(l.shards))
		l.kept = &kept
	}
	for i := range l.shards {
		from := &l.shards[i]
		for r, pos := range from.journal.Records {
			if c.stays != nil && !c.stays(i, r, pos) {
				continue
			}
			h, bits, ok := t.rehashed(l, next, i, r, pos)
			if !ok { // Its key died with it.
				from.countUnbound(t, true, r.Ref(), r.Bits())
				reaped++
				continue
			}
			to := next.shard(h)
			at := to.journal.Append(r.Word(), r.Ref(), bits)
			if from.journal.Extended {
				x := *from.journal.ExtraAt(pos)
				if x.Ticket != nil {
					(*ticket)(x.Ticket).hash.Store(h)
				}
				x.Queued &= journal.ToMain // At the end of the same list.
				if *to.journal.ExtraAt(at) = x; x.Strong != nil && to.journal.Queue != nil {
					to.journal.Requeue(at)
				}
			}
			to.inserted.Add(1)
			inserted--
		}
		from.generation.Store(vacated)
		if t.retains { // An iteration would hold what is let go after this: see detachIterations.
			from.detachIterations()
			(*l.kept)[i], from.journal = from.journal, from.journal.Bare(from.journal.First())
		}
	}
	// The first shard has the counts of what is no longer present.
	next.shards[0].inserted.Add(inserted)
	next.shards[0].reaped.Add(reaped)
	next.shards[0].deleted.Add(deleted)
}
