package workload

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func deaths() []Cell {
	return []Cell{
		death(stringKeys, size{1_000_000, Full}),
		death(uint64Keys, size{1_000_000, Full}),
		death(stringKeys, size{200_000, Quick}),
		death(stringKeys, size{1_000, Smoke}),
	}
}

// The phases of a mass death, as the reader of live keys sees them.
const (
	before   = iota // not recorded
	dying           // from the call of runtime.GC until all entries are gone, and minDying at least
	after           // the rest of a window of fixed length
	finished        // the reader stops
)

const (
	minDying   = 20 * time.Millisecond
	deathAfter = time.Second // length of the fixed window, from the return of runtime.GC
	impatience = 2 * time.Second
)

// death lets s.n values die at once, between live entries, and forces one collection. ns-gone is
// the time from the end of its mark phase, when the values are dead, until the last dead entry
// has left; ns-gone-late is the part of it after runtime.GC has returned, which sweeps first and
// lets cleanups run meanwhile. One goroutine loads live keys throughout and times each Load,
// about 40 ns of clock included: pXX-ns is over the time from the call of runtime.GC until the
// last entry has left, pXX-1s-ns goes on until one second after its return. collections is 1
// unless entries had to be waited for so long that another collection was forced.
func death[K comparable](kind keyKind[K], s size) Cell {
	const every = 1000 // one entry in so many lives
	return isolated(Cell{
		Workload: "MassDeath",
		Params:   fmt.Sprintf("key=%s/dead=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     1800*time.Millisecond + time.Duration(s.n)*2200*time.Nanosecond,
	}, func(p peer.Participant[K]) (metrics, error) {
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
		runtime.KeepAlive(values) // until here; now all but live die
		result, err := awaitDeath(m, len(live), &phase)
		seen := <-loads
		if err != nil {
			return nil, err
		}
		if seen.misses != 0 {
			return nil, fmt.Errorf("%d loads missed a live entry", seen.misses)
		}
		runtime.KeepAlive(live)
		result.quantiles(seen.during, "-ns")
		seen.during.Merge(seen.after)
		result.quantiles(seen.during, "-1s-ns")
		return result, nil
	}, peer.Weak)
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

	phase.Store(dying)
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
	phase.Store(after)
	time.Sleep(time.Until(returned.Add(deathAfter)))
	result := metrics{"collections": float64(collections)}
	result.per(1, gone.Sub(stats.LastGC), "ns-gone")
	result.per(1, max(0, gone.Sub(returned)), "ns-gone-late")
	return result, nil
}

// readings are the latencies of loads, in nanoseconds.
type readings struct {
	during, after *hdrhistogram.Histogram
	misses        int
}

// readLive loads one key after the other, and records how long each took, until phase says that
// it is finished.
func readLive[K comparable](load func(K) *peer.Value, stream []K, phase *atomic.Int32) readings {
	newHistogram := func() *hdrhistogram.Histogram {
		return hdrhistogram.New(1, int64(time.Minute), 3)
	}
	r := readings{during: newHistogram(), after: newHistogram()}
	for next := 0; ; next++ {
		if next == len(stream) {
			next = 0
		}
		now := phase.Load()
		start := time.Now()
		value := load(stream[next])
		took := time.Since(start)
		if value == nil {
			r.misses++
		}
		switch now {
		case dying:
			_ = r.during.RecordValue(took.Nanoseconds()) // a minute is never exceeded
		case after:
			_ = r.after.RecordValue(took.Nanoseconds())
		case finished:
			return r
		}
	}
}

// quantiles adds p50, p99 and p99.9 of h, with a suffix to each unit.
func (m metrics) quantiles(h *hdrhistogram.Histogram, suffix string) {
	for _, q := range []float64{50, 99, 99.9} {
		m[fmt.Sprintf("p%v%s", q, suffix)] = float64(h.ValueAtQuantile(q))
	}
}

func collections() []Cell {
	return []Cell{
		collection(stringKeys, size{1_000_000, Full}),
		collection(uint64Keys, size{1_000_000, Full}),
		collection(stringKeys, size{200_000, Quick}),
		collection(stringKeys, size{1_000, Smoke}),
	}
}

// collection measures the processor time of the whole process per forced collection while s.n
// entries live: the collection itself and what it sets off, for which a pause leaves time.
func collection[K comparable](kind keyKind[K], s size) Cell {
	const forced = 10
	return isolated(Cell{
		Workload: "Collection",
		Params:   fmt.Sprintf("key=%s/size=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     1300*time.Millisecond + time.Duration(s.n)*2500*time.Nanosecond,
	}, func(p peer.Participant[K]) (metrics, error) {
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
	}, slices.Concat(storing, []peer.Kind{peer.InsertFloor, peer.Nothing})...)
}

// storing are the kinds that keep entries.
var storing = []peer.Kind{peer.Weak, peer.Strong}
