// Package callback runs what the collector causes to be called, and what a cleanup could not do
// at once.
package callback

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/go-weak/weakmap/internal/fifo"
)

// A Queue runs functions on goroutines that come and go: none while
// nothing is due. Functions that block delay the others little: a goroutine that takes one
// makes sure first that there is a goroutine for the next. There are no more than
// workersMax of them, though, since each that is in a system call is a thread, and
// the runtime ends a program that has too many. If all of them block, one more is
// started for each span of workersPatience in which none has begun or ended a
// function.
//
// Its goroutines belong to no bubble of testing/synctest. What is to run in one has
// a goroutine of its own there, and is only counted here: see Tally.
type Queue struct {
	mu       sync.Mutex
	due      fifo.Queue[callback] // not taken yet. Guarded by mu.
	workers  int                  // goroutines that were started and have not ended. Guarded by mu.
	starting bool                 // whether one of them has not taken a function yet. Guarded by mu.
	watched  bool                 // whether look will be called. Guarded by mu.
	progress uint64               // how many functions were begun or have ended. Guarded by mu.
	chores   fifo.Queue[callback] // as due, for what the package itself has to do. Guarded by mu.
	busy     bool                 // whether there is a goroutine for chores. Guarded by mu.
	batches  []*batch             // what was counted and has not ended, by bubble, oldest first. Guarded by mu.
}

// A callback is a function that is due.
type callback struct {
	run   func()
	batch *batch // in which it is counted; nil if it counts by itself
}

// A batch is what came in one bubble, or outside of all, between two calls of
// Wait. It is open until the second of them, and then done once all of it has
// returned.
type batch struct {
	bubble  uint64          // 0 = outside of all. Immutable.
	pending int             // how much of it has not returned. Guarded by Queue.mu.
	sealed  bool            // Guarded by Queue.mu.
	waiters []chan struct{} // to be closed when it is done. Guarded by Queue.mu.
}

const (
	// workersMax and 4 for each processor can block at a time: few compared with the
	// 10,000 threads that a program may have, many compared with what blocks by design.
	workersMax = 64

	// workersPatience is how long a function waits, at most, for each one that blocks
	// before it beyond these. There is no evidence for its exact value.
	workersPatience = 10 * time.Millisecond
)

// Submit has f run soon. It must be called outside all bubbles.
func (q *Queue) Submit(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.open(0)
	b.pending++
	q.due.Push(callback{f, b})
	q.startIfDue()
}

// SubmitCounted is Submit for a function that is counted by a tally.
func (q *Queue) SubmitCounted(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.due.Push(callback{f, nil})
	q.startIfDue()
}

// Chore has f, which never blocks for long, run soon, whatever else blocks. It
// must be called outside all bubbles.
func (q *Queue) Chore(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.open(0)
	b.pending++
	if q.chores.Push(callback{f, b}); !q.busy {
		q.busy = true
		Launch(q.doChores)
	}
}

// Launch calls f on a new goroutine that has none of the caller's profiler labels,
// as the child of another goroutine would: a timer starts it. It must be called
// outside all bubbles.
func Launch(f func()) { time.AfterFunc(0, f) }

// startIfDue makes sure that a goroutine comes for what is due. Must be called with q.mu held.
func (q *Queue) startIfDue() {
	switch {
	case q.due.Len() == 0 || q.starting:
	case q.workers < workersMax, q.workers < workersMax+4*runtime.GOMAXPROCS(0): // First without GOMAXPROCS, which takes a lock.
		q.start()
	case !q.watched:
		q.watched = true
		seen := q.progress
		time.AfterFunc(workersPatience, func() { q.look(seen) })
	}
}

// start starts one more goroutine. Must be called with q.mu held.
func (q *Queue) start() {
	q.starting = true
	q.workers++
	Launch(q.serve)
}

// look starts one more goroutine if progress is still what is given.
func (q *Queue) look(seen uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.watched = false
	if q.due.Len() > 0 && !q.starting && q.progress == seen {
		q.start()
		return // It will ask for the next look when it takes what is due.
	}
	q.startIfDue()
}

