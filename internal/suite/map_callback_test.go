package suite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// Eight callbacks block, more than the runtime has goroutines for cleanups and more than a
// small pool would have. Whatever shares a goroutine with one of them is blocked for good.
func TestABlockedOnReapDelaysNothingElse(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		gate := make(chan struct{})
		defer close(gate)
		var blocked atomic.Int32
		stuck := make([]*weakmap.Map[int, record], 8)
		for i := range stuck {
			stuck[i] = newMap[int, record](c)
			stuck[i].OnReap = func(int) {
				blocked.Add(1)
				<-gate
			}
			storeDoomed(stuck[i], numbers(50)...)
		}
		eventually(t, "eight callbacks block at once", func() bool { return blocked.Load() == 8 })
		eventually(t, "the maps whose callback blocks are reclaimed", func() bool {
			for _, m := range stuck {
				if m.Len() != 0 {
					return false
				}
			}
			return true
		})
		for wave := range 3 {
			storeDoomed(stuck[0], numbers(50)...)
			eventually(t, fmt.Sprintf("wave %d of a map whose callback blocks leaves", wave), func() bool { return stuck[0].Len() == 0 })
		}
		m := newMap[int, record](c)
		r := watch(m)
		storeDoomed(m, numbers(50)...)
		eventually(t, "another map is reclaimed", func() bool { return m.Len() == 0 })
		eventually(t, "another map's callbacks are made", func() bool { return r.count() == 50 })
		var cleaned atomic.Bool
		elsewhere(func() {
			runtime.AddCleanup(&record{}, func(cleaned *atomic.Bool) { cleaned.Store(true) }, &cleaned)
		})
		eventually(t, "a cleanup of the program runs", cleaned.Load)
		if n := blocked.Load(); n != 8 {
			t.Errorf("%d callbacks of eight maps were begun, and none of them has returned", n)
		}
		runtime.KeepAlive(stuck)
		runtime.KeepAlive(m)
	})
}

// A cleanup of the program's own that blocks takes the runtime's goroutine for cleanups with it,
// and whatever waits there. Entries leave all the same. In the PerValue mode it takes more
// collections, since those of the values wait too.
func TestBlockedCleanupsDelayNoPass(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		gate := make(chan struct{})
		var blocked, ended atomic.Int32
		const many = 64
		elsewhere(func() {
			for range many {
				runtime.AddCleanup(new(record), func(gate chan struct{}) { blocked.Add(1); <-gate; ended.Add(1) }, gate)
			}
		})
		defer func() {
			close(gate)
			eventually(t, "all cleanups end", func() bool { return ended.Load() == many })
		}()
		eventually(t, "a cleanup blocks", func() bool { return blocked.Load() > 0 })
		m := newMap[int, record](c)
		storeDoomed(m, numbers(100)...)
		eventually(t, "the entries go", func() bool { return m.Len() == 0 })
	})
}

func TestReportsThatWaitedBehindABlockedOneAllCome(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		gate := make(chan struct{})
		var calls atomic.Int32
		m.OnReap = func(int) {
			<-gate
			calls.Add(1)
		}
		for wave := range 4 {
			storeDoomed(m, numbers(100)...)
			eventually(t, fmt.Sprintf("wave %d leaves", wave), func() bool { return m.Len() == 0 })
		}
		if n := calls.Load(); n != 0 {
			t.Errorf("%d calls returned from a closed gate", n)
		}
		close(gate)
		settle(t)
		if n := calls.Load(); n != 400 {
			t.Errorf("%d calls after the gate opened, want one for each of 400 deaths", n)
		}
		runtime.KeepAlive(m) // nothing is reported for a map that is gone
	})
}

