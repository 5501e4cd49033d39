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
	uneven := l.kind != hashSeeded && total*8 < l.limit()*len(l.shards)
	switch {
	case flood || full && uneven:
		t.relayout(l, max(buckets, bucketsFor(2*total)), true)
	case full:
		t.relayout(l, 2*buckets, false)
	}
}

// oversized reports whether a table of this layout should shrink, when the
// shards hold about perShard entries each.
func (l *layout[K, P, A]) oversized(perShard int) bool {
	return l.len() > smallBuckets && perShard*8 <= l.len()/int(l.step)*slotsPerBucket
}

// smallBuckets need no shrinking when entries are deleted one by one.
const smallBuckets = 8

// shrink replaces l by a smaller layout, if there is little in it. If somebody
// else is busy with the layout, it leaves that to a later call.
func (t *table[K, P, A]) shrink(l *layout[K, P, A]) {
	if t.growth.TryLock() {
		defer t.growth.Unlock()
		t.shrinkLocked(l)
	}
}

// shrinkLocked is shrink with t.growth held.
func (t *table[K, P, A]) shrinkLocked(l *layout[K, P, A]) {
	if t.layout.Load() != l || !l.oversized(l.used()/len(l.shards)) {
		return
	}
	var inserted uint64
	for i := range l.shards {
		inserted += l.shards[i].inserted.Load()
	}
	if inserted < uint64(t.options.config.Capacity) {
		return // The room was asked for, and is not used up yet.
	}
	t.lockAll(l)
	t.relayout(l, 0, false)
	t.releaseAll(l)
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
	n, shards := t.fit(l, max(n, bucketsFor(l.used()*3/2), t.minShards), seeded)
	next.buckets = makeBuckets[P, A](n, shards)
	if shards == len(l.shards) && !seeded {
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
	t.layout.Store(next) // All of it becomes visible at once.
}

// placedTogether is how many entries are placed at a time: more than the memory
// fetches that a processor has under way.
const placedTogether = 32

// fit returns how many buckets and shards take the entries of l, n buckets at least.
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
		fits := true
		for _, u := range used {
			fits = fits && u <= limitOf(n/shards)
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
	t.flooded.Store(true) // Before any hash changes: see matchReferent.
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
