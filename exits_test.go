package weakmap

import (
	"runtime"
	"testing"
)

// On a plot that is crowded each finalizer has something that stops its cleanup. A map does not shrink by
// itself: once all are over, none is left.
func TestStopsLetTheirMemoryGo(t *testing.T) {
	object := new(thing)
	stops := func() (entries, empty int) {
		for i := range exits.stripes {
			s := &exits.stripes[i]
			s.mu.Lock()
			if s.stops != nil && len(s.stops) == 0 {
				empty++
			}
			entries += len(s.stops)
			s.mu.Unlock()
		}
		return entries, empty
	}
	for range abandonedMax {
		Finalize(object, nothing, 0).Detach()
	}
	pending := make([]*Finalizer[int], 100)
	for i := range pending {
		pending[i] = Finalize(object, nothing, 0)
	}
	if entries, _ := stops(); entries < len(pending) {
		t.Errorf("%d stops for %d finalizers", entries, len(pending))
	}
	for _, f := range pending {
		f.Detach()
	}
	if _, empty := stops(); empty != 0 {
		t.Errorf("%d maps without entries are left", empty)
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
