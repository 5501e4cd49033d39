package weakmap

import (
	"hash/maphash"
	"sync/atomic"
)

// How a table changes its layout: it grows when a shard is full, shrinks when
// most of it is empty, and takes another hash when it is flooded. Whoever does
// so holds table.growth first and then the locks of all shards, so writers wait
// and lookups do not. Sweeps hold table.growth too, and find one layout from
// beginning to end.

// makeRoom is called by a writer that found its shard of l full, or flooded. It
// removes what is dead first, and if that was enough it is no growth: dead
// space stays bounded even when insertions outrun the collector's callbacks.
func (t *table[K, P, A]) makeRoom(l *layout[K, P, A], flood bool) {
	t.growth.Lock()
	defer t.growth.Unlock()
	if t.layout.Load() == l && !flood && !reaper.settling() {
		t.sweepLocked(reaper.scope(), 1)
	}
	if t.layout.Load() != l {
		return // Somebody else has made room, or the sweep has.
	}
	t.lockAll(l)
	defer t.releaseAll(l)
	buckets, full, total := l.len(), false, 0
	for i := range l.shards {
		used := l.shards[i].used()
		full = full || used > l.limit()*3/4
		total += used
	}
	// A hash that fills one shard while the others are nearly empty is flooded too.
	// Shards of one or two buckets are filled by chance.
	uneven := l.kind != hashSeeded && l.limit() >= limitOf(bucketsPerShard) && total*8 < l.limit()*len(l.shards)
	switch {
	case flood || full && uneven:
		t.relayout(l, max(buckets, bucketsFor(2*total)), true)
	case full:
		t.relayout(l, 2*buckets, false)
	}
}

// asks reports whether an entry's removal from s gives reason to ask whether the
// table should shrink, which is for shrink to decide: s is nearly empty, and has not
// asked for a while. The answer costs a look at every shard, so a shard asks once in
// as many removals as there are shards. Must be called with s.mu held.
func (l *layout[K, P, A]) asks(s *shard[P, A]) bool {
	if !l.sparse(s.used(), 1) || l.len() <= max(smallBuckets, l.table.minShards) {
		return false
	}
	gone := s.reaped.Load() + s.deleted.Load()
	if gone < s.askAt {
		return false
	}
	s.askAt = gone + uint64(max(len(l.shards), asksApart))
	return true
}

// sparse reports whether a number of shards of l, which have used entries, are
// full to an eighth at most.
func (l *layout[K, P, A]) sparse(used, shards int) bool {
	return used*8 <= l.len()/int(l.step)*shards*slotsPerBucket
}

const (
	// smallBuckets need no shrinking when entries are deleted one by one.
	smallBuckets = 8

	// asksApart is how many removals at least are between two questions of a shard.
	asksApart = 16

	// rebuildShare is the share of a layout's buckets that must have been removed in
	// entries since it was made before deletions make another: a rebuild costs each
	// of them the filling of that many buckets. The mean of honest use is far above,
	// nine slots in eight of a bucket.
	rebuildShare = 8
)

// shrink replaces l by a smaller layout, if there is little in it and enough was
// removed since it was made. If another goroutine is busy with the layout, it leaves
// that to a later call.
func (t *table[K, P, A]) shrink(l *layout[K, P, A]) {
	if t.growth.TryLock() {
		defer t.growth.Unlock()
		t.shrinkLocked(l, l.len()/rebuildShare)
	}
}

// shrinkLocked replaces l by a smaller layout if it is sparse, if that many entries
// at least were removed since l was made, and if the new layout is at most half as
// large. The last is known only when the entries of each shard are counted; where it
// is not so, as with keys that crowd into a few shards, there is no other attempt
// until half of what was counted is gone. Must be called with t.growth held.
func (t *table[K, P, A]) shrinkLocked(l *layout[K, P, A], removals int) {
	if t.layout.Load() != l || l.len() <= smallBuckets {
		return
	}
	used, inserted, gone := l.counts()
	if !l.sparse(used, len(l.shards)) || 2*t.least(inserted) > l.len() ||
		gone < t.laidOut+uint64(removals) || gone < t.unpaid {
		return
	}
	t.lockAll(l)
	defer t.releaseAll(l)
	n, shards := t.fit(l, max(bucketsFor(used*3/2), t.least(inserted)), false)
	if 2*n > l.len() {
		t.unpaid = gone + uint64(used+1)/2
		return
	}
	t.build(l, &layout[K, P, A]{kind: l.kind, table: t, seed: l.seed}, n, shards)
}

// empty drops what a table without entries does not need: the buckets that it grew to,
// and the chunks of its journals. If another goroutine is busy with the layout, or has
// inserted meanwhile, it leaves everything.
func (t *table[K, P, A]) empty() {
	if !t.growth.TryLock() {
		return
	}
	defer t.growth.Unlock()
	l := t.layout.Load()
	t.lockAll(l)
	defer t.releaseAll(l)
	used, inserted, _ := l.counts()
	switch {
	case used > 0:
	case l.len() > t.least(inserted):
		t.relayout(l, 0, false)
	default:
		for i := range l.shards {
			l.shards[i].journal.compact(0)
		}
	}
}

