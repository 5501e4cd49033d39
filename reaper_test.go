package weakmap

import (
	"runtime"
	"testing"
	"time"
)

// TestPassesTakeATenthOfAProcessor: however many containers there are, and however fast collections
// follow each other. The times are those that passes work and rest by: on a busy machine they work
// for longer, and rest for longer. It looks at stretches of work with the rest after each. With rests
// of 50 ms at most this fails in 20 of 20 runs, and without rests within a pass as well.
func TestPassesTakeATenthOfAProcessor(t *testing.T) {
	maps := make([]Map[int, thing], 100_000)
	value := new(thing)
	for i := range maps {
		maps[i].Store(i, value)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
				runtime.GC()
			}
		}
	}()
	defer func() { close(quit); <-done }()
	next := func(last int64) (paidFor int64, at time.Time) {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond / 4) {
			if paidFor, at = reaper.paidFor.Load(), time.Now(); paidFor != last {
				return paidFor, at
			}
			if at.After(end) {
				t.Fatal("there is no pass within 20 seconds")
			}
		}
	}
	begun, _ := next(reaper.paidFor.Load())
	first, begin := next(begun)
	last, end := first, begin
	shortest := time.Hour
	for stretches := 0; stretches < 8 || end.Sub(begin) < time.Second; stretches++ {
		var paidFor int64
		paidFor, end = next(last)
		shortest = min(shortest, time.Duration(paidFor-last))
		last = paidFor
	}
	worked, took := time.Duration(last-first), end.Sub(begin)
	t.Logf("passes worked for %v of %v, for %v at least at a time", worked, took, shortest)
	if worked*10 > took+10*time.Millisecond {
		t.Errorf("passes worked for %v of %v, want a tenth at most", worked, took)
	}
	if shortest > 2*shift {
		t.Errorf("passes worked for %v at least without a rest, want %v", shortest, shift)
	}
	runtime.KeepAlive(maps)
	runtime.KeepAlive(value)
}
