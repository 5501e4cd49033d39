package workload

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func deaths() []Cell {
	return []Cell{
		death(stringKeys, size{1_000_000, Full}),
		death(uint64Keys, size{1_000_000, Extra}),
		death(stringKeys, size{200_000, Quick}),
		death(stringKeys, size{1_000, Smoke}),
	}
}

const (
	minDying   = 20 * time.Millisecond // the least length of the early phase
	deathAfter = time.Second           // length of the fixed window, from the return of runtime.GC
	impatience = 2 * time.Second
)

// death lets s.n values die at once, between live entries, and forces one collection. ns-gone is
// the time from the end of its mark phase, when the values are dead, until the last dead entry
// has left; ns-gone-late is the part of it after runtime.GC has returned, which sweeps first while
// cleanups run. One goroutine loads live keys throughout and times each Load,
// about 40 ns of clock included: pXX-ns is over the time from the call of runtime.GC until the
// last entry has left, pXX-1s-ns goes on until one second after its return. collections is 1
// unless entries had to be waited for so long that another collection was forced.
func death[K comparable](kind keyKind[K], s size) Cell {
	const every = 1000 // one entry in this many lives
	return isolated(Cell{
		Workload: "MassDeath",
		Params:   fmt.Sprintf("key=%s/dead=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     1800*time.Millisecond + time.Duration(s.n)*2200*time.Nanosecond,
	}, mapPeers[K](peer.Weak), func(p mapPeer[K]) (metrics, error) {
		m := p.New(s.n)
		keys := kind.some(0, s.n+s.n/every)
		values := fill(m, keys)
		var liveKeys []K
		var live []*peer.Value
		for i := 0; i < len(keys); i += every + 1 {
			liveKeys = append(liveKeys, keys[i])
			live = append(live, values[i])
		}
		stream := shuffled(liveKeys, minStream)
		rest()
		if got := m.Len(); got != len(keys) {
			return nil, fmt.Errorf("%d entries while all %d values are held", got, len(keys))
		}

		var phase atomic.Int32
		loads := make(chan readings)
		go func() { loads <- readLive(m.Load, stream, &phase) }()
		time.Sleep(pause)
		runtime.KeepAlive(values) // until here; now all except live die
		result, err := awaitDeath(m, len(live), &phase)
		seen := <-loads
		if err != nil {
			return nil, err
		}
		if err := seen.err(); err != nil {
			return nil, err
		}
		runtime.KeepAlive(live)
		result.quantiles(seen.early, "-ns", 50, 99, 99.9)
		seen.early.Merge(seen.late)
		result.quantiles(seen.early, "-1s-ns", 50, 99, 99.9)
		return result, nil
	})
}

// awaitDeath forces a collection and waits until at most n entries are left. It tells the reader
// what phase it is, and leaves it finished.
func awaitDeath[K comparable](m peer.Map[K], n int, phase *atomic.Int32) (metrics, error) {
	defer phase.Store(finished)
	var stop atomic.Bool
	defer stop.Store(true)
	emptied := make(chan time.Time, 1)
	go func() {
		for !m.Within(n) {
			if stop.Load() {
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
		emptied <- time.Now()
	}()

	phase.Store(early)
	called := time.Now()
	runtime.GC()
	returned := time.Now()
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	var gone time.Time
	collections := 1
	for gone.IsZero() {
		select {
		case gone = <-emptied:
		case <-time.After(impatience):
			if collections == 10 {
				return nil, fmt.Errorf("after %d collections %d entries are left, want %d", collections, m.Len(), n)
			}
			runtime.GC()
			collections++
		}
	}
	time.Sleep(time.Until(called.Add(minDying)))
	phase.Store(late)
	time.Sleep(time.Until(returned.Add(deathAfter)))
	result := metrics{"collections": float64(collections)}
	result.per(1, gone.Sub(stats.LastGC), "ns-gone")
	// At least 1: benchstat leaves a zero in its unit, apart from the others.
	result.per(1, max(1, gone.Sub(returned)), "ns-gone-late")
	return result, nil
}
