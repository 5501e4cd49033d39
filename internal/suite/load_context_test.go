package suite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-weak/weakmap"
)

// LoadOrComputeContext, clause by clause, in bubbles of synctest: time is exact, and a test ends
// only when no goroutine is left.

var contextLoadings = map[string]func(configuration) *loading{
	"Map": mapLoading, "KeyMap": keyMapLoading, "KeyMap by equality": equalKeyLoading,
}

// eachContextLoad runs a test in a bubble for each container with LoadOrComputeContext.
func eachContextLoad(t *testing.T, test func(t *testing.T, l *loading)) {
	t.Helper()
	for name, of := range contextLoadings {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, of(configuration{hash: "builtin"})) })
		})
	}
}

type loadContext = func(context.Context) (*record, error)

// call starts a LoadOrComputeContext of key 0.
func (l *loading) call(ctx context.Context, compute loadContext) *outcome {
	o := start(func() (*record, bool, error) { return l.within(ctx, 0, compute) })
	synctest.Wait()
	return o
}

// takes returns a compute that takes that long, if its context lasts.
func takes(d time.Duration, v *record, err error) loadContext {
	return func(ctx context.Context) (*record, error) {
		select {
		case <-time.After(d):
			return v, err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// pause lets time pass. What happens in that time has happened when it returns.
func pause(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func never(t *testing.T) loadContext {
	return func(context.Context) (*record, error) {
		t.Error("a second computation runs")
		return nil, errors.New("a second computation")
	}
}

var errMine = errors.New("mine")

// ended returns a context that has ended.
func endedContext() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errMine)
	return ctx
}

func TestContextABoundValueIsReturnedWhateverItSays(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		v := new(record)
		l.store(0, v)
		for _, ctx := range []context.Context{context.Background(), endedContext(), nil} {
			if got, loaded, err := l.within(ctx, 0, never(t)); got != v || !loaded || err != nil {
				t.Errorf("LoadOrComputeContext = %p, %t, %v, want %p, true, nil", got, loaded, err, v)
			}
		}
		runtime.KeepAlive(v)
	})
}

func TestContextThatHasEndedGivesItsCause(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		if got, loaded, err := l.within(endedContext(), 0, never(t)); got != nil || loaded || err != errMine {
			t.Errorf("LoadOrComputeContext = %p, %t, %v, want the cause", got, loaded, err)
		}
		begin := time.Now()
		l.call(context.Background(), takes(time.Second, nil, errors.New("another")))
		if _, _, err := l.within(endedContext(), 0, never(t)); err != errMine || time.Since(begin) != 0 {
			t.Errorf("beside a computation: %v after %v, want the cause at once", err, time.Since(begin))
		}
		pause(time.Minute)
	})
}

func TestContextLoadComputesOnceAndStores(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		v, begin := new(record), time.Now()
		var with, without *outcome
		go func() {
			time.Sleep(time.Minute)
			with, without = l.call(context.Background(), never(t)), l.join(t, 0)
		}()
		got, loaded, err := l.within(context.Background(), 0, takes(time.Hour, v, nil))
		if got != v || loaded || err != nil || time.Since(begin) != time.Hour {
			t.Errorf("who began got %p, %t, %v after %v, want %p, false, nil after an hour", got, loaded, err, time.Since(begin), v)
		}
		synctest.Wait()
		with.want(t, "a waiter", v, true, nil)
		without.want(t, "a waiter of LoadOrCompute", v, true, nil)
		l.wantLoad(t, "afterwards", 0, v)
		runtime.KeepAlive(v)
	})
}

func TestContextLoadErrorsGoToEveryone(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		first := l.call(context.Background(), takes(time.Hour, new(record), errMine))
		with, without := l.call(context.Background(), never(t)), l.join(t, 0)
		pause(2 * time.Hour)
		for _, o := range []*outcome{first, with, without} {
			o.want(t, "a caller", nil, false, errMine)
		}
		l.wantLoad(t, "after an error", 0, nil)
	})
}

