package suite

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

// immortal is an object that never dies.
var immortal record

func TestRunAtExitOrder(t *testing.T) {
	objects := make([]record, 100)
	var ran []int
	note := func(n int) { ran = append(ran, n) }
	finalizers := make([]*weakmap.Finalizer[int], len(objects))
	for i := range objects {
		finalizers[i] = weakmap.Finalize(&objects[i], note, i)
	}
	var want []int
	for i, f := range slices.Backward(finalizers) {
		switch i % 10 {
		case 3:
			f.AtExit(false)
		case 5:
			f.Detach()
		case 7: // Put off and on again, it stays where it was.
			f.AtExit(false)
			f.AtExit(true)
			fallthrough
		default:
			want = append(want, i)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		weakmap.RunAtExit()
	}()
	await(t, "RunAtExit returns", done)
	if !slices.Equal(ran, want) {
		t.Errorf("order %v, want %v", ran, want)
	}
	for i, f := range finalizers {
		if f.Alive() != (i%10 == 3) {
			t.Errorf("finalizer %d: Alive = %t after RunAtExit", i, f.Alive())
		}
		f.Detach()
	}
	runtime.KeepAlive(objects)
}

// TestRunAtExitOrderOverManyTypes: whatever the types of the arguments, and however many finalizers came
// and went in between.
func TestRunAtExitOrderOverManyTypes(t *testing.T) {
	object := new(record)
	var ran []int
	var rare []*weakmap.Finalizer[int]
	var frequent []*weakmap.Finalizer[string]
	for i := range 3 {
		for range 9 { // More than there are stripes.
			rare = append(rare, weakmap.Finalize(object, func(n int) { ran = append(ran, n) }, i))
		}
		frequent = append(frequent, weakmap.Finalize(object, func(string) { ran = append(ran, -i) }, ""))
		for range 1 << 17 {
			weakmap.Finalize(object, nothing[string], "").Detach()
		}
	}
	weakmap.RunAtExit()
	var want []int
	for i := 2; i >= 0; i-- {
		want = append(append(want, -i), slices.Repeat([]int{i}, 9)...)
	}
	if !slices.Equal(ran, want) {
		t.Errorf("order %v, want %v", ran, want)
	}
	runtime.KeepAlive(object)
	runtime.KeepAlive(rare)
	runtime.KeepAlive(frequent)
}

func TestRunAtExitRunsWhatIsMadeMeanwhile(t *testing.T) {
	var ran []int
	var run func(n int)
	run = func(n int) {
		ran = append(ran, n)
		if n == 2 || n >= 5 && n < 9 {
			weakmap.Finalize(&immortal, run, n+3)
		}
	}
	for n := range 4 {
		weakmap.Finalize(&immortal, run, n)
	}
	skipped := weakmap.Finalize(&immortal, run, 20)
	skipped.AtExit(false)
	weakmap.Finalize(&immortal, func(n int) { ran = append(ran, n); skipped.AtExit(true) }, 30)
	weakmap.RunAtExit()
	if want := []int{30, 20, 3, 2, 5, 8, 11, 1, 0}; !slices.Equal(ran, want) {
		t.Errorf("order %v, want %v", ran, want)
	}
}

// TestRunAtExitKeepsTheOrderOfWhatIsPutOn: what is put on while it runs has its turn by its age, as what is made
// meanwhile has.
func TestRunAtExitKeepsTheOrderOfWhatIsPutOn(t *testing.T) {
	var ran []int
	run := func(n int) { ran = append(ran, n) }
	oldest := weakmap.Finalize(&immortal, run, 0)
	middle := weakmap.Finalize(&immortal, run, 2)
	for _, f := range []*weakmap.Finalizer[int]{oldest, middle} {
		f.AtExit(false)
	}
	weakmap.Finalize(&immortal, run, 3)
	weakmap.Finalize(&immortal, func(n int) {
		run(n)
		weakmap.Finalize(&immortal, run, 5)
		middle.AtExit(true)
		oldest.AtExit(true)
	}, 4)
	weakmap.RunAtExit()
	if want := []int{4, 5, 3, 2, 0}; !slices.Equal(ran, want) {
		t.Errorf("order %v, want %v", ran, want)
	}
}

// TestRunAtExitIsLinear: what is put on while it runs may come in any order, and takes hardly longer than what
// is made meanwhile.
func TestRunAtExitIsLinear(t *testing.T) {
	const n = 10_000
	nothing := func(int) {}
	run := func(each func(i int)) time.Duration {
		for i := range n {
			weakmap.Finalize(&immortal, each, i)
		}
		start := time.Now()
		weakmap.RunAtExit()
		return time.Since(start)
	}
	made, putOn := time.Duration(1<<62), time.Duration(1<<62)
	for range 3 {
		made = min(made, run(func(i int) { weakmap.Finalize(&immortal, nothing, i) }))
		off := make([]*weakmap.Finalizer[int], n)
		for i := range off {
			off[i] = weakmap.Finalize(&immortal, nothing, i)
			off[i].AtExit(false)
		}
		putOn = min(putOn, run(func(i int) { off[i].AtExit(true) })) // The newest first, so each is older than the last.
	}
	if putOn > 20*made {
		t.Errorf("RunAtExit takes %v when its functions put %d on, and %v when they make as many", putOn, n, made)
	}
}

func TestRunAtExitGoesOnAfterPanicAndGoexit(t *testing.T) {
	for _, c := range []struct {
		name string
		fail func()
		want string // the panic that goes on
	}{
		{"panic", func() { panic("boom") }, "boom"},
		{"Goexit", runtime.Goexit, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			objects := make([]record, 10)
			var ran []int
			for n := range objects {
				weakmap.Finalize(&objects[n], func(n int) {
					ran = append(ran, n)
					if n == 7 || n == 3 {
						c.fail()
					}
				}, n)
			}
			returned := false
			var got string
			elsewhere(func() {
				got = panicText(func() {
					weakmap.RunAtExit()
					returned = true
				})
			})
			if returned || got != c.want {
				t.Errorf("RunAtExit returned = %t, panic %q, want a %s with %q to go on", returned, got, c.name, c.want)
			}
			if want := []int{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}; !slices.Equal(ran, want) {
				t.Errorf("order %v, want %v", ran, want)
			}
			runtime.KeepAlive(objects)
		})
	}
}

