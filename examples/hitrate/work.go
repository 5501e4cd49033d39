package main

import (
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

// A plan is the work for one variant.
type plan struct {
	Workload   string
	Variant    int // in the workload
	Items      []string
	Requests   int
	Goroutines int
	InUse      int    // items that each goroutine keeps in use
	Budget     uint64 // bytes, for a variant of fixed size
}

// A result is one variant's row of the table.
type result struct {
	Sum         int // of what use returned: the same for all variants
	Misses      int
	Held        uint64 // bytes that the collections found in use, on average over the second half
	Peak        uint64
	Collections int
	Elapsed     time.Duration
}

// A variant is one cache on one workload.
type variant struct {
	name    string
	like    string // the variant whose memory it is given, if it is of fixed size
	measure func(p plan, done *atomic.Int64) (result, error)
}

var workloads = map[string][]variant{"files": fileCaches, "identifiers": identifierCaches}

// measure does the work of a plan. It runs in a process of its own.
func measure(p plan, done *atomic.Int64) (result, error) {
	return workloads[p.Workload][p.Variant].measure(p, done)
}

// A cache gives a handle for each item. The handle keeps the item in use.
type cache[H any] struct {
	get    func(item int) (H, error)
	use    func(item int, got H) (int, error) // an error if it is not what was asked for
	misses func() int
}

func measureCache[H any](p plan, done *atomic.Int64, c cache[H]) (r result, err error) {
	order := zipf(len(p.Items), p.Requests)
	inUse := make([][]H, p.Goroutines)
	for i := range inUse {
		inUse[i] = make([]H, p.InUse)
	}
	runtime.GC()
	heap, collections := heapInUse()
	var held, samples atomic.Uint64
	var sum, next atomic.Int64
	var failed atomic.Pointer[error] // the first failure; it ends the work
	var all sync.WaitGroup
	start := time.Now()
	for _, window := range inUse {
		all.Go(func() {
			turn := 0
			for failed.Load() == nil {
				begin := int(next.Add(batch)) - batch
				if begin >= len(order) {
					return
				}
				end := min(begin+batch, len(order))
				for _, item := range order[begin:end] {
					got, err := c.get(int(item))
					var n int
					if err == nil {
						n, err = c.use(int(item), got)
					}
					if err != nil {
						failed.CompareAndSwap(nil, &err)
						return
					}
					window[turn%len(window)] = got
					turn++
					sum.Add(int64(n))
				}
				done.Add(int64(end - begin))
				if begin >= len(order)/2 {
					now, _ := heapInUse()
					held.Add(max(now, heap) - heap)
					samples.Add(1)
				}
			}
		})
	}
	all.Wait()
	elapsed := time.Since(start)
	if err := failed.Load(); err != nil {
		return r, *err
	}
	_, ended := heapInUse()
	return result{
		Sum:         int(sum.Load()),
		Misses:      c.misses(),
		Held:        held.Load() / max(samples.Load(), 1),
		Peak:        trial.PeakMemory(),
		Collections: int(ended - collections),
		Elapsed:     elapsed,
	}, nil
}

// batch is how many requests a goroutine takes at a time. After each batch of the second
// half it looks at the heap; caches fill in the first.
const batch = 100

// heapInUse returns the bytes that the last collection found in use, and how many there have been.
func heapInUse() (bytes, collections uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}

// zipf draws indexes below n. How popular an index is says nothing about its neighbors.
func zipf(n, draws int) []uint32 {
	random := rand.New(rand.NewPCG(1, 2))
	place := random.Perm(n)
	rank := rand.NewZipf(random, skew, 1, uint64(n-1))
	order := make([]uint32, draws)
	for i := range order {
		order[i] = uint32(place[rank.Uint64()])
	}
	return order
}

// skew is the exponent of Zipf's law, which must be above 1 here.
const skew = 1.01
