package suite

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// Everything works in a bubble of testing/synctest, and beside one.

type objects = weakmap.Map[int, record]

// inBubble reports whether the caller's clock is that of a bubble, which begins in 2000.
func inBubble() bool { return time.Now().Year() == 2000 }

// findDead has Reap, called here, find entries of m whose values are dead. A pass may be
// quicker, and then it tries again.
func findDead(t testing.TB, m *objects) {
	t.Helper()
	for range 10_000 {
		gctest.Elsewhere(func() { m.Store(1, new(record)) })
		runtime.GC()
		if m.Reap() > 0 {
			return
		}
	}
	t.Fatal("Reap never finds anything")
}

// spin waits for what happens outside of the caller's bubble.
func spin(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for range 100_000_000 {
		if cond() {
			return
		}
		runtime.Gosched()
	}
	t.Fatalf("never: %s", what)
}

func TestWhatABubbleFoundDoesNotHarmTheWorld(t *testing.T) {
	m := new(objects)
	var calls atomic.Int32
	m.OnReap = func(int) { calls.Add(1) }
	for round := range 20 { // Where a pass finds something before the bubble does, there is nothing to see.
		synctest.Test(t, func(t *testing.T) { findDead(t, m) })
		if round%2 == 0 {
			weakmap.RunAtExit()
		}
		settle(t)
	}
	if s := m.Stats(); int(calls.Load()) != int(s.Reaped) || s.Entries != 0 {
		t.Errorf("OnReap was called %d times, Stats = %+v", calls.Load(), s)
	}
}

// What a goroutine in a bubble finds dead is reported in the bubble: it has run when Wait returns,
// and by the bubble's clock.
func TestOnReapOfABubbleRunsInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var inside atomic.Int32
		m := &objects{OnReap: func(int) {
			if inBubble() {
				time.Sleep(time.Hour)
				inside.Add(1)
			}
		}}
		findDead(t, m)
		begin := time.Now()
		time.Sleep(1000 * time.Hour)
		synctest.Wait()
		if inside.Load() == 0 {
			t.Error("OnReap has not run in the bubble")
		}
		if passed := time.Since(begin); passed != 1000*time.Hour {
			t.Errorf("%v have passed", passed)
		}
	})
}