func TestContextLoadOfNilIsAnError(t *testing.T) {
	var m weakmap.Map[int, record]
	if v, loaded, err := m.LoadOrComputeContext(context.Background(), 1, func(context.Context) (*record, error) { return nil, nil }); v != nil || loaded || err != weakmap.ErrNilValue {
		t.Errorf("LoadOrComputeContext = %p, %t, %v, want ErrNilValue", v, loaded, err)
	}
	var keys weakmap.KeyMap[record, int]
	mustPanic(t, "LoadOrComputeContext(nil)", "weakmap: nil key", func() {
		keys.LoadOrComputeContext(context.Background(), nil, func(context.Context) (int, error) { return 1, nil })
	})
}

// Each one leaves at its own time with its own cause, the first one too; the last one gets the
// value, and none sees loaded false.
func TestContextCallersLeaveAndTheLoadGoesOn(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		v := new(record)
		var left [3]time.Duration
		var wg sync.WaitGroup
		begin := time.Now()
		var computed atomic.Int32
		for i := range left {
			wg.Go(func() {
				time.Sleep(time.Duration(i)) // The first is the first.
				cause := fmt.Errorf("cause %d", i)
				ctx, cancel := context.WithTimeoutCause(context.Background(), time.Duration(3-i)*time.Minute-time.Duration(i), cause)
				defer cancel()
				got, loaded, err := l.within(ctx, 0, func(ctx context.Context) (*record, error) {
					computed.Add(1)
					return takes(time.Hour, v, nil)(ctx)
				})
				if left[i] = time.Since(begin); got != nil || loaded || err != cause {
					t.Errorf("caller %d left with %p, %t, %v, want %v", i, got, loaded, err, cause)
				}
			})
		}
		time.Sleep(time.Second)
		stays := l.call(context.Background(), never(t))
		wg.Wait()
		if want := [3]time.Duration{3 * time.Minute, 2 * time.Minute, time.Minute}; left != want {
			t.Errorf("callers left after %v, want %v", left, want)
		}
		pause(2 * time.Hour)
		stays.want(t, "who stayed", v, true, nil)
		l.wantLoad(t, "in the end", 0, v)
		if n := computed.Load(); n != 1 {
			t.Errorf("%d computations", n)
		}
		runtime.KeepAlive(v)
	})
}

type contextKey struct{}

func TestContextOfComputeHasTheFirstCallersValuesOnly(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		parent := context.WithValue(context.Background(), contextKey{}, "first")
		ctx, cancel := context.WithTimeout(parent, time.Minute)
		defer cancel()
		v := new(record)
		first := l.call(ctx, func(ctx context.Context) (*record, error) {
			if got := ctx.Value(contextKey{}); got != "first" {
				t.Errorf("value %v, want the first caller's", got)
			}
			if d, ok := ctx.Deadline(); ok {
				t.Errorf("deadline %v", d)
			}
			time.Sleep(time.Hour)
			if err := ctx.Err(); err != nil {
				t.Errorf("the context has ended although one is left: %v", err)
			}
			return v, nil
		})
		stays := l.call(context.WithValue(context.Background(), contextKey{}, "second"), never(t))
		pause(2 * time.Hour)
		first.want(t, "the first", nil, false, context.DeadlineExceeded)
		stays.want(t, "the second", v, true, nil)
		runtime.KeepAlive(v)
	})
}

// A computation that all have left is cancelled at that moment, is not stored though it has a
// value, and does not keep the next caller waiting.
func TestContextLoadIsAbandonedByTheLast(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		begin := time.Now()
		var cancelled time.Duration
		var cause error
		stubborn, late := make(chan struct{}), new(record)
		compute := func(ctx context.Context) (*record, error) {
			<-ctx.Done()
			cancelled, cause = time.Since(begin), context.Cause(ctx)
			<-stubborn
			return late, nil
		}
		var outcomes []*outcome
		last := errors.New("the last one")
		for i, d := range []time.Duration{time.Minute, 3 * time.Minute, 2 * time.Minute} {
			end := errMine
			if i == 1 {
				end = last
			}
			ctx, cancel := context.WithTimeoutCause(context.Background(), d, end)
			defer cancel()
			outcomes = append(outcomes, l.call(ctx, compute))
		}
		pause(4 * time.Minute)
		for i, o := range outcomes {
			o.want(t, fmt.Sprint("caller ", i), nil, false, map[bool]error{true: last, false: errMine}[i == 1])
		}
		if cancelled != 3*time.Minute || cause != last {
			t.Errorf("cancelled after %v with cause %v, want 3m with that of the last", cancelled, cause)
		}
		v := new(record)
		if got, loaded, err := l.within(context.Background(), 0, takes(time.Minute, v, nil)); got != v || loaded || err != nil {
			t.Errorf("the next caller got %p, %t, %v, want its own %p", got, loaded, err, v)
		}
		close(stubborn)
		synctest.Wait()
		l.wantLoad(t, "after the abandoned one ended", 0, v)
		l.cut["Delete"](0)
		l.wantLoad(t, "after Delete", 0, nil)
		runtime.KeepAlive(v)
	})
}

