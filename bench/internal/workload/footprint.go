package workload

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func footprints() []Cell {
	return []Cell{
		footprint(stringKeys, size{1_000_000, Full}),
		footprint(uint64Keys, size{1_000_000, Full}),
		footprint(stringKeys, size{200_000, Quick}),
		footprint(stringKeys, size{1_000, Smoke}),
	}
}

// footprint measures how much the resident memory of a process that holds s.n keys and s.n values
// in slices grows when the values are stored under the keys: bytes per entry beyond key and
// value. What can go back to the operating system is given back before each reading.
func footprint[K comparable](kind keyKind[K], s size) Cell {
	return isolated(Cell{
		Workload: "Footprint",
		Params:   fmt.Sprintf("key=%s/size=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     600*time.Millisecond + time.Duration(s.n)*1800*time.Nanosecond,
	}, func(p peer.Participant[K]) (metrics, error) {
		keys := kind.some(0, s.n)
		values := make([]*peer.Value, s.n)
		for i := range values {
			values[i] = &peer.Value{ID: uint64(i)}
		}
		m := p.New(s.n)
		empty, err := settledBytes()
		if err != nil {
			return nil, err
		}
		for i, key := range keys {
			m.Store(key, values[i])
		}
		full, err := settledBytes()
		if err != nil {
			return nil, err
		}
		result := metrics{
			"B/entry":    float64(full-empty) / float64(s.n),
			"B-resident": float64(full),
		}
		runtime.KeepAlive(keys)
		runtime.KeepAlive(values)
		runtime.KeepAlive(m.Len())
		return result, nil
	}, peer.Weak, peer.Strong, peer.InsertFloor, peer.Nothing)
}

// settledBytes returns the resident memory once collections find nothing more to free.
func settledBytes() (int64, error) {
	rest()
	debug.FreeOSMemory()
	time.Sleep(pause)
	return residentBytes()
}
