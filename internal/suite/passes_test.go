package suite

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// What was stored after a collection is not asked before the next one has ended: not even
// by the pass after the former, which may still be under way.
func TestWhatNobodyHoldsIsGoneAfterTheNextCollection(t *testing.T) {
	const rounds = 300
	var m weakmap.Map[int, record]
	alive := 0
	for i := range rounds {
		gctest.Elsewhere(func() { m.Store(i, new(record)) })
		runtime.GC()
		if _, ok := m.Load(i); ok {
			alive++
		}
	}
	if alive > 0 {
		t.Errorf("%d of %d values that nobody held were alive after a collection", alive, rounds)
	}
}

// Reap in a loop asks nothing twice for one collection, or it would keep what is dying.
func TestReapInALoopRemovesWhatDied(t *testing.T) {
	const n = 20_000
	var ballast *record // A chain that the collector follows for milliseconds, while everything can be asked.
	for range 200_000 {
		ballast = &record{link: ballast}
	}
	var m weakmap.Map[int, record]
	var quit atomic.Bool
	kept := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !quit.Load() {
			m.Reap()
		}
	}()
	for round := range 3 {
		gctest.Elsewhere(func() {
			values := make([]*record, n)
			for i := range values {
				values[i] = new(record)
				m.Store(i, values[i])
			}
			runtime.GC() // From here on they may have died, so Reap may ask them.
			runtime.KeepAlive(values)
		})
		for range 5 {
			runtime.GC()
		}
		m.Reap()
		if left := m.Len(); left > 0 {
			t.Logf("round %d: %d of %d dropped values are left after 5 collections", round, left, n)
			kept++
		}
	}
	quit.Store(true)
	<-done
	if kept > 1 { // On a busy machine a sweep may be interrupted for five collections, and go on during the last one.
		t.Errorf("dropped values were left in %d of 3 rounds", kept)
	}
	runtime.KeepAlive(ballast)
}

// Reap finds what the collections so far found dead, whatever has looked before.
func TestReapAfterEachCollection(t *testing.T) {
	const n = 1000
	var m weakmap.Map[int, record]
	for round := range 50 {
		gctest.Elsewhere(func() {
			for i := range n {
				m.Store(i, new(record))
			}
		})
		runtime.GC()
		m.Reap()
		if n := m.Reap(); n != 0 {
			t.Errorf("round %d: Reap removed %d entries that the Reap before it had left", round, n)
		}
		if left := m.Len(); left > 0 {
			t.Errorf("round %d: %d of %d entries are left after a collection and Reap", round, left, n)
		}
	}
}
