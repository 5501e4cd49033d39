package suite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-weak/weakmap"
)

// Callers with a context leave a computation, or abandon it.

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
