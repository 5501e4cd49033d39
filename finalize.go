package weakmap

import (
	"context"
	"runtime"
	"time"
	"unsafe"
	"weak"
)

// A Finalizer is a function that is to run when an object is gone. It is what
// Python calls weakref.finalize. [Finalize] makes one; the zero Finalizer is
// over already: its methods return false.
//
// The function runs once, by whatever comes first: the collection of the
// object, [Finalizer.Call], or [RunAtExit]. What it holds is let go when it has
// run or was detached. The package keeps the Finalizer until then, so the
// caller need not.
//
// After a collection it runs on a goroutine of this package, with no lock held:
// it may block, and may use anything. A panic there crashes the program, as in
// any goroutine.
//
// All methods may be called by any number of goroutines at once, and from the
// function itself.
type Finalizer[A any] struct {
	finalizer
	fn  func(A) // nil once it was claimed. Guarded by the stripe's mu.
	arg A       // zero once it was claimed. Guarded by the stripe's mu.
}

// Finalize arranges for fn(arg) to run when the object that ptr points to is
// gone: once the garbage collector has found it unreachable and, if it has a
// runtime finalizer, that has run and not brought it back.
//
// Neither fn nor arg may refer to the object, or it would never go. Finalize
// panics where it can tell: if arg is a pointer, slice or interface that refers
// to it, or if fn, or an arg that is a function, is a closure that captured it
// (from Go 1.26 on, and by samples where one line makes very many closures). It
// panics if ptr or fn is nil.
//
// No more is promised than by [runtime.AddCleanup]: objects of size zero,
// pointer-free ones below 16 bytes and variables of packages may never go, and
// at exit nothing runs but by [RunAtExit]. There is no order among several
// finalizers of one object, nor between those of objects that die together.
func Finalize[T, A any](ptr *T, fn func(A), arg A) *Finalizer[A] {
	if ptr == nil {
		panic("weakmap: Finalize: nil ptr")
	}
	if fn == nil {
		panic("weakmap: Finalize: nil fn")
	}
	vetArg("Finalize", ptr, arg)
	vetFunc("Finalize", "fn", ptr, fn)

	f := newFinalizer(fn, arg, plotOf(uintptr(unsafe.Pointer(ptr))))
	added := false
	defer func() {
		if !added { // ptr is none of Go's, and the runtime panics.
			f.neverArrives()
			f.Detach()
		}
	}()
	// The cleanup cannot come before ptr is let go.
	cleanup := runtime.AddCleanup(ptr, arrive, &f.finalizer)
	added = true
	if cleanup == (runtime.Cleanup{}) { // The object is not of those that go.
		f.neverArrives()
	} else if abandoned[f.plot].Load() >= crowd {
		f.stopBy(stopper(ptr, cleanup))
	}
	runtime.KeepAlive(ptr)
	return f
}

// stopper returns a function that stops cleanup if the object at ptr lives. On
// a dead one Stop could crash the process (golang/go#81435), so it is called
// only by someone who holds the object.
func stopper[T any](ptr *T, cleanup runtime.Cleanup) func() bool {
	w := weak.Make(ptr)
	return func() bool {
		ptr := w.Value()
		if ptr == nil {
			return false
		}
		cleanup.Stop()
		runtime.KeepAlive(ptr)
		followed.gone.Add(1)
		return true
	}
}

// claim returns what f was to run, once, and makes f let go of it. With exit it
// is RunAtExit that claims.
func (f *Finalizer[A]) claim(exit bool) (fn func(A), arg A, ok bool) {
	if f.offset == 0 {
		return nil, arg, false
	}
	mu := f.lock()
	if exit && f.skipped {
		mu.Unlock()
		return nil, arg, false
	}
	stop, ok := f.finalizer.claim()
	if ok {
		var zero A
		fn, arg = f.fn, f.arg
		f.fn, f.arg = nil, zero
	}
	arrived := f.arrived
	mu.Unlock()
	if stop != nil && !arrived && stop() {
		abandoned[f.plot].Add(-1)
	}
	return fn, arg, ok
}

// Call runs the function now, on the caller's goroutine, and returns true after
// it; or it returns false, if the function was called before, is running, or
// was detached. A panic or Goexit in the function goes to the caller, and the
// function counts as run.
func (f *Finalizer[A]) Call() (called bool) {
	fn, arg, ok := f.claim(false)
	if ok {
		fn(arg)
	}
	return ok
}

// exit is Call for RunAtExit.
func (f *Finalizer[A]) exit() {
	if fn, arg, ok := f.claim(true); ok {
		fn(arg)
	}
}

