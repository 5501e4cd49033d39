package workload

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func mixes() []Cell {
	return []Cell{
		mix9010(size{100_000, Full | Quick}),
		mix9010(size{1_000_000, Extra}),
		mix9010(size{100, Smoke}),
		zipf(size{100_000, Full | Quick}),
		zipf(size{1_000_000, Extra}),
		zipf(size{100, Smoke}),
	}
}

// mix9010 loads keys that are equally likely; every tenth operation stores a new value instead.
func mix9010(s size) Cell {
	random := rand.New(rand.NewPCG(3, 4))
	return mixed("Mixed", stringKeys, s, 10, func(n int) uint64 { return random.Uint64N(uint64(n)) })
}

// zipf loads keys of which a few are much more likely than others, their frequency falling as
// 1/rank^1.1; every hundredth operation stores a new value instead.
func zipf(s size) Cell {
	random := rand.New(rand.NewPCG(5, 6))
	var ranks *rand.Zipf
	return mixed("Zipf", stringKeys, s, 100, func(n int) uint64 {
		if ranks == nil {
			ranks = rand.NewZipf(random, 1.1, 1, uint64(n-1))
		}
		return ranks.Uint64()
	})
}

// mixed draws keys and loads them on all processors; one operation in stores is a Store of a new
// value under a key drawn, or a neighbor of it: each goroutine stores under keys of its own, and
// holds what it stored. So every key is always bound to a value that is held. misses/op are loads
// that missed nevertheless, because they met a value that was being replaced. The values replaced
// are collected as usual.
func mixed[K comparable](workload string, kind keyKind[K], s size, stores int, draw func(n int) uint64) Cell {
	participants := mapPeers[K](storing...)
	c := Cell{
		Workload: workload,
		Params:   fmt.Sprintf("key=%s/size=%d", kind.name, s.n),
		Sets:     s.sets,
		Impls:    names(participants),
		Cost:     150*time.Millisecond + time.Duration(s.n)*1900*time.Nanosecond,
	}
	c.start = func(impl string) func(*testing.B) {
		var m peer.Map[K]
		var held []*peer.Value
		var keys []K
		var drawn []uint32
		var stream []K // the keys drawn
		return func(b *testing.B) {
			if m.Load == nil {
				m = find(participants, impl).New(s.n)
				keys = kind.some(0, s.n)
				held = fill(m, keys)
				drawn = make([]uint32, drawings)
				places := rand.New(rand.NewPCG(7, 8)).Perm(s.n)
				for i := range drawn {
					drawn[i] = uint32(places[draw(s.n)])
				}
				stream = make([]K, drawings)
				for i, at := range drawn {
					stream[i] = kind.make(uint64(at))
				}
				runtime.GC()
			}
			var goroutines, misses atomic.Int64
			procs := runtime.GOMAXPROCS(0)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				me := int(goroutines.Add(1) - 1)
				next := me * len(drawn) / procs
				missed := int64(0)
				for n := 0; pb.Next(); n++ {
					if n%stores == stores-1 {
						at := int(drawn[next])
						if at += me - at%procs; at >= len(keys) {
							at -= procs
						}
						value := new(peer.Value)
						m.Store(keys[at], value)
						held[at] = value
					} else if m.Load(stream[next]) == nil {
						missed++
					}
					if next++; next == len(drawn) {
						next = 0
					}
				}
				misses.Add(missed)
			})
			b.StopTimer()
			b.ReportMetric(float64(misses.Load())/float64(b.N), "misses/op")
			runtime.KeepAlive(held)
		}
	}
	return c
}

// drawings is how many draws there are before they repeat themselves.
const drawings = 1 << 20