// While what compute returned is being stored it is too late to leave: the caller gets it.
func TestContextEndsWhileTheResultIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var returned, stalls atomic.Bool
		proceed := make(chan struct{})
		m := weakmap.Map[int, record]{Hash: func(int) uint64 {
			if returned.Load() && stalls.CompareAndSwap(true, false) {
				<-proceed
			}
			return 1
		}}
		v := new(record)
		m.Store(2, v) // so that there is something to look into
		stalls.Store(true)
		ctx, cancel := context.WithCancel(context.Background())
		o := start(func() (*record, bool, error) {
			return m.LoadOrComputeContext(ctx, 1, func(context.Context) (*record, error) { returned.Store(true); return v, nil })
		})
		synctest.Wait()
		if stalls.Load() {
			t.Error("storing was not held up")
		}
		cancel()
		synctest.Wait()
		close(proceed)
		synctest.Wait()
		o.want(t, "the caller", v, false, nil)
		if got, ok := m.Load(1); got != v || !ok {
			t.Errorf("Load = %p, %t, want %p", got, ok, v)
		}
		runtime.KeepAlive(v)
	})
}

func TestAnAbandonedLoadIsNotStoredLater(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		ctx, cancel := context.WithCancel(context.Background())
		late, proceed := new(record), make(chan struct{})
		o := l.call(ctx, func(context.Context) (*record, error) { <-proceed; return late, nil })
		cancel()
		synctest.Wait()
		o.want(t, "the only one", nil, false, context.Canceled)
		close(proceed)
		synctest.Wait()
		l.wantLoad(t, "after its end", 0, nil)
		runtime.KeepAlive(late)
	})
}

// One that computes for LoadOrCompute stays; those with a context may leave it.
func TestContextCallersShareALoadOfLoadOrCompute(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		result, v := make(chan func() (*record, error), 1), new(record)
		computes := l.begin(0, result)
		ctx, cancel := context.WithCancelCause(context.Background())
		leaves, stays := l.call(ctx, never(t)), l.call(context.Background(), never(t))
		cancel(errMine)
		synctest.Wait()
		leaves.want(t, "who left", nil, false, errMine)
		result <- returns(v, nil)
		synctest.Wait()
		computes.want(t, "who computed", v, false, nil)
		stays.want(t, "who stayed", v, true, nil)
		l.wantLoad(t, "in the end", 0, v)
		runtime.KeepAlive(v)
	})
}

// A caller of LoadOrCompute never leaves, and keeps a computation going that one with a context
// began.
func TestLoadOrComputeKeepsALoadWithContextGoing(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		v := new(record)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		began := l.call(ctx, takes(time.Hour, v, nil))
		stays := l.join(t, 0)
		pause(2 * time.Hour)
		began.want(t, "who began", nil, false, context.DeadlineExceeded)
		stays.want(t, "who stayed", v, true, nil)
		runtime.KeepAlive(v)
	})
}