// Detach cancels the Finalizer for good, and reports whether it did: false
// means that the function was called before, is running, or was detached.
func (f *Finalizer[A]) Detach() (detached bool) {
	_, _, ok := f.claim(false)
	return ok
}

// Alive reports whether the function is still to run.
func (f *Finalizer[A]) Alive() bool {
	_, ok := f.Peek()
	return ok
}

// Peek returns the argument that the function is to be called with, and true;
// or false if it is not to run any more.
func (f *Finalizer[A]) Peek() (arg A, ok bool) {
	if f.offset == 0 {
		return arg, false
	}
	mu := f.lock()
	defer mu.Unlock()
	return f.arg, f.pending
}

// AtExit says whether [RunAtExit] is to run the function, which it does by
// default. It takes no part in what a collection does. On a Finalizer that is
// over it has no effect.
func (f *Finalizer[A]) AtExit(run bool) {
	if f.offset == 0 {
		return
	}
	mu := f.lock()
	on := run && f.skipped
	f.skipped = !run
	mu.Unlock()
	if on {
		exits.lateIfRunning(f)
	}
}

// RunAtExit runs, on the caller's goroutine, the function of every [Finalizer]
// that is still to run, the newest first; those made meanwhile, by the
// functions or by anybody, are run too. Then it waits a moment, one second at
// most, for callbacks that collections have started, so that they are not cut
// off halfway. It is for a deferred call in main:
//
//	func main() {
//		defer weakmap.RunAtExit()
//
// A panic or [runtime.Goexit] in a function does not keep the others from
// running, and goes on afterwards, as if each had been deferred. The functions
// run once: RunAtExit may be called again, or by several goroutines, and
// returns then although a function that another one runs may not have ended.
//
// Deferred calls do not run on os.Exit or log.Fatal, nor when another goroutine
// panics or a signal kills the program.
func RunAtExit() {
	var r exitRun
	r.begin()
	defer r.end()
	defer r.run() // what those that we wait for have made
	r.run()
	ctx, cancel := context.WithTimeout(context.Background(), exitPatience)
	defer cancel()
	callbacks.wait(ctx)
}

// exitPatience is how long RunAtExit waits for what collections have started:
// far longer than to remove a directory takes, and not so long that a callback
// that blocks for ever, or that calls RunAtExit itself, makes it hang. No
// evidence for its exact size.
const exitPatience = time.Second

// Settle runs collections until every entry whose value was unreachable at the
// call has left every container, and every callback that was due has returned:
// OnReap, and the callbacks of every [Ref] and [Finalizer] whose object was
// gone. It is for tests and orderly shutdown: each collection stops at nothing that
// the program holds, and costs what runtime.GC costs.
//
// It does not wait for values that the runtime never reports dead: pointer-free
// ones of less than 16 bytes, which share memory, zero-size and global ones. Nor
// does it wait for an object that its runtime finalizer has brought back, or that
// is at the end of a chain of more than 30 objects with finalizers, of which each
// collection takes one (before Go 1.26, of more than 3). A goroutine that loads
// or iterates meanwhile may revive what it touches for one more cycle; the
// promise holds for what nobody touches.
//
// If ctx is done first, Settle returns its error. It must not be called from a
// callback, for whose return it would wait. Several calls wait for each other.
// A cleanup or finalizer of the runtime that blocks, which is not one of ours,
// keeps Settle for one second: then it goes on without what is behind that one.
func Settle(ctx context.Context) error {
	reaper.settlers.Add(1) // A pass that is under way does not pause any more.
	defer reaper.settlers.Add(-1)
	select {
	case reaper.turn <- struct{}{}: // No pass may look at weak pointers while our collections mark.
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-reaper.turn }()
	backlog := newBacklog()
	// An object behind a runtime finalizer dies one collection later than what
	// it hangs on, so we go on until nothing comes any more. What the program
	// goes on dropping must not keep us here for ever.
	for quiet, round := 0, 0; quiet < backlog.quietRounds() && round < settleRounds; round++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		gone, finalized := followed.gone.Load(), backlog.finalized()
		backlog.collect()
		quiet++
		if reaper.sweep() > 0 {
			quiet = 0
		}
		if err := backlog.wait(ctx); err != nil {
			return err
		}
		if err := callbacks.wait(ctx); err != nil {
			return err
		}
		if followed.gone.Load() != gone || backlog.finalized() != finalized {
			quiet = 0
		}
	}
	return nil
}

// settleRounds bounds the collections of one Settle: a chain that is longer is a
// list whose every node has a finalizer, and such lists are not made.
const settleRounds = 32
