package main

import (
	"bytes"
	"fmt"
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
	Variant  int // in variants
	Paths    []string
	Settings settings
	Budget   uint64 // bytes, for a variant of fixed size
}

// A result is one variant's row of the table.
type result struct {
	Lines       int    // of all files that were given: the same for all variants
	Loads       int    // files that were read from disk
	Held        uint64 // bytes of files that the collections found in use, on average over the second half
	Peak        uint64
	Collections int
	Elapsed     time.Duration
}

// measure does the work of a plan. It runs in a process of its own.
func measure(p plan, done *atomic.Int64) (result, error) {
	var from disk
	load, err := variants[p.Variant].make(&from, p.Budget)
	if err != nil {
		return result{}, err
	}
	return p.measure(load, &from, done)
}

func (p *plan) measure(load load, from *disk, done *atomic.Int64) (r result, err error) {
	order := zipf(len(p.Paths), p.Settings.Reads)
	runtime.GC()
	heap, collections := heapInUse()
	var held, samples uint64
	var lines atomic.Int64
	var failed atomic.Pointer[error] // the first failure; it ends the work
	var next atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range p.Settings.Goroutines {
		all.Go(func() {
			inUse := make([]*file, p.Settings.Window)
			for turn := 0; failed.Load() == nil; turn++ {
				i := int(next.Add(1)) - 1
				if i >= len(order) {
					return
				}
				want := p.Paths[order[i]]
				f, err := load(want)
				if err == nil && f.path != want {
					err = fmt.Errorf("asked for %s, got %s", want, f.path)
				}
				if err != nil {
					failed.CompareAndSwap(nil, &err)
					return
				}
				inUse[turn%len(inUse)] = f
				lines.Add(int64(len(bytes.Split(f.data, newline)))) // leaves garbage, as work does, so there are collections
				if done.Add(1)%sampleEvery == 0 && i >= len(order)/2 {
					now, _ := heapInUse()
					atomic.AddUint64(&held, max(now, heap)-heap)
					atomic.AddUint64(&samples, 1)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return r, *err
	}
	_, ended := heapInUse()
	return result{
		Lines:       int(lines.Load()),
		Loads:       int(from.reads.Load()),
		Held:        held / max(samples, 1),
		Peak:        trial.PeakMemory(),
		Collections: int(ended - collections),
		Elapsed:     time.Since(start),
	}, nil
}

var newline = []byte{'\n'}

// sampleEvery is how many reads go by between two looks at the heap. There are none in the first half
// of the work, in which caches fill.
const sampleEvery = 100

// heapInUse returns the bytes that the last collection found in use, and how many there have been.
func heapInUse() (bytes, collections uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}

// zipf draws indexes below n. How popular an index is says nothing about its neighbors.
func zipf(n, draws int) []int {
	random := rand.New(rand.NewPCG(1, 2))
	place := random.Perm(n)
	rank := rand.NewZipf(random, skew, 1, uint64(n-1))
	order := make([]int, draws)
	for i := range order {
		order[i] = place[rank.Uint64()]
	}
	return order
}

// skew is the exponent of Zipf's law, which must be above 1 here.
const skew = 1.01
