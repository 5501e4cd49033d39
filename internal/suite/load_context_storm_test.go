package suite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Callers with a context leave at random.

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