func TestRunAtExitWaitsForWhatCollectionsStarted(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	elsewhere(func() {
		weakmap.Finalize(new(record), func(int) { close(entered); <-leave; ended.Store(true) }, 0)
	})
	eventually(t, "the finalizer runs", func() bool { return isClosed(entered) })
	object := new(record)
	weakmap.Finalize(object, func(int) { close(leave) }, 0)
	weakmap.RunAtExit()
	if !ended.Load() {
		t.Error("RunAtExit returned during a finalizer that a collection had started")
	}
	runtime.KeepAlive(object)
}

// TestRunAtExitWaitsAfterAPanicToo: what a collection has started is not cut off since a function panics.
func TestRunAtExitWaitsAfterAPanicToo(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var ended atomic.Bool
	elsewhere(func() {
		weakmap.Finalize(new(record), func(int) {
			close(entered)
			<-leave
			time.Sleep(50 * time.Millisecond)
			ended.Store(true)
		}, 0)
	})
	eventually(t, "the finalizer runs", func() bool { return isClosed(entered) })
	weakmap.Finalize(&immortal, func(int) { close(leave); panic("boom") }, 0)
	if got := panicText(weakmap.RunAtExit); got != "boom" {
		t.Errorf("panic %q, want %q", got, "boom")
	}
	if !ended.Load() {
		t.Error("RunAtExit was over during a finalizer that a collection had started")
	}
}

// TestGlobalIsRunAtExit: an object that never dies has its finalizer all the same.
func TestGlobalIsRunAtExit(t *testing.T) {
	var ran []string
	elsewhere(func() {
		weakmap.Finalize(&immortal, func(s string) { ran = append(ran, s) }, "global")
		weakmap.Finalize(new(struct{}), func(s string) { ran = append(ran, s) }, "zero") //weakvet:ignore weaktiny never dies
	})
	settle(t)
	if len(ran) != 0 {
		t.Errorf("ran %v before the exit", ran)
	}
	weakmap.RunAtExit()
	if want := []string{"zero", "global"}; !slices.Equal(ran, want) {
		t.Errorf("ran %v, want %v", ran, want)
	}
}

