package weakmap

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap/internal/gctest"
	"github.com/go-weak/weakmap/internal/journal"
)

// TestATableShrinksOnlyWhereThatPays: each check of shrinkLocked by itself. With any one of them taken
// out this fails in 20 of 20 runs.
func TestATableShrinksOnlyWhereThatPays(t *testing.T) {
	defer reaper.blockPasses()()
	const n, few = 10_000, 100
	value := new(thing)
	defer runtime.KeepAlive(value)
	filled := func(c Config, n int) (*Map[uint64, thing], *table, *layout) {
		m, table, l := filledTable(c, n, value)
		table.growth.Lock() // It does not shrink by itself.
		t.Cleanup(table.growth.Unlock)
		return m, table, l
	}
	stays := func(table *table, l *layout, removals int, when string) {
		t.Helper()
		if table.shrinkLocked(l, removals); table.layout.Load() != l {
			t.Fatalf("a table is rebuilt with %d buckets, which had %d, %s", table.layout.Load().Len(), l.Len(), when)
		}
	}

	m, table, l := filled(Config{Shards: 16}, n)
	removed := 0
	leave := func(left int) {
		for ; n-removed > left; removed++ {
			m.Delete(uint64(removed))
		}
	}
	leave(l.Len()*7/8 + few) // Of seven slots in a bucket.
	stays(table, l, 0, "although more than an eighth is taken")
	leave(few)
	stays(table, l, removed+1, "although too few were removed")
	table.shrinkAt, table.triedAt = uint64(removed+1), uint32(removed)
	stays(table, l, 1, "soon after that did not pay")
	stays(table, l, 0, "by a sweep, when nothing has gone since that did not pay")
	table.shrinkAt = 0
	if table.shrinkLocked(l, removed); table.layout.Load().Len() > l.Len()/2 {
		t.Errorf("a table of %d buckets with %d entries has %d buckets after it has shrunk", l.Len(), few, table.layout.Load().Len())
	}

	_, table, l = filled(Config{Shards: 16, Capacity: n}, few)
	if stays(table, l, 0, "although its capacity was asked for"); table.shrinkAt != 0 {
		t.Error("all shards were locked and counted although the capacity was asked for")
	}

	// A table that has grown because three of sixteen shards were full.
	_, table, l = crowdedTable(value)
	table.growth.Lock()
	defer table.growth.Unlock()
	table.shrinkAt, table.triedAt = 0, 0 // A sweep that made room may have tried it with fewer entries.
	inserted, reaped, deleted := l.counts()
	gone := reaped + deleted
	used := int(inserted - gone)
	if !l.sparse(used, len(l.shards)) {
		t.Fatalf("%d entries in %d buckets are not few", used, l.Len())
	}
	if stays(table, l, 0, "and no smaller one takes its keys"); table.shrinkAt != gone+uint64(used+1)/2 || table.triedAt != uint32(gone) {
		t.Errorf("after an attempt in vain with %d entries, and %d removals before, the next comes after %d removals, want half as many, or by a sweep after %d",
			used, gone, table.shrinkAt-gone, table.triedAt)
	}
}

// TestASweepShrinksWhatWasCrowdedForAMoment: an attempt to shrink is in vain while a few shards have lost less than
// the others, and no deletion may come that makes another. Where a sweep waits for as many removals as deletions
// do, this fails in 20 of 20 runs.
func TestASweepShrinksWhatWasCrowdedForAMoment(t *testing.T) {
	defer reaper.blockPasses()()
	const n, few = 10_000, 100
	value := new(thing)
	m, table, l := filledTable(Config{Shards: 16}, n, value)
	table.growth.Lock()
	for key := range uint64(n - few) {
		m.Delete(key)
	}
	// As after an attempt in vain before the last of these.
	table.shrinkAt, table.triedAt = n-few+few/2, n-few-1
	if table.shrinkLocked(l, 1); table.layout.Load() != l {
		t.Error("a deletion tries again although less than half has gone")
	}
	table.growth.Unlock()
	if m.Reap(); table.layout.Load().Len() > l.Len()/8 {
		t.Errorf("a table of %d buckets with %d entries has %d after a sweep", l.Len(), few, table.layout.Load().Len())
	}
	runtime.KeepAlive(value)
}

// TestASweepShrinksWhatLostNothing: a table may be larger than it need be although nothing was removed.
func TestASweepShrinksWhatLostNothing(t *testing.T) {
	defer reaper.blockPasses()()
	value := new(thing)
	m, table, l := filledTable(Config{}, 1000, value)
	table.growth.Lock()
	table.lockAll(l)
	table.relayout(l, 16*l.Len(), allStays)
	table.unlockAll(l)
	table.growth.Unlock()
	before := table.layout.Load().Len()
	if m.Reap(); table.layout.Load().Len() > before/8 {
		t.Errorf("a table of %d buckets with 1000 entries has %d after a sweep", before, table.layout.Load().Len())
	}
	runtime.KeepAlive(value)
}

