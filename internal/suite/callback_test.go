package suite

import (
	"bytes"
	"context"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// Callbacks that block delay the others little, and are not without bound.

// mostBlocked is how many goroutines callbacks may take that block for so long.
func mostBlocked(d time.Duration) int {
	return 4*runtime.GOMAXPROCS(0) + 64 + int(d/(10*time.Millisecond)) + 1
}

func TestBlockedCallbacksAreBounded(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 10_000
	}
	settle(t)
	before := runtime.NumGoroutine()
	var mu sync.Mutex
	var ran atomic.Int32
	mu.Lock()
	blocking := time.Now()
	gctest.Elsewhere(func() {
		for i := range n {
			weakmap.Finalize(&record{id: i}, func(int) { mu.Lock(); ran.Add(1); mu.Unlock() }, i)
		}
	})
	peak := 0
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
		runtime.GC()
		most := mostBlocked(time.Since(blocking)) + 10 // some of the runtime's own
		if peak = max(peak, runtime.NumGoroutine()-before); peak > most {
			t.Errorf("%d goroutines after %v, want %d at most", peak, time.Since(blocking), most)
			break
		}
	}
	mu.Unlock()
	settle(t)
	if got := ran.Load(); int(got) != n {
		t.Errorf("%d of %d ran", got, n)
	}
	gctest.Within(t, "no goroutine stays", func() bool { return runtime.NumGoroutine() <= before })
	t.Logf("%d goroutines at most", peak)
}

// More callbacks block for good than may block at once, and one that does not comes after them.
func TestOneAfterManyBlockedCallbacksRuns(t *testing.T) {
	settle(t)
	gate := make(chan struct{})
	var blocked, ran atomic.Int32
	most := mostBlocked(0)
	gctest.Elsewhere(func() {
		for i := range most + 20 {
			weakmap.Finalize(&record{id: i}, func(int) { blocked.Add(1); <-gate }, i)
		}
	})
	gctest.Eventually(t, "all that block do so", func() bool { return int(blocked.Load()) == most+20 })
	gctest.Elsewhere(func() {
		for i := range 100 {
			weakmap.Finalize(&record{id: i}, func(int) { ran.Add(1) }, i)
		}
	})
	gctest.Eventually(t, "others run", func() bool { return ran.Load() == 100 })

	// Nor is reclamation delayed, where cleanups meet locks.
	m := &objects{Config: weakmap.Config{Reclaim: weakmap.PerValue, Shards: 1}}
	gctest.Elsewhere(func() {
		for i := range 1000 {
			m.Store(i, &record{id: i})
		}
	})
	gctest.Eventually(t, "entries go", func() bool { return m.Len() == 0 })
	close(gate)
	settle(t)
}

// OnReap is always a little behind: what waits is what takes memory.
func TestReportsThatWereMadeTakeNoMemory(t *testing.T) {
	const behind, rounds = 10_000, 12
	allowed := make(chan struct{}, behind)
	var calls atomic.Int64
	m := &objects{OnReap: func(int) { <-allowed; calls.Add(1) }}
	die := func() {
		died := m.Stats().Reaped + behind
		gctest.Elsewhere(func() {
			for i := range behind {
				m.Store(i, &record{id: i})
			}
		})
		gctest.Eventually(t, "all are reaped", func() bool { m.Reap(); return m.Stats().Reaped == died })
	}
	var after [rounds]int
	for round := range rounds {
		die()
		if round > 0 {
			for range behind {
				allowed <- struct{}{}
			}
			gctest.Within(t, "OnReap catches up with the last round", func() bool { return calls.Load() == int64(round*behind) })
		}
		after[round] = gctest.HeapBytes()
	}
	// Keys of 8 bytes: each round that stayed would be 80,000 bytes more.
	if grown := after[rounds-1] - after[1]; grown > 3*behind*8 {
		t.Errorf("%d bytes more after %d rounds: %v", grown, rounds-2, after)
	}
	for range behind {
		allowed <- struct{}{}
	}
	settle(t)
	if got := calls.Load(); got != rounds*behind {
		t.Errorf("%d calls of OnReap, want %d", got, rounds*behind)
	}
	runtime.KeepAlive(m) // nothing is reported for a map that is gone
}

