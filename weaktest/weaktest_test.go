package weaktest_test

import (
	"fmt"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/weaktest"
)

// A recorder is a test that remembers its failures instead of failing. Its time
// is up soon, so that what must fail does so soon.
type recorder struct {
	testing.TB
	time     time.Duration
	started  time.Time
	failures []string
	helped   bool
}

func newRecorder(t *testing.T) *recorder {
	return &recorder{TB: t, time: 100 * time.Millisecond, started: time.Now()}
}

func (r *recorder) Helper()                     { r.helped = true }
func (r *recorder) Deadline() (time.Time, bool) { return r.started.Add(r.time), true }
func (r *recorder) Log(a ...any)                { r.failures = append(r.failures, fmt.Sprint(a...)) }
func (r *recorder) Logf(format string, a ...any) {
	r.Errorf(format, a...)
}
func (r *recorder) Errorf(format string, a ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, a...))
}

// wantFailure checks that something failed, and with which words.
func (r *recorder) wantFailure(t *testing.T, ok bool, words ...string) {
	t.Helper()
	if ok || len(r.failures) == 0 {
		t.Fatalf("returned %t with %d failures, want false and a failure", ok, len(r.failures))
	}
	if !r.helped {
		t.Error("Helper was not called: the failure names a wrong line")
	}
	text := strings.Join(r.failures, "\n")
	for _, w := range words {
		if !regexp.MustCompile(w).MatchString(text) {
			t.Errorf("the failure does not match %q:\n%s", w, text)
		}
	}
}

// wantSuccess checks that nothing failed.
func (r *recorder) wantSuccess(t *testing.T, ok bool) {
	t.Helper()
	if !ok || len(r.failures) > 0 {
		t.Fatalf("returned %t with failures %q, want true and none", ok, r.failures)
	}
}

// node is an object that dies by itself: it shares no block with others.
type node struct {
	id int
	_  [48]byte
}

// dropped returns a weak pointer to an object that nothing holds.
func dropped() weak.Pointer[node] {
	made := make(chan weak.Pointer[node])
	go func() { made <- weak.Make(&node{id: 1}) }()
	return <-made
}

func TestDiesOnWhatNobodyHolds(t *testing.T) {
	weaktest.Dies(t, dropped())
}

func TestDiesOnWhatIsHeld(t *testing.T) {
	r := newRecorder(t)
	held := &node{id: 1}
	ok := weaktest.Dies(r, weak.Make(held))
	runtime.KeepAlive(held)
	r.wantFailure(t, ok, `a weaktest_test\.node that should have died lives after \d+ms of collections`,
		`a variable of the test`, `a closure that captured it`)
	if spent := time.Since(r.started); spent > 5*time.Second {
		t.Errorf("it took %v although the test's time was %v", spent, r.time)
	}
}

// park waits until it is released, with n among its arguments.
//
//go:noinline
func park(n *node, started chan<- int, release <-chan struct{}) {
	started <- n.id
	<-release
	runtime.KeepAlive(n)
}

func TestDiesNamesTheCallThatHolds(t *testing.T) {
	started, release := make(chan int), make(chan struct{})
	t.Cleanup(func() { close(release) })
	made := make(chan weak.Pointer[node])
	go func() {
		n := &node{id: 7}
		made <- weak.Make(n)
		park(n, started, release)
	}()
	p := <-made
	<-started
	r := newRecorder(t)
	r.wantFailure(t, weaktest.Dies(r, p), `Calls that have its address among their arguments`,
		`goroutine \d+ \[chan receive\] .*weaktest_test\.park\(0x[0-9a-f]+.* at .*weaktest_test\.go:\d+`)
}

func TestDiesNamesNoCallWhereNoneHolds(t *testing.T) {
	r := newRecorder(t)
	keep := make(chan *node, 1)
	made := make(chan weak.Pointer[node])
	go func() {
		n := &node{id: 1}
		keep <- n
		made <- weak.Make(n)
	}()
	r.wantFailure(t, weaktest.Dies(r, <-made), `No call under way has its address`)
	runtime.KeepAlive(<-keep)
}

var global node

