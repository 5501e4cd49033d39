package workload

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// minStream is the least number of lookups before a stream of keys repeats itself, so that the
// branch predictor cannot learn a small map's order.
const minStream = 1 << 14

func loads() []Cell {
	sizes := []size{{1_000, Full}, {100_000, Full | Quick}, {1_000_000, Full}, {100, Smoke}}
	var cells []Cell
	for _, hit := range []bool{true, false} {
		for _, s := range sizes {
			cells = append(cells, load(stringKeys, s, hit), load(uint64Keys, s, hit))
		}
	}
	return cells
}

// load measures Load on all processors, in a map of live values that nobody changes. The keys
// come in random order. A hit looks up the very strings that were stored, not copies of them:
// their bytes are read by the hash anyway. A miss looks up keys of the same form. No collection
// runs meanwhile; what collections cost is measured elsewhere.
func load[K comparable](kind keyKind[K], s size, hit bool) Cell {
	c := Cell{
		Workload: "LoadHit",
		Params:   fmt.Sprintf("key=%s/size=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     250*time.Millisecond + time.Duration(s.n)*1200*time.Nanosecond,
	}
	participants := choose[K](peer.Weak, peer.Strong, peer.LookupFloor)
	if !hit {
		c.Workload = "LoadMiss"
		participants = choose[K](peer.Weak, peer.Strong)
	}
	c.Impls = names(participants)
	c.start = func(impl string) func(*testing.B) {
		var m peer.Map[K]
		var values []*peer.Value
		var stream []K
		prepare := func() {
			keys := kind.some(0, s.n)
			m = find(participants, impl).New(s.n)
			values = fill(m, keys)
			if !hit {
				keys = kind.some(s.n, s.n)
			}
			stream = shuffled(keys, minStream)
			runtime.GC()
		}
		return func(b *testing.B) {
			if m.Load == nil {
				prepare()
			}
			time.Sleep(pause)
			b.ReportAllocs()
			wrong := lookUp(b, m.Load, stream, hit)
			b.StopTimer()
			if wrong != 0 {
				b.Fatalf("%d of %d lookups of %v: hit = %v, want %v", wrong, b.N, c, !hit, hit)
			}
			runtime.KeepAlive(values)
		}
	}
	return c
}

// lookUp is the timed loop. It returns how many lookups did not end as they should.
func lookUp[K comparable](b *testing.B, load func(K) *peer.Value, stream []K, hit bool) int64 {
	var wrong atomic.Int64
	var goroutines atomic.Int64
	procs := runtime.GOMAXPROCS(0)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		next := int(goroutines.Add(1)-1) % procs * len(stream) / procs
		hits, lookups := int64(0), int64(0)
		for pb.Next() {
			if load(stream[next]) != nil {
				hits++
			}
			lookups++
			if next++; next == len(stream) {
				next = 0
			}
		}
		if hit {
			wrong.Add(lookups - hits)
		} else {
			wrong.Add(hits)
		}
	})
	return wrong.Load()
}