// Goexit ends the goroutine it is called on. The queue of callbacks must notice.
func TestGoexitInOnReapStopsNeitherLaterCallsNorOtherMaps(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		quitter, other := newMap[int, record](c), newMap[int, record](c)
		var quits atomic.Int32
		quitter.OnReap = func(int) {
			quits.Add(1)
			runtime.Goexit()
		}
		r := watch(other)
		for wave := range 3 {
			storeDoomed(quitter, numbers(30)...)
			storeDoomed(other, numbers(30)...)
			want := 30 * (wave + 1)
			eventually(t, fmt.Sprintf("wave %d is reported to both maps", wave), func() bool {
				return int(quits.Load()) == want && r.count() == want
			})
		}
		settle(t)
		if n, s := quits.Load(), quitter.Stats(); n != 90 || s.Reaped != 90 {
			t.Errorf("%d calls that ended in Goexit and Stats = %+v, want 90 of 90 reaped", n, s)
		}
		runtime.KeepAlive(other)
	})
}

func TestOnReapIsNotCalledForAMapThatWasCollected(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		var calls atomic.Int32
		var held []*record
		var gone weak.Pointer[weakmap.Map[int, record]]
		elsewhere(func() {
			m := newMap[int, record](c)
			gone = weak.Make(m)
			m.OnReap = func(int) { calls.Add(1) }
			held = storeHeld(m, numbers(100)...)
		})
		eventually(t, "the map is collected, its values being held", func() bool { return gone.Value() == nil })
		runtime.KeepAlive(held)
		handles := make([]weak.Pointer[record], len(held))
		for i := range held {
			handles[i] = weak.Make(held[i])
		}
		held = nil
		awaitDeath(t, handles)
		settle(t)
		if n := calls.Load(); n != 0 {
			t.Errorf("OnReap was called %d times for a map that was collected before any value died", n)
		}
	})
}

// The first call blocks and the others queue behind it; then the map is dropped. It may go at
// once or after the queue; but once it is gone, no call comes.
func TestNoQueuedReportComesAfterTheMapWasCollected(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		var calls atomic.Int32
		gate := make(chan struct{})
		var handle weak.Pointer[weakmap.Map[int, record]]
		var handles []weak.Pointer[record]
		elsewhere(func() {
			m := newMap[int, record](c)
			handle = weak.Make(m)
			m.OnReap = func(int) {
				calls.Add(1)
				<-gate
			}
			handles = storeDoomed(m, numbers(100)...)
		})
		for calls.Load() == 0 && handle.Value() != nil { // the map may well go together with its values
			runtime.GC()
		}
		awaitDeath(t, handles)
		for range 5 {
			runtime.GC()
		}
		goneWhileBlocked := handle.Value() == nil
		before := calls.Load()
		close(gate)
		eventually(t, "the dropped map is collected", func() bool { return handle.Value() == nil })
		after := calls.Load()
		settle(t)
		if n := calls.Load(); n != after || goneWhileBlocked && n != before {
			t.Errorf("%d calls when the map was gone, %d later", min(before, after), n)
		}
	})
}

func TestSettleEmptiesTheMapAndWaitsForItsCallbacks(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		var returned atomic.Int32
		m.OnReap = func(int) {
			for range 20 {
				runtime.Gosched()
			}
			returned.Add(1)
		}
		held := storeHeld(m, numbers(110)[100:]...)
		storeDoomed(m, numbers(100)...)
		settle(t)
		if n := m.Len(); n != 10 {
			t.Errorf("Len = %d after Settle, want the 10 that are held", n)
		}
		if n := returned.Load(); n != 100 {
			t.Errorf("%d callbacks have returned after Settle, want all 100", n)
		}
		runtime.KeepAlive(held)
	})
}

// Each collection of the background loop starts a pass, and a pass that looks at weak
// pointers while a collection of Settle marks keeps what it looks at. Settle must hold even so.
func TestSettleIsNotDefeatedByPasses(t *testing.T) {
	for _, procs := range []int{2, 16} {
		t.Run(fmt.Sprintf("procs=%d", procs), func(t *testing.T) {
			withProcs(t, procs)
			inBothModes(t, func(t *testing.T, c configuration) {
				m, bystander := newMap[int, record](c), newMap[int, record](c)
				held := storeHeld(bystander, numbers(2000)...)
				stop := collectInBackground()
				defer stop()
				for round := range scaled(10) {
					storeDoomed(m, numbers(500)...)
					settle(t)
					if n := m.Len(); n != 0 {
						t.Fatalf("round %d: Len = %d after Settle, want 0", round, n)
					}
				}
				runtime.KeepAlive(held)
			})
		})
	}
}