// TestReapAsksOnceForEachCollection: to ask a weak pointer for its object while the collector marks keeps
// that object, so nothing is asked that cannot have died since. Without its line in sweepLocked this fails
// in 20 of 20 runs.
func TestReapAsksOnceForEachCollection(t *testing.T) {
	var m Map[int, thing]
	var object weak.Pointer[thing]
	gctest.Elsewhere(func() {
		value := new(thing)
		object = weak.Make(value)
		m.Store(1, value)
		table := m.core.table.Load()
		table.growth.Lock()
		table.sweptFor = math.MaxUint64 // As if a sweep had come after all collections below.
		table.growth.Unlock()
		runtime.KeepAlive(value)
	})
	gctest.Eventually(t, "the value is dead", func() bool {
		runtime.GC()
		return object.Value() == nil
	})
	if removed := m.Reap(); removed != 0 || m.Len() != 1 {
		t.Errorf("Reap removed %d entries and left %d, although no collection has ended since the last sweep", removed, m.Len())
	}
	table := m.core.table.Load()
	table.growth.Lock()
	table.sweptFor = 0
	table.growth.Unlock()
	if removed := m.Reap(); removed > 1 || m.Len() != 0 { // A pass may come first.
		t.Errorf("Reap removed %d entries and left %d after a collection in which the only one died", removed, m.Len())
	}
}

// TestReapGivesRoomBack: also where a sweep of the last collection came before most removals, which did
// not ask whether the table should shrink. Without its line in reap this fails in 20 of 20 runs.
func TestReapGivesRoomBack(t *testing.T) {
	defer reaper.blockPasses()()
	value := new(thing)
	m, table, _ := filledTable(Config{}, 10_000, value)
	table.growth.Lock()
	table.sweptFor = math.MaxUint64
	for key := range uint64(9_900) {
		m.Delete(key)
	}
	table.growth.Unlock()
	before := m.Stats().Capacity
	if removed := m.Reap(); removed != 0 {
		t.Errorf("Reap removed %d entries of a value that lives", removed)
	}
	if after := m.Stats().Capacity; after > before/8 {
		t.Errorf("room for %d entries after Reap, for %d before, want an eighth", after, before)
	}
	runtime.KeepAlive(value)
}

// filledTable returns a map with n entries, its table and layout.
func filledTable(c Config, n int, value *thing) (*Map[uint64, thing], *table, *layout) {
	m := &Map[uint64, thing]{Config: c}
	for key := range uint64(n) {
		m.Store(key, value)
	}
	table := m.core.table.Load()
	return m, table, table.layout.Load()
}

// crowdedTable returns a map with keys in three of sixteen shards, whose table has just grown.
func crowdedTable(value *thing) (*Map[uint64, thing], *table, *layout) {
	m := &Map[uint64, thing]{Config: Config{Shards: 16}}
	m.Store(0, value)
	table := m.core.table.Load()
	m.Delete(0)
	for {
		before := table.layout.Load()
		for key := rand.Uint64(); ; key = rand.Uint64() {
			if before.Shard(table.hash(&before.hashing, table.keys.at(unsafe.Pointer(&key)))) < 3 {
				m.Store(key, value)
				break
			}
		}
		if l := table.layout.Load(); l != before && l.Len() >= 1280 { // A fifth of it is new.
			return m, table, l
		}
	}
}

// TestAMassDeathFindsWhatHasMoved: a shard whose journal was compacted between the census and the new
// layout loses what was found dead in it, and nothing that lives. Where the places of the census are taken
// for those of such a journal, this fails in 20 of 20 runs.
func TestAMassDeathFindsWhatHasMoved(t *testing.T) {
	defer reaper.blockPasses()()
	const early, n, apart = 500, 3000, 4
	m := &Map[int, thing]{Config: Config{Shards: 1}}
	held := make([]*thing, n/apart)
	var watched []weak.Pointer[thing]
	for i := range held {
		held[i] = new(thing)
	}
	for key := range early {
		m.Store(-1-key, held[0])
	}
	gctest.Elsewhere(func() {
		doomed := make([]*thing, n) // An insertion removes what dies before the last one.
		for key := range n {
			value := held[key/apart]
			if key%apart != 0 {
				value = new(thing)
				doomed[key], watched = value, append(watched, weak.Make(value))
			}
			m.Store(key, value)
		}
		runtime.KeepAlive(doomed)
	})
	gctest.Eventually(t, "what is not held dies", func() bool {
		return !slices.ContainsFunc(watched, func(w weak.Pointer[thing]) bool { return w.Value() != nil })
	})
	table := m.core.table.Load()
	l := table.layout.Load()
	c := journal.Census{Journals: l.journals(nil)}
	c.Take(1)
	if c.Dead != len(watched) {
		t.Fatalf("the census has found %d dead of %d", c.Dead, len(watched))
	}
	for key := range early {
		m.Delete(-1 - key)
	}
	for key, end := n, l.shards[0].journal.End(); l.shards[0].journal.End() >= end; key++ {
		if m.Store(key, held[0]); table.layout.Load() != l {
			t.Fatal("the table has grown")
		}
		m.Delete(key)
	}
	table.growth.Lock()
	dead := l.used() - len(held) // An insertion removes some.
	removed := table.reapMost(l, &c)
	table.growth.Unlock()
	if used := table.layout.Load().used(); removed != dead || used != len(held) {
		t.Errorf("%d of %d dead have been removed, and %d entries are left of %d that live", removed, dead, used, len(held))
	}
	for i, value := range held {
		if got, _ := m.Load(i * apart); got != value {
			t.Errorf("the value under %d is lost", i*apart)
		}
	}
}