func TestDiesKnowsWhatNeverDies(t *testing.T) {
	check := func(t *testing.T, words string, dies func(r *recorder) bool) {
		r := newRecorder(t)
		r.wantFailure(t, dies(r), words)
		if text := strings.Join(r.failures, "\n"); strings.Contains(text, "Look for") {
			t.Errorf("the failure goes on about who may hold it:\n%s", text)
		}
	}
	t.Run("package variable", func(t *testing.T) {
		check(t, "never dies: it is no object of the heap", func(r *recorder) bool { return weaktest.Dies(r, weak.Make(&global)) })
	})
	t.Run("size zero", func(t *testing.T) {
		check(t, `never dies: a struct \{\} has size zero`, func(r *recorder) bool { return weaktest.Dies(r, weak.Make(new(struct{}))) })
	})
	t.Run("tiny", func(t *testing.T) {
		type pair struct{ a, b int32 }
		held := &pair{1, 2} // held: by itself it may be the last of its block, and die after all
		check(t, `never dies: a weaktest_test\.pair has 8 bytes and no pointers`, func(r *recorder) bool { return weaktest.Dies(r, weak.Make(held)) })
		runtime.KeepAlive(held)
	})
}

// Objects that may die are not taken for ones that never do.
func TestDiesDoesNotCallMortalsImmortal(t *testing.T) {
	check := func(t *testing.T, dies func(r *recorder) bool) {
		r := newRecorder(t)
		r.wantFailure(t, dies(r), "Look for")
		if text := strings.Join(r.failures, "\n"); strings.Contains(text, "never dies") {
			t.Errorf("the failure says that it never dies:\n%s", text)
		}
	}
	large, word, array := new([2]int64), new([1]*int), new([1]struct{ f func() })
	t.Run("pointer-free", func(t *testing.T) {
		check(t, func(r *recorder) bool { return weaktest.Dies(r, weak.Make(large)) })
	})
	t.Run("one pointer", func(t *testing.T) {
		check(t, func(r *recorder) bool { return weaktest.Dies(r, weak.Make(word)) })
	})
	t.Run("one function", func(t *testing.T) {
		check(t, func(r *recorder) bool { return weaktest.Dies(r, weak.Make(array)) })
	})
	runtime.KeepAlive(large)
	runtime.KeepAlive(word)
	runtime.KeepAlive(array)
}

type attachment struct{ to struct{ node *node } }

func TestDiesNamesThePathOfACycle(t *testing.T) {
	notes, other := new(weakmap.KeyMap[node, *attachment]), new(weakmap.KeyMap[attachment, []*node]) //weakvet:ignore weakcycle a cycle that is to be found
	p := func() weak.Pointer[node] {
		n := &node{id: 3}
		a := &attachment{}
		a.to.node = n
		notes.Store(n, a)
		other.Store(a, []*node{nil, n})
		return weak.Make(n)
	}()
	r := newRecorder(t)
	r.wantFailure(t, weaktest.Dies(r, p), `held by a value in a KeyMap whose key it is itself, so that both live: \*node → \.to\.node`,
		`held by a value in a KeyMap whose key is a \*attachment: \*node → \[1\]`)
	runtime.KeepAlive(other)
	notes.Clear()
	other.Clear()
	weaktest.Dies(t, p)
}

func TestLives(t *testing.T) {
	held := &node{id: 1}
	weaktest.Lives(t, weak.Make(held))
	runtime.KeepAlive(held)

	r := newRecorder(t)
	p := dropped()
	weaktest.Dies(t, p)
	r.wantFailure(t, weaktest.Lives(r, p), `a weaktest_test\.node that should live is dead`, "KeepAlive")
}

func TestZeroPointersFail(t *testing.T) {
	r := newRecorder(t)
	r.wantFailure(t, weaktest.Dies(r, weak.Pointer[node]{}), `Dies: a zero weak\.Pointer\[.*node\], which refers to nothing`)
	r = newRecorder(t)
	r.wantFailure(t, weaktest.Lives(r, weak.Make[node](nil)), `Lives: a zero weak\.Pointer`)
}

func TestCollect(t *testing.T) {
	r := newRecorder(t)
	cleaned := make(chan struct{})
	go runtime.AddCleanup(&node{id: 1}, func(c chan struct{}) { close(c) }, cleaned)
	r.wantSuccess(t, weaktest.Collect(t, "the cleanup runs", func() bool {
		select {
		case <-cleaned:
			return true
		default:
			return false
		}
	}))
	tries := 0
	r = newRecorder(t)
	r.wantFailure(t, weaktest.Collect(r, "pigs fly", func() bool { tries++; return false }), `not within [\d.]+m?s of collections: pigs fly`)
	if tries < 2 {
		t.Errorf("tried %d times, want at least one more after a collection", tries)
	}
}

