package weakmap

import (
	"cmp"
	"container/heap"
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap/internal/bubble"
	"github.com/go-weak/weakmap/internal/callback"
)

// exits holds the finalizers that are still to run, for RunAtExit to find, and keeps them until
// then.
var exits exitList

type exitList struct {
	made    atomic.Uint64 // finalizers ever made: the number of the newest. Accessed atomically.
	running atomic.Int32  // calls of RunAtExit under way. Accessed atomically; lowered with mu held.
	stripes [8]exitStripe // Chosen by a finalizer's number.

	mu   sync.Mutex  // Never held together with a stripe's.
	late newestFirst // what was made or put on while RunAtExit ran, and may be due as well. Guarded by mu.
}

// newestFirst is a heap of finalizers, for package heap: what functions put on may come in any order.
type newestFirst []*finalizer

func (h newestFirst) Len() int           { return len(h) }
func (h newestFirst) Less(i, j int) bool { return olderFirst(h[i], h[j]) > 0 }
func (h newestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *newestFirst) Push(f any)        { *h = append(*h, f.(*finalizer)) }

func (h *newestFirst) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return f
}

// An exitStripe has some of the finalizers. Its mu guards the list and what is in it. It is held for
// a few instructions, or while the list is copied, never while anything is called.
type exitStripe struct {
	mu      sync.Mutex
	pending []*finalizer               // in no order; each knows its place. Guarded by mu.
	stops   map[*finalizer]func() bool // what stops the runtime's cleanup, where there is something. Guarded by mu.
	most    int                        // the most stops at once since their map was made. Guarded by mu.
	_       [128 - 8 - 5*ptrSize]byte  // Two cache lines each.
}

// An anyFinalizer is a *Finalizer, whatever its argument.
type anyFinalizer interface {
	Call() bool
	exit() // Call if RunAtExit is to run it
}

// A finalizer is a Finalizer whatever its argument. It points to no other: the runtime's cleanup holds
// it, and from there GODEBUG=checkfinalizers=1 looks for the object, which another's argument may keep.
type finalizer struct {
	_ [0]sync.Mutex // vet: not to be copied.

	self    anyFinalizer // nil in the zero Finalizer. Immutable.
	number  uint64       // in the order of creation. Immutable.
	place   uint32       // one more than its index in the stripe's list; 0 once it is over. Guarded by the stripe's mu.
	plot    uint16       // of the object. Immutable.
	skipped bool         // whether RunAtExit leaves it out. Guarded by the stripe's mu.
	arrived bool         // whether the runtime's cleanup has come while f was pending, or none will. Guarded by the stripe's mu.
}

// pending reports whether fn is still to run. Must be called with the stripe locked.
func (f *finalizer) pending() bool { return f.place > 0 }

// newFinalizer returns a finalizer that is pending.
func newFinalizer[A any](fn func(A), arg A, plot uint16) *Finalizer[A] {
	f := &Finalizer[A]{fn: fn, arg: arg}
	f.self, f.plot = f, plot
	f.list()
	return f
}

// list puts a new f into the list.
func (f *finalizer) list() {
	f.number = exits.made.Add(1)
	s := f.lock()
	s.pending = append(s.pending, f)
	f.place = uint32(len(s.pending))
	s.mu.Unlock()
	exits.lateIfRunning(f)
}

// lock locks the stripe of f, and returns it.
func (f *finalizer) lock() *exitStripe {
	s := &exits.stripes[f.number%uint64(len(exits.stripes))]
	s.mu.Lock()
	return s
}

// remove takes f out of the list: the last one moves to its place. Must be called with s.mu held.
func (s *exitStripe) remove(f *finalizer) {
	end := len(s.pending) - 1
	last := s.pending[end]
	s.pending[f.place-1], last.place = last, f.place
	s.pending[end], f.place = nil, 0
	s.pending = s.pending[:end]
	if room := cap(s.pending); end <= room/4 && room > exitRoomKept {
		s.pending = append(make([]*finalizer, 0, room/2), s.pending...)
	}
}

// exitRoomKept is the room of a stripe's list that stays when finalizers go.
const exitRoomKept = 64

// lateIfRunning tells the RunAtExit under way, if there is one, of f.
func (e *exitList) lateIfRunning(f *finalizer) {
	// RunAtExit first counts itself and then looks into the stripes, we do the
	// opposite: it sees f here or there.
	if e.running.Load() > 0 {
		e.mu.Lock()
		if e.running.Load() > 0 { // Still, or nothing would let go of f.
			heap.Push(&e.late, f)
		}
		e.mu.Unlock()
	}
}

// end ends f's time of waiting: it returns true once, to the caller that may now
// run or drop it, with the function that stops the runtime's cleanup, if there is
// one. Must be called with s, the stripe of f, locked.
func (f *finalizer) end(s *exitStripe) (stop func() bool, ok bool) {
	if !f.pending() {
		return nil, false
	}
	if !f.arrived {
		abandoned[f.plot].Add(1)
	}
	s.remove(f)
	return s.takeStop(f), true
}

