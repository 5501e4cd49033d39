package workload

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// cacheProcs are the numbers of processors on which caches are measured.
var cacheProcs = []int{1, 2, 16}

func caches() (cells []Cell) {
	for _, procs := range cacheProcs {
		sets := Full
		if procs == 2 {
			sets |= Quick
		}
		cells = append(cells,
			cacheLookup("CacheHit", size{100_000, sets}, procs),
			cacheLookup("CacheMiss", size{100_000, sets}, procs),
			cacheMixed(size{100_000, sets}, procs),
			cacheLookup("CacheHit", size{100, Smoke}, procs),
			cacheLookup("CacheMiss", size{100, Smoke}, procs),
			cacheMixed(size{100, Smoke}, procs),
		)
	}
	return cells
}

// cacheCell makes the cell of a workload with a number of processors.
func cacheCell(workload string, s size, procs int) Cell {
	return lookupCell(workload, fmt.Sprintf("key=string/procs=%d", procs), s)
}

// onProcs has c run on that many processors, its preparations too.
func onProcs(c Cell, procs int) Cell {
	start := c.start
	c.start = func(impl string) func(*testing.B) {
		body := start(impl)
		return func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			body(b)
		}
	}
	return c
}

// cacheLookup measures lookups in a cache that is full, of keys that it has, or of others.
func cacheLookup(workload string, s size, procs int) Cell {
	hit := workload == "CacheHit"
	return onProcs(lookups(cacheCell(workload, s, procs), peer.Caches[string](), hit,
		func(p mapPeer[string]) (func(string) *peer.Value, []string, any) {
			keys := stringKeys.some(0, s.n)
			m := p.New(s.n)
			fill(m, keys) // It holds the values by itself.
			if hit {
				return m.Load, stringKeys.stream(keys, 0, minStream), m
			}
			return m.Load, stringKeys.stream(keys, s.n, minStream), m
		}), procs)
}

// cacheMixed asks for ten times as many keys as the cache holds, by Zipf's law, and stores a new
// value under those that it does not find. misses/op are those.
func cacheMixed(s size, procs int) Cell {
	participants := peer.Caches[string]()
	c := cacheCell("CacheMixed", s, procs)
	c.Impls = names(participants)
	c.start = func(impl string) func(*testing.B) {
		var m peer.Map[string]
		var stream []string
		return func(b *testing.B) {
			if m.Load == nil {
				m = find(participants, impl).New(s.n)
				keys := uint64(10 * s.n)
				random := rand.New(rand.NewPCG(9, 10))
				ranks := rand.NewZipf(random, 1.1, 1, keys-1)
				stream = make([]string, drawings)
				for i := range stream {
					stream[i] = stringKeys.make(mix(ranks.Uint64()) % keys)
				}
				for _, key := range stream {
					if m.Load(key) == nil {
						m.Store(key, new(peer.Value))
					}
				}
				runtime.GC()
			}
			var goroutines, misses atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				next := int(goroutines.Add(1)-1) % procs * len(stream) / procs
				missed := int64(0)
				for pb.Next() {
					if m.Load(stream[next]) == nil {
						m.Store(stream[next], new(peer.Value))
						missed++
					}
					if next++; next == len(stream) {
						next = 0
					}
				}
				misses.Add(missed)
			})
			b.StopTimer()
			b.ReportMetric(float64(misses.Load())/float64(b.N), "misses/op")
		}
	}
	return onProcs(c, procs)
}
