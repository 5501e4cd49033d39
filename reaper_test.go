package weakmap

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/go-weak/weakmap/internal/gctest"
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
	defer gctest.CollectInBackground()()
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

// TestAPassBeginsFarFromTheNextCollection: where collections come at equal intervals, a pass that rested
// until some moment between two of them begins in the first two thirds of an interval, or so long
// before the next collection that this does not mark yet.
func TestAPassBeginsFarFromTheNextCollection(t *testing.T) {
	for _, apart := range []time.Duration{20, 50, 90, 100, 101, 110, 150, 200, 300, 500, 1000, 3000} {
		apart *= time.Millisecond
		for part := range 16 {
			rest := apart * time.Duration(part) / 8
			var since, waited time.Duration
			synctest.Test(t, func(t *testing.T) {
				r := reaperState{turn: make(chan struct{})}
				for n := range uint64(3) {
					time.Sleep(apart)
					r.announce(n + 1)
				}
				go func() {
					for n := range uint64(10) {
						time.Sleep(apart)
						r.announce(n + 4)
					}
				}()
				rested := time.Now().Add(rest)
				r.rested = rested
				go r.pass(3)
				<-r.turn
				r.ticks.Lock()
				since, waited = time.Since(r.ticked), time.Since(rested)
				r.ticks.Unlock()
				r.turn <- struct{}{}
				time.Sleep(12 * apart)
			})
			if left, want := apart-since, min(apart/3, closely)-minRest/2; left < want {
				t.Errorf("every %v, after a rest of %v: a pass begins %v before the next collection, want %v", apart, rest, left, want)
			}
			if limit := 2*closely + minRest/2; waited > limit {
				t.Errorf("every %v, after a rest of %v: a pass waits for %v, want %v at most", apart, rest, waited, limit)
			}
		}
	}
}

// TestACollectionSoonAfterALongPassHasItsOwn: what dies is removed after that collection, and not after
// one more. Where a pass rests before it is over, this fails in 5 of 5 runs.
func TestACollectionSoonAfterALongPassHasItsOwn(t *testing.T) {
	var m Map[int, thing]
	value, doomed := new(thing), new(thing)
	m.Store(1, value)
	m.Store(2, doomed)
	within := func(what string, done func() bool, meanwhile func()) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if meanwhile(); time.Now().After(end) {
				t.Fatalf("%s within 10 seconds", what)
			}
		}
	}
	alone := func() bool {
		reaper.mu.Lock()
		defer reaper.mu.Unlock()
		return len(reaper.tables) == 1
	}
	within("other tests have left tables, which do not go", alone, runtime.GC)
	armed := func() bool { return reaper.awaited.Load() != 0 }
	within("no sentinel waits", armed, func() {})
	growth := &m.core.table.Load().growth
	growth.Lock() // The pass takes long.
	runtime.GC()
	within("no pass begins", func() bool { return len(reaper.turn) > 0 }, func() {})
	time.Sleep(3 * shift)
	growth.Unlock()
	time.Sleep(2 * shift) // It is over, and would rest for 270 ms.
	runtime.KeepAlive(doomed)
	runtime.GC()
	within("what died is still there", func() bool { return m.Len() == 1 }, func() {})
	runtime.KeepAlive(value)
}

// TestAPassHoldsNoTableThatItHasNotComeTo: a map that is dropped while a pass is busy with another one
// goes with the next collection, and its OnReap is not called by that pass.
func TestAPassHoldsNoTableThatItHasNotComeTo(t *testing.T) {
	busy, dropped := new(Map[int, thing]), new(Map[int, thing])
	value, doomed := new(thing), new(thing)
	busy.Store(1, value)
	calls := make(chan int, 1)
	dropped.OnReap = func(key int) { calls <- key }
	dropped.Store(1, doomed)
	left, table := weak.Make(dropped), dropped.core.table.Load().self
	growth := &busy.core.table.Load().growth
	growth.Lock()
	for begun := time.Now(); len(reaper.turn) == 0; time.Sleep(time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("no pass begins")
		}
		runtime.GC()
	}
	time.Sleep(100 * time.Millisecond) // It comes to the map that is busy, and stays there.
	runtime.KeepAlive(dropped)
	runtime.KeepAlive(doomed)
	dropped, doomed = nil, nil
	for begun := time.Now(); left.Value() != nil || table.Value() != nil; runtime.GC() {
		if time.Since(begun) > 5*time.Second {
			growth.Unlock()
			t.Fatalf("of a map that was dropped the pass keeps the map: %t, its table: %t", left.Value() != nil, table.Value() != nil)
		}
	}
	growth.Unlock()
	if err := Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-calls:
		t.Error("OnReap was called after its map had been collected")
	default:
	}
	runtime.KeepAlive(busy)
	runtime.KeepAlive(value)
}

// TestATableThatOutlivesItsMapCallsNoOnReap: a pass, or Reap, may hold a table for a moment longer than
// the map is there, and finds that the values are dead.
func TestATableThatOutlivesItsMapCallsNoOnReap(t *testing.T) {
	type holder struct {
		m     Map[int, thing]
		value *thing
	}
	calls := make(chan int, 1)
	var left weak.Pointer[holder]
	var outlives *table
	made := make(chan struct{})
	go func() {
		defer close(made)
		h := &holder{value: new(thing)} // Both die in one collection.
		h.m.OnReap = func(key int) { calls <- key }
		h.m.Store(1, h.value)
		left, outlives = weak.Make(h), h.m.core.table.Load()
	}()
	<-made
	for begun := time.Now(); left.Value() != nil; runtime.GC() {
		if time.Since(begun) > 20*time.Second {
			t.Fatal("the map that was dropped stays")
		}
	}
	if err := Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if used := outlives.layout.Load().used(); used != 0 {
		t.Errorf("the table has %d entries after Settle", used)
	}
	select {
	case <-calls:
		t.Error("OnReap was called after its map had been collected")
	default:
	}
}

// TestAPassThatWasOvertakenSweepsForWhatOthersFollowed: when a second collection has been announced since
// the one that a pass is of, what was inserted after the first of the two may be dying in a third, and is
// not asked. Without its line in pass this fails in 20 of 20 runs.
func TestAPassThatWasOvertakenSweepsForWhatOthersFollowed(t *testing.T) {
	defer reaper.blockPasses()()
	var m Map[int, thing]
	value := new(thing)
	m.Store(1, value)
	table := m.core.table.Load()
	for _, test := range []struct{ of, before, last, want uint64 }{
		{of: 1000, before: 999, last: 1000, want: 1000},
		{of: 1001, before: 1000, last: 1001, want: 1001},
		{of: 1001, before: 1002, last: 1003, want: 1002},
		{of: 1003, before: 1003, last: 1004, want: 1003},
		{of: 1003, before: 1002, last: 1004, want: 1004},
	} {
		table.sweptFor = 0
		r := &reaperState{turn: make(chan struct{}, 1)}
		r.announcedBefore.Store(test.before)
		r.announced.Store(test.last)
		r.tables = append(r.tables, table.self)
		r.pass(test.of)
		if table.sweptFor != test.want {
			t.Errorf("the pass of collection %d, after %d and %d were announced, removes what died in %d of them, want %d",
				test.of, test.before, test.last, table.sweptFor, test.want)
		}
	}
	runtime.KeepAlive(value)
}
