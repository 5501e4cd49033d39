// Package bubble tells which bubble of testing/synctest a goroutine belongs to,
// and leads out of it. The runtime has no exported name for either.
//
// What belongs to a bubble must stay there: a goroutine that is started in one,
// a channel or a timer that is made in one. Using such a channel from elsewhere
// ends the program. A channel that was made outside may be used everywhere, but
// while a goroutine of a bubble waits on one, or for a sync.Mutex, the bubble's
// clock stands still.
package bubble

import (
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Inside reports whether the caller's goroutine belongs to a bubble. It takes as
// long as ID.
func Inside() bool { return ID() != 0 }

// ID returns the number of the bubble that the caller's goroutine belongs to. It
// is 0 outside all bubbles, and no two bubbles have the same one. Outside it
// takes as long as time.Now, in a bubble some microseconds.
func ID() uint64 {
	// A time has a monotonic reading unless it was taken in a bubble. Round(0)
	// strips it. Where time.Now has none at all, the trace has no number.
	if now := time.Now(); now != now.Round(0) {
		return 0
	}
	return number()
}

// number is what a stack trace of the caller's goroutine begins with:
//
//	goroutine 7 [running, synctest bubble 3]:
func number() uint64 {
	var trace [160]byte
	header, _, _ := strings.Cut(string(trace[:runtime.Stack(trace[:], false)]), "]")
	_, digits, _ := strings.Cut(header, ", synctest bubble ")
	n, _ := strconv.ParseUint(digits, 10, 64) // 0 if there are none
	return n
}

// Run has f called on a goroutine that belongs to no bubble, and returns a channel
// that belongs to none either and is closed when f has returned. It is for callers
// in a bubble: the goroutines that they start belong to it, so f must be started from
// outside. The runtime does that, which calls cleanups and finalizers there. Run runs
// collections until it has called one. If both are blocked, it gives up after a second
// of real time: then it returns nil, and f is not called.
func Run(f func()) (done <-chan struct{}) {
	var (
		decided atomic.Bool // whether f will be called, or will not
		started atomic.Pointer[chan struct{}]
	)
	start := func() {
		if decided.CompareAndSwap(false, true) {
			done := make(chan struct{})
			started.Store(&done)
			go func() {
				defer close(done)
				f()
			}()
		}
	}
	var begin time.Time
	for {
		drop(start)
		runtime.GC()
		for range 100 {
			if done := started.Load(); done != nil {
				return *done
			}
			runtime.Gosched()
		}
		if now := LastCollection(); begin.IsZero() {
			begin = now
		} else if now.Sub(begin) > patience && decided.CompareAndSwap(false, true) {
			return nil
		}
	}
}

// patience is how long Run waits for the runtime. No evidence for its exact size.
const patience = time.Second

// A sentinel holds a pointer so that the tiny allocator cannot keep it alive.
type sentinel struct{ _ *byte }

// drop makes two objects, one with a cleanup and one with a finalizer, and drops
// them.
//
//go:noinline
func drop(f func()) {
	runtime.AddCleanup(new(sentinel), func(f func()) { f() }, f)
	runtime.SetFinalizer(new(sentinel), func(*sentinel) { f() })
}

// LastCollection returns the time at which the last collection ended, or the zero
// Time. It is real time, in a bubble too.
func LastCollection() time.Time {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	return stats.LastGC
}
