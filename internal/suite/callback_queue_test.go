package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// blockEnv makes the blocked callbacks below block for as long as it says, say
// 10s. Without it they block until all else has gone on.
const blockEnv = "WEAKMAP_TEST_BLOCK"

// TestBlockedCallbacksDelayNothing: neither files of the same program, nor the
// entries of a Map, nor other callbacks.
func TestBlockedCallbacksDelayNothing(t *testing.T) {
	const blocked = 20 // more than there are goroutines of the runtime for cleanups
	leave, entered := make(chan struct{}), make(chan struct{}, blocked)
	release := sync.OnceFunc(func() { close(leave) })
	defer release()
	if s := os.Getenv(blockEnv); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(d, release)
		defer func() { <-leave }()
	}
	block := func(int) { entered <- struct{}{}; <-leave }
	var refs []*weakmap.Ref[record]
	elsewhere(func() {
		for i := range blocked / 2 {
			weakmap.Finalize(&record{id: i}, block, i)
			refs = append(refs, weakmap.NewRef(new(record), func() { block(0) }))
		}
	})
	eventually(t, "all that block do so", func() bool { return len(entered) == blocked })

	// A pipe whose writing end was dropped ends when the runtime's cleanup has closed it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	elsewhere(func() { fmt.Fprint(w, "x"); w = nil })
	piped := make(chan struct{})
	go func() {
		defer close(piped)
		if b, err := io.ReadAll(r); err != nil || string(b) != "x" {
			t.Errorf("read %q, %v", b, err)
		}
	}()

	const entries = 100_000
	var reaped, ran, called atomic.Int64
	m := &weakmap.Map[int, record]{OnReap: func(int) { reaped.Add(1) }}
	var more []*weakmap.Ref[record]
	elsewhere(func() {
		for i := range entries {
			m.Store(i, &record{id: i})
		}
		for range 1000 {
			r := new(record)
			weakmap.Finalize(r, func(int) { ran.Add(1) }, 0)
			more = append(more, weakmap.NewRef(r, func() { called.Add(1) }))
		}
	})
	eventually(t, "a dropped file is closed", func() bool { return isClosed(piped) })
	eventually(t, "100,000 entries go and are reported", func() bool { return m.Len() == 0 && reaped.Load() == entries })
	eventually(t, "other callbacks run", func() bool { return ran.Load() == 1000 && called.Load() == 1000 })
	if os.Getenv(blockEnv) == "" && isClosed(leave) {
		t.Fatal("the callbacks did not block all the time")
	}
	runtime.KeepAlive(refs)
	runtime.KeepAlive(more)
}

// TestGoexitInCallbackStopsNothing also counts goroutines: none stays.
func TestGoexitInCallbackStopsNothing(t *testing.T) {
	settle(t)
	before := runtime.NumGoroutine()
	var ran atomic.Int64
	const n = 1000
	elsewhere(func() {
		for i := range n {
			weakmap.Finalize(&record{id: i}, func(i int) {
				ran.Add(1)
				if i%2 == 0 {
					runtime.Goexit()
				}
			}, i)
		}
	})
	settle(t)
	if got := ran.Load(); got != n {
		t.Errorf("%d of %d ran", got, n)
	}
	within(t, "no goroutine stays", func() bool { return runtime.NumGoroutine() <= before })
}

// TestCallbackMayUseEverything: it holds no lock.
func TestCallbackMayUseEverything(t *testing.T) {
	m := new(weakmap.Map[int, record])
	held := new(record)
	done := make(chan struct{})
	elsewhere(func() {
		weakmap.Finalize(new(record), func(n int) {
			m.Store(n, held)
			m.Reap()
			f := weakmap.Finalize(held, func(int) {}, 0)
			g := weakmap.Finalize(held, func(int) { f.Detach() }, 0)
			g.Call()
			weakmap.NewRef(held, func() {}).Stop()
			close(done)
		}, 3)
	})
	eventually(t, "the callback ends", func() bool { return isClosed(done) })
	if v, ok := m.Load(3); !ok || v != held {
		t.Error("what the callback stored is not there")
	}
}

func TestSettleWithoutContextPanics(t *testing.T) {
	var none context.Context
	mustPanic(t, "Settle(nil)", "weakmap: nil Context", func() { weakmap.Settle(none) })
	if err := weakmap.Settle(t.Context()); err != nil {
		t.Errorf("Settle after that: %v", err)
	}
}

// TestSettleWaitsForCallbacks: of Refs and Finalizers, and of chains of them.
func TestSettleWaitsForCallbacks(t *testing.T) {
	for _, c := range []struct {
		name string
		drop func(due func()) (keep any)
	}{
		{"Finalizer", func(due func()) any {
			weakmap.Finalize(new(record), func(int) { due() }, 0)
			return nil
		}},
		{"Ref", func(due func()) any { return weakmap.NewRef(new(record), due) }},
		{"Finalizer of what another one held", func(due func()) any {
			inner := new(record)
			weakmap.Finalize(inner, func(int) { due() }, 0)
			weakmap.Finalize(new(record), func(*record) {}, inner)
			return nil
		}},
		{"end of a chain of five", func(due func()) any {
			end := new(record)
			weakmap.Finalize(end, func(int) { due() }, 0)
			for range 4 {
				next := new(record)
				weakmap.Finalize(next, func(*record) {}, end)
				end = next
			}
			return nil
		}},
		{"Finalizer among slow cleanups of others", func(due func()) any {
			runtime.AddCleanup(new(record), func(int) { time.Sleep(100 * time.Microsecond) }, 0)
			weakmap.Finalize(new(record), func(int) { due() }, 0)
			return nil
		}},
		{"Finalizer of an object with a runtime finalizer", func(due func()) any {
			r := new(record)
			runtime.SetFinalizer(r, func(r *record) { r.id++ })
			weakmap.Finalize(r, func(int) { due() }, 0)
			return nil
		}},
		{"Finalizer of what such an object holds", func(due func()) any {
			r := &record{link: new(record)}
			runtime.SetFinalizer(r, func(r *record) { r.id++ })
			weakmap.Finalize(r.link, func(int) { due() }, 0)
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 500 // several blocks of the runtime's
			var returned atomic.Int64
			keep := make([]any, n)
			elsewhere(func() {
				for i := range n {
					keep[i] = c.drop(func() {
						runtime.Gosched()
						returned.Add(1)
					})
				}
			})
			settle(t)
			if got := returned.Load(); got != n {
				t.Errorf("%d of %d callbacks had returned after Settle", got, n)
			}
			runtime.KeepAlive(keep)
		})
	}
}

