package weakmap

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// exits holds the finalizers that are still to run, and is what keeps them: a
// runtime cleanup has but the numbers by which to find its finalizer here.
//
// The price of Finalize beyond its runtime.AddCleanup is memory to allocate and
// to mark. Hence finalizers with arguments of one type share chunks: with an
// argument of one word that is 46 bytes each, and no allocation of its own. And
// hence no pointer in the argument of the cleanup: each would be one more thing
// for every collection to look at.
var exits exitList

type exitList struct {
	made    atomic.Uint64 // finalizers ever made: the number of the newest. Accessed atomically.
	running atomic.Int32  // calls of RunAtExit under way. Accessed atomically.
	stripes [8]exitStripe // A finalizer's number chooses. No evidence that more help: runtime.AddCleanup has one lock.

	mu   sync.Mutex     // Never held together with a stripe's.
	late []anyFinalizer // what was made or put on while RunAtExit ran, oldest first. Guarded by mu.
}

// An exitStripe has some of the chunks. Its mu guards them and their
// finalizers. It is held for a few instructions only, never while anything is
// called.
type exitStripe struct {
	mu     sync.Mutex
	chunks map[uint64]anyChunk        // by number; those in which something is or will be pending. Guarded by mu.
	open   [4]anyChunk                // the newest of some types. Guarded by mu.
	evict  uint8                      // which of open gives way to a new type next. Guarded by mu.
	stops  map[*finalizer]func() bool // what stops the runtime's cleanup, where there is something. Guarded by mu.
	_      [32]byte                   // Two cache lines each.
}

// A chunk is a piece of memory with several finalizers. It leaves its stripe
// when all of them are over, and is freed when nobody refers to one of them any
// more. Places are not used again.
type chunk struct {
	number     uint64 // that of its first finalizer; names the stripe. Immutable.
	size       uint8  // how many places are or will be given out. Guarded by the stripe's mu.
	used, over uint8  // how many have been, and how many of those are over. Guarded by the stripe's mu.
}

func (c *chunk) stripe() *exitStripe { return &exits.stripes[c.number%uint64(len(exits.stripes))] }

// A chunkOf is a chunk with its places.
type chunkOf[A any] struct {
	chunk
	places []Finalizer[A] // Immutable, but for the places' own fields.
}

// chunkLen is how many places a chunk has: few enough that their memory, with
// arguments of one word, is of the kind that costs the runtime least to
// allocate (up to 512 bytes), and that one of them which outlives the others
// does not keep much. The first chunk of a type that is not among open has one
// place and each one after it twice as many, so that many types do no harm.
const chunkLen = 12

// An anyChunk is a *chunkOf, whatever its type.
type anyChunk interface {
	base() *chunk
	at(place uint8) anyFinalizer
}

func (c *chunk) base() *chunk { return c }

func (c *chunkOf[A]) at(place uint8) anyFinalizer { return &c.places[place] }

// An anyFinalizer is a *Finalizer, whatever its argument.
type anyFinalizer interface {
	Call() bool
	exit() // Call if RunAtExit is to run it
	base() *finalizer
}

// A finalizer is a Finalizer whatever its argument.
type finalizer struct {
	_ [0]sync.Mutex // vet: not to be copied.

	chunk   *chunk // nil in the zero Finalizer. Immutable.
	number  uint64 // in the order of creation, from 1. Immutable.
	plot    uint16 // of the object. Immutable.
	place   uint8  // in chunk. Immutable.
	pending bool   // whether fn is still to run. Guarded by the stripe's mu.
	skipped bool   // whether RunAtExit leaves it out. Guarded by the stripe's mu.
	arrived bool   // whether the runtime's cleanup has come, or none will. Guarded by the stripe's mu.
}

func (f *finalizer) base() *finalizer { return f }

// lock locks what guards f, and returns it.
func (f *finalizer) lock() *sync.Mutex {
	mu := &f.chunk.stripe().mu
	mu.Lock()
	return mu
}

// newFinalizer returns a finalizer that is pending.
func newFinalizer[A any](fn func(A), arg A, plot uint16) *Finalizer[A] {
	number := exits.made.Add(1)
	s := &exits.stripes[number%uint64(len(exits.stripes))]
	s.mu.Lock()
	c := openChunk[A](s, number)
	f := &c.places[c.used]
	f.chunk, f.number, f.plot, f.place, f.pending = &c.chunk, number, plot, c.used, true
	c.used++
	f.fn, f.arg = fn, arg
	s.mu.Unlock()
	exits.lateIfRunning(f)
	return f
}

// openChunk returns a chunk with a free place, for the finalizer with this
// number. Must be called with s.mu held.
func openChunk[A any](s *exitStripe, number uint64) *chunkOf[A] {
	at, places := int(s.evict)%len(s.open), 1
	for i, open := range s.open {
		if c, ok := open.(*chunkOf[A]); ok {
			if c.used < c.size {
				return c
			}
			at, places = i, min(2*len(c.places), chunkLen)
			break
		}
	}
	if places == 1 {
		s.evict++
		if open := s.open[at]; open != nil {
			evicted := open.base()
			evicted.size = evicted.used
			s.dropIfOver(evicted)
		}
	}
	c := &chunkOf[A]{places: make([]Finalizer[A], places)}
	c.number, c.size = number, uint8(places)
	if s.chunks == nil {
		s.chunks = make(map[uint64]anyChunk)
	}
	s.chunks[number], s.open[at] = c, c
	return c
}

