package weakmap

import (
	"bytes"
	"context"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// A backlog is what the runtime has still to do after a collection: the
// cleanups and runtime finalizers that it queued. It runs them on goroutines of
// its own, at some time and in no order; Settle waits for them, since our
// callbacks are submitted by such cleanups, and since what a finalizer holds
// dies only after it.
//
// From Go 1.26 on, the counts of runtime/metrics tell how long to wait. Before
// that, markers say that the runtime's goroutines have begun, and they go on until
// nothing is queued: so when none of them is at work, nothing is queued.
//
// Counting the objects that are dead would not do instead: an object with a
// finalizer looks dead, and may be brought back by it and never be gone.
type backlog struct {
	samples []metrics.Sample // queued and executed, of cleanups and then finalizers; nil if there are no metrics
	markers *markers         // of the last collection; nil if there are metrics
	gaveUp  bool             // whether a wait ended without progress. Later ones do not wait.
}

// markers tell whether the runtime has begun to run cleanups and finalizers since.
type markers struct{ cleanup, finalizer atomic.Bool }

// backlogPatience is how long a wait goes on without progress: much longer than a
// goroutine waits on a loaded machine, and much shorter than a test's deadline.
// There is no evidence for its exact value.
const backlogPatience = time.Second

func newBacklog() *backlog {
	b := &backlog{samples: []metrics.Sample{
		{Name: "/gc/cleanups/queued:cleanups"}, {Name: "/gc/cleanups/executed:cleanups"},
		{Name: "/gc/finalizers/queued:finalizers"}, {Name: "/gc/finalizers/executed:finalizers"},
	}}
	metrics.Read(b.samples)
	for _, s := range b.samples {
		if s.Value.Kind() != metrics.KindUint64 {
			b.samples = nil
			break
		}
	}
	return b
}

// collect runs one collection.
func (b *backlog) collect() {
	if b.samples == nil {
		b.markers = new(markers)
		for range 4 { // in case a stale word on some stack keeps one
			b.markers.drop()
		}
	}
	runtime.GC()
}

// drop makes one marker of each kind, and drops them.
//
//go:noinline
func (m *markers) drop() {
	runtime.AddCleanup(new(sentinel), func(m *markers) { m.cleanup.Store(true) }, m)
	runtime.SetFinalizer(new(sentinel), func(*sentinel) { m.finalizer.Store(true) })
}

// A work is one number for cleanups and one for finalizers.
type work struct{ cleanups, finalizers uint64 }

// wait returns when what the last collection queued has been run, as far as it
// matters here. It gives up when nothing has moved for backlogPatience.
func (b *backlog) wait(ctx context.Context) error {
	cleanups := following()
	finalizers := cleanups || !reaper.idle()
	queued, executed := b.count()
	done := func() bool {
		if b.samples == nil {
			return (!cleanups || b.markers.cleanup.Load()) && (!finalizers || b.markers.finalizer.Load()) && !runtimeAtWork(cleanups, finalizers)
		}
		return (!cleanups || executed.cleanups >= queued.cleanups) && (!finalizers || executed.finalizers >= queued.finalizers)
	}
	last, since := executed, time.Now()
	for pause := time.Microsecond; !b.gaveUp && !done(); pause = min(2*pause, 2*time.Millisecond) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, executed = b.count(); executed != last {
			last, since = executed, time.Now()
		}
		b.gaveUp = time.Since(since) > backlogPatience
	}
	return nil
}

// count returns how much work was ever queued and executed. Without metrics,
// executed at least changes when a cleanup of ours runs.
func (b *backlog) count() (queued, executed work) {
	if b.samples == nil {
		return work{}, work{cleanups: uint64(followed.gone.Load())}
	}
	metrics.Read(b.samples)
	n := func(i int) uint64 { return b.samples[i].Value.Uint64() }
	return work{n(0), n(2)}, work{n(1), n(3)}
}

// finalized returns how many runtime finalizers have run that are not ours. What
// the object of one refers to can die from the next collection on. Without
// metrics it is 0.
func (b *backlog) finalized() uint64 {
	if b.samples == nil {
		return 0
	}
	_, executed := b.count()
	return executed.finalizers - reaper.finalized.Load()
}

// quietRounds is how many collections in a row must have found nothing before
// nothing more is expected: without metrics a finalizer runs unseen, so a few more.
func (b *backlog) quietRounds() int {
	if b.samples == nil {
		return 4
	}
	return 2
}

// runtimeAtWork reports whether a goroutine of the runtime is running cleanups,
// or finalizers. A trace of all goroutines shows it then, and only then.
func runtimeAtWork(cleanups, finalizers bool) bool {
	for size := 1 << 16; ; size *= 2 {
		stacks := make([]byte, size)
		if n := runtime.Stack(stacks, true); n < size {
			stacks = stacks[:n]
			return cleanups && bytes.Contains(stacks, []byte("\nruntime.runCleanups(")) ||
				finalizers && bytes.Contains(stacks, []byte("\nruntime.runFinalizers("))
		}
	}
}

// followed counts the runtime cleanups that start callbacks.
var followed struct {
	refs atomic.Int64 // made for a Ref; exits.made are those for a Finalizer
	gone atomic.Int64 // those that have run, were stopped, or never will run
}

// following reports whether a runtime cleanup may still start a callback.
func following() bool {
	gone := followed.gone.Load() // First: more may be made and run after this.
	return gone < int64(exits.made.Load())+followed.refs.Load()
}
