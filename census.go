package weakmap

import (
	"iter"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A census asks every entry of a layout whether it is dead, and remembers which
// are. It takes no lock while it asks, and notes a bit for each entry. A list of
// the dead would be megabytes after a mass death: before its heap grows by so much,
// the runtime gives free memory back to the system, and each piece that is given
// back interrupts every other thread.
type census[P, A any] struct {
	journals []journal[P, A] // of all shards, as they were when the census began
	marks    []mask          // by chunk and then by shard; nil as long as there are no dead
	dead     int             // how many bits are set in marks
}

// A mask has a bit for each place of a chunk. What is at a place of a snapshot is the
// entry that was there, or nil once that was removed: see journal.
type mask [chunkSize / 64]uint64

const (
	// fewShards is how many shards a table of some hundreds of entries has. A
	// census of many small tables allocates nothing for those without dead.
	fewShards = 8

	// chunksPerWorker is how many rounds of chunks make another worker worth its start.
	chunksPerWorker = 64

	// removalBatch is how many entries are taken out in one hold of a lock: 20 µs.
	removalBatch = 256
)

// take asks all entries, by so many workers at most. It goes in the order of
// insertion: chunk by chunk, in all shards side by side, since chunks of like age
// refer to the same stretch of memory.
func (c *census[P, A]) take(workers int) {
	rounds := 0
	for i := range c.journals {
		rounds = max(rounds, len(c.journals[i].chunks))
	}
	if workers = min(workers, rounds/chunksPerWorker+1); workers > 1 {
		*c = takeTogether(slices.Clone(c.journals), rounds, workers)
		return
	}
	for round := range rounds {
		for i := range c.journals {
			m, n := c.journals[i].findDead(round)
			if n == 0 {
				continue
			}
			if c.marks == nil {
				c.marks = make([]mask, rounds*len(c.journals))
			}
			c.marks[round*len(c.journals)+i] = m
			c.dead += n
		}
	}
}

// takeTogether is census.take by several workers, each of which takes the next
// round of chunks when it is done with one.
func takeTogether[P, A any](journals []journal[P, A], rounds, workers int) census[P, A] {
	marks := make([]mask, rounds*len(journals))
	var next, dead atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			found, start := 0, time.Now()
			for round := int(next.Add(1)) - 1; round < rounds; round = int(next.Add(1)) - 1 {
				for i := range journals {
					m, n := journals[i].findDead(round)
					marks[round*len(journals)+i] = m
					found += n
				}
			}
			dead.Add(int64(found))
			reaper.helped.Add(int64(time.Since(start)))
		})
	}
	start := time.Now()
	wg.Wait()
	reaper.helped.Add(-int64(time.Since(start))) // Who waits does not work.
	return census[P, A]{journals, marks, int(dead.Load())}
}

// found yields the entries of shard i that are dead, a batch at a time, but for
// some that were removed since. Others that were removed since may be among them:
// what the census has is the places in the journal as it was.
func (c *census[P, A]) found(i int) iter.Seq[[]*entry[P, A]] {
	return func(yield func([]*entry[P, A]) bool) {
		if c.marks == nil {
			return
		}
		batch := make([]*entry[P, A], 0, removalBatch)
		for round := range c.journals[i].chunks {
			chunk := c.journals[i].chunk(round)
			for word, dead := range c.marks[round*len(c.journals)+i] {
				for ; dead != 0; dead &= dead - 1 {
					e := chunk[word*64+bits.TrailingZeros64(dead)].Load()
					if e == nil {
						continue
					}
					if batch = append(batch, e); len(batch) == removalBatch {
						if !yield(batch) {
							return
						}
						batch = batch[:0]
					}
				}
			}
		}
		if len(batch) > 0 {
			yield(batch)
		}
	}
}

// findDead returns which entries of chunk i are dead, and how many. On a copy of
// a journal it needs no lock.
func (j *journal[P, A]) findDead(i int) (dead mask, n int) {
	if i >= len(j.chunks) {
		return mask{}, 0
	}
	// First fetch all entries, then ask: the processor waits for many at once.
	var weaks [chunkSize]reference[P]
	var places [chunkSize]uint8
	present := 0
	c := j.chunk(i)
	for k := range c {
		if e := c[k].Load(); e != nil {
			weaks[present], places[present] = e.weak, uint8(k)
			present++
		}
	}
	for k, w := range weaks[:present] {
		interleave(toAsk)
		if w.Value() == nil {
			place := places[k]
			dead[place/64] |= 1 << (place % 64)
			n++
		}
	}
	return dead, n
}
