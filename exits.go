package weakmap

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// exits holds the finalizers that are still to run, for RunAtExit. What keeps a
// finalizer is the argument of its runtime cleanup, which needs nothing of this.
//
// The price of Finalize beyond its runtime.AddCleanup is mostly memory to
// allocate and to mark. Hence a finalizer is 16 bytes beside its function and
// argument, and shares a chunk with others of its time: 58 bytes in all, with
// an argument of one word.
var exits exitList

type exitList struct {
	made    atomic.Uint64 // finalizers ever made: the number of the newest. Accessed atomically.
	running atomic.Int32  // calls of RunAtExit under way. Accessed atomically.
	stripes [8]exitStripe // A finalizer's number chooses. No evidence that more help: runtime.AddCleanup has one lock.

	mu   sync.Mutex         // Never held together with a stripe's.
	late []pendingFinalizer // what was made or put on while RunAtExit ran, oldest first. Guarded by mu.
}

// A pendingFinalizer is a *Finalizer, or a *stoppable one around it.
type pendingFinalizer interface {
	Call() bool
	exit() // Call if RunAtExit is to run it
	base() *finalizer
}

// An exitStripe is a list of chunks. Its mu guards them and their finalizers.
// It is held for a few instructions only, never while anything is called.
type exitStripe struct {
	mu   sync.Mutex
	head *exitChunk // the one that is filled, then older ones. Guarded by mu.
	_    [48]byte   // A cache line each.
}

// An exitChunk holds some finalizers. It goes when the last of them has left;
// its places are not used again, which keeps it small.
type exitChunk struct {
	stripe       *exitStripe                    // Immutable.
	newer, older *exitChunk                     // Guarded by stripe.mu.
	used, left   uint8                          // places taken so far, and how many of them were given back. Guarded by stripe.mu.
	pending      [exitChunkLen]pendingFinalizer // nil where given back. Guarded by stripe.mu.
	numbers      [exitChunkLen]uint64           // theirs. Guarded by stripe.mu.
}

// exitChunkLen makes a chunk 416 bytes, a size class of the runtime. That is
// what a finalizer that outlives all of its time costs.
const exitChunkLen = 16

// A finalizer is a Finalizer whatever its argument.
type finalizer struct {
	_ [0]sync.Mutex // vet: not to be copied.

	chunk     *exitChunk // nil in the zero Finalizer. Immutable.
	place     uint8      // in chunk. Immutable.
	pending   bool       // whether fn is still to run. Guarded by chunk.stripe.mu.
	skipped   bool       // whether RunAtExit leaves it out. Guarded by chunk.stripe.mu.
	arrived   bool       // whether the runtime's cleanup has come, or none will. Guarded by chunk.stripe.mu.
	abandoned bool       // whether it is counted in abandoned. Guarded by chunk.stripe.mu.
	plot      uint16     // of the object. Immutable.
}

func (f *finalizer) base() *finalizer { return f }

// lock locks what guards f, and returns it.
func (f *finalizer) lock() *sync.Mutex {
	mu := &f.chunk.stripe.mu
	mu.Lock()
	return mu
}

// add makes p pending. Before, nobody else may know of it.
func (e *exitList) add(p pendingFinalizer) {
	f, number := p.base(), e.made.Add(1)
	s := &e.stripes[number%uint64(len(e.stripes))]
	s.mu.Lock()
	c := s.head
	if c == nil || c.used == exitChunkLen {
		c = &exitChunk{stripe: s, older: s.head}
		if s.head != nil {
			s.head.newer = c
		}
		s.head = c
	}
	f.chunk, f.place, f.pending = c, c.used, true
	c.pending[c.used], c.numbers[c.used] = p, number
	c.used++
	s.mu.Unlock()
	e.lateIfRunning(p)
}

// lateIfRunning tells the RunAtExit under way, if there is one, of p.
func (e *exitList) lateIfRunning(p pendingFinalizer) {
	// RunAtExit first counts itself and then looks into the stripes, we do the
	// opposite: it sees p here or there.
	if e.running.Load() > 0 {
		e.mu.Lock()
		e.late = append(e.late, p)
		e.mu.Unlock()
	}
}

