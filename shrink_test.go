package weakmap

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"
)

// TestATableShrinksOnlyWhereThatPays: each check of shrinkLocked by itself. With any one of them taken
// out this fails in 20 of 20 runs.
func TestATableShrinksOnlyWhereThatPays(t *testing.T) {
	defer reaper.blockPasses()()
	const n, few = 10_000, 100
	value := new(thing)
	defer runtime.KeepAlive(value)

	// filled returns the table of a map with n entries, and its layout. The table is kept from shrinking
	// by itself.
	filled := func(c Config, n int) (*Map[uint64, thing], *table, *layout) {
		m := &Map[uint64, thing]{Config: c}
		for key := range uint64(n) {
			m.Store(key, value)
		}
		table := m.core.table.Load()
		table.growth.Lock()
		t.Cleanup(table.growth.Unlock)
		return m, table, table.layout.Load()
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
	m := &Map[uint64, thing]{Config: Config{Shards: 16}}
	for key := range uint64(n) {
		m.Store(key, value)
	}
	table := m.core.table.Load()
	l := table.layout.Load()
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
	var m Map[uint64, thing]
	for key := range uint64(1000) {
		m.Store(key, value)
	}
	table := m.core.table.Load()
	table.growth.Lock()
	l := table.layout.Load()
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

// TestReapGivesRoomBack: also where a sweep of the last collection came before most removals, which did
// not ask whether the table should shrink. Without its line in reap this fails in 20 of 20 runs.
func TestReapGivesRoomBack(t *testing.T) {
	defer reaper.blockPasses()()
	value := new(thing)
	var m Map[uint64, thing]
	for key := range uint64(10_000) {
		m.Store(key, value)
	}
	table := m.core.table.Load()
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