func TestContextStoreAndDeleteMeanwhile(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		v, stored := new(record), new(record)
		first, waits := l.call(context.Background(), takes(time.Hour, v, nil)), l.call(context.Background(), never(t))
		l.store(0, stored)
		pause(2 * time.Hour)
		first.want(t, "Store: who began", stored, true, nil)
		waits.want(t, "Store: a waiter", stored, true, nil)
		for how, cut := range l.cut {
			cut(0)
			first, waits = l.call(context.Background(), takes(time.Hour, v, nil)), l.call(context.Background(), never(t))
			cut(0)
			later := l.call(context.Background(), takes(time.Minute, stored, nil))
			pause(2 * time.Hour)
			first.want(t, how+": who began", v, false, nil)
			waits.want(t, how+": a waiter", v, true, nil)
			later.want(t, how+": who came later", stored, false, nil)
			l.wantLoad(t, how, 0, stored)
		}
		// What was cut off is cancelled with its last caller as well.
		l.cut["Delete"](0)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var cause error
		o := l.call(ctx, func(ctx context.Context) (*record, error) { <-ctx.Done(); cause = context.Cause(ctx); return v, nil })
		l.cut["Delete"](0)
		pause(time.Hour)
		o.want(t, "cut off and abandoned", nil, false, context.DeadlineExceeded)
		if cause != context.DeadlineExceeded {
			t.Errorf("cause %v", cause)
		}
		l.wantLoad(t, "cut off and abandoned", 0, nil)
		runtime.KeepAlive([]any{v, stored})
	})
}

//go:noinline
func panicsInTheMiddleOfALoad() { panic(errMine) }

// The panic goes to one, with the stack of where it arose; the others get what one of them
// computes. It goes to the one that began if that is there.
func TestContextPanicGoesToOneAndAnotherTakesOver(t *testing.T) {
	for what, end := range map[string]func(){"panic": panicsInTheMiddleOfALoad, "Goexit": runtime.Goexit} {
		for _, leaves := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/leaves=%t", what, leaves), func(t *testing.T) {
				eachContextLoad(t, func(t *testing.T, l *loading) {
					v := new(record)
					ctx, cancel := context.WithTimeout(context.Background(), map[bool]time.Duration{true: time.Minute, false: 24 * time.Hour}[leaves])
					defer cancel()
					first := l.call(ctx, func(context.Context) (*record, error) {
						time.Sleep(time.Hour)
						end()
						return nil, nil
					})
					var again atomic.Int32
					instead := func() (*record, error) {
						again.Add(1)
						time.Sleep(time.Minute)
						return v, nil
					}
					all := []*outcome{first}
					for i := range 4 {
						if i%2 == 0 {
							all = append(all, l.call(context.Background(), func(context.Context) (*record, error) { return instead() }))
						} else {
							all = append(all, start(func() (*record, bool, error) { return l.loadOrCompute(0, instead) }))
							synctest.Wait()
						}
					}
					pause(2 * time.Hour)
					suffered, stored := 0, 0
					for i, o := range all {
						switch {
						case i == 0 && leaves:
							o.want(t, "who left", nil, false, context.DeadlineExceeded)
						case o.ended:
							suffered++
							if err, _ := o.panic.(error); what == "panic" && (!errors.Is(err, errMine) || !strings.Contains(err.Error(), "panicsInTheMiddleOfALoad") || !strings.Contains(err.Error(), "mine")) {
								t.Errorf("the panic is %v, want one with the stack in its text", o.panic)
							}
							if what == "Goexit" && o.panic != nil {
								t.Errorf("Goexit became a panic %v", o.panic)
							}
							if i != 0 && !leaves {
								t.Error("it went to another than the one that began, who was there")
							}
						case o.value != v || o.err != nil:
							t.Errorf("caller %d got %+v, want %p", i, *o, v)
						case !o.loaded:
							stored++
						}
					}
					if suffered != 1 || stored != 1 || again.Load() != 1 {
						t.Errorf("%d callers ended, %d computed instead, %d were told that they stored; want one of each", suffered, again.Load(), stored)
					}
					runtime.KeepAlive(v)
				})
			})
		}
	}
}

// A Goexit of what was abandoned does no harm.
func TestContextGoexitOfAnAbandonedLoad(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		ctx, cancel := context.WithCancel(context.Background())
		o := l.call(ctx, func(ctx context.Context) (*record, error) { <-ctx.Done(); runtime.Goexit(); return nil, nil })
		cancel()
		synctest.Wait()
		o.want(t, "who left", nil, false, context.Canceled)
		v := new(record)
		if got, _, err := l.within(context.Background(), 0, takes(time.Second, v, nil)); got != v || err != nil {
			t.Errorf("the next caller got %p, %v", got, err)
		}
	})
}

const crashes = "WEAKMAP_ABANDONED_LOAD_CRASHES"

