package workload

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func collections() []Cell {
	return []Cell{
		collection(stringKeys, size{1_000_000, Full}),
		collection(uint64Keys, size{1_000_000, Extra}),
		collection(stringKeys, size{200_000, Quick}),
		collection(stringKeys, size{1_000, Smoke}),
	}
}

// collection measures the processor time of the whole process per forced collection while s.n
// entries live: the collection itself and what it sets off, for which a pause leaves time.
func collection[K comparable](kind keyKind[K], s size) Cell {
	const forced = 5
	return isolated(Cell{
		Workload: "Collection",
		Params:   fmt.Sprintf("key=%s/size=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     800*time.Millisecond + time.Duration(s.n)*2500*time.Nanosecond,
	}, mapPeers[K](peer.Weak, peer.Strong, peer.InsertFloor, peer.Nothing), func(p mapPeer[K]) (metrics, error) {
		m := p.New(s.n)
		keys := kind.some(0, s.n)
		values := fill(m, keys)
		rest()
		took, err := clock(func() {
			for range forced {
				runtime.GC()
				time.Sleep(2 * pause)
			}
		})
		if got := m.Len(); got != s.n && slices.Contains(storing, p.Kind) {
			return nil, fmt.Errorf("%d entries while all %d values are held", got, s.n)
		}
		runtime.KeepAlive(values)
		runtime.KeepAlive(keys)
		result := metrics{}
		result.per(forced, took.cpu, "cpu-ns/collection")
		return result, err
	})
}
