package weakmap

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap/internal/bubble"
	"github.com/go-weak/weakmap/internal/callback"
)

// exits holds the finalizers that are still to run at exit, and keeps them until then. There is one lock
// for all, as runtime.AddCleanup has. It is held for a few instructions, and at exit to sort what AtExit has
// put on again; never while anything is called.
var exits exitList

type exitList struct {
	made atomic.Uint64 // finalizers ever made: the number of the newest. Written with mu held.

	mu       sync.Mutex
	newest   *finalizer                 // those pending and not skipped, linked by older and newer, the newest first unless unsorted. Guarded by mu.
	unsorted bool                       // whether one was put on again. Guarded by mu.
	stops    map[*finalizer]func() bool // what stops the runtime's cleanup, where there is something. Guarded by mu.
}

// An anyFinalizer is a *Finalizer, whatever its argument.
type anyFinalizer interface {
	Call() bool
	exit() // Call if RunAtExit is to run it
}

// A finalizer is a Finalizer whatever its argument.
type finalizer struct {
	_ [0]sync.Mutex // vet: not to be copied.

	self         anyFinalizer // nil in the zero Finalizer. Immutable.
	older, newer *finalizer   // in exits, while it is there. Guarded by exits.mu.
	number       uint64       // in the order of creation. Immutable.
	plot         uint16       // of the object. Immutable.
	pending      bool         // whether fn is still to run. Guarded by exits.mu.
	skipped      bool         // whether RunAtExit leaves it out. Guarded by exits.mu.
	arrived      bool         // whether the runtime's cleanup has come, or none will. Guarded by exits.mu.
}

// newFinalizer returns a finalizer that is pending.
func newFinalizer[A any](fn func(A), arg A, plot uint16) *Finalizer[A] {
	f := &Finalizer[A]{fn: fn, arg: arg}
	f.self, f.plot, f.pending = f, plot, true
	exits.mu.Lock()
	defer exits.mu.Unlock()
	f.number = exits.made.Add(1)
	exits.put(&f.finalizer)
	return f
}

// put puts f first into the list. Must be called with e.mu held.
func (e *exitList) put(f *finalizer) {
	if f.older = e.newest; f.older != nil {
		f.older.newer = f
	}
	e.newest = f
}

// remove takes f out of the list. Must be called with e.mu held.
func (e *exitList) remove(f *finalizer) {
	if f.newer != nil {
		f.newer.older = f.older
	} else {
		e.newest = f.older
	}
	if f.older != nil {
		f.older.newer = f.newer
	}
	f.older, f.newer = nil, nil // A finalizer that the program still holds keeps no others.
}

// next returns the newest finalizer that is to run at exit, or nil.
func (e *exitList) next() *finalizer {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.unsorted {
		e.sort()
	}
	return e.newest
}

// sort puts the list in order. Must be called with e.mu held.
func (e *exitList) sort() {
	var all []*finalizer
	for f := e.newest; f != nil; f = f.older {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b *finalizer) int { return cmp.Compare(a.number, b.number) })
	e.newest = nil
	for _, f := range all {
		f.newer = nil
		e.put(f)
	}
	e.unsorted = false
}

// run runs all there is, the newest first.
func (e *exitList) run() {
	all := false
	defer func() {
		if !all { // A panic or Goexit is under way, and goes on when we return.
			e.run()
		}
	}()
	for f := e.next(); f != nil; f = e.next() {
		f.self.exit()
	}
	all = true
}

// skip sets whether RunAtExit leaves f out.
func (f *finalizer) skip(skipped bool) {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	if f.skipped == skipped {
		return
	}
	f.skipped = skipped
	switch {
	case !f.pending:
	case skipped:
		exits.remove(f)
	default:
		exits.put(f)
		exits.unsorted = true
	}
}

// end ends f's time of waiting: it returns true once, to the caller that may now
// run or drop it, with the function that stops the runtime's cleanup, if there is
// one. Must be called with exits.mu held.
func (f *finalizer) end() (stop func() bool, ok bool) {
	if !f.pending {
		return nil, false
	}
	f.pending = false
	if !f.arrived {
		abandoned[f.plot].Add(1)
	}
	if !f.skipped {
		exits.remove(f)
	}
	if len(exits.stops) > 0 {
		stop = exits.stops[f]
		delete(exits.stops, f)
	}
	return stop, true
}

// arrive runs on the runtime's goroutine when the object is gone, and leaves
// the finalizer to one of ours. Until that takes it, others may.
func arrive(f *finalizer) {
	exits.mu.Lock()
	pending := f.pending
	if f.arrived = pending; !pending { // It was over before, and its cleanup was abandoned.
		abandoned[f.plot].Add(-1)
	}
	exits.mu.Unlock()
	if pending {
		callbacks.Submit(func() { f.self.Call() })
	}
	followed.gone.Add(1)
}

// neverArrives notes that no cleanup of f will run.
func (f *finalizer) neverArrives() {
	exits.mu.Lock()
	f.arrived = true
	if !f.pending { // RunAtExit was faster.
		abandoned[f.plot].Add(-1)
	}
	exits.mu.Unlock()
	followed.gone.Add(1)
}

// stopBy has stop called when f is over before its object is.
func (f *finalizer) stopBy(stop func() bool) {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	if f.pending {
		if exits.stops == nil {
			exits.stops = make(map[*finalizer]func() bool)
		}
		exits.stops[f] = stop
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
// would triple the cost of Finalize: so they stay. They must not pile up on one
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