// Settle waits for calls that come after one that ended in Goexit.
func TestSettleWaitsBehindGoexit(t *testing.T) {
	const n = 200
	var calls atomic.Int32
	m := &objects{OnReap: func(int) {
		time.Sleep(100 * time.Microsecond)
		calls.Add(1)
		runtime.Goexit()
	}}
	gctest.Elsewhere(func() {
		for i := range n {
			m.Store(i, &record{id: i})
		}
	})
	settle(t)
	if got := calls.Load(); got != n {
		t.Errorf("%d of %d calls of OnReap had begun after Settle", got, n)
	}
	runtime.KeepAlive(m)
}

// Settle does not wait for what dies after the call, or a container whose OnReap always has
// something to do would keep it forever.
func TestSettleReturnsFromABusyContainer(t *testing.T) {
	var made, calls atomic.Int64
	m := &objects{OnReap: func(int) { runtime.Gosched(); calls.Add(1) }}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				if made.Load()-calls.Load() < 2000 {
					m.Store(int(made.Add(1)), new(record))
				} else {
					runtime.Gosched()
				}
			}
		}
	}()
	for range 2 {
		settle(t)
	}
	close(stop)
	<-done
	settle(t)
	if made.Load() != calls.Load() {
		t.Errorf("%d of %d calls", calls.Load(), made.Load())
	}
	runtime.KeepAlive(m)
}

// labelled reports whether a goroutine in a function of the given name has profiler labels.
func labelled(name string) bool {
	var profile bytes.Buffer
	pprof.Lookup("goroutine").WriteTo(&profile, 1)
	for _, stack := range strings.Split(profile.String(), "\n\n") {
		if strings.Contains(stack, name) && strings.Contains(stack, "# labels:") {
			return true
		}
	}
	return false
}

//go:noinline
func lookAtOwnLabels() bool { return labelled("lookAtOwnLabels") }

// Callbacks do not run under the profiler labels of the goroutine that found something dead.
func TestCallbacksHaveNoLabels(t *testing.T) {
	pprof.Do(context.Background(), pprof.Labels("who", "stores"), func(context.Context) {
		if !lookAtOwnLabels() {
			t.Fatal("this test does not see labels")
		}
		var calls, labelled atomic.Int32
		m := &objects{OnReap: func(int) {
			if lookAtOwnLabels() {
				labelled.Add(1)
			}
			calls.Add(1)
		}}
		for range 20 {
			findDead(t, m)
			gctest.Within(t, "all is reported", func() bool { return uint64(calls.Load()) == m.Stats().Reaped })
		}
		settle(t)
		if n := labelled.Load(); n > 0 {
			t.Errorf("%d of %d calls ran under the labels of the goroutine that found the dead", n, calls.Load())
		}
	})
}

// A computation runs under the labels of its caller.
func TestComputeHasItsCallersLabels(t *testing.T) {
	pprof.Do(context.Background(), pprof.Labels("who", "loads"), func(context.Context) {
		m := new(objects)
		v, _, _ := m.LoadOrCompute(1, func() (*record, error) {
			if !lookAtOwnLabels() {
				t.Error("compute runs without the labels of its caller")
			}
			return new(record), nil
		})
		runtime.KeepAlive(v)
	})
}

// Each link of a chain can die only when the one before is gone.
//
//weakvet:ignore weakcycle each value is another key, and the last has none
func TestSettleGoesToTheEndOfAChain(t *testing.T) {
	for _, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		m := &weakmap.KeyMap[record, *record]{Config: weakmap.Config{Reclaim: reclaim}}
		const links = 100
		gctest.Elsewhere(func() {
			key := new(record)
			for range links {
				next := new(record)
				m.Store(key, next)
				key = next
			}
		})
		settle(t)
		if n := m.Len(); n != 0 {
			t.Errorf("reclaim %v: %d of %d links are left after Settle", reclaim, n, links)
		}
	}
}