// dropIfOver lets go of c if nothing in it is or will be pending. Must be
// called with s.mu held.
func (s *exitStripe) dropIfOver(c *chunk) {
	if c.over < c.size {
		return
	}
	// It stays in open, if it is there, so that the next one gets larger.
	if delete(s.chunks, c.number); len(s.chunks) == 0 {
		s.chunks = nil // Maps do not shrink.
	}
}

// lateIfRunning tells the RunAtExit under way, if there is one, of p.
func (e *exitList) lateIfRunning(p anyFinalizer) {
	// RunAtExit first counts itself and then looks into the stripes, we do the
	// opposite: it sees p here or there.
	if e.running.Load() > 0 {
		e.mu.Lock()
		e.late = append(e.late, p)
		e.mu.Unlock()
	}
}

// claim ends f's time of waiting: true goes once, to whoever may now run or drop
// it, with what stops the runtime's cleanup, if anything does. Must be called
// with the lock of f held.
func (f *finalizer) claim() (stop func() bool, ok bool) {
	if !f.pending {
		return nil, false
	}
	f.pending = false
	if !f.arrived {
		abandoned[f.plot].Add(1)
	}
	s := f.chunk.stripe()
	if len(s.stops) > 0 {
		stop = s.stops[f]
		delete(s.stops, f)
	}
	f.chunk.over++
	s.dropIfOver(f.chunk)
	return stop, true
}

// An arrival is the argument of a runtime cleanup, and names a finalizer.
type arrival struct {
	chunk uint64
	plot  uint16
	place uint8
}

func (f *finalizer) arrival() arrival { return arrival{f.chunk.number, f.plot, f.place} }

// arrive runs on the runtime's goroutine when the object is gone, and leaves
// the finalizer to one of ours. Until that takes it, others may.
func arrive(a arrival) {
	s := &exits.stripes[a.chunk%uint64(len(exits.stripes))]
	var f anyFinalizer
	s.mu.Lock()
	if c := s.chunks[a.chunk]; c != nil {
		f = c.at(a.place)
	}
	if f != nil && f.base().pending {
		f.base().arrived = true
	} else { // It was over before, and we were left behind.
		f = nil
		abandoned[a.plot].Add(-1)
	}
	s.mu.Unlock()
	if f != nil {
		callbacks.submit(func(*batch) { f.Call() })
	}
	followed.gone.Add(1)
}

// neverArrives says that no cleanup of f will come.
func (f *finalizer) neverArrives() {
	mu := f.lock()
	f.arrived = true
	if !f.pending { // RunAtExit was quick.
		abandoned[f.plot].Add(-1)
	}
	mu.Unlock()
	followed.gone.Add(1)
}

// stopBy has stop called when f is over before its object is.
func (f *finalizer) stopBy(stop func() bool) {
	defer f.lock().Unlock()
	if s := f.chunk.stripe(); f.pending {
		if s.stops == nil {
			s.stops = make(map[*finalizer]func() bool)
		}
		s.stops[f] = stop
	}
}

// An exitRun is one call of RunAtExit.
type exitRun struct {
	due []anyFinalizer // those found at the start and not run yet, oldest first
}

// begin finds what is to run.
func (r *exitRun) begin() {
	exits.running.Add(1)
	for i := range exits.stripes {
		s := &exits.stripes[i]
		s.mu.Lock()
		for _, c := range s.chunks {
			for place := range c.base().used {
				if f := c.at(place); f.base().pending {
					r.due = append(r.due, f)
				}
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(r.due, func(a, b anyFinalizer) int { return cmp.Compare(a.base().number, b.base().number) })
}

// run runs all there is, the newest first.
func (r *exitRun) run() {
	all := false
	defer func() {
		if !all { // A panic or Goexit is under way, and goes on when we return.
			r.run()
		}
	}()
	for p := r.next(); p != nil; p = r.next() {
		p.exit()
	}
	all = true
}

// next takes the newest finalizer not taken, or returns nil.
func (r *exitRun) next() (p anyFinalizer) {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	from := &exits.late
	if len(*from) == 0 {
		from = &r.due
	}
	if last := len(*from) - 1; last >= 0 {
		p, (*from)[last] = (*from)[last], nil
		*from = (*from)[:last]
	}
	return p
}

// end lets go of what nobody will look at.
func (r *exitRun) end() {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	if exits.running.Add(-1) == 0 {
		exits.late = nil
	}
}

// abandoned counts, for each plot of addresses, the cleanups that wait for the
// death of an object though their finalizer was called or detached. A cleanup
// can be stopped only by someone who holds the object, and a weak pointer on
// each would double the price of Finalize: so they stay. They must not pile up
// on one long-lived object, though, and so on a plot that is crowded Finalize
// makes that weak pointer.
var abandoned [1 << 13]atomic.Int32

// crowd is how many abandoned cleanups make a plot crowded. With 16 the plots
// take 131,072 objects that were finalized by hand and are still to be
// collected; beyond that Finalize gets slower, never wrong.
const crowd = 16

// plotOf returns the plot that address belongs to.
func plotOf(address uintptr) uint16 {
	return uint16(scatter(address) % uint64(len(abandoned)))
}

// followed counts the runtime cleanups that callbacks hang on.
var followed struct {
	refs atomic.Int64 // made for a Ref; exits.made are those for a Finalizer
	gone atomic.Int64 // those that came, were stopped, or never will come
}

// following reports whether a callback may still hang on a runtime cleanup.
func following() bool {
	gone := followed.gone.Load() // First: more may be made and come meanwhile.
	return gone < int64(exits.made.Load())+followed.refs.Load()
}
