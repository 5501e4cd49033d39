package weakmap

import (
	"fmt"
	"runtime"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap/internal/misuse"
)

// A Finalizer is a function that runs when an object is gone. Python calls it
// weakref.finalize. [Finalize] makes one; the zero Finalizer is over already: its
// methods return false.
//
// The function runs once, for whichever comes first: the collection of the
// object, [Finalizer.Call], or [RunAtExit]. What it holds is let go when it has
// run or was detached. The package keeps the Finalizer until then, so the
// caller need not.
//
// After a collection it runs on a goroutine of this package, with no lock held:
// it may block, and may use any container. A panic in it crashes the program, as
// in any goroutine.
//
// A Finalizer must not be copied: the methods of a copy panic. All methods may be
// called by any number of goroutines at once, and from the function itself.
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
// panics where it can tell. It looks at arg, in the structs, arrays and
// interfaces there, and one pointer deep: at what pointers and slices in arg
// point to, as it is at the moment of the call, and at 64 pointers at most. It
// does not see what is behind a second pointer, in a map or channel, or in an
// interface behind a pointer.
//
// From Go 1.26 on, it also panics if fn, or a function in arg, is a closure that
// captured a pointer to the object. In a test binary it checks every call;
// otherwise only the first use of a function literal or method value with objects
// of this type. It does not see what a captured variable points to.
//
// It panics if ptr or fn is nil, and if ptr points to memory that Go did not
// allocate.
//
// No more is promised than by [runtime.AddCleanup]: objects of size zero,
// pointer-free ones below 16 bytes and package variables may never go, and at exit
// nothing runs except through [RunAtExit]. There is no order among several
// finalizers of one object, nor between those of objects that die together.
func Finalize[T, A any](ptr *T, fn func(A), arg A) *Finalizer[A] {
	if ptr == nil {
		panic("weakmap: Finalize: nil ptr")
	}
	if fn == nil {
		panic("weakmap: Finalize: nil fn")
	}
	misuse.Arg("Finalize", ptr, arg)
	misuse.Func("Finalize", "fn", ptr, fn)

	f := newFinalizer(fn, arg, plotOf(uintptr(unsafe.Pointer(ptr))))
	if refusal := f.follow(unsafe.Pointer(ptr)); refusal != nil {
		f.Detach()
		panic(fmt.Sprintf("weakmap: Finalize: %v", refusal))
	}
	runtime.KeepAlive(ptr)
	return f
}

// follow has the runtime call arrive when the object at ptr, which the caller holds, is gone. It returns
// what the runtime panics with if Go did not allocate the memory there.
func (f *finalizer) follow(ptr unsafe.Pointer) (refusal any) {
	added := false
	defer func() {
		if !added {
			refusal = recover()
			f.neverArrives()
		}
	}()
	cleanup := runtime.AddCleanup((*byte)(ptr), arrive, f) // It cannot run before ptr is let go.
	added = true
	if cleanup == (runtime.Cleanup{}) { // The object is not of those that go.
		f.neverArrives()
	} else if abandoned[f.plot].Load() >= abandonedMax {
		f.stopBy(watch[byte]{weak.Make((*byte)(ptr)), cleanup}.stop)
	}
	return nil
}

// isMade reports whether f is what Finalize made: the zero Finalizer is not. A copy has the place of another in
// the list, and would take it from there.
func (f *Finalizer[A]) isMade() bool {
	if f.self != nil && f.self != anyFinalizer(f) {
		panic("weakmap: a Finalizer was copied")
	}
	return f.self != nil
}

// takeOver returns what f was to run, once, and makes f let go of it. exit says that
// RunAtExit claims it.
func (f *Finalizer[A]) takeOver(exit bool) (fn func(A), arg A, ok bool) {
	if !f.isMade() {
		return nil, arg, false
	}
	s := f.lock()
	if exit && f.skipped {
		s.mu.Unlock()
		return nil, arg, false
	}
	stop, ok := f.finalizer.end(s)
	if ok {
		var zero A
		fn, arg = f.fn, f.arg
		f.fn, f.arg = nil, zero
	}
	arrived := f.arrived
	s.mu.Unlock()
	if stop != nil && !arrived && stop() {
		abandoned[f.plot].Add(-1)
	}
	return fn, arg, ok
}

// Call runs the function now, on the caller's goroutine, and then returns true. If
// the function was called before, is running, or was detached, it returns false. A
// panic or Goexit in the function goes to the caller, and the function counts as
// run.
func (f *Finalizer[A]) Call() (called bool) {
	fn, arg, ok := f.takeOver(false)
	if ok {
		fn(arg)
	}
	return ok
}

// exit is Call for RunAtExit.
func (f *Finalizer[A]) exit() {
	if fn, arg, ok := f.takeOver(true); ok {
		fn(arg)
	}
}

// Detach cancels the Finalizer for good, and reports whether it did: false
// means that the function was called before, is running, or was detached.
func (f *Finalizer[A]) Detach() (detached bool) {
	_, _, ok := f.takeOver(false)
	return ok
}

// Alive reports whether the function has yet to run.
func (f *Finalizer[A]) Alive() bool {
	_, ok := f.Peek()
	return ok
}

// Peek returns the argument that the function will be called with, and true. If the
// function will not run any more, it returns false.
func (f *Finalizer[A]) Peek() (arg A, ok bool) {
	if !f.isMade() {
		return arg, false
	}
	s := f.lock()
	defer s.mu.Unlock()
	return f.arg, f.pending()
}

// AtExit sets whether [RunAtExit] runs the function, which it does by default. It
// does not affect what happens after a collection. On a Finalizer that is over it
// has no effect.
func (f *Finalizer[A]) AtExit(run bool) {
	if !f.isMade() {
		return
	}
	s := f.lock()
	on := run && f.skipped && f.pending()
	f.skipped = !run
	s.mu.Unlock()
	if on {
		exits.lateIfRunning(&f.finalizer)
	}
}

// RunAtExit runs, on the caller's goroutine, the function of every [Finalizer]
// that has yet to run, the newest first, including those made while it runs. Then
// it waits a moment, one second at most, for callbacks that collections have
// started, so that they are not cut off halfway. It is for a deferred call in main:
//
//	func main() {
//		defer weakmap.RunAtExit()
//
// A panic or [runtime.Goexit] in a function keeps neither the others from running
// nor RunAtExit from waiting, and goes on afterwards, as if each had been deferred.
// Each function runs once: RunAtExit may be called again, or by several goroutines,
// and may then return before a function that another call runs has ended.
//
// Deferred calls do not run on os.Exit or log.Fatal, nor when another goroutine
// panics or a signal kills the program.
func RunAtExit() {
	var r exitRun
	r.begin()
	defer r.end()
	defer r.run()       // what the callbacks that we wait for have made
	defer waitBriefly() // Also when a function has panicked.
	r.run()
}