// A test without a deadline has patience.
type timeless struct{ *recorder }

func (timeless) Deadline() (time.Time, bool) { return time.Time{}, false }

// Nor is there less time with one that is far away.
type endless struct{ *recorder }

func (endless) Deadline() (time.Time, bool) { return time.Now().AddDate(100, 0, 0), true }

func TestWithAFarDeadlineThereIsTime(t *testing.T) {
	r := newRecorder(t)
	r.wantSuccess(t, weaktest.Collect(endless{r}, "a while passes", func() bool {
		return time.Since(r.started) > r.time
	}))
}

func TestWithoutDeadlineThereIsTime(t *testing.T) {
	r := newRecorder(t)
	tries := 0
	r.wantSuccess(t, weaktest.Collect(timeless{r}, "a while passes", func() bool {
		tries++
		return time.Since(r.started) > 3*r.time
	}))
	if tries < 3 {
		t.Errorf("tried %d times in %v", tries, 3*r.time)
	}
}

func TestEmpty(t *testing.T) {
	var nodes weakmap.Map[int, node]
	func() {
		nodes.Store(1, &node{id: 1})
		nodes.Store(2, &node{id: 2})
	}()
	weaktest.Empty(t, &nodes)

	held := &node{id: 3}
	nodes.Store(3, held)
	for range 4 { // The time may be up within Settle, or between two.
		for timeFor := 100 * time.Millisecond; ; timeFor *= 4 {
			r := newRecorder(t)
			r.time = timeFor
			ok := weaktest.Empty(r, &nodes)
			if len(r.failures) > 1 && timeFor < 6*time.Second {
				continue // A busy machine may take so long for one Settle.
			}
			r.wantFailure(t, ok, `1 entry left in a \*weakmap\.Map\[int,.*node\] after [\d.]+m?s`, "something holds")
			if len(r.failures) != 1 {
				t.Errorf("a value that is held, and no callback, is reported as\n%s\nwant one line", strings.Join(r.failures, "\n"))
			}
			break
		}
	}
	runtime.KeepAlive(held)
}

func TestEmptyWithACallbackThatDoesNotReturn(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	nodes := weakmap.Map[int, node]{OnReap: func(int) { <-release }}
	held := &node{id: 2}
	func() { nodes.Store(1, &node{id: 1}) }()
	nodes.Store(2, held)
	r := newRecorder(t)
	ok := weaktest.Empty(r, &nodes)
	runtime.KeepAlive(held)
	r.wantFailure(t, ok, "1 entry left", `weakmap\.Settle did not return in that time: a callback has not`)
}

// In a bubble time is real, and the clock of the bubble stands still.
func TestInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		weaktest.Dies(t, dropped())
		held := &node{id: 1}
		weaktest.Lives(t, weak.Make(held))
		var cleaned atomic.Bool
		go runtime.AddCleanup(&node{id: 1}, func(c *atomic.Bool) { time.Sleep(50 * time.Millisecond); c.Store(true) }, &cleaned)
		weaktest.Collect(t, "a slow cleanup has run", cleaned.Load)
		var nodes weakmap.Map[int, node]
		var calls atomic.Int32
		nodes.OnReap = func(int) { calls.Add(1) }
		func() { nodes.Store(1, &node{id: 1}) }()
		weaktest.Empty(t, &nodes)
		if n := calls.Load(); n != 1 {
			t.Errorf("OnReap was called %d times, want once", n)
		}

		r := newRecorder(t)
		r.wantFailure(t, weaktest.Dies(r, weak.Make(held)), `that should have died lives after \d+ms of collections`)
		nodes.Store(2, held)
		r = newRecorder(t)
		r.wantFailure(t, weaktest.Empty(r, &nodes), "1 entry left in a .* after \\d+ms")
		r = newRecorder(t)
		tries := 0
		r.wantFailure(t, weaktest.Collect(r, "pigs fly", func() bool { tries++; return false }), "pigs fly")
		if tries < 2 {
			t.Errorf("tried %d times", tries)
		}
		runtime.KeepAlive(held)
		if passed := time.Since(begin); passed != 0 {
			t.Errorf("%v have passed in the bubble", passed)
		}
	})
}
