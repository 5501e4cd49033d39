package main

import (
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

// A plan is the work for one variant.
type plan struct {
	Variant  string
	Files    []fileInfo
	Settings settings
}

// A task is a file that is next in the tree, and the revisits after it.
func (p *plan) tasks() int { return len(p.Files) * p.Settings.Rounds }

// A result is one variant's row of the table.
type result struct {
	Reads   int // files that were read from disk
	Hits    int // files that were given without reading
	Skipped int // files that could not be read
	Left    int // entries left after the last file was released
	Peak    uint64
	Elapsed time.Duration
}

// measure does the work of a plan. It runs in a process of its own.
func measure(p plan, done *atomic.Int64) (result, error) {
	for _, v := range variants {
		if v.name == p.Variant {
			return newVisitors(p, v.make).measure(done)
		}
	}
	return result{}, fmt.Errorf("no variant %q", p.Variant)
}

// visitors are the goroutines that use the cache, and what they have seen.
type visitors struct {
	plan
	disk    disk
	cache   cache
	skipped []atomic.Bool // by index in Files
	next    atomic.Int64  // the first task that has not been taken
	visits  atomic.Int64
	hits    atomic.Int64
	failed  atomic.Int64          // visits to a file that could not be read
	failure atomic.Pointer[error] // the first one; it ends the work
}

func newVisitors(p plan, makeCache func(*disk) cache) *visitors {
	v := &visitors{plan: p, skipped: make([]atomic.Bool, len(p.Files))}
	v.cache = makeCache(&v.disk)
	return v
}

func (v *visitors) measure(done *atomic.Int64) (result, error) {
	start := time.Now()
	var all sync.WaitGroup
	for range v.Settings.Goroutines {
		all.Go(func() { v.work(done) })
	}
	all.Wait()
	r := result{
		Elapsed: time.Since(start),
		Reads:   int(v.disk.reads.Load()),
		Hits:    int(v.hits.Load()),
	}
	// A cache that reads more than it says would look better than it is.
	visits, failed := int(v.visits.Load()), int(v.failed.Load())
	if r.Reads+r.Hits+failed != visits {
		return r, fmt.Errorf("%d reads, %d hits and %d failures do not make %d visits", r.Reads, r.Hits, failed, visits)
	}
	for i := range v.skipped {
		if v.skipped[i].Load() {
			r.Skipped++
		}
	}
	if failure := v.failure.Load(); failure != nil {
		return r, *failure
	}
	var err error
	if r.Left, err = v.cache.release(); err != nil {
		return r, fmt.Errorf("waiting for the entries to go: %w", err)
	}
	r.Peak = trial.PeakMemory()
	return r, nil
}

// work does tasks until there are no more. All windows are let go when it returns.
func (v *visitors) work(done *atomic.Int64) {
	s := v.Settings
	inUse := make([]*file, s.Window)
	// Goroutines take tasks in turn, so those before a task by as many as all windows hold are in
	// use somewhere. Revisits reach back twice as far: about half of them find a file in use, and
	// half a file that was let go a moment ago, which a cache has or has not.
	reach := 2 * s.Goroutines * s.Window
	var source rand.PCG
	random := rand.New(&source)

	for turn := 0; v.failure.Load() == nil; turn++ {
		task := int(v.next.Add(1)) - 1
		if task >= v.tasks() {
			return
		}
		inUse[turn%s.Window] = v.visit(task)
		// The seed is the task's, whichever goroutine does it: every variant is asked for the same files.
		source.Seed(uint64(task), 0)
		for range min(s.Revisits, task) {
			v.visit(task - 1 - random.IntN(min(reach, task)))
		}
		done.Add(1)
	}
}

// visit loads the file of a task, checks what it got, and returns it: nil if it cannot be read.
func (v *visitors) visit(task int) *file {
	i := task % len(v.Files)
	want := &v.Files[i]
	v.visits.Add(1)
	f, hit, err := v.cache.load(want.Path)
	if err != nil {
		v.failed.Add(1)
		v.skipped[i].Store(true)
		return nil
	}
	if hit {
		v.hits.Add(1)
	}
	if !want.Readable || int64(len(f.data)) != want.Size || crc32.Checksum(f.data, checksums) != want.Sum {
		err := fmt.Errorf("wrong content for %s (unless the file was changed during the run)", want.Path)
		v.failure.CompareAndSwap(nil, &err)
	}
	return f
}