// TestFinalizersRunExactlyOnce lets collections, Call, Detach and RunAtExit
// race for some hundred thousand finalizers. Each has a counter of its own.
func TestFinalizersRunExactlyOnce(t *testing.T) {
	n := 400_000
	if testing.Short() {
		n = 100_000
	}
	stop := sync.OnceFunc(collectInBackground())
	defer stop()
	runs := make([]atomic.Int32, n)
	detached := make([]atomic.Bool, n)
	var calls, callsWon atomic.Int64
	run := func(i int) { runs[i].Add(1) }
	var made sync.WaitGroup
	const makers = 4
	for m := range makers {
		type finalizer struct {
			of     int
			detach func() bool
		}
		race := make(chan finalizer)
		made.Go(func() {
			for f := range race {
				if f.detach() {
					detached[f.of].Store(true)
				}
			}
		})
		made.Go(func() {
			defer close(race)
			var window [64]*record // some live a while
			for i := m; i < n; i += makers {
				r := &record{id: i}
				window[i/makers%len(window)] = r
				f := weakmap.Finalize(r, run, i)
				switch i / makers % 8 {
				case 0: // Two goroutines race each other, and the collector.
					race <- finalizer{i, f.Detach}
					fallthrough
				case 1:
					calls.Add(1)
					if f.Call() {
						callsWon.Add(1)
					}
				case 2:
					if f.Detach() {
						detached[i].Store(true)
					}
				case 3:
					f.AtExit(false)
				}
			}
		})
	}
	quit := make(chan struct{})
	var exits sync.WaitGroup
	exits.Go(func() {
		for !isClosed(quit) {
			weakmap.RunAtExit()
			runtime.Gosched()
		}
	})
	made.Wait()
	close(quit)
	exits.Wait()
	stop()
	settle(t)
	weakmap.RunAtExit() // what a stale word on a stack may have kept
	missing := 0
	for i := range runs {
		got, want := runs[i].Load(), int32(1)
		if detached[i].Load() {
			want = 0
		}
		if got > want {
			t.Fatalf("finalizer %d ran %d times, detached = %t", i, got, detached[i].Load())
		}
		if got < want {
			missing++
		}
	}
	if missing > 0 && missing <= n/1000 { // AtExit(false), and not dead yet for the same reason
		missing = 0
		eventually(t, "the last objects are collected", func() bool {
			for i := range runs {
				if runs[i].Load() == 0 && !detached[i].Load() {
					return false
				}
			}
			return true
		})
	}
	if missing > 0 {
		t.Errorf("%d of %d finalizers did not run after Settle", missing, n)
	}
	if callsWon.Load() == 0 || callsWon.Load() > calls.Load() {
		t.Errorf("%d of %d Calls won", callsWon.Load(), calls.Load())
	}
}

// childEnv makes the test binary the program that is to leave nothing behind.
const childEnv = "WEAKMAP_TEST_CHILD"

// TestExitLeavesNothingBehind runs programs that make temporary directories in
// one and exit through a deferred RunAtExit.
func TestExitLeavesNothingBehind(t *testing.T) {
	if how := os.Getenv(childEnv); how != "" {
		child(how)
	}
	for _, c := range []struct {
		how  string
		code int
	}{{"return", 0}, {"panic", 2}, {"drop", 0}} {
		t.Run(c.how, func(t *testing.T) {
			root := t.TempDir()
			cmd := exec.Command(os.Args[0], "-test.run=^TestExitLeavesNothingBehind$")
			cmd.Env = append(os.Environ(), childEnv+"="+c.how, "TMPDIR="+root, "TMP="+root)
			out, _ := cmd.CombinedOutput()
			if got := cmd.ProcessState.ExitCode(); got != c.code {
				t.Errorf("exit code %d, want %d; output:\n%s", got, c.code, out)
			}
			if _, err := os.Stat(filepath.Join(root, "proof")); err != nil {
				t.Errorf("the program did not do its work: %v", err)
			}
			left, _ := filepath.Glob(filepath.Join(root, "weakmap-*"))
			if len(left) > 0 {
				t.Errorf("%d directories left behind", len(left))
			}
		})
	}
}

// child makes 50 directories and ends in the way that how says.
func child(how string) {
	defer os.Exit(0)
	defer func() {
		if p := recover(); p != nil {
			os.Exit(2)
		}
	}()
	defer weakmap.RunAtExit()
	remove := func(path string) { os.RemoveAll(path) }
	var dirs []*record
	for i := range 50 {
		path, err := os.MkdirTemp("", "weakmap-*")
		if err == nil {
			err = os.WriteFile(filepath.Join(path, "file"), make([]byte, 1000), 0o600)
		}
		if err != nil {
			panic(err)
		}
		r := &record{id: i}
		dirs = append(dirs, r)
		weakmap.Finalize(r, remove, path)
	}
	os.WriteFile(filepath.Join(os.TempDir(), "proof"), nil, 0o600)
	switch how {
	case "panic":
		panic("on purpose")
	case "drop": // The exit comes while collections make finalizers run.
		dirs = nil
		runtime.GC()
		runtime.GC()
	}
	runtime.KeepAlive(dirs)
}
