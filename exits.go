package weakmap

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// exits holds the finalizers that are still to run, for RunAtExit to find. A
// runtime cleanup has a pointer to its finalizer, which leads to the chunk.
//
// The cost of Finalize beyond its runtime.AddCleanup is memory to allocate and
// to mark. So finalizers with arguments of one type share chunks, and find their
// chunk without a pointer: with an argument of one word that is 26 bytes each,
// and no allocation of its own. 46 bytes each and a map of the chunks took twice
// the time beyond the cleanup's.
var exits exitList

type exitList struct {
	made    atomic.Uint64 // finalizers ever made: the number of the newest. Accessed atomically.
	running atomic.Int32  // calls of RunAtExit under way. Accessed atomically.
	stripes [8]exitStripe // Chosen by a finalizer's number. No evidence that more help: runtime.AddCleanup has one lock.

	mu   sync.Mutex     // Never held together with a stripe's.
	late []anyFinalizer // what was made or put on while RunAtExit ran, oldest first. Guarded by mu.
}

// An exitStripe has some of the chunks. Its mu guards them and their
// finalizers. It is held for a few instructions only, never while anything is
// called.
type exitStripe struct {
	mu     sync.Mutex
	chunks []*chunk                   // those in which something is or will be pending. Guarded by mu.
	open   [4]anyChunk                // the newest of some types. Guarded by mu.
	evict  uint8                      // which of open gives way to a new type next. Guarded by mu.
	stops  map[*finalizer]func() bool // what stops the runtime's cleanup, where there is something. Guarded by mu.
	_      [32]byte                   // Two cache lines each.
}

// A chunk is a piece of memory with several finalizers. It leaves its stripe's
// list when all of them are over, and is freed when none of them is referred to
// any more. Places are not reused.
type chunk struct {
	self       anyChunk // Immutable.
	first      uint64   // the number of its first finalizer. Immutable.
	index      uint32   // in the stripe's list. Guarded by the stripe's mu.
	stripe     uint8    // Immutable.
	size       uint8    // how many places are or will be given out. Guarded by the stripe's mu.
	used, over uint8    // how many have been, and how many of those are over. Guarded by the stripe's mu.
}

// A chunkOf is a chunk with its places: with arguments of one word it takes
// nearly the whole of 1,024 bytes. Chunks of half the size took a tenth more time.
type chunkOf[A any] struct {
	chunk
	places [40]Finalizer[A]
}

// A singleOf is a chunk of one place: the first chunk of a type that is not among
// open, so that many types do no harm, and that of a finalizer with a large argument.
type singleOf[A any] struct {
	chunk
	place Finalizer[A]
}

// chunkedSize is how large a Finalizer may be to share a chunk, so that the
// number of words before any place fits into a byte.
const chunkedSize = 6 * uintptr(ptrSize)

// An anyChunk is a *chunkOf or a *singleOf, whatever its type.
type anyChunk interface {
	base() *chunk
	at(place uint8) anyFinalizer
	whole(f *finalizer) anyFinalizer // that of which f, in this chunk, is a part
}

func (c *chunk) base() *chunk { return c }

func (c *chunkOf[A]) at(place uint8) anyFinalizer { return &c.places[place] }

func (c *chunkOf[A]) whole(f *finalizer) anyFinalizer { return (*Finalizer[A])(unsafe.Pointer(f)) }

func (c *singleOf[A]) at(uint8) anyFinalizer { return &c.place }

func (c *singleOf[A]) whole(*finalizer) anyFinalizer { return &c.place }

// An anyFinalizer is a *Finalizer, whatever its argument.
type anyFinalizer interface {
	Call() bool
	exit() // Call if RunAtExit is to run it
	base() *finalizer
}

// A finalizer is a Finalizer whatever its argument. It takes one word.
type finalizer struct {
	_ [0]sync.Mutex // vet: not to be copied.

	number  uint16 // in the order of creation, less that of the chunk's first. Immutable.
	plot    uint16 // of the object. Immutable.
	offset  uint8  // how many words after the chunk's beginning it stands; 0 in the zero Finalizer. Immutable.
	pending bool   // whether fn is still to run. Guarded by the stripe's mu.
	skipped bool   // whether RunAtExit leaves it out. Guarded by the stripe's mu.
	arrived bool   // whether the runtime's cleanup has come, or none will. Guarded by the stripe's mu.
}

func (f *finalizer) base() *finalizer { return f }

// chunk returns the chunk that f stands in.
func (f *finalizer) chunk() *chunk {
	return (*chunk)(unsafe.Add(unsafe.Pointer(f), -int(f.offset)*ptrSize))
}

// order is f's number in the order of creation.
func (f *finalizer) order() uint64 { return f.chunk().first + uint64(f.number) }

// lock locks what guards f, and returns it.
func (f *finalizer) lock() *sync.Mutex {
	mu := &exits.stripes[f.chunk().stripe].mu
	mu.Lock()
	return mu
}

// newFinalizer returns a finalizer that is pending.
func newFinalizer[A any](fn func(A), arg A, plot uint16) *Finalizer[A] {
	number := exits.made.Add(1)
	s := &exits.stripes[number%uint64(len(exits.stripes))]
	s.mu.Lock()
	c, f := openPlace[A](s, number)
	f.number, f.plot, f.pending = uint16(number-c.first), plot, true
	f.offset = uint8((uintptr(unsafe.Pointer(f)) - uintptr(unsafe.Pointer(c))) / uintptr(ptrSize))
	f.fn, f.arg = fn, arg
	c.used++
	s.mu.Unlock()
	exits.lateIfRunning(f)
	return f
}

