//go:build !weakmapsched

package weakmap

import (
	"runtime"
	"sync"
	"weak"
)

// The seam between the engine and what decides when things happen: the
// collector, the runtime's cleanups, the scheduler of goroutines. With the build
// tag weakmapsched a test decides instead (seam_sched.go). Without it everything
// here is what it stands for, and costs nothing: the compiler leaves no trace.

// A reference is what an entry has of its referent.
type reference[P any] = weak.Pointer[P]

func refer[P any](p *P) reference[P] { return weak.Make(p) }

// A cleanup is one that a value of a table with PerValue carries.
type cleanup = runtime.Cleanup

func addCleanup[P, T any](p *P, f func(T), arg T) cleanup { return runtime.AddCleanup(p, f, arg) }

// whenGone has f run on the runtime's cleanup goroutine when the table at t is gone.
func whenGone[T, A any](t *T, f func(A), arg A) { runtime.AddCleanup(t, f, arg) }

// A mutex is any lock that is held while another goroutine may be let go first.
type mutex = sync.Mutex

// await waits for a computation to end.
func await(done <-chan struct{}) { <-done }

// submit has f, which is not the user's, run soon, on another goroutine.
func submit(f func()) { callbacks.chore(f) }

// interleave marks a moment at which what other goroutines do makes a
// difference, and says what has just been done or is just to be done. After
// toAsk a reference is only asked whether it is nil.
func interleave(string) {}

// strong marks a referent, or nil, that this goroutine holds from here on although
// it did not ask a reference for it.
func strong[P any](p *P) *P { return p }

// collections returns how many collections have ended so far.
func collections() uint64 { return collectionsEnded() }
