package weakmap

import (
	"hash/maphash"
	"unsafe"

	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// How a table changes its layout: it grows when a shard is full, shrinks when most of it is
// empty, and takes another hash when it is flooded. A goroutine that does so holds table.growth
// first and then the locks of all shards, so writers wait and lookups do not. Sweeps hold
// table.growth too, and find one layout from beginning to end.

// floodPassed full buckets are never passed by honest keys.
const floodPassed = 96

// A keptJournal is one that the next layout has taken over and changed.
type keptJournal = journal.Journal

// makeRoom is called by a writer that found its shard of l full, or flooded. It removes what is
// dead first, and if that was enough it is no growth: dead space stays bounded even when
// insertions outrun the collector's callbacks.
func (t *table) makeRoom(l *layout, flood bool) {
	t.growth.Lock()
	defer t.growth.Unlock()
	if t.layout.Load() == l && !flood && !reaper.settling() && t.sweptAt.Load() != collections() {
		t.sweepLocked(1)
	}
	if t.layout.Load() != l {
		return // Somebody else has made room, or the sweep has.
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
	uneven := !l.hashing.seeded && total*8 < l.Limit()*len(l.shards)
	switch {
	case flood || full && uneven:
		t.relayout(l, max(buckets, bucketsFor(2*total)), reseeded)
	case full:
		t.relayout(l, max(2*buckets, 1), allStays)
	}
}

// oversized reports whether a table of this layout should shrink, when the shards hold about
// perShard entries each.
func (l *layout) oversized(perShard int) bool {
	return l.Len() > smallBuckets && perShard*8 <= l.Len()/l.Shards()*row.Slots
}

// smallBuckets need no shrinking when entries are deleted one by one.
const smallBuckets = 8

// shrink replaces l by a smaller layout, if there is little in it. If another goroutine is busy
// with the layout, it leaves that to a later call.
func (t *table) shrink(l *layout) {
	if t.growth.TryLock() {
		defer t.growth.Unlock()
		t.shrinkLocked(l)
	}
}

// shrinkLocked is shrink with t.growth held.
func (t *table) shrinkLocked(l *layout) {
	if t.layout.Load() != l || !l.oversized(l.used()/len(l.shards)) {
		return
	}
	var inserted uint64
	for i := range l.shards {
		inserted += l.shards[i].inserted.Load()
	}
	if inserted < uint64(t.config.Capacity) {
		return // The room was asked for, and is not used up yet.
	}
	t.lockAll(l)
	t.relayout(l, 0, allStays)
	t.unlockAll(l)
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

// A change of layout is told which records go over to the next.
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
// stay was accounted for. Must be called with t.growth and the locks of all shards of l held.
func (t *table) relayout(l *layout, n int, c change) {
	next := &layout{hashing: l.hashing, table: t}
	if c.reseed {
		next.hashing = hashing{seeded: true, seed: maphash.MakeSeed()}
	}
	n, shards := t.fit(l, next, max(n, bucketsFor(l.used()*3/2), t.minShards), c)
	next.Row = row.Make(n, shards)
	if shards == len(l.shards) && !c.reseed {
		next.shards = l.shards
		for i := range next.shards {
			s := &next.shards[i]
			l.kept = append(l.kept, s.journal) // Its chunks do not change any more.
			if s.journal.Holes() > 0 || c.stays != nil {
				var keep func(r *journal.Record, pos uint32) bool
				if c.stays != nil {
					keep = func(r *journal.Record, pos uint32) bool { return c.stays(i, r, pos) }
				}
				s.journal.Compact(s.used(), keep, nil)
			} else {
				s.journal.Renew()
			}
			s.generation.Add(1)
		}
	} else {
		next.shards = t.newShards(shards)
		t.distribute(l, next, c)
	}
	for i := range next.shards {
		seam.Interleave("to place a shard")
		t.place(next, &next.shards[i])
	}
	t.layout.Store(next) // All of it becomes visible at once.
}

// place puts what the journal of s records into the row of next, which is not published yet. The
// processor fetches the buckets of several records side by side: a third of the time of
// inserting them one by one.
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
	for r, pos := range s.journal.Records() {
		h := t.hashOfRecord(&next.hashing, r.Bits())
		next.Prefetch(h)
		word := t.slotWord(r.Word())
		if t.retains {
			word = heldWord(s.journal.ExtraAt(pos).Strong, word)
		}
		batch[n] = placed{h, t.slotOf(word, r.Ref(), r.Bits(), pos)}
		if n++; n == len(batch) {
			flush()
		}
	}
	flush()
}

// fit returns how many buckets and shards take the bindings of l, n buckets at least.
func (t *table) fit(l, next *layout, n int, c change) (buckets, shards int) {
	for ; ; n *= 2 {
		shards = t.shardsFor(n)
		used := make([]int, shards)
		for i := range l.shards {
			if shards == len(l.shards) && !c.reseed {
				used[i] = l.shards[i].used()
				continue
			}
			for r, pos := range l.shards[i].journal.Records() {
				if c.stays == nil || c.stays(i, r, pos) {
					if h, _, ok := t.rehashed(l, next, r); ok {
						used[h&uint32(shards-1)]++
					}
				}
			}
		}
		fits := true
		for _, u := range used {
			fits = fits && u <= row.LimitOf(n/shards)
		}
		if fits {
			return n, shards
		}
	}
}

// rehashed returns the hash of a record of l in next, and its bits there; or false if its key
// has gone with the referent.
func (t *table) rehashed(l, next *layout, r *journal.Record) (h uint32, bits uint64, ok bool) {
	bits = r.Bits()
	if next.hashing == l.hashing {
		return t.hashOfRecord(&next.hashing, bits), bits, true
	}
	e := listed{ref: r.Ref(), bits: bits}
	switch t.keys.class {
	case objects, copies, copiedTexts:
		if e.referent = seam.Value(r.Word()); e.referent == nil {
			return 0, 0, false
		}
	}
	k := t.keyOfListed(e)
	h = t.hash(&next.hashing, k)
	return h, t.bitsOf(k, h), true
}

// distribute fills the journals of next's new shards from those of l, which stay as they are
// for iterations under way.
func (t *table) distribute(l, next *layout, c change) {
	var inserted, gone, deleted uint64
	for i := range l.shards {
		from := &l.shards[i]
		inserted += from.inserted.Load()
		gone += from.reaped.Load()
		deleted += from.deleted.Load()
		for r, pos := range from.journal.Records() {
			if c.stays != nil && !c.stays(i, r, pos) {
				continue
			}
			h, bits, ok := t.rehashed(l, next, r)
			if !ok { // Its key went with it.
				from.account(t, true, r.Ref(), r.Bits())
				gone++
				continue
			}
			to := next.shard(h)
			at := to.journal.Append(r.Word(), r.Ref(), bits)
			if from.journal.Extended {
				x := *from.journal.ExtraAt(pos)
				if x.Ticket != nil {
					(*ticket)(x.Ticket).hash.Store(h)
				}
				*to.journal.ExtraAt(at) = x
			}
			to.inserted.Add(1)
			inserted--
		}
		from.generation.Add(1)
	}
	// The first shard accounts for what is present no more.
	next.shards[0].inserted.Add(inserted)
	next.shards[0].reaped.Add(gone)
	next.shards[0].deleted.Add(deleted)
}

var _ = unsafe.Pointer(nil)