// Waiting returns how many functions wait for a goroutine.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.due.Len() + q.chores.Len()
}

// serve runs what is due until nothing is.
func (q *Queue) serve() {
	q.mu.Lock()
	q.starting = false
	for q.due.Len() > 0 {
		c := q.due.Pop()
		q.progress++
		q.startIfDue()
		q.mu.Unlock()
		q.run(c)
		q.mu.Lock()
	}
	q.workers--
	q.mu.Unlock()
}

// run calls c. It notes the end also if that is a Goexit, after which
// others run what is due.
func (q *Queue) run(c callback) {
	returned := false
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.progress++
		if c.batch != nil {
			q.leave(c.batch)
		}
		if !returned {
			q.workers--
			q.startIfDue()
		}
	}()
	c.run()
	returned = true
}

// doChores is serve for chores.
func (q *Queue) doChores() {
	q.mu.Lock()
	for q.chores.Len() > 0 {
		c := q.chores.Pop()
		q.mu.Unlock()
		c.run()
		q.mu.Lock()
		q.leave(c.batch)
	}
	q.busy = false
	q.mu.Unlock()
}

// open returns the batch of a bubble that is open. Must be called with q.mu held.
func (q *Queue) open(bubble uint64) *batch {
	for _, b := range q.batches {
		if b.bubble == bubble && !b.sealed {
			return b
		}
	}
	b := &batch{bubble: bubble}
	q.batches = append(q.batches, b)
	return b
}

// leave counts the end of one in b. Must be called with q.mu held.
func (q *Queue) leave(b *batch) {
	if b.pending--; b.pending > 0 || b.bubble == 0 && !b.sealed { // The open one of those outside is kept for the next.
		return
	}
	for _, done := range b.waiters {
		close(done)
	}
	q.batches = slices.DeleteFunc(q.batches, func(other *batch) bool { return other == b })
}

// Wait returns once all that is due now in the bubbles that it is asked for has
// returned, or ctx is done. Bubble 0 is outside all bubbles. In a bubble it may be
// asked for that bubble only: the channel that it waits on is closed by those that
// it waits for, and closing a channel of another bubble would end the program.
func (q *Queue) Wait(ctx context.Context, in func(bubble uint64) bool) error {
	var waiting []chan struct{}
	q.mu.Lock()
	for _, b := range q.batches {
		if b.pending > 0 && in(b.bubble) {
			b.sealed = true
			done := make(chan struct{})
			b.waiters = append(b.waiters, done)
			waiting = append(waiting, done)
		}
	}
	q.mu.Unlock()
	for _, done := range waiting {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Pending reports whether anything is due in the bubbles that it is asked for.
func (q *Queue) Pending(in func(bubble uint64) bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.batches, func(b *batch) bool { return b.pending > 0 && in(b.bubble) })
}

// Everywhere is for Wait: in all bubbles, and outside them.
func Everywhere(uint64) bool { return true }

// A Tally counts what waits or is being run by a goroutine of the caller's, for callers of Wait.
type Tally struct {
	Bubble uint64    // in which it is; 0 = outside of all. Immutable.
	runs   []tallied // oldest first. Guarded by Queue.mu.
}

// tallied is how many consecutive ones are in one batch.
type tallied struct {
	batch *batch
	n     int
}

// Enter counts n more in a tally.
func (q *Queue) Enter(of *Tally, n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.open(of.Bubble)
	b.pending += n
	if last := len(of.runs) - 1; last >= 0 && of.runs[last].batch == b {
		of.runs[last].n += n
	} else {
		of.runs = append(of.runs, tallied{b, n})
	}
}

// Leave counts the end of the oldest in a tally, or of all of it.
func (q *Queue) Leave(of *Tally, all bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(of.runs) > 0 {
		first := &of.runs[0]
		first.n--
		q.leave(first.batch)
		if first.n == 0 {
			of.runs = slices.Delete(of.runs, 0, 1)
		}
		if !all {
			return
		}
	}
}