// Another goroutine inserts into the same map all the time, which makes it grow and looks into
// buckets, but it never touches the keys of the values that died before Settle.
func TestSettleHoldsWhileOthersInsert(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		for round := range scaled(10) {
			m := newMap[int, record](c)
			r := watch(m)
			storeDoomed(m, numbers(500)...)
			quit, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				var held [3000]*record
				for i := 0; ; i = (i + 1) % len(held) {
					select {
					case <-quit:
						runtime.KeepAlive(&held)
						return
					default:
						held[i] = &record{id: i}
						m.Delete(1000 + (i+len(held)/2)%len(held))
						m.Store(1000+i, held[i])
					}
				}
			}()
			settle(t)
			r.mu.Lock()
			missing := 0
			for key := range 500 {
				if r.times[key] != 1 {
					missing++
				}
			}
			r.mu.Unlock()
			close(quit)
			<-done
			if missing > 0 {
				t.Errorf("round %d: after Settle %d of 500 dead entries are not reported", round, missing)
			}
		}
	})
}

// An object with a runtime finalizer outlives the collection that finds it unreachable, and so
// does all that it refers to. What was unreachable when Settle was called must go even so.
func TestSettleReachesValuesBehindFinalizers(t *testing.T) {
	runtime.SetFinalizer(new(record), func(*record) {})
	settle(t)
	lengths := []int{1, 2, 3}
	if metric("/gc/finalizers/executed:finalizers") > 0 { // Settle sees that more may come: Go 1.26.
		lengths = append(lengths, 8)
	}
	for _, length := range lengths {
		t.Run(fmt.Sprintf("chain=%d", length), func(t *testing.T) {
			inBothModes(t, func(t *testing.T, c configuration) {
				m := newMap[int, record](c)
				elsewhere(func() {
					v := &record{id: 1}
					m.Store(1, v)
					link := v
					for range length {
						link = &record{link: link}
						runtime.SetFinalizer(link, func(*record) {})
					}
				})
				settle(t)
				if n := m.Len(); n != 0 {
					t.Errorf("Len = %d after Settle, want 0: the value was unreachable at the call", n)
				}
			})
		})
	}
}

func TestConcurrentSettlesEachKeepTheirPromise(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		countUp(4, scaled(10), func(int) {
			m := newMap[int, record](c)
			storeDoomed(m, numbers(100)...)
			if err := weakmap.Settle(context.Background()); err != nil {
				t.Errorf("Settle: %v", err)
			}
			if n := m.Len(); n != 0 {
				t.Errorf("Len = %d after Settle, want 0", n)
			}
		})
	})
}

func TestSettleReturnsTheErrorOfItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := weakmap.Settle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Settle with a cancelled context = %v, want %v", err, context.Canceled)
	}
	m := newMap[int, record](configuration{hash: "builtin"})
	gate, begun := make(chan struct{}), make(chan struct{}, 9)
	m.OnReap = func(int) {
		begun <- struct{}{}
		<-gate
	}
	storeDoomed(m, 1)
	ctx, cancel = context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- weakmap.Settle(ctx) }()
	await(t, "the callback that Settle waits for begins", begun)
	if len(result) != 0 {
		t.Errorf("Settle = %v while a callback that was due has not returned", <-result)
	}
	cancel()
	within(t, "Settle returns when its context is done", func() bool { return len(result) == 1 })
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("Settle = %v, want %v", err, context.Canceled)
	}
	close(gate)
	settle(t)
	runtime.KeepAlive(m)
}

func TestSettleWithNothingToWaitForTakesAFewCollections(t *testing.T) {
	held := storeHeld(newMap[int, record](configuration{hash: "builtin"}), numbers(100)...)
	settle(t) // what other tests left
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	settle(t)
	runtime.ReadMemStats(&after)
	if n := after.NumGC - before.NumGC; n > 8 {
		t.Errorf("Settle ran %d collections with nothing to wait for", n)
	}
	runtime.KeepAlive(held)
}