// claim ends f's time of waiting: true goes once, to whoever may now run or drop
// it, with its place in the chunk. Must be called with the lock of f held.
func (f *finalizer) claim() (p pendingFinalizer, ok bool) {
	if !f.pending {
		return nil, false
	}
	f.pending = false
	if !f.arrived {
		f.abandoned = true
		abandoned[f.plot].Add(1)
	}
	c := f.chunk
	p, c.pending[f.place] = c.pending[f.place], nil
	if c.left++; c.left == exitChunkLen {
		if c.older != nil {
			c.older.newer = c.newer
		}
		if c.newer != nil {
			c.newer.older = c.older
		} else {
			c.stripe.head = c.older
		}
		c.newer, c.older = nil, nil // A finalizer that the user keeps must not keep others.
	}
	return p, true
}

// An arrival is the argument of a runtime cleanup. A bare interface would not
// be safe (golang/go#81517).
type arrival struct{ pendingFinalizer }

// arrive runs on the runtime's goroutine when the object is gone, and leaves
// the finalizer to one of ours. Until that takes it, others may.
func arrive(a arrival) {
	f := a.base()
	mu := f.lock()
	f.arrived = true
	pending := f.pending
	if f.abandoned {
		abandoned[f.plot].Add(-1)
	}
	mu.Unlock()
	if pending {
		callbacks.submit(func(*batch) { a.Call() })
	}
	followed.gone.Add(1)
}

// An exitRun is one call of RunAtExit.
type exitRun struct {
	due []pendingFinalizer // those found at the start and not run yet, oldest first
}

// begin finds what is to run.
func (r *exitRun) begin() {
	exits.running.Add(1)
	type numbered struct {
		pendingFinalizer
		number uint64
	}
	var found []numbered
	for i := range exits.stripes {
		s := &exits.stripes[i]
		s.mu.Lock()
		for c := s.head; c != nil; c = c.older {
			for place, p := range c.pending {
				if p != nil {
					found = append(found, numbered{p, c.numbers[place]})
				}
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(found, func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
	r.due = make([]pendingFinalizer, len(found))
	for i, n := range found {
		r.due[i] = n.pendingFinalizer
	}
}

// run runs all there is, the newest first.
func (r *exitRun) run() {
	all := false
	defer func() {
		if !all { // A panic or Goexit is under way, and goes on when we return.
			r.run()
		}
	}()
	for p := r.next(); p != nil; p = r.next() {
		p.exit()
	}
	all = true
}

// next takes the newest finalizer not taken, or returns nil.
func (r *exitRun) next() (p pendingFinalizer) {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	from := &exits.late
	if len(*from) == 0 {
		from = &r.due
	}
	if last := len(*from) - 1; last >= 0 {
		p, (*from)[last] = (*from)[last], nil
		*from = (*from)[:last]
	}
	return p
}

// end lets go of what nobody will look at.
func (r *exitRun) end() {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	if exits.running.Add(-1) == 0 {
		exits.late = nil
	}
}

// abandoned counts, for each plot of addresses, the cleanups that wait for the
// death of an object though their finalizer was called or detached. A cleanup
// can be stopped only by someone who holds the object, and a weak pointer on
// each would double the price of Finalize: so they stay. They must not pile up
// on one long-lived object, though, and so on a plot that is crowded Finalize
// makes that weak pointer.
var abandoned [1 << 13]atomic.Int32

// crowd is how many abandoned cleanups make a plot crowded. With 16 the plots
// take 131,072 objects that were finalized by hand and are still to be
// collected; beyond that Finalize gets slower, never wrong.
const crowd = 16

// plotOf returns the plot that address belongs to.
func plotOf(address uintptr) uint16 {
	return uint16(scatter(address) % uint64(len(abandoned)))
}

// followed counts the runtime cleanups that callbacks hang on.
var followed struct {
	refs atomic.Int64 // made for a Ref; exits.made are those for a Finalizer
	gone atomic.Int64 // those that came, were stopped, or never will come
}

// following reports whether a callback may still hang on a runtime cleanup.
func following() bool {
	gone := followed.gone.Load() // First: more may be made and come meanwhile.
	return gone < int64(exits.made.Load())+followed.refs.Load()
}
