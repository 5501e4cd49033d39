package weakmap

import (
	"runtime"
	"testing"
	"time"

	"github.com/go-weak/weakmap/internal/gctest"
)

// On a plot that is crowded each finalizer has something that stops its cleanup. A map does not shrink by
// itself: it is made anew when few are left, and none when all are over.
func TestStopsLetTheirMemoryGo(t *testing.T) {
	object := new(thing)
	check := func(when string) (entries int) {
		for i := range exits.stripes {
			s := &exits.stripes[i]
			s.mu.Lock()
			n := len(s.stops)
			if s.stops != nil && n == 0 {
				t.Errorf("stripe %d has a map without entries when %s", i, when)
			}
			if s.most > 4*n+3 {
				t.Errorf("stripe %d has a map that had %d entries, and has %d, when %s", i, s.most, n, when)
			}
			entries += n
			s.mu.Unlock()
		}
		return entries
	}
	for range abandonedMax {
		Finalize(object, nothing, 0).Detach()
	}
	pending := make([]*Finalizer[int], 400)
	for i := range pending {
		pending[i] = Finalize(object, nothing, 0)
	}
	if entries := check("all are pending"); entries < len(pending) {
		t.Errorf("%d stops for %d finalizers", entries, len(pending))
	}
	few := 2 * len(exits.stripes)
	for _, f := range pending[few:] {
		f.Detach()
	}
	if entries := check("few are pending"); entries < few {
		t.Errorf("%d stops for %d finalizers", entries, few)
	}
	for _, f := range pending[:few] {
		f.Detach()
	}
	check("all are over")
	runtime.KeepAlive(object)
}

// What was made or put on while RunAtExit ran is let go at its end, and what is over is not put on.
func TestRunAtExitKeepsNothing(t *testing.T) {
	late := func() int {
		exits.mu.Lock()
		defer exits.mu.Unlock()
		return len(exits.late)
	}
	object, another := new(thing), new(thing)
	over := Finalize(object, nothing, 0)
	over.Detach()
	Finalize(object, func(int) {
		before := late()
		for range 3 {
			over.AtExit(false)
			over.AtExit(true)
		}
		if n := late() - before; n > 0 {
			t.Errorf("a finalizer that is over was put on %d times", n)
		}
		Finalize(another, nothing, 0).Detach()
	}, 0)
	RunAtExit()
	if n := late(); n > 0 {
		t.Errorf("%d finalizers are kept after RunAtExit", n)
	}

	// A finalizer is made at the end of a RunAtExit, which has the lock.
	exits.running.Add(1)
	exits.mu.Lock()
	made := make(chan struct{})
	go func() {
		defer close(made)
		Finalize(object, nothing, 0).Detach()
	}()
	time.Sleep(20 * time.Millisecond) // It waits for the lock.
	exits.running.Add(-1)
	exits.mu.Unlock()
	gctest.Await(t, "the finalizer is made", made)
	if n := late(); n > 0 {
		t.Errorf("%d finalizers are kept that were made at the end of RunAtExit", n)
	}
	runtime.KeepAlive(object)
}

// The list of what is pending lets go of finalizers that are over, and of its room.
func TestTheListOfFinalizersLetsGo(t *testing.T) {
	const n = 20_000
	objects, pending := make([]*thing, n), make([]*Finalizer[int], n)
	for i := range pending {
		objects[i] = new(thing)
		pending[i] = Finalize(objects[i], nothing, 0)
	}
	for _, f := range pending {
		f.Detach()
	}
	for i := range exits.stripes {
		s := &exits.stripes[i]
		s.mu.Lock()
		if room := cap(s.pending); room > max(exitRoomKept, 4*len(s.pending)) {
			t.Errorf("stripe %d: room for %d, for %d that are pending", i, room, len(s.pending))
		}
		for at, f := range s.pending[:cap(s.pending)] {
			if (f != nil) != (at < len(s.pending)) {
				t.Errorf("stripe %d: %p at %d of %d", i, f, at, len(s.pending))
			}
		}
		s.mu.Unlock()
	}
	runtime.KeepAlive(objects)
}

func nothing(int) {}
