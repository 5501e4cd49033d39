package suite

import (
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/collide"
	"github.com/go-weak/weakmap/internal/gctest"
)

// fastest returns, for each of the functions, the shortest time that a call took, in rounds in which
// they are called one after the other.
func fastest(rounds int, functions ...func()) []time.Duration {
	best := make([]time.Duration, len(functions))
	for round := range rounds {
		for i, f := range functions {
			begin := time.Now()
			f()
			if d := time.Since(begin); round == 0 || d < best[i] {
				best[i] = d
			}
		}
	}
	return best
}

// A Delete costs the same whatever the settings: it does not rebuild a small table that is as
// small as the settings allow, nor look at every shard.
func TestDeleteCostsTheSameWithAllSettings(t *testing.T) {
	const pairs = 2000
	configs := []struct {
		weakmap.Config
		limit float64 // how much longer than with the first one
	}{
		{weakmap.Config{}, 1},
		{weakmap.Config{Shards: 64}, 1.5},
		{weakmap.Config{Shards: 1024}, 2},
		{weakmap.Config{Capacity: 1 << 16}, 2},
		{weakmap.Config{Shards: 1024, Capacity: 1 << 16}, 2},
	}
	var value record
	var work []func()
	for _, c := range configs {
		m := &weakmap.Map[uint64, record]{Config: c.Config}
		for key := range uint64(10) {
			m.Store(key, &value)
		}
		work = append(work, func() {
			for key := range uint64(pairs) {
				m.Store(100+key%50, &value)
				m.Delete(100 + key%50)
				m.Delete(1000 + key)
			}
		})
	}
	took := fastest(50, work...)
	for i, c := range configs {
		ratio := float64(took[i]) / float64(took[0])
		if t.Logf("%+v: %v for a Store and two Deletes, %.2f times the first", c.Config, took[i]/pairs, ratio); ratio > c.limit {
			t.Errorf("with %+v a Store and two Deletes take %.2f times as long as without, want %v at most", c.Config, ratio, c.limit)
		}
	}
	runtime.KeepAlive(&value)
}

// crowded returns n keys that are all in three of sixteen shards, as many in each. No table that
// is smaller than the one that they make could take them.
func crowded(n int) []uint64 {
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = keyInShard(func(shard uint64) bool { return shard == uint64(i)%3 })
	}
	return keys
}

// keyInShard returns a random key in one of the sixteen shards that are wanted, where keys are their
// own results of Hash. Of what the engine makes of these, the highest of 32 bits say which shard it is.
func keyInShard(wanted func(shard uint64) bool) uint64 {
	for {
		if h := rand.Uint64(); wanted(uint64(uint32(h) >> 28)) {
			return collide.Unmixed(h)
		}
	}
}

// ownHash is a Hash with which keys can be chosen.
func ownHash(key uint64) uint64 { return key }

// allocated returns how many bytes were ever allocated.
func allocated() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.TotalAlloc
}

// A Delete costs the same whatever the keys.
func TestDeleteCostsTheSameWithChosenKeys(t *testing.T) {
	const pairs = 20
	var chosen, random weakmap.Map[uint64, record]
	chosen.Config.Shards, random.Config.Shards = 16, 16
	chosen.Hash, random.Hash = ownHash, ownHash
	var value record
	// Up to the table's growth, after which it has the most room.
	n, room := 0, 0
	for _, key := range crowded(50_000) {
		chosen.Store(key, &value)
		random.Store(rand.Uint64(), &value)
		n++
		if before := room; n > 20_000 {
			if room = chosen.Stats().Capacity; before != 0 && room > before {
				break
			}
		}
	}
	others := make([]uint64, pairs)
	for i := range others {
		others[i] = keyInShard(func(shard uint64) bool { return shard >= 3 })
	}
	// What rebuilds allocate tells them, whatever else the machine does. A rebuild leads to a
	// collection, and as long as the pass after that holds the lock there is no other. So there are no
	// collections here.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const rounds = 2000
	var bytes [2]uint64
	for i, m := range []*weakmap.Map[uint64, record]{&random, &chosen} {
		before := allocated()
		for range rounds {
			for _, key := range others {
				m.Store(key, &value)
				m.Delete(key)
			}
		}
		bytes[i] = (allocated() - before) / (rounds * pairs)
	}
	if t.Logf("Store and Delete allocate %d bytes, and %d with chosen keys", bytes[0], bytes[1]); bytes[1] > 4*bytes[0] {
		t.Errorf("Store and Delete allocate %d bytes with chosen keys, and %d with others: more than 4 times as many", bytes[1], bytes[0])
	}
	if entries := chosen.Len(); entries != n {
		t.Errorf("Len = %d, want %d", entries, n)
	}
	runtime.KeepAlive(&value)
}

// What crowds into few shards is not rebuilt by each pass either, and shrinks once it is gone.
func TestATableOfChosenKeysShrinksWhenTheyGo(t *testing.T) {
	const n = 50_000
	var m weakmap.Map[uint64, record]
	m.Config.Shards, m.Hash = 16, ownHash
	var value record
	keys := crowded(n)
	for _, key := range keys {
		m.Store(key, &value)
	}
	full := m.Stats().Capacity
	for _, key := range keys {
		m.Delete(key)
	}
	gctest.Eventually(t, "the table is small after all keys were deleted", func() bool {
		return m.Stats().Capacity <= max(full/8, 8192)
	})
	runtime.KeepAlive(&value)
}

// Passes over an idle map with few entries and many shards find nothing to do.
func TestAnIdleMapOfManyShardsAllocatesLittle(t *testing.T) {
	m := weakmap.Map[uint64, record]{Config: weakmap.Config{Shards: 1024}}
	var value record
	for key := range uint64(10) {
		m.Store(key, &value)
	}
	const collections = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range collections {
		runtime.GC()
		m.Reap()
	}
	runtime.ReadMemStats(&after)
	each := (after.TotalAlloc - before.TotalAlloc) / collections
	if t.Logf("%d bytes for each collection", each); each > 100<<10 {
		t.Errorf("an idle map of 1,024 shards allocates %d bytes at each collection", each)
	}
	runtime.KeepAlive(&value)
}