func TestContextPanicOfAnAbandonedLoadCrashes(t *testing.T) {
	if os.Getenv(crashes) != "" {
		var m weakmap.Map[int, record]
		ctx, cancel := context.WithCancel(context.Background())
		cancelled := make(chan struct{})
		go m.LoadOrComputeContext(ctx, 1, func(ctx context.Context) (*record, error) {
			close(cancelled)
			<-ctx.Done()
			panicsInTheMiddleOfALoad()
			return nil, nil
		})
		<-cancelled
		cancel()
		time.Sleep(time.Minute)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestContextPanicOfAnAbandonedLoadCrashes$")
	cmd.Env = append(os.Environ(), crashes+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: mine") || !strings.Contains(string(out), "panicsInTheMiddleOfALoad") {
		t.Errorf("the program ended with %v and said:\n%s", err, out)
	}
}

func TestContextComputeRunsUnderTheCallersLabels(t *testing.T) {
	var m weakmap.Map[int, record]
	got := ""
	pprof.Do(context.Background(), pprof.Labels("who", "caller"), func(ctx context.Context) {
		m.LoadOrComputeContext(ctx, 1, func(context.Context) (*record, error) {
			var b strings.Builder
			pprof.Lookup("goroutine").WriteTo(&b, 1)
			got = b.String()
			return new(record), nil
		})
	})
	for _, g := range strings.Split(got, "\n\n") {
		if strings.Contains(g, "pprof.writeGoroutine") && !strings.Contains(g, `"who":"caller"`) {
			t.Errorf("compute ran without its caller's labels:\n%s", g)
		}
	}
	if !strings.Contains(got, "pprof.writeGoroutine") {
		t.Errorf("compute is not in the profile:\n%s", got)
	}
}

func TestContextLoadHitAllocatesNothing(t *testing.T) {
	var m weakmap.Map[string, record]
	keys := new(weakmap.KeyMap[record, int])
	v, ctx := new(record), context.Background()
	m.Store("a", v)
	keys.Store(v, 1)
	if n := testing.AllocsPerRun(100, func() {
		m.LoadOrComputeContext(ctx, "a", func(context.Context) (*record, error) { return nil, errMine })
		keys.LoadOrComputeContext(ctx, v, func(context.Context) (int, error) { return 0, errMine })
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	runtime.KeepAlive(v)
}

// computations are those that run.
type computations struct {
	mu    sync.Mutex
	byKey map[int]map[context.Context]bool // Guarded by mu.
}

// begin notes that one begins, beside none that was not abandoned.
func (c *computations) begin(t *testing.T, ctx context.Context, key int) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.byKey[key] {
		if other.Err() == nil && ctx.Err() == nil { // in this order: then both were under way at once
			t.Errorf("two computations for key %d at a time, neither of which was abandoned", key)
		}
	}
	if c.byKey == nil {
		c.byKey = make(map[int]map[context.Context]bool)
	}
	if c.byKey[key] == nil {
		c.byKey[key] = make(map[context.Context]bool)
	}
	c.byKey[key][ctx] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.byKey[key], ctx)
	}
}

// In a thousand calls callers leave at random. At any time one computation at most runs for a key that
// was not abandoned, no caller gets the end of another's context, and no goroutine is left: the
// bubble would not end.
func TestContextStorm(t *testing.T) {
	eachContextLoad(t, func(t *testing.T, l *loading) {
		const callers, calls = 250, 4 // The runtime keeps for good what it has of each goroutine, and collections look at that.
		var running computations
		var values, left, computed atomic.Int32
		var wg sync.WaitGroup
		storm := func(i int, r *rand.Rand) {
			time.Sleep(time.Duration(r.IntN(1000/calls)) * time.Millisecond)
			mine, key := fmt.Errorf("cause %d", i), r.IntN(l.keys)
			ctx, cancel := context.WithTimeoutCause(context.Background(), time.Duration(r.IntN(60))*time.Millisecond, mine)
			defer cancel()
			d, panics := time.Duration(r.IntN(50))*time.Millisecond, r.IntN(20) == 0
			defer func() {
				if p := recover(); p != nil && !strings.Contains(fmt.Sprint(p), "of the storm") {
					t.Errorf("caller %d: panic %v", i, p)
				}
			}()
			v, _, err := l.within(ctx, key, func(ctx context.Context) (*record, error) {
				computed.Add(1)
				defer running.begin(t, ctx, key)()
				v, err := takes(d, &record{id: key}, nil)(ctx)
				if panics && ctx.Err() == nil {
					panic("of the storm")
				}
				return v, err
			})
			switch {
			case err == nil && v.id == key:
				values.Add(1)
			case err == mine && v == nil && ctx.Err() != nil:
				left.Add(1)
			default:
				t.Errorf("caller %d got %+v, %v", i, v, err)
			}
			if r.IntN(4) == 0 {
				l.other["DeleteFunc"](key)
			}
		}
		for i := range callers {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			wg.Go(func() {
				for range calls {
					storm(i, r)
				}
			})
		}
		wg.Wait()
		synctest.Wait()
		if values.Load() < 50 || left.Load() < 50 || computed.Load() < 50 {
			t.Errorf("%d got a value, %d left, %d computed: not much of a storm", values.Load(), left.Load(), computed.Load())
		}
	})
}

