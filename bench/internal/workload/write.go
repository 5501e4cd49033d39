package workload

import (
	"fmt"
	"runtime"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func inserts() []Cell {
	var cells []Cell
	for _, writers := range []int{1, maxWriters} {
		cells = append(cells,
			insert(stringKeys, size{500_000, Full}, writers),
			insert(uint64Keys, size{500_000, Extra}, writers),
			insert(stringKeys, size{100_000, Quick}, writers),
			insert(stringKeys, size{1_000, Smoke}, writers))
	}
	return cells
}

// insert measures how long it takes to make values and store them under new keys in a map that
// is empty and of no particular size at first, while the collector runs as it does by itself.
// The first time includes getting the memory from the operating system and is reported apart,
// as cold; ns/op is the mean of the times after it.
func insert[K comparable](kind keyKind[K], s size, writers int) Cell {
	const warmRounds = 2
	return isolated(Cell{
		Workload: "Insert",
		Params:   fmt.Sprintf("key=%s/n=%d/%s", kind.name, s.n, writersParam(writers)),
		Sets:     s.sets,
		Cost:     400*time.Millisecond + time.Duration(s.n)*5200*time.Nanosecond,
	}, mapPeers[K](peer.Weak, peer.Strong, peer.InsertFloor, peer.Nothing), func(p mapPeer[K]) (metrics, error) {
		keys := kind.some(0, s.n)
		cold, err := insertOnce(p, keys, writers)
		if err != nil {
			return nil, err
		}
		var warm spent
		for range warmRounds {
			once, err := insertOnce(p, keys, writers)
			if err != nil {
				return nil, err
			}
			warm.wall += once.wall
			warm.cpu += once.cpu
		}
		result := metrics{}
		result.per(s.n, cold.wall, "cold-ns/op")
		result.per(s.n*warmRounds, warm.wall, "ns/op")
		result.per(s.n*warmRounds, warm.cpu, "cpu-ns/op")
		return result, nil
	})
}

func insertOnce[K comparable](p mapPeer[K], keys []K, writers int) (spent, error) {
	m := p.New(len(keys))
	values := make([]*peer.Value, len(keys))
	took, err := clock(func() {
		spread(writers, len(keys), func(first, last int) {
			for i := first; i < last; i++ {
				values[i] = &peer.Value{ID: uint64(i)}
				m.Store(keys[i], values[i])
			}
		})
	})
	if err != nil {
		return spent{}, err
	}
	stores := p.Kind == peer.Weak || p.Kind == peer.Strong
	if got := m.Len(); stores && got != len(keys) {
		return spent{}, fmt.Errorf("%d entries after %d insertions", got, len(keys))
	}
	runtime.KeepAlive(values)
	if p.Kind == peer.Weak {
		if err := drain(m); err != nil {
			return spent{}, err
		}
	}
	rest()
	return took, nil
}

// spent is what a stretch of work took.
type spent struct {
	wall time.Duration
	cpu  time.Duration // of the whole process, collector and callbacks included
}

func clock(work func()) (spent, error) {
	cpu, err := cpuTime()
	if err != nil {
		return spent{}, err
	}
	start := time.Now()
	work()
	wall := time.Since(start)
	end, err := cpuTime()
	return spent{wall, end - cpu}, err
}
