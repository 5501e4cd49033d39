package bubble_test

import (
	"context"
	"runtime"
	"runtime/pprof"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-weak/weakmap/internal/bubble"
)

func TestOutside(t *testing.T) {
	if bubble.Inside() || bubble.ID() != 0 {
		t.Errorf("Inside = %t, ID = %d outside of all bubbles", bubble.Inside(), bubble.ID())
	}
	pprof.Do(context.Background(), pprof.Labels("a", ", synctest bubble 7]"), func(context.Context) {
		if id := bubble.ID(); id != 0 {
			t.Errorf("ID = %d by a label", id)
		}
	})
}

func TestIDTellsBubblesApart(t *testing.T) {
	seen := map[uint64]bool{}
	for range 3 {
		synctest.Test(t, func(t *testing.T) {
			id := bubble.ID()
			if id == 0 || seen[id] || !bubble.Inside() {
				t.Errorf("ID = %d, Inside = %t; seen before: %v", id, bubble.Inside(), seen)
			}
			seen[id] = true
			var wg sync.WaitGroup
			wg.Go(func() {
				if child := bubble.ID(); child != id {
					t.Errorf("ID = %d in a goroutine of bubble %d", child, id)
				}
			})
			wg.Wait()
			deep(100, func() {
				if deep := bubble.ID(); deep != id {
					t.Errorf("ID = %d deep in the stack, want %d", deep, id)
				}
			})
		})
	}
}

func deep(n int, f func()) {
	if n == 0 {
		f()
		return
	}
	deep(n-1, f)
}

func TestRunLeavesTheBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var id uint64 = 99
		var slept time.Duration
		done := bubble.Run(func() {
			id = bubble.ID()
			start := time.Now()
			time.Sleep(20 * time.Millisecond)
			slept = time.Since(start)
		})
		if done == nil {
			t.Fatal("nobody called it")
		}
		<-done
		if id != 0 || slept < 20*time.Millisecond {
			t.Errorf("ID = %d, slept %v, want 0 and 20ms at least", id, slept)
		}
		if passed := time.Since(begin); passed != 0 {
			t.Errorf("%v have passed in the bubble", passed)
		}
	})
}

// TestRunGivesUp: where no goroutine of the runtime is left to call f.
func TestRunGivesUp(t *testing.T) {
	leave := make(chan struct{})
	defer close(leave)
	func() {
		for range 1000 { // several blocks of cleanups for each goroutine that there can be
			runtime.AddCleanup(new([64]*int), func(leave chan struct{}) { <-leave }, leave)
		}
		runtime.SetFinalizer(new([64]*int), func(*[64]*int) { <-leave })
	}()
	for range 3 {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	synctest.Test(t, func(t *testing.T) {
		called := false
		if done := bubble.Run(func() { called = true }); done != nil || called {
			t.Skip("the runtime found another goroutine for cleanups")
		}
	})
}
