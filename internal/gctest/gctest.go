// Package gctest is the harness of tests that run beside the collector: what waits
// for a death polls with a deadline, and what makes an object drops it on another
// goroutine. It does not import the library, so that the tests inside it can use it.
package gctest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Patience is how long a test waits for what must happen: far longer than it ever takes, so
// that only a hang or a leak reaches it.
const Patience = 20 * time.Second

// Eventually waits until cond holds, with a collection between any two attempts. How many
// collections a death takes is up to the collector: a frame that was preempted is scanned
// conservatively, and a pass that met a collection keeps what it looked at for another cycle.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
		runtime.GC()
		runtime.Gosched()
	}
}

// Within is Eventually without the collections, for what must happen by itself. Not for a bubble of
// testing/synctest, whose clock would run ahead.
func Within(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for tries := 0; !cond(); tries++ {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
		if tries < 100 {
			runtime.Gosched()
		} else {
			time.Sleep(100 * time.Microsecond) // What it waits for needs the processor.
		}
	}
}

// Await waits for a channel to be closed or to deliver.
func Await(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(Patience):
		t.Fatalf("not within %v: %s", Patience, what)
	}
}

// Elsewhere runs f on a goroutine of its own and waits for it, so that no stack frame and no
// register of the test keeps what f made. f must not call t.Fatal.
//
//go:noinline
func Elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// PanicText runs f and returns the text of its panic; "" means that it did not panic.
func PanicText(f func()) (text string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			text = r.Error()
		default:
			text = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

// MustPanic checks that f panics with a text that starts with want. It does not wait forever
// for an f that hangs on a lock which an earlier panic left locked.
func MustPanic(t testing.TB, call, want string, f func()) {
	t.Helper()
	var got string
	done := make(chan struct{})
	go func() {
		defer close(done)
		got = PanicText(f)
	}()
	Await(t, call+" returns", done)
	if !strings.HasPrefix(got, want) {
		t.Errorf("%s: panic %q, want one that starts with %q", call, got, want)
	}
}

// CollectInBackground runs collections in a loop until the returned function is called.
func CollectInBackground() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
				runtime.GC()
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// WithProcs sets GOMAXPROCS until the test ends. With two processors the runtime has one
// cleanup goroutine, with sixteen it has four, and goroutines are preempted at other places.
func WithProcs(t testing.TB, n int) {
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// HeapObjects returns how many objects are live on the heap, after collections that leave
// nothing to sweep.
func HeapObjects() uint64 {
	var stats runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return stats.HeapObjects
}

// HeapBytes returns the bytes of live objects on the heap, after collections that leave
// nothing to sweep.
func HeapBytes() int {
	var stats runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}
