package suite

import (
	"context"
	"errors"
	"runtime"
	"runtime/pprof"
	"strings"
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

// A nil context is that of LoadOrCompute within the package.
func TestContextLoadWithoutContextPanics(t *testing.T) {
	var none context.Context
	var m weakmap.Map[int, record]
	mustPanic(t, "Map.LoadOrComputeContext(nil)", "weakmap: nil Context", func() {
		m.LoadOrComputeContext(none, 1, func(context.Context) (*record, error) { return new(record), nil })
	})
	var keys weakmap.KeyMap[record, int]
	mustPanic(t, "KeyMap.LoadOrComputeContext(nil)", "weakmap: nil Context", func() {
		keys.LoadOrComputeContext(none, new(record), func(context.Context) (int, error) { return 1, nil })
	})
	if m.Len() != 0 || keys.Len() != 0 {
		t.Errorf("%d and %d entries, want none", m.Len(), keys.Len())
	}
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