// least returns how many buckets the table has at least, when inserted entries were
// ever inserted: the room that was asked for stays until it was used up.
func (t *table[K, P, A]) least(inserted uint64) int {
	if inserted < uint64(t.options.config.Capacity) {
		return t.reserved
	}
	return t.minShards
}

func (t *table[K, P, A]) lockAll(l *layout[K, P, A]) {
	for i := range l.shards {
		l.shards[i].mu.Lock()
	}
}

func (t *table[K, P, A]) releaseAll(l *layout[K, P, A]) {
	for i := range l.shards {
		t.release(&l.shards[i])
	}
}

// relayout publishes a layout of so many buckets, or of more if the entries
// need them; with seeded, one under a hash that nobody can foresee. Must be
// called with t.growth and the locks of all shards of l held.
func (t *table[K, P, A]) relayout(l *layout[K, P, A], n int, seeded bool) {
	next := &layout[K, P, A]{kind: l.kind, table: t, seed: l.seed}
	if seeded {
		next.kind, next.seed = hashSeeded, maphash.MakeSeed()
		t.reseed(l, next.seed)
	}
	used, inserted, _ := l.counts()
	n, shards := t.fit(l, max(n, bucketsFor(used*3/2), t.least(inserted)), seeded)
	t.build(l, next, n, shards)
}

// build fills next, which has n buckets and the given shards, with the entries of l, and
// publishes it. Must be called with t.growth and the locks of all shards of l held.
func (t *table[K, P, A]) build(l, next *layout[K, P, A], n, shards int) {
	next.buckets = makeBuckets[P, A](n, shards)
	if shards == len(l.shards) && next.kind == l.kind {
		next.shards = l.shards
		for i := range next.shards {
			s := &next.shards[i]
			l.kept = append(l.kept, s.journal) // Its chunks do not change any more.
			s.journal.renew(s.used())
		}
	} else {
		next.shards = t.newShards(shards)
		t.distribute(l, next)
	}
	batch := make([]*entry[P, A], 0, placedTogether)
	for i := range next.shards {
		interleave("to place a shard")
		for e := range next.shards[i].journal.entries() {
			if batch = append(batch, e); len(batch) == placedTogether {
				next.place(batch)
				batch = batch[:0]
			}
		}
		next.place(batch)
		batch = batch[:0]
	}
	_, _, t.laidOut = next.counts()
	t.layout.Store(next) // All of it becomes visible at once.
}

// placedTogether is how many entries are placed at a time: more than the memory
// fetches that a processor has under way.
const placedTogether = 32

// fit returns how many buckets and shards take the entries of l, n buckets at least.
// In a layout smaller than l no shard is full from the beginning: the next insertion
// would undo what was paid for.
func (t *table[K, P, A]) fit(l *layout[K, P, A], n int, rehashed bool) (buckets, shards int) {
	for ; ; n *= 2 {
		shards = t.shardsFor(n)
		used := make([]int, shards)
		for i := range l.shards {
			if shards == len(l.shards) && !rehashed {
				used[i] = l.shards[i].used()
				continue
			}
			for e := range l.shards[i].journal.entries() {
				if !e.isRemoved() {
					used[e.hash&uint32(shards-1)]++
				}
			}
		}
		fits, limit := true, limitOf(n/shards)
		if n < l.len() {
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

// distribute fills the journals of next's new shards from those of l, which stay
// as they are for iterations under way.
func (t *table[K, P, A]) distribute(l, next *layout[K, P, A]) {
	var inserted, reaped, deleted uint64
	for i := range l.shards {
		from := &l.shards[i]
		inserted += from.inserted.Load()
		reaped += from.reaped.Load()
		deleted += from.deleted.Load()
		for e := range from.journal.entries() {
			if !e.isRemoved() {
				to := next.shard(e.hash)
				to.journal.append(e, to.used())
				to.inserted.Add(1)
				inserted--
			}
		}
	}
	// The first shard accounts for what is present no more.
	next.shards[0].inserted.Add(inserted)
	next.shards[0].reaped.Add(reaped)
	next.shards[0].deleted.Add(deleted)
}

// reseed gives every entry of l its hash under seed: so many keys share a hash
// that it must be a flood. No user code runs: maphash hashes what the keys
// hold. Must be called with the locks of all shards of l held.
func (t *table[K, P, A]) reseed(l *layout[K, P, A], seed maphash.Seed) {
	l.rehash.Store(true) // Before any hash changes: see matchReferent.
	for i := range l.shards {
		s := &l.shards[i]
		for e := range s.journal.entries() {
			v := e.weak.Value()
			if t.identity != byAttached && v == nil {
				s.journal.strike(e) // Its key went with it.
				s.account(e, true)
				continue
			}
			h := uint32(maphash.Comparable(seed, *t.keyOf(e, &v)))
			atomic.StoreUint32(&e.hash, h)
			if t.traits&cleaned != 0 {
				atomic.StoreUint32(&extensionOf[K](e).ticket.hash, h)
			}
		}
	}
}