// takeStop takes what stops the cleanup of f out of the stripe. Must be called with s.mu held.
func (s *exitStripe) takeStop(f *finalizer) (stop func() bool) {
	if len(s.stops) == 0 {
		return nil
	}
	stop = s.stops[f]
	delete(s.stops, f)
	if n := len(s.stops); n <= s.most/4 { // A map does not shrink by itself.
		stops := s.stops
		if s.stops, s.most = nil, 0; n > 0 {
			s.stops, s.most = make(map[*finalizer]func() bool, n), n
			maps.Copy(s.stops, stops)
		}
	}
	return stop
}

// arrive runs on the runtime's goroutine when the object is gone, and leaves
// the finalizer to one of ours. Until that takes it, others may.
func arrive(f *finalizer) {
	s := f.lock()
	pending := f.pending()
	if f.arrived = pending; !pending { // It was over before, and its cleanup was abandoned.
		abandoned[f.plot].Add(-1)
	}
	s.mu.Unlock()
	if pending {
		callbacks.Submit(func() { f.self.Call() })
	}
	followed.gone.Add(1)
}

// neverArrives notes that no cleanup of f will run.
func (f *finalizer) neverArrives() {
	s := f.lock()
	f.arrived = true
	if !f.pending() { // RunAtExit was faster.
		abandoned[f.plot].Add(-1)
	}
	s.mu.Unlock()
	followed.gone.Add(1)
}

// stopBy has stop called when f is over before its object is.
func (f *finalizer) stopBy(stop func() bool) {
	s := f.lock()
	defer s.mu.Unlock()
	if f.pending() {
		if s.stops == nil {
			s.stops = make(map[*finalizer]func() bool)
		}
		s.stops[f] = stop
		s.most = max(s.most, len(s.stops))
	}
}

// An exitRun is one call of RunAtExit.
type exitRun struct {
	due []*finalizer // those found at the start and not run yet, oldest first
}

// begin finds what is to run.
func (r *exitRun) begin() {
	exits.running.Add(1)
	for i := range exits.stripes {
		s := &exits.stripes[i]
		s.mu.Lock()
		r.due = append(r.due, s.pending...)
		s.mu.Unlock()
	}
	slices.SortFunc(r.due, olderFirst)
}

// olderFirst compares for an order by age.
func olderFirst(a, b *finalizer) int { return cmp.Compare(a.number, b.number) }

// run runs all there is, the newest first.
func (r *exitRun) run() {
	all := false
	defer func() {
		if !all { // A panic or Goexit is under way, and goes on when we return.
			r.run()
		}
	}()
	for f := r.next(); f != nil; f = r.next() {
		f.self.exit()
	}
	all = true
}

// next takes the newest finalizer not taken, or returns nil.
func (r *exitRun) next() (f *finalizer) {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	last := len(r.due) - 1
	if len(exits.late) > 0 && (last < 0 || olderFirst(exits.late[0], r.due[last]) > 0) {
		return heap.Pop(&exits.late).(*finalizer)
	}
	if last >= 0 {
		f, r.due[last] = r.due[last], nil
		r.due = r.due[:last]
	}
	return f
}

// end lets go of what will not be looked at any more.
func (r *exitRun) end() {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	if exits.running.Add(-1) == 0 {
		exits.late = nil
	}
}

// waitBriefly is RunAtExit's wait for the callbacks that are due.
func waitBriefly() {
	ctx, cancel := context.WithTimeout(context.Background(), exitPatience)
	defer cancel()
	in := bubble.ID()
	if in == 0 {
		callbacks.Wait(ctx, callback.Everywhere)
		return
	}
	callbacks.Wait(ctx, func(of uint64) bool { return of == in })
	elsewhere := func(of uint64) bool { return of != in }
	if !callbacks.Pending(elsewhere) {
		return
	}
	done := bubble.Run(func() {
		ctx, cancel := context.WithTimeout(context.Background(), exitPatience)
		defer cancel()
		callbacks.Wait(ctx, elsewhere)
	})
	if done != nil {
		<-done
	}
}

// exitPatience is how long RunAtExit waits for what collections have started: far
// longer than removing a directory takes, but short enough that a callback that blocks
// forever, or that calls RunAtExit itself, does not make it hang. There is no evidence
// for its exact value.
const exitPatience = time.Second

// abandoned counts, for each plot of addresses, the cleanups that wait for the
// death of an object though their finalizer was called or detached. A cleanup
// can be stopped only while the object is held, and a weak pointer on each object
// would cost more than Finalize itself: so they stay. They must not pile up on one
// long-lived object, though, and so on a plot that is crowded Finalize makes that
// weak pointer.
var abandoned [1 << 13]atomic.Int32

// abandonedMax is how many abandoned cleanups make a plot crowded. With 16 the plots
// take 131,072 objects that were finalized by hand and are still to be
// collected; beyond that Finalize gets slower, never wrong.
const abandonedMax = 16

// plotOf returns the plot that address belongs to.
func plotOf(address uintptr) uint16 {
	return uint16((uint64(address) * 0x9e3779b97f4a7c15 >> 40) % uint64(len(abandoned)))
}