// openPlace returns a free place and its chunk, for the finalizer with this
// number. Must be called with s.mu held.
func openPlace[A any](s *exitStripe, number uint64) (*chunk, *Finalizer[A]) {
	at := -1
	for i, open := range s.open {
		switch c := open.(type) {
		case *chunkOf[A]:
			if c.used < c.size && number-c.first <= math.MaxUint16 {
				return &c.chunk, &c.places[c.used]
			}
			at = i
		case *singleOf[A]:
			at = i
		}
	}
	if at >= 0 && unsafe.Sizeof(Finalizer[A]{}) <= chunkedSize {
		c := new(chunkOf[A])
		s.add(c, number, uint8(len(c.places)), at)
		return &c.chunk, &c.places[0]
	}
	if at < 0 {
		at = int(s.evict) % len(s.open)
		s.evict++
	}
	c := new(singleOf[A])
	s.add(c, number, 1, at)
	return &c.chunk, &c.place
}

// add puts c into the list, and among open in place of another chunk, whose free
// places are given up. Must be called with s.mu held.
func (s *exitStripe) add(c anyChunk, number uint64, size uint8, at int) {
	if open := s.open[at]; open != nil {
		if last := open.base(); last.used < last.size {
			last.size = last.used
			s.dropIfOver(last)
		}
	}
	b := c.base()
	b.self, b.first, b.stripe, b.size = c, number, uint8(number%uint64(len(exits.stripes))), size
	b.index = uint32(len(s.chunks))
	s.chunks = append(s.chunks, b)
	s.open[at] = c
}

// dropIfOver takes c out of the list if nothing in it is or will be pending.
// Must be called with s.mu held, after one more of c's places was over or size
// has become less, so that it finds c over once.
func (s *exitStripe) dropIfOver(c *chunk) {
	if c.over < c.size {
		return
	}
	// It stays in open, if it is there, so that the next one gets many places.
	last := len(s.chunks) - 1
	moved := s.chunks[last]
	s.chunks[c.index], moved.index = moved, c.index
	s.chunks[last] = nil
	if s.chunks = s.chunks[:last]; cap(s.chunks) > 4*last+chunksKept {
		s.chunks = slices.Clone(s.chunks)
	}
}

// chunksKept is how many places of a stripe's list may be free in addition to three
// times as many as are taken.
const chunksKept = 64

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

// claim ends f's time of waiting: it returns true once, to the caller that may now
// run or drop it, with the function that stops the runtime's cleanup, if there is
// one. Must be called with the lock of f held.
func (f *finalizer) claim() (stop func() bool, ok bool) {
	if !f.pending {
		return nil, false
	}
	f.pending = false
	if !f.arrived {
		abandoned[f.plot].Add(1)
	}
	c := f.chunk()
	s := &exits.stripes[c.stripe]
	if len(s.stops) > 0 {
		stop = s.stops[f]
		delete(s.stops, f)
	}
	c.over++
	s.dropIfOver(c)
	return stop, true
}

// arrive runs on the runtime's goroutine when the object is gone, and leaves
// the finalizer to one of ours. Until that takes it, others may.
func arrive(f *finalizer) {
	mu := f.lock()
	pending := f.pending
	if f.arrived = pending; !pending { // It was over before, and its cleanup was abandoned.
		abandoned[f.plot].Add(-1)
	}
	mu.Unlock()
	if pending {
		waiting := f.chunk().self.whole(f)
		callbacks.Submit(func() { waiting.Call() })
	}
	followed.gone.Add(1)
}

// neverArrives notes that no cleanup of f will run.
func (f *finalizer) neverArrives() {
	mu := f.lock()
	f.arrived = true
	if !f.pending { // RunAtExit was faster.
		abandoned[f.plot].Add(-1)
	}
	mu.Unlock()
	followed.gone.Add(1)
}

// stopBy has stop called when f is over before its object is.
func (f *finalizer) stopBy(stop func() bool) {
	defer f.lock().Unlock()
	if s := &exits.stripes[f.chunk().stripe]; f.pending {
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
			for place := range c.used {
				if f := c.self.at(place); f.base().pending {
					r.due = append(r.due, f)
				}
			}
		}
		s.mu.Unlock()
	}
	slices.SortFunc(r.due, func(a, b anyFinalizer) int { return cmp.Compare(a.base().order(), b.base().order()) })
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

// end lets go of what will not be looked at any more.
func (r *exitRun) end() {
	exits.mu.Lock()
	defer exits.mu.Unlock()
	if exits.running.Add(-1) == 0 {
		exits.late = nil
	}
}

// abandoned counts, for each plot of addresses, the cleanups that wait for the
// death of an object though their finalizer was called or detached. A cleanup
// can be stopped only while the object is held, and a weak pointer on each object
// would double the cost of Finalize: so they stay. They must not pile up on one
// long-lived object, though, and so on a plot that is crowded Finalize makes that
// weak pointer.
var abandoned [1 << 13]atomic.Int32

// crowd is how many abandoned cleanups make a plot crowded. With 16 the plots
// take 131,072 objects that were finalized by hand and are still to be
// collected; beyond that Finalize gets slower, never wrong.
const crowd = 16

// plotOf returns the plot that address belongs to.
func plotOf(address uintptr) uint16 {
	return uint16((uint64(address) * 0x9e3779b97f4a7c15 >> 40) % uint64(len(abandoned)))
}

// followed counts the runtime cleanups that start callbacks.
var followed struct {
	refs atomic.Int64 // made for a Ref; exits.made are those for a Finalizer
	gone atomic.Int64 // those that have run, were stopped, or never will run
}

// following reports whether a runtime cleanup may still start a callback.
func following() bool {
	gone := followed.gone.Load() // First: more may be made and run after this.
	return gone < int64(exits.made.Load())+followed.refs.Load()
}
