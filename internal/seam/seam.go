//go:build !weakmapsched

// Package seam stands between the engine and what decides when things happen: the
// collector, the runtime's cleanups, the scheduler of goroutines. With the build tag
// weakmapsched a test decides instead (sched.go). Without the tag everything here is
// inlined to what it stands for, and costs nothing.
package seam

import (
	"runtime"
	"sync"
	"unsafe"
	"weak"
)

// A weak pointer is one word, and its type does not matter: those made from equal
// addresses are equal. So the engine keeps the word. Only what Make returned is ever
// turned back, by Value; a word that is kept as a pointer keeps the weak pointer usable.
var _ [unsafe.Sizeof(weak.Pointer[byte]{})]byte = [unsafe.Sizeof(uintptr(0))]byte{}

// Make returns the word of a weak pointer to the object at p.
func Make(p unsafe.Pointer) unsafe.Pointer {
	w := weak.Make((*byte)(p))
	return *(*unsafe.Pointer)(unsafe.Pointer(&w))
}

// Value returns the referent of a word that Make returned, or nil if it is dead; nil for nil.
func Value(word unsafe.Pointer) unsafe.Pointer {
	return unsafe.Pointer((*(*weak.Pointer[byte])(unsafe.Pointer(&word))).Value())
}

// A Cleanup is one that a value of a table with PerValue carries.
type Cleanup = runtime.Cleanup

// AddCleanup has f(arg) run when the object at p is gone.
func AddCleanup[T any](p unsafe.Pointer, f func(T), arg T) Cleanup {
	return runtime.AddCleanup((*byte)(p), f, arg)
}

// WhenGone has f(arg) run when the table at t is gone.
func WhenGone[T, A any](t *T, f func(A), arg A) { runtime.AddCleanup(t, f, arg) }

// A Mutex is any lock that is held while another goroutine may be let go first.
type Mutex = sync.Mutex

// Interleave marks a moment at which what other goroutines do makes a difference, and
// says what has just been done or is about to be done. After ToAsk a weak pointer is
// only asked whether it is nil.
func Interleave(string) {}

// Strong marks a referent, or nil, that this goroutine holds from here on although it
// did not ask a weak pointer for it.
func Strong(p unsafe.Pointer) unsafe.Pointer { return p }

// ToAsk names the moments before a weak pointer is only asked whether it is nil.
const ToAsk = "to ask"

// Controlled says whether schedules are: then each run of one does the same, whatever keys hash to.
const Controlled = false

// Await waits for a computation to end.
func Await(done <-chan struct{}) { <-done }

// AwaitEither waits for a computation to end, or for its caller to leave.
func AwaitEither(done, leaves <-chan struct{}) {
	select {
	case <-done:
	case <-leaves:
	}
}

// Spawn has f run on another goroutine, in the caller's bubble and under its labels.
func Spawn(f func()) { go f() }

// Submit has f run soon, on another goroutine, by chore.
func Submit(f func(), chore func(func())) { chore(f) }

// Collections returns how many collections have ended, which is for ended to say.
func Collections(ended func() uint64) uint64 { return ended() }
