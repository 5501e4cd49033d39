package workload

import (
	"fmt"
	"runtime"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func floods() []Cell {
	return []Cell{
		flooded(craftedKeys, size{16_384, Full | Quick}),
		flooded(randomKeys, size{16_384, Full}),
		flooded(craftedKeys, size{256, Smoke}),
		flooded(randomKeys, size{256, Smoke}),
	}
}

// flooded stores s.n values under strings of 256 bytes in an empty map, and loads them in random
// order. The crafted strings all have one XXH64 value; the random ones are there to compare.
func flooded(kind keyKind[string], s size) Cell {
	const rounds, loads = 5, 10
	return isolated(Cell{
		Workload: "Flood",
		Params:   fmt.Sprintf("key=%s/n=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     time.Second,
	}, mapPeers[string](peer.Weak), func(p mapPeer[string]) (metrics, error) {
		keys := kind.some(0, s.n)
		stream := shuffled(keys, len(keys))
		var inserting, loading time.Duration
		for range rounds {
			m := p.New(s.n)
			start := time.Now()
			values := fill(m, keys)
			inserting += time.Since(start)
			start = time.Now()
			for range loads {
				for _, key := range stream {
					if m.Load(key) == nil {
						return nil, fmt.Errorf("a live entry was missed")
					}
				}
			}
			loading += time.Since(start)
			if got := m.Len(); got != len(values) {
				return nil, fmt.Errorf("%d entries after %d insertions", got, len(values))
			}
			runtime.KeepAlive(values) // its length alone would not
			if err := drain(m); err != nil {
				return nil, err
			}
		}
		result := metrics{}
		result.per(rounds*s.n, inserting, "insert-ns/op")
		result.per(rounds*loads*s.n, loading, "load-ns/op")
		return result, nil
	})
}