// What others find dead is reported outside, whatever runs in a bubble at that time.
func TestOthersCallbacksRunOutsideOfBubbles(t *testing.T) {
	var inside, calls atomic.Int32
	called := func(int) {
		calls.Add(1)
		if inBubble() {
			inside.Add(1)
		}
	}
	m := &objects{OnReap: called}
	gctest.Elsewhere(func() {
		for key := range 100 {
			v := &record{id: key}
			m.Store(key, v)
			weakmap.Finalize(v, called, key)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if err := weakmap.Settle(context.Background()); err != nil {
			t.Errorf("Settle: %v", err)
		}
	})
	if calls.Load() != 200 || inside.Load() != 0 || m.Len() != 0 {
		t.Errorf("after Settle %d of 200 callbacks have run, %d of them in the bubble; Len = %d", calls.Load(), inside.Load(), m.Len())
	}
}

// A bubble does not wait for callbacks of others that block, although it finds more for them.
func TestABubbleEndsWhileOthersCallbacksBlock(t *testing.T) {
	gate := make(chan struct{})
	var blocked, calls atomic.Int32
	m := &objects{OnReap: func(int) { blocked.Add(1); <-gate; calls.Add(1) }}
	findDead(t, m)
	gctest.Within(t, "OnReap blocks", func() bool { return blocked.Load() == 1 })
	synctest.Test(t, func(t *testing.T) { findDead(t, m) })
	if n := calls.Load(); n != 0 {
		t.Errorf("%d calls have returned from a closed gate", n)
	}
	close(gate)
	settle(t)
	if s := m.Stats(); int(calls.Load()) != int(s.Reaped) {
		t.Errorf("%d calls, %d reaped", calls.Load(), s.Reaped)
	}
}

// What a bubble has found, and has not come to report yet, is reported by a goroutine of the bubble and
// not of the queue, which others' callbacks wait for.
func TestABubbleDelaysNoCallbacksOfOthers(t *testing.T) {
	var m objects
	var called, inside atomic.Bool
	m.OnReap = func(int) {}
	held := new(record)
	weakmap.Finalize(held, func(int) { inside.Store(inBubble()); called.Store(true) }, 0)
	synctest.Test(t, func(t *testing.T) {
		findDead(t, &m)
		runtime.KeepAlive(held)
		held = nil
		for range 2000 { // The bubble is at work all the time, and its timers stand still.
			if runtime.GC(); called.Load() {
				return
			}
			runtime.Gosched()
		}
		t.Error("a callback of others does not run while a bubble is at work")
	})
	settle(t)
	if !called.Load() || inside.Load() {
		t.Errorf("the callback has run: %t, in the bubble: %t", called.Load(), inside.Load())
	}
}

// Calls for one map never run at the same time, wherever they run.
func TestOnReapNeverRunsTwiceAtATimeAcrossBubbles(t *testing.T) {
	var running, calls atomic.Int32
	m := &objects{OnReap: func(int) {
		if running.Add(1) > 1 {
			t.Error("two calls at a time")
		}
		for range 20 {
			runtime.Gosched()
		}
		running.Add(-1)
		if calls.Add(1)%10 == 0 {
			runtime.Goexit()
		}
	}}
	t.Run("parts", func(t *testing.T) {
		for _, in := range []bool{true, true, false} {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				find := func(t *testing.T) {
					for range 3 {
						findDead(t, m)
					}
				}
				if in {
					synctest.Test(t, find)
				} else {
					find(t)
				}
			})
		}
	})
	settle(t)
	if s := m.Stats(); int(calls.Load()) != int(s.Reaped) {
		t.Errorf("%d calls, %d reaped", calls.Load(), s.Reaped)
	}
}

// meet has one goroutine in each of two places, which are a bubble if the place says so, and
// returns when both are through. Both have begun before either goes on.
func meet(t *testing.T, bubbles [2]bool, f func(t *testing.T, place int)) {
	t.Run("both", func(t *testing.T) {
		for place, in := range bubbles {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				if in {
					synctest.Test(t, func(t *testing.T) { f(t, place) })
				} else {
					f(t, place)
				}
			})
		}
	})
}

// Two bubbles that meet over one key compute each for itself, and get one value.
func TestTwoBubblesLoadOneKey(t *testing.T) {
	m := new(objects)
	var got [2]*record
	var computing atomic.Int32
	meet(t, [2]bool{true, true}, func(t *testing.T, place int) {
		var err error
		got[place], _, err = m.LoadOrCompute(1, func() (*record, error) {
			computing.Add(1)
			spin(t, "both compute", func() bool { return computing.Load() == 2 })
			// More callers in this bubble wait for this one.
			var more sync.WaitGroup
			for range 3 {
				more.Go(func() { m.LoadOrCompute(1, func() (*record, error) { t.Error("computed again"); return nil, nil }) })
			}
			time.Sleep(time.Second) // They all wait, or the bubble's clock would stand still.
			return &record{id: place}, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	if got[0] == nil || got[0] != got[1] {
		t.Errorf("got %p and %p", got[0], got[1])
	}
}

// A bubble and the world share one computation, begun by either.
func TestABubbleAndTheWorldShareALoad(t *testing.T) {
	for _, bubbles := range [][2]bool{{true, false}, {false, true}} {
		m := new(weakmap.KeyMap[record, int])
		key := new(record)
		var computing, waiting atomic.Bool
		meet(t, bubbles, func(t *testing.T, place int) {
			compute := func() (int, error) {
				if inBubble() != bubbles[0] {
					t.Error("computed where nobody asked for it")
				}
				computing.Store(true)
				spin(t, "the other one waits", waiting.Load)
				for range 1000 {
					runtime.Gosched()
				}
				time.Sleep(time.Millisecond)
				return 7, nil
			}
			if place == 1 {
				spin(t, "a computation begins", computing.Load)
				waiting.Store(true)
			}
			if v, loaded, err := m.LoadOrCompute(key, compute); v != 7 || loaded != (place == 1) || err != nil {
				t.Errorf("place %d: LoadOrCompute = %d, %t, %v", place, v, loaded, err)
			}
		})
	}
}

// A computation runs in the bubble that asked for it, and callers of one bubble wait so that its
// clock goes on.
func TestLoadInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(objects)
		begin := time.Now()
		var computed atomic.Int32
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				m.LoadOrCompute(1, func() (*record, error) {
					computed.Add(1)
					time.Sleep(time.Hour)
					return new(record), nil
				})
			})
		}
		wg.Wait()
		if passed := time.Since(begin); passed != time.Hour || computed.Load() != 1 {
			t.Errorf("%d computations took %v", computed.Load(), passed)
		}
	})
}

