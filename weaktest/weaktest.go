// Package weaktest helps to test code that uses weak references.
//
// The collector decides when an object dies, so a test must neither expect a
// death after exactly one collection nor wait for one by sleeping. The functions
// here run collections until what is expected has happened, and fail the test
// if it has not when their time is up: after 10 seconds, or shortly before the
// test's own deadline (go test -timeout) if that is earlier.
//
//	func TestCacheForgets(t *testing.T) {
//		var cache weakmap.Map[string, page]
//		index := func() weak.Pointer[page] {
//			p := new(page)
//			cache.Store("index", p)
//			return weak.Make(p)
//		}()
//		weaktest.Dies(t, index)   // nothing keeps the page
//		weaktest.Empty(t, &cache) // nor its entry
//	}
//
// As in this example, make and drop an object in a function of its own: in the test
// itself a variable, or a copy of it that the compiler made, may be in use longer
// than it seems. What must not die needs a use after the check, such as
// [runtime.KeepAlive].
//
// In a bubble of testing/synctest these functions wait in real time, while the
// bubble's clock stands still, and the test's own deadline is not known. The runtime
// runs cleanups outside all bubbles.
//
// A failure is reported by t.Errorf, at the caller's line, and the test goes on.
// Tests that call these functions may run in parallel, except those that count
// collections: a collection concerns the whole program.
package weaktest

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/bubble"
)

// patience is how long an expectation may take: far longer than it ever does, so
// that only a leak reaches it.
const patience = 10 * time.Second

// Collect runs collections until cond returns true, and reports whether it did
// in time. If it did not, the test fails with a message that says what was
// waited for.
func Collect(t testing.TB, what string, cond func() bool) bool {
	t.Helper()
	w := newWait(t)
	if w.collect(cond) {
		return true
	}
	t.Errorf("weaktest: not within %v of collections: %s", w.elapsed(), what)
	return false
}

// Dies runs collections until the object of p is dead, and reports whether it
// died in time. If it did not, the test fails with a message that says what is
// known of its holders: whether it is of a kind that never dies, which goroutines
// have it among the arguments of their calls, and what else to look for. Then it
// follows the values of all KeyMaps, as far as [weakdebug.Cycles] does, and names the
// path to the object if it finds one, above all from a value to its own key; that
// reads the values without a lock. A zero p fails as well: it never referred to
// anything.
//
// An object with a runtime finalizer counts as dead before the finalizer runs.
func Dies[T any](t testing.TB, p weak.Pointer[T]) bool {
	t.Helper()
	if isZero(t, "Dies", p) {
		return false
	}
	w := newWait(t)
	if w.collect(func() bool { return p.Value() == nil }) {
		return true
	}
	t.Errorf("weaktest: a %v that should have died lives after %v of collections\n%s", reflect.TypeFor[T](), w.elapsed(), holders(p))
	// After the failure is reported: where a goroutine still writes to a map that is
	// reached, this ends the program.
	if paths := attached(p); paths != "" {
		t.Log(paths)
	}
	return false
}

// Lives runs a few collections and reports whether the object of p outlives
// them. If it does not, or if p is zero, the test fails.
//
// It cannot tell an object that is held from one that the collector has not reached
// yet; several collections make that unlikely.
func Lives[T any](t testing.TB, p weak.Pointer[T]) bool {
	t.Helper()
	if isZero(t, "Lives", p) {
		return false
	}
	for range livesThrough {
		runtime.GC()
	}
	if p.Value() == nil {
		t.Errorf("weaktest: a %v that should live is dead: nothing holds it, or its last use comes before this check "+
			"(runtime.KeepAlive after it is a use)", reflect.TypeFor[T]())
		return false
	}
	return true
}

// livesThrough is how many collections Lives runs. One is not enough for an object
// that a stale word on some stack keeps; there is no evidence for more than two.
const livesThrough = 3

func isZero[T any](t testing.TB, caller string, p weak.Pointer[T]) bool {
	t.Helper()
	if p != (weak.Pointer[T]{}) {
		return false
	}
	t.Errorf("weaktest: %s: a zero %T, which refers to nothing", caller, p)
	return true
}

// A Container is one of package weakmap, or anything like it.
type Container interface {
	Len() int
	Reap() (removed int)
}

// Empty waits until everything unreachable has left the containers of package
// weakmap, as [weakmap.Settle] does, and reports whether c has no entries then.
// If there are some, it tries again until its time is up, and then the test
// fails. What Config.Retain, RetainFor or RetainMax holds is reachable.
//
// Settle waits for callbacks too, so Empty must not be called from one.
func Empty(t testing.TB, c Container) bool {
	t.Helper()
	w := newWait(t)
	ctx, cancel := context.WithTimeout(context.Background(), w.limit)
	defer cancel()
	settled := false
	if w.collect(func() bool {
		settled = weakmap.Settle(ctx) == nil || settled
		c.Reap()
		return c.Len() == 0
	}) {
		return true
	}
	left := "1 entry"
	if n := c.Len(); n != 1 {
		left = fmt.Sprint(n, " entries")
	}
	t.Errorf("weaktest: %s left in a %T after %v of collections: something holds what is referred to; "+
		"Dies, with a weak pointer to it, says more", left, c, w.elapsed())
	if !settled { // Else the last Settle found the time up, which says nothing.
		t.Logf("weaktest: weakmap.Settle did not return in that time: a callback has not, or there was too little of it")
	}
	return false
}

// A wait is one expectation's share of time.
type wait struct {
	bubbled bool      // whether it is in a bubble
	start   time.Time // real, as all times here
	limit   time.Duration
}

// newWait grants patience, or what is left of the test's time less a tenth of
// it for the report.
func newWait(t testing.TB) wait {
	w := wait{bubbled: bubble.Inside(), limit: patience}
	if end, ok := deadline(t, w.bubbled); ok {
		w.limit = min(w.limit, time.Until(end)/10*9)
	}
	if w.bubbled {
		runtime.GC()
	}
	w.start = w.now()
	return w
}

// deadline returns when the test's time is up, if that is known.
func deadline(t testing.TB, bubbled bool) (end time.Time, ok bool) {
	limited, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return end, false
	}
	if bubbled {
		defer func() {
			if recover() != nil { // So a testing.T refuses to tell.
				end, ok = time.Time{}, false
			}
		}()
	}
	return limited.Deadline()
}

// now returns the time, in a bubble that of the last collection.
func (w wait) now() time.Time {
	if w.bubbled {
		return bubble.LastCollection()
	}
	return time.Now()
}

func (w wait) elapsed() time.Duration { return w.now().Sub(w.start).Round(time.Millisecond) }

// collect runs collections until cond holds, one at least unless it holds from the
// beginning, and reports whether it did in time.
func (w wait) collect(cond func() bool) bool {
	for pause, late := time.Microsecond, false; !cond(); pause = min(2*pause, longestPause) {
		if late {
			return false
		}
		runtime.GC()
		w.rest(pause)
		late = w.now().Sub(w.start) > w.limit
	}
	return true
}

// rest is a pause between two collections: cleanups and finalizers need a processor
// to run on.
func (w wait) rest(pause time.Duration) {
	if !w.bubbled {
		time.Sleep(pause)
		return
	}
	for range yields { // Sleeping here would only advance the bubble's clock.
		runtime.Gosched()
	}
}

// yields is how often a pause in a bubble yields the processor. There is no evidence
// for its exact value.
const yields = 100

// longestPause is the longest pause between two collections.
const longestPause = 10 * time.Millisecond
