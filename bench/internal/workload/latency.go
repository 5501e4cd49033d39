package workload

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// distribution are the percentiles of which a distribution is drawn.
var distribution = []float64{50, 90, 99, 99.9, 99.99, 100}

func latencies() []Cell {
	return []Cell{
		latency(stringKeys, size{100_000, Full | Quick}),
		latency(stringKeys, size{1_000, Smoke}),
	}
}

// latency times each Load of one goroutine while another forces one collection after the other
// for a second. Nothing dies.
func latency[K comparable](kind keyKind[K], s size) Cell {
	const window = time.Second
	return isolated(Cell{
		Workload: "Latency",
		Params:   fmt.Sprintf("key=%s/size=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     window + 400*time.Millisecond,
	}, mapPeers[K](storing...), func(p mapPeer[K]) (metrics, error) {
		m := p.New(s.n)
		keys := kind.some(0, s.n)
		values := fill(m, keys)
		stream := shuffled(keys, minStream)
		rest()
		collections := 0
		seen := readDuring(m, stream, func() {
			for start := time.Now(); time.Since(start) < window; collections++ {
				runtime.GC()
			}
		})
		runtime.KeepAlive(values)
		result := metrics{"collections": float64(collections)}
		result.quantiles(seen.early, "-ns", distribution...)
		return result, seen.err()
	})
}

func growths() []Cell {
	return []Cell{
		growth(stringKeys, size{1_000_000, Full}),
		growth(stringKeys, size{200_000, Quick}),
		growth(stringKeys, size{50_000, Smoke}),
	}
}

// growth times each Load of one goroutine, of a thousand live keys, while another stores s.n new
// ones, so that the map grows from a thousand entries. ns/op is the time per insertion, the making
// of the value included.
func growth[K comparable](kind keyKind[K], s size) Cell {
	const first = 1000
	return isolated(Cell{
		Workload: "Growth",
		Params:   fmt.Sprintf("key=%s/n=%d", kind.name, s.n),
		Sets:     s.sets,
		Cost:     400*time.Millisecond + time.Duration(s.n)*1800*time.Nanosecond,
	}, mapPeers[K](storing...), func(p mapPeer[K]) (metrics, error) {
		m := p.New(first + s.n)
		keys := kind.some(0, first+s.n)
		held := fill(m, keys[:first])
		stream := shuffled(keys[:first], minStream)
		rest()
		var grown []*peer.Value
		var took time.Duration
		seen := readDuring(m, stream, func() {
			start := time.Now()
			grown = fill(m, keys[first:])
			took = time.Since(start)
		})
		if got := m.Len(); got != len(keys) {
			return nil, fmt.Errorf("%d entries while all %d values are held", got, len(keys))
		}
		runtime.KeepAlive(held)
		runtime.KeepAlive(grown)
		result := metrics{}
		result.per(s.n, took, "ns/op")
		result.quantiles(seen.early, "-ns", distribution...)
		return result, seen.err()
	})
}

// readDuring reads live keys while work runs.
func readDuring[K comparable](m peer.Map[K], stream []K, work func()) readings {
	var phase atomic.Int32
	loads := make(chan readings)
	go func() { loads <- readLive(m.Load, stream, &phase) }()
	time.Sleep(pause)
	phase.Store(early)
	work()
	phase.Store(finished)
	return <-loads
}

// What a reader of live keys does with the times that it takes, from phase to phase.
const (
	unrecorded = iota // nothing
	early             // records them
	late              // records them apart
	finished          // stops
)

// readings are the latencies of loads, in nanoseconds.
type readings struct {
	early, late *hdrhistogram.Histogram
	misses      int
}

func (r readings) err() error {
	if r.misses != 0 {
		return fmt.Errorf("%d loads missed a live entry", r.misses)
	}
	if r.early.TotalCount() == 0 {
		return errors.New("no load was timed")
	}
	return nil
}

// readLive loads one key after the other, and records how long each took, about 40 ns of clock
// included, until phase says that it is finished.
func readLive[K comparable](load func(K) *peer.Value, stream []K, phase *atomic.Int32) readings {
	newHistogram := func() *hdrhistogram.Histogram {
		return hdrhistogram.New(1, int64(time.Minute), 3)
	}
	r := readings{early: newHistogram(), late: newHistogram()}
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
		case early:
			_ = r.early.RecordValue(took.Nanoseconds()) // a minute is never exceeded
		case late:
			_ = r.late.RecordValue(took.Nanoseconds())
		case finished:
			return r
		}
	}
}

// quantiles adds percentiles of h, with a suffix to each unit.
func (m metrics) quantiles(h *hdrhistogram.Histogram, suffix string, percentiles ...float64) {
	for _, q := range percentiles {
		m[fmt.Sprintf("p%v%s", q, suffix)] = float64(h.ValueAtQuantile(q))
	}
}
