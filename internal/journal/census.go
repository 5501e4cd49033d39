package journal

import (
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/go-weak/weakmap/internal/seam"
)

// A Census asks every record of a table whether its referent is dead, and remembers which
// are. It takes no lock while it asks, and notes a bit for each record. A list of the dead
// would be megabytes after a mass death: before its heap grows by that much, the runtime gives
// free memory back to the system, and each piece that is given back interrupts every other
// thread.
type Census struct {
	Journals []Journal     // of all shards, as they were when the census began
	Dead     int           // how many bits are set in marks
	Helped   time.Duration // how long goroutines other than the caller's have worked, less the time that the caller has waited
	marks    []mask        // by chunk and then by shard; nil as long as there are no dead
}

// A mask has a bit for each place of a chunk.
type mask [Size / 64]uint64

const (
	// chunksPerWorker is how many rounds of chunks make it worth starting another worker.
	chunksPerWorker = 64

	// Batch is how many bindings are taken out in one hold of a lock, so that writers do not wait for long.
	Batch = 256
)

// Take asks all records, by at most workers goroutines. It goes in the order of insertion:
// chunk by chunk, in all shards side by side, since chunks of similar age refer to the same
// stretch of memory.
func (c *Census) Take(workers int) {
	rounds := 0
	for i := range c.Journals {
		rounds = max(rounds, len(c.Journals[i].chunks))
	}
	if workers = min(workers, rounds/chunksPerWorker+1); workers == 1 {
		for round := range rounds {
			c.Dead += c.ask(round, rounds)
		}
		return
	}
	c.marks = make([]mask, rounds*len(c.Journals))
	var next, dead, helped atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			start := time.Now()
			for round := int(next.Add(1)) - 1; round < rounds; round = int(next.Add(1)) - 1 {
				dead.Add(int64(c.ask(round, rounds)))
			}
			helped.Add(int64(time.Since(start)))
		})
	}
	start := time.Now()
	wg.Wait()
	c.Helped = time.Duration(helped.Load()) - time.Since(start)
	c.Dead = int(dead.Load())
}

// ask asks the records of one round of chunks, and returns how many are dead.
func (c *Census) ask(round, rounds int) (dead int) {
	for i := range c.Journals {
		m, n := c.Journals[i].Chunk(round).findDead()
		if n == 0 {
			continue
		}
		if c.marks == nil { // One worker alone makes it when there is something to mark.
			c.marks = make([]mask, rounds*len(c.Journals))
		}
		c.marks[round*len(c.Journals)+i] = m
		dead += n
	}
	return dead
}

// A Deceased is a binding that was dead when the census asked: its word, which is never that
// of a live one again, and what was recorded with it.
type Deceased struct {
	Word unsafe.Pointer
	Bits uint64
}

// Found yields the dead of shard i, a batch at a time. Some may have been unbound since.
func (c *Census) Found(i int) iter.Seq[[]Deceased] {
	return func(yield func([]Deceased) bool) {
		if c.marks == nil {
			return
		}
		batch := make([]Deceased, 0, Batch)
		for round := range c.Journals[i].chunks {
			chunk := c.Journals[i].Chunk(round)
			for word, dead := range c.marks[round*len(c.Journals)+i] {
				for ; dead != 0; dead &= dead - 1 {
					r := chunk.At(word*64 + bits.TrailingZeros64(dead))
					w := r.Word()
					if w == nil || seam.Value(w) != nil {
						continue // It was unbound, or replaced by a live one.
					}
					if batch = append(batch, Deceased{w, r.bits}); len(batch) == Batch {
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

// Current reports whether j, the journal of shard i, has the chunks that the census looked at.
func (c *Census) Current(i int, j *Journal) bool {
	old := c.Journals[i].chunks
	return len(old) > 0 && len(j.chunks) >= len(old) && chunkAt(j.chunks[0]) == chunkAt(old[0])
}

// Has reports whether r, at a place of shard i, is the record of a binding that is dead, by what
// the census found. The journal must be Current. It says the same each time: what was replaced by a
// live one is forgotten, which may have died when Has is asked again.
func (c *Census) Has(i int, r *Record, pos uint32) bool {
	if c.marks == nil || pos >= c.Journals[i].end {
		return false
	}
	m, bit := &c.marks[int(pos>>shift)*len(c.Journals)+i][pos%Size/64], uint64(1)<<(pos%64)
	if *m&bit == 0 {
		return false
	}
	if w := r.Word(); w == nil || seam.Value(w) != nil {
		*m &^= bit
		return false
	}
	return true // No dead one lives again.
}

// findDead returns which records of a chunk are dead, and how many.
func (c Chunk) findDead() (dead mask, n int) {
	// First fetch all weak pointers, then ask: the processor waits for many at once.
	var words [Size]unsafe.Pointer
	var places [Size]uint8
	present := 0
	for k := range c.n {
		if w := c.At(k).Word(); w != nil {
			words[present], places[present] = w, uint8(k)
			present++
		}
	}
	for k, w := range words[:present] {
		seam.Interleave(seam.ToAsk)
		if seam.Value(w) == nil {
			place := places[k]
			dead[place/64] |= 1 << (place % 64)
			n++
		}
	}
	return dead, n
}