// Cleanups of others are in front, and they take real time.
func TestSettleInABubbleIsPatient(t *testing.T) {
	const slow, n = 5, 500
	var returned atomic.Int32
	for range slow {
		gctest.Elsewhere(func() {
			runtime.AddCleanup(new(record), func(int) { time.Sleep(30 * time.Millisecond) }, 0)
		})
	}
	gctest.Elsewhere(func() {
		for i := range n {
			weakmap.Finalize(&record{id: i}, func(int) { returned.Add(1) }, i)
			if i%100 == 0 {
				runtime.AddCleanup(new(record), func(int) { time.Sleep(30 * time.Millisecond) }, 0)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if err := weakmap.Settle(context.Background()); err != nil {
			t.Errorf("Settle: %v", err)
		}
		if got := returned.Load(); got != n {
			t.Errorf("%d of %d callbacks had returned after Settle", got, n)
		}
	})
}

func TestSettleInABubbleEndsWithItsContext(t *testing.T) {
	gate, entered := make(chan struct{}), make(chan struct{})
	defer settle(t)
	defer close(gate)
	gctest.Elsewhere(func() {
		weakmap.Finalize(new(record), func(int) { close(entered); <-gate }, 0)
	})
	gctest.Eventually(t, "the callback blocks", func() bool {
		select {
		case <-entered:
			return true
		default:
			return false
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := weakmap.Settle(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Settle = %v, want %v", err, context.DeadlineExceeded)
		}
		ctx, cancel = context.WithCancel(context.Background())
		go cancel()
		if err := weakmap.Settle(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Settle = %v, want %v", err, context.Canceled)
		}
		weakmap.RunAtExit() // waits a moment, and no longer
	})
}

// Settle waits for callbacks in its bubble by the bubble's clock, which its own work does not move.
func TestSettleWaitsForCallbacksInItsBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, ended atomic.Int32
		m := &objects{OnReap: func(int) {
			if inBubble() {
				begun.Add(1)
				time.Sleep(time.Minute)
				ended.Add(1)
			}
		}}
		findDead(t, m)
		begin := time.Now()
		if err := weakmap.Settle(context.Background()); err != nil {
			t.Errorf("Settle: %v", err)
		}
		if b, e := begun.Load(), ended.Load(); b == 0 || b != e {
			t.Errorf("of %d calls in the bubble %d had returned after Settle", b, e)
		}
		if passed, want := time.Since(begin), time.Duration(ended.Load())*time.Minute; passed != want {
			t.Errorf("%v have passed, want %v", passed, want)
		}
	})
}

func TestRunAtExitInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran, ended atomic.Int32
		m := &objects{OnReap: func(int) { time.Sleep(time.Millisecond); ended.Add(1) }}
		findDead(t, m)
		held := new(record)
		weakmap.Finalize(held, func(int) { ran.Add(1) }, 0)
		weakmap.RunAtExit()
		if ran.Load() != 1 {
			t.Error("the finalizer has not run")
		}
		if s := m.Stats(); int(ended.Load()) != int(s.Reaped) {
			t.Errorf("%d of %d calls of OnReap had returned", ended.Load(), s.Reaped)
		}
		runtime.KeepAlive(held)
	})
}
