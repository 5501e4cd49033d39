package weakmap

import (
	"runtime"
	"sync/atomic"
	"weak"

	"github.com/go-weak/weakmap/internal/misuse"
)

// A Ref is a weak reference to an object, with a callback for its death. Python
// calls it weakref.ref. [NewRef] makes one; the zero Ref refers to nothing.
//
// The callback runs once, after the object is gone, if the Ref is still
// reachable then. Dropping the Ref cancels the callback, and frees what it holds.
// In this a Ref differs from a [Finalizer].
//
// The callback runs on a goroutine of this package, with no lock held: it may
// block, and may use any container. A panic in it crashes the program, as in any
// goroutine.
//
// A Ref must not be copied. All methods may be called by any number of
// goroutines at once.
type Ref[T any] struct {
	watch    watch[T]               // Immutable.
	callback atomic.Pointer[func()] // nil if there is none, or it was queued or stopped. Accessed atomically.
	own      runtime.Cleanup        // stops watch when the Ref is gone. Immutable.
}

// A watch is how a Ref watches its object, and a Finalizer that may have to stop its cleanup.
type watch[T any] struct {
	pointer weak.Pointer[T]
	cleanup runtime.Cleanup // what calls back; zero if nothing will
}

// NewRef returns a weak reference to the object that ptr points to. Unless it
// is nil, callback is called when the object is gone: once the garbage collector
// has found it unreachable and, if it has a runtime finalizer, that has run and
// not brought it back.
//
// The callback must not refer to the object, which would then stay as long as the
// Ref does; NewRef panics if it is a closure that captured ptr, where [Finalize]
// would. It panics if ptr is nil. Finalize also lists the objects that may never go.
func NewRef[T any](ptr *T, callback func()) *Ref[T] {
	if ptr == nil {
		panic("weakmap: NewRef: nil ptr")
	}
	r := &Ref[T]{watch: watch[T]{pointer: weak.Make(ptr)}}
	if callback == nil {
		return r
	}
	misuse.Func("NewRef", "callback", ptr, callback)
	r.callback.Store(&callback)
	// The runtime holds the argument of a cleanup as long as the object lives,
	// so this one is weak: what the callback holds is kept by r alone.
	r.watch.cleanup = runtime.AddCleanup(ptr, referentGone[T], weak.Make(r))
	if r.watch.cleanup != (runtime.Cleanup{}) { // else the object is not of those that go
		followed.refs.Add(1)
		// Refs that come and go must leave nothing on an object that stays.
		r.own = runtime.AddCleanup(r, func(w watch[T]) { w.stop() }, r.watch)
	}
	runtime.KeepAlive(ptr)
	return r
}

// referentGone runs on the runtime's goroutine, and leaves the callback to ours.
func referentGone[T any](ref weak.Pointer[Ref[T]]) {
	if r := ref.Value(); r != nil {
		if callback := r.callback.Swap(nil); callback != nil {
			callbacks.Submit(*callback)
		}
	}
	followed.gone.Add(1)
}

// stop stops the cleanup if the object lives, and reports whether it did. On a dead one Stop could
// crash the process (golang/go#81435), so it is called only while the object is held.
func (w watch[T]) stop() (stopped bool) {
	ptr := w.pointer.Value()
	if ptr == nil || w.cleanup == (runtime.Cleanup{}) {
		return false
	}
	w.cleanup.Stop()
	followed.gone.Add(1)
	runtime.KeepAlive(ptr)
	return true
}

// Value returns the pointer that the Ref was made from, or nil once the object
// is unreachable. If the object has a runtime finalizer, that is before the
// finalizer runs, and so possibly long before the callback.
func (r *Ref[T]) Value() *T { return r.watch.pointer.Value() }

// Pointer returns the weak pointer to the object. It is the same for every Ref
// made from the same pointer, even when the object is gone: use it to compare
// Refs, or as the key of a map.
func (r *Ref[T]) Pointer() weak.Pointer[T] { return r.watch.pointer }

// Stop cancels the callback, lets go of it, and reports whether it did: false
// means that there was none, that it was stopped before, or that it was queued
// to run, whether or not it has run. The Ref still refers to the object.
func (r *Ref[T]) Stop() (stopped bool) {
	if r.callback.Swap(nil) == nil {
		return false
	}
	r.own.Stop()
	r.watch.stop()
	runtime.KeepAlive(r)
	return true
}

// A Method is a method bound to a receiver that it does not keep alive, for
// instance in a list of observers. Python calls it a WeakMethod. [Bind] makes one;
// the receiver of the zero Method is gone. A Method may be copied, and used by any
// number of goroutines at once.
type Method[T, A any] struct {
	receiver weak.Pointer[T]
	method   func(*T, A)
}

// Bind returns method, bound to recv. It is meant for a method expression,
// such as (*Widget).OnClick, with one parameter and no result; a function literal may
// wrap others. A function that itself refers to recv, as the method value
// recv.OnClick does, would keep it alive. Bind panics if recv or method is
// nil and, where [Finalize] would, if method is a closure that captured recv.
func Bind[T, A any](recv *T, method func(*T, A)) Method[T, A] {
	if recv == nil {
		panic("weakmap: Bind: nil receiver")
	}
	if method == nil {
		panic("weakmap: Bind: nil method")
	}
	misuse.Func("Bind", "method", recv, method)
	return Method[T, A]{weak.Make(recv), method}
}

// Call calls the method with arg and then returns true. If the receiver is gone,
// it returns false.
func (m Method[T, A]) Call(arg A) (called bool) {
	recv := m.receiver.Value()
	if recv == nil {
		return false
	}
	m.method(recv, arg)
	return true
}

// Alive reports whether the receiver is alive. It may be gone by the time Alive
// returns; to call the method if it can be called, use [Method.Call].
func (m Method[T, A]) Alive() bool { return m.receiver.Value() != nil }
