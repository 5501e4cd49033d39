package weakmap

import (
	"time"

	"github.com/go-weak/weakmap/internal/inspect"
	"github.com/go-weak/weakmap/internal/journal"
)

// How dead bindings are found and removed: by a pass, Reap, Settle, or an insertion that makes room.

// collected is called after each collection, by one pass at a time. ended says when that was, if
// inspect.Watched. It implements PerCycle. With PerValue it removes what runtime cleanups leave
// behind: the binding of a value that a finalizer has resurrected is dead although its cleanup has not
// run, and may never run.
func (t *table) collected(ended time.Time, scope scope, workers int) {
	t.passes++
	if t.retains {
		t.age(collections()) // The scope may lag behind, and what was used since would age too fast.
	}
	if !t.perValue || t.passes%passesPerStray == 0 {
		entries := t.layout.Load().used()
		dead := t.sweep(scope, workers)
		if inspect.Watched {
			t.lastPass.Store(&inspect.Pass{Collection: scope.collections, Lag: time.Since(ended), Entries: entries, Dead: dead})
		}
	}
}

// sweep removes every binding that died in a collection of the scope, and returns how many it
// removed.
func (t *table) sweep(scope scope, workers int) (removed int) {
	t.growth.Lock()
	defer t.growth.Unlock()
	return t.sweepLocked(scope, workers)
}

// fewShards is how many shards a table of some hundreds of entries has. A census of many small
// tables allocates nothing for those without dead.
const fewShards = 8

// sweepLocked is sweep with t.growth held, so that there is one layout throughout. An earlier sweep
// has removed what died in its collections: if none has ended since, nothing can be dead, and asking
// would only keep what is dying.
func (t *table) sweepLocked(scope scope, workers int) (removed int) {
	if t.sweptFor >= scope.collections {
		return 0
	}
	t.sweptFor = scope.collections
	l := t.layout.Load()
	var few [fewShards]journal.Journal
	c := journal.Census{Journals: l.journals(few[:0])}
	if !scope.everything {
		for i := range c.Journals {
			c.Journals[i].Before(uint32(scope.collections))
		}
	}
	c.Take(workers)
	reaper.helped.Add(int64(c.Helped))
	if c.Dead > massDeath && c.Dead > l.used()/2 {
		return t.reapMost(l, &c)
	}
	if c.Dead > 0 {
		for i := range c.Journals {
			for batch := range c.Found(i) {
				removed += t.reapSome(l, &l.shards[i], batch)
			}
		}
	}
	t.shrinkLocked(l, 0)
	return removed
}

// journals appends copies of the journals of all shards to to.
func (l *layout) journals(to []journal.Journal) []journal.Journal {
	if len(l.shards) > cap(to) {
		to = make([]journal.Journal, 0, len(l.shards))
	}
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		to = append(to, s.journal.Snapshot())
		s.mu.Unlock()
	}
	return to
}

// reapSome takes a few dead bindings out of their buckets.
func (t *table) reapSome(l *layout, s *shard, dead []journal.Deceased) (removed int) {
	for _, d := range dead {
		l.Prefetch(t.hashOfRecord(&l.hashing, d.Bits))
	}
	s.mu.Lock()
	for _, d := range dead {
		if t.unbindDead(l, s, t.hashOfRecord(&l.hashing, d.Bits), d.Word) {
			removed++
		}
	}
	t.unlock(s)
	return removed
}

// reapMost makes a new layout of the bindings that are not dead, which is cheaper than taking out
// the dead one by one. t.growth must be held.
func (t *table) reapMost(l *layout, c *journal.Census) (removed int) {
	t.lockAll(l)
	current := make([]bool, len(l.shards))
	for i := range l.shards {
		s := &l.shards[i]
		if current[i] = c.Current(i, &s.journal); !current[i] { // It was compacted since, and has other places.
			for batch := range c.Found(i) {
				for _, d := range batch {
					if t.unbindDead(l, s, t.hashOfRecord(&l.hashing, d.Bits), d.Word) {
						removed++
					}
				}
			}
			continue
		}
		for r, pos := range s.journal.Records {
			if c.Has(i, r, pos) {
				s.countUnbound(t, true, r.Ref(), r.Bits())
				removed++
			}
		}
	}
	t.relayout(l, 0, change{stays: func(i int, r *journal.Record, pos uint32) bool { return !current[i] || !c.Has(i, r, pos) }})
	t.unlockAll(l)
	t.disperse()
	return removed
}

const (
	// passesPerStray is how many collections a table with PerValue waits before it looks for
	// dead entries itself.
	passesPerStray = 8

	// massDeath is the least number of deaths for which a new layout is worth its cost.
	massDeath = 256
)
