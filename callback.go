package weakmap

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// callbacks runs all that the collector causes to be called: OnReap, and what
// a cleanup could not do at once.
var callbacks callbackQueue

// A callbackQueue runs functions on goroutines that come and go: none while
// nothing is due. A function that blocks delays no other, since whoever takes
// one makes sure first that somebody is there for the next.
type callbackQueue struct {
	mu       sync.Mutex
	due      []callback // not taken yet, oldest first, from head on. Guarded by mu.
	head     int        // Guarded by mu.
	starting bool       // whether a goroutine was started that has not taken a function yet. Guarded by mu.
	batches  []*batch   // those not done, oldest first; the last one is open. Guarded by mu.
}

// A callback is a function that is due. It is told its batch.
type callback struct {
	run   func(*batch)
	batch *batch
}

// A batch is the callbacks that came between two calls of wait. It is open
// until the second of them, and then done once all of them have returned.
type batch struct {
	pending int // callbacks that have not returned. Guarded by callbackQueue.mu.
	sealed  atomic.Bool
	done    chan struct{}
}

// submit has f run soon.
func (q *callbackQueue) submit(f func(*batch)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.batches); n == 0 || q.batches[n-1].sealed.Load() {
		q.batches = append(q.batches, &batch{done: make(chan struct{})})
	}
	b := q.batches[len(q.batches)-1]
	b.pending++
	q.due = append(q.due, callback{f, b})
	q.startIfDue()
}

// startIfDue makes sure that somebody comes for what is due. Must be called with q.mu held.
func (q *callbackQueue) startIfDue() {
	if q.head < len(q.due) && !q.starting {
		q.starting = true
		go q.serve()
	}
}

// waiting returns how many functions wait for a goroutine.
func (q *callbackQueue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.due) - q.head
}

// serve runs what is due until nothing is.
func (q *callbackQueue) serve() {
	q.mu.Lock()
	q.starting = false
	for q.head < len(q.due) {
		f := q.due[q.head]
		q.due[q.head] = callback{}
		if q.head++; q.head == len(q.due) {
			q.due, q.head = q.due[:0], 0
			if cap(q.due) > dueKept {
				q.due = nil
			}
		}
		q.startIfDue()
		q.mu.Unlock()
		q.run(f)
		q.mu.Lock()
	}
	q.mu.Unlock()
}

// dueKept is how many slots of an empty queue are kept for later.
const dueKept = 1024

// run calls f. It accounts for its end also if that is a Goexit, after which
// others run what is due.
func (q *callbackQueue) run(f callback) {
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.startIfDue()
		f.batch.pending--
		q.finish(f.batch)
	}()
	f.run(f.batch)
}

// finish closes b if it is done. Must be called with q.mu held.
func (q *callbackQueue) finish(b *batch) {
	if b.pending == 0 && b.sealed.Load() {
		close(b.done)
		q.batches = slices.DeleteFunc(q.batches, func(other *batch) bool { return other == b })
	}
}

// wait returns once all that is due now has returned, or ctx is done.
func (q *callbackQueue) wait(ctx context.Context) error {
	q.mu.Lock()
	waiting := slices.Clone(q.batches)
	for _, b := range waiting {
		if !b.sealed.Swap(true) {
			q.finish(b)
		}
	}
	q.mu.Unlock()
	for _, b := range waiting {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// reports are the attached parts of a table's dead entries, waiting for the
// container's OnReap. They hang on the table, so they go with it.
type reports struct {
	mu      sync.Mutex
	due     []reaped // Guarded by mu.
	taken   int      // how many of due were taken. Guarded by mu.
	serving bool     // whether a function that calls OnReap is in callbacks. Guarded by mu.
}

// next takes the oldest report. When there is none, serving ends.
func (r *reports) next() (a reaped, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken == len(r.due) {
		r.due, r.taken, r.serving = nil, 0, false
		return a, false
	}
	var zero reaped
	a, r.due[r.taken] = r.due[r.taken], zero
	r.taken++
	return a, true
}

// waiting is the number of reports not taken.
func (r *reports) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.due) - r.taken
}

// report has OnReap called for each of dead.
func (t *table) report(dead []reaped) {
	r := &t.reports
	r.mu.Lock()
	r.due = append(r.due, dead...)
	serve := !r.serving
	r.serving = true
	r.mu.Unlock()
	if serve {
		t.serveReports()
	}
}

// serveReports has one goroutine at a time call OnReap until all is reported.
// Between calls it holds the table weakly: a report that waits behind a slow
// one keeps neither the container nor its keys, and none comes once the
// container was collected.
func (t *table) serveReports() {
	self := t.self
	callbacks.submit(func(b *batch) {
		left := -1 // reports to go before whoever waits for this batch has all that he waits for
		goexit := false
		defer func() {
			if goexit || left == 0 { // Somebody else goes on.
				if t := self.Value(); t != nil {
					t.serveReports()
				}
			}
		}()
		for left != 0 {
			t := self.Value()
			if t == nil {
				return
			}
			if left < 0 && b.sealed.Load() {
				left = t.reports.waiting()
				continue
			}
			a, ok := t.reports.next()
			if !ok {
				left = -1
				return
			}
			left--
			onReap := t.onReap
			t = nil
			goexit = true
			onReap(a)
			goexit = false
		}
	})
}