// TestSettleWaitsForEachCleanupGoroutine: with many processors the runtime runs cleanups on several goroutines,
// and one that is held up by another's cleanup has callbacks behind it while the others have done all of
// theirs. Before Go 1.26 only a trace of these goroutines tells: where backlog does not look at it, this fails
// with Go 1.25 in 19 of 20 runs.
func TestSettleWaitsForEachCleanupGoroutine(t *testing.T) {
	gctest.WithProcs(t, 64)
	var called atomic.Int64
	var refs []any
	drop := func(size int) {
		for i := range 100 {
			object := make([]*record, size)
			if i%25 == 10 {
				runtime.AddCleanup(&object[0], func(int) { time.Sleep(100 * time.Millisecond) }, 0)
			}
			refs = append(refs, weakmap.NewRef(&object[0], func() { called.Add(1) }))
		}
	}
	elsewhere(func() {
		for _, size := range []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048} { // The runtime queues cleanups of objects of one size one after the other.
			drop(size)
		}
	})
	settle(t)
	if got := called.Load(); got != int64(len(refs)) {
		t.Errorf("%d of %d callbacks had been called after Settle", got, len(refs))
	}
	runtime.KeepAlive(refs)
}

// TestSettleEnds where there is something that will never come.
func TestSettleEnds(t *testing.T) {
	var graveyard []*record
	for _, c := range []struct {
		name  string
		begin func() (end func())
	}{
		{"nothing to wait for", func() func() { return func() {} }},
		{"an object that was brought back", func() func() {
			elsewhere(func() {
				r := new(record)
				runtime.SetFinalizer(r, func(r *record) { graveyard = append(graveyard, r) })
				weakmap.Finalize(r, func(int) {}, 0).AtExit(false)
				weakmap.NewRef(r, func() {}) //weakvet:ignore weakdropped dropped on purpose
			})
			return func() { graveyard = nil }
		}},
		{"one that brings itself back always", func() func() {
			var stop atomic.Bool
			elsewhere(func() {
				r := new(record)
				var again func(r *record)
				again = func(r *record) {
					if !stop.Load() {
						runtime.SetFinalizer(r, again)
					}
				}
				again(r)
				weakmap.Finalize(r, func(int) {}, 0)
			})
			return func() { stop.Store(true) }
		}},
		{"objects that never die", func() func() {
			f := weakmap.Finalize(&immortal, func(int) {}, 0)
			g := weakmap.Finalize(new(struct{}), func(int) {}, 0) //weakvet:ignore weaktiny never dies
			tiny := new(bool)
			h := weakmap.Finalize(tiny, func(int) {}, 0) //weakvet:ignore weaktiny never dies
			return func() { f.Detach(); g.Detach(); h.Detach(); runtime.KeepAlive(tiny) }
		}},
		{"a busy program", func() func() {
			var stop atomic.Bool
			var ran atomic.Int64
			var busy sync.WaitGroup
			busy.Go(func() {
				for made := int64(0); !stop.Load(); {
					if made-ran.Load() > 10_000 { // Under the race detector the runtime's cleanups cannot keep pace.
						runtime.Gosched()
						continue
					}
					weakmap.Finalize(new(record), func(int) { ran.Add(1) }, 0)
					made++
				}
			})
			return func() { stop.Store(true); busy.Wait() }
		}},
		{"somebody else's cleanup blocks", func() func() {
			leave, entered := make(chan struct{}), make(chan struct{})
			elsewhere(func() {
				runtime.AddCleanup(new(record), func(int) { close(entered); <-leave }, 0)
			})
			eventually(t, "the cleanup blocks", func() bool { return isClosed(entered) })
			return func() { close(leave) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			end := c.begin()
			defer end()
			settle(t)
		})
	}
	settle(t)
}

func TestSettleWithNothingToWaitForIsQuick(t *testing.T) {
	settle(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	settle(t)
	runtime.ReadMemStats(&after)
	if n := after.NumGC - before.NumGC; n > 4 {
		t.Errorf("%d collections, want a few", n)
	}
}

func TestSettleEndsWithItsContext(t *testing.T) {
	leave, entered := make(chan struct{}), make(chan struct{})
	elsewhere(func() { weakmap.Finalize(new(record), func(int) { close(entered); <-leave }, 0) })
	eventually(t, "the callback blocks", func() bool { return isClosed(entered) })
	ctx, cancel := context.WithCancelCause(context.Background())
	result := make(chan error)
	go func() { result <- weakmap.Settle(ctx) }()
	cancel(errors.New("enough"))
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Settle = %v, want %v", err, context.Canceled)
	}
	close(leave)
	settle(t)
}
