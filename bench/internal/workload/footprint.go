package workload

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func footprints() []Cell {
	return []Cell{
		footprint(stringKeys, size{1_000_000, Full}),
		footprint(uint64Keys, size{1_000_000, Extra}),
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
		Cost:     600*time.Millisecond + time.Duration(s.n)*2200*time.Nanosecond,
	}, mapPeers[K](peer.Weak, peer.Strong, peer.InsertFloor), func(p mapPeer[K]) (metrics, error) {
		keys := kind.some(0, s.n)
		values := newValues(s.n)
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
	})
}

func smallMaps() []Cell {
	return []Cell{
		smallMap(size{100_000, Full}),
		smallMap(size{10_000, Quick}),
		smallMap(size{100, Smoke}),
	}
}

// smallMap measures how many resident bytes each of s.n maps of ten entries takes, beyond keys,
// which all share, and values, which none share. 24 bytes of it are the adapter's. A map of 64
// locks is left out: it is not meant for ten entries.
func smallMap(s size) Cell {
	const entries = 10
	participants := slices.DeleteFunc(mapPeers[string](append(storing, peer.InsertFloor)...), func(p mapPeer[string]) bool {
		return p.Name == "sharded"
	})
	return isolated(Cell{
		Workload: "SmallMaps",
		Params:   fmt.Sprintf("entries=%d/maps=%d", entries, s.n),
		Sets:     s.sets,
		Cost:     600*time.Millisecond + time.Duration(s.n)*entries*2500*time.Nanosecond,
	}, participants, func(p mapPeer[string]) (metrics, error) {
		keys := stringKeys.some(0, entries)
		values := newValues(s.n * entries)
		store := make([]func(string, *peer.Value), s.n) // each keeps its map
		empty, err := settledBytes()
		if err != nil {
			return nil, err
		}
		var last peer.Map[string]
		for i := range store {
			last = p.New(entries)
			store[i] = last.Store
			for k, key := range keys {
				last.Store(key, values[i*entries+k])
			}
		}
		full, err := settledBytes()
		if err != nil {
			return nil, err
		}
		if got := last.Len(); got != entries && slices.Contains(storing, p.Kind) {
			return nil, fmt.Errorf("the last map has %d entries, want %d", got, entries)
		}
		runtime.KeepAlive(values)
		runtime.KeepAlive(store)
		return metrics{"B/map": float64(full-empty) / float64(s.n)}, nil
	})
}

// settledBytes returns the resident memory once collections find nothing more to free.
func settledBytes() (int64, error) {
	rest()
	debug.FreeOSMemory()
	time.Sleep(pause)
	return residentBytes()
}