// The same with real time, and without the bubble's order.
func TestContextStormInRealTime(t *testing.T) {
	for name, of := range contextLoadings {
		t.Run(name, func(t *testing.T) {
			l, before := of(configuration{hash: "builtin"}), runtime.NumGoroutine()
			var running computations
			var values, left atomic.Int32
			var wg sync.WaitGroup
			for i := range 250 {
				r := rand.New(rand.NewPCG(uint64(i), 2))
				wg.Go(func() {
					for range 20 {
						mine, key, work := fmt.Errorf("cause %d", i), r.IntN(2), r.IntN(100)
						ctx, cancel := context.WithTimeoutCause(context.Background(), time.Duration(r.IntN(4000))*time.Microsecond, mine)
						v, _, err := l.within(ctx, key, func(ctx context.Context) (*record, error) {
							defer running.begin(t, ctx, key)()
							for range work {
								runtime.Gosched()
							}
							return &record{id: key}, nil
						})
						switch {
						case err == nil && v.id == key:
							values.Add(1)
						case err == mine && v == nil:
							left.Add(1)
						default:
							t.Errorf("caller %d got %+v, %v", i, v, err)
						}
						cancel()
						if r.IntN(3) == 0 {
							l.other["DeleteFunc"](key)
						}
					}
				})
			}
			wg.Wait()
			within(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
			if values.Load() == 0 {
				t.Errorf("%d got a value, %d left", values.Load(), left.Load())
			}
		})
	}
}

// A bubble and the world share a computation with a context. When all callers on the side where it
// runs have left, it is cancelled there, and a caller that waited on the other side computes itself.
func TestContextLoadSharedByABubbleAndTheWorld(t *testing.T) {
	for _, bubbles := range [][2]bool{{true, false}, {false, true}, {true, true}} {
		for _, leaves := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/leaves=%t", bubbles, leaves), func(t *testing.T) {
				m := new(objects)
				var computing, waiting, computedAgain atomic.Bool
				v, own := new(record), new(record)
				meet(t, bubbles, func(t *testing.T, place int) {
					if place == 1 {
						spin(t, "a computation begins", computing.Load)
						waiting.Store(true)
						got, loaded, err := m.LoadOrComputeContext(context.Background(), 1, func(context.Context) (*record, error) {
							computedAgain.Store(true)
							return own, nil
						})
						if err != nil || got != v && got != own || got == own && loaded {
							t.Errorf("who waited got %p, %t, %v", got, loaded, err)
						}
						return
					}
					ctx, cancel := context.WithCancel(context.Background())
					defer cancel()
					got, _, err := m.LoadOrComputeContext(ctx, 1, func(ctx context.Context) (*record, error) {
						computing.Store(true)
						spin(t, "the other one waits", waiting.Load)
						for range 1000 {
							runtime.Gosched()
						}
						if leaves {
							cancel()
							<-ctx.Done()
							return v, nil
						}
						time.Sleep(time.Millisecond)
						return v, nil
					})
					if leaves && err != context.Canceled || !leaves && (err != nil || got == nil) {
						t.Errorf("who began got %p, %v", got, err)
					}
				})
				if leaves && !computedAgain.Load() {
					t.Error("who waited did not compute, although the computation was abandoned")
				}
				runtime.KeepAlive([]any{v, own})
			})
		}
	}
}
