package weakmap

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/bubble"
	"github.com/go-weak/weakmap/internal/seam"
)

// flights are the computations under way in one container, at most one for each
// key. The zero value has none. What a computation yields is an address: of the value, or
// of a copy. A key is put into an interface when there is something to compute for it. So the
// code is the same for all types.
//
// # How an invalidation cuts a computation off
//
// A computation that began before a Delete may have read what the Delete is about,
// so it must not be stored after the Delete has returned. Three steps see to it.
//
//   - A computation is in inProgress before it begins. So the Delete, which begins later,
//     sees it there, unless its value is stored already.
//   - The Delete first sets cut on it and takes it out of there, and only then
//     unbinds the key.
//   - The value is stored, and the key unbound, under one lock: a shard's, or for a
//     Cell flights.mu. cut is read under that lock. If the value comes first, it is
//     what the Delete unbinds. If the Delete comes first, cut is set.
//
// A call that begins after the Delete has returned does not find the computation in
// inProgress, and begins another.
type flights struct {
	mu         seam.Mutex
	inProgress atomic.Pointer[inProgress] // nil while there are none. Read without lock, written only with mu held.
}

// inProgress are the computations that others can wait for or cut off.
type inProgress struct {
	calls       map[any]*flight      // Guarded by flights.mu, as the next one.
	irreflexive map[*flight]struct{} // those with a key that is not equal to itself
}

// A flight is one computation. Its fields that do not say otherwise are written
// before done is closed and read after.
type flight struct {
	loader   loader                  // for the detection of cycles, which only the build tag weakmapcheck has
	bubble   uint64                  // of testing/synctest, in which it is computed; 0 = none. Immutable.
	next     *flight                 // of the same key, in another bubble. Guarded by flights.mu.
	done     chan struct{}           // made in bubble. Immutable.
	outside  chan struct{}           // as done, for those outside of all bubbles; nil unless one waits for a flight in one. Guarded by flights.mu.
	cancel   context.CancelCauseFunc // of the context of compute; nil without one. Written by its first caller before that may leave.
	there    int                     // callers in bubble that have not left. Guarded by flights.mu.
	first    bool                    // whether the one that began it is among them. Guarded by flights.mu.
	cut      atomic.Bool             // whether the result is not to be stored. Set with flights.mu held.
	returned bool                    // whether compute has returned. Guarded by flights.mu.
	over     bool                    // whether no caller waits for it any more: it has ended, or was abandoned. Guarded by flights.mu.
	failure  *failure                // of compute on a goroutine of its own, until one of the callers takes it. Guarded by flights.mu once done is closed.
	ended    bool                    // whether there is a result: compute neither panicked nor called Goexit
	result   unsafe.Pointer
	loaded   bool // for the one that began it
	err      error
}

// A request is what a caller asks of flights.
type request struct {
	key any // the caller's, for what weakmapcheck says; nil if the flight has the same

	// ctx lets the caller leave, and is where compute's context comes from. If it is
	// nil the caller stays, and computes on its own goroutine.
	ctx     context.Context
	lookup  func() (bound unsafe.Pointer, ok bool)
	compute func(context.Context) (value unsafe.Pointer, err error)

	// store binds the key to a value if it is unbound and unless is not set, and
	// returns what it is bound to, or the value.
	store func(value unsafe.Pointer, unless *atomic.Bool) (actual unsafe.Pointer, loaded bool)
}

// do returns what is bound to key, or else what r computes and stores. loaded is
// false for the one caller whose value was stored, or was computed and cut off.
//
// One caller computes, the others wait. No lock is held while lookup, compute or
// store run. If compute panics or calls Goexit, one of the waiters takes over.
//
// Two bubbles of testing/synctest cannot share a channel to wait on, so there each
// computes for itself. A caller in a bubble can wait for a computation outside all
// bubbles, and the other way round. But a context belongs to a bubble, or to none, and
// only callers that do too can cancel it: so others do not keep a computation from
// being abandoned, and begin one of their own when it is.
func (f *flights) do(key any, r request) (result unsafe.Pointer, loaded bool, err error) {
	if r.key == nil {
		r.key = key
	}
	in := bubble.ID()
	for {
		if r.ctx != nil && r.ctx.Err() != nil {
			return result, false, context.Cause(r.ctx)
		}
		f.mu.Lock()
		c := f.waitable(key, in)
		begins := c == nil
		if begins {
			c = f.begin(key, in)
			if r.ctx == nil {
				beginLoad(&c.loader, r.key)
			}
		}
		if in == c.bubble {
			c.there++
		}
		// The result of a flight that has returned may have been bound, and deleted
		// again, before we came: this call must not return it.
		late := c.returned
		done := c.doneFor(in)
		f.mu.Unlock()
		if begins {
			if r.ctx == nil {
				return f.compute(key, c, &r)
			}
			if result, loaded = f.launch(key, c, &r); loaded {
				return result, true, nil
			}
		}
		if left := f.wait(key, c, r.ctx, in, done, begins); left {
			return result, false, context.Cause(r.ctx)
		}
		switch {
		case c.ended && !late && begins:
			return c.result, c.loaded, c.err
		case c.ended && !late:
			return c.result, c.err == nil, c.err
		case !c.ended && in == c.bubble:
			f.propagate(c, begins)
		}
		if result, loaded = r.lookup(); loaded {
			return result, true, nil
		}
	}
}

// waitable returns a flight of key that a goroutine in the given bubble can wait
// for, or nil. Must be called with f.mu held.
func (f *flights) waitable(key any, in uint64) *flight {
	up := f.inProgress.Load()
	if up == nil {
		return nil
	}
	c := up.calls[key]
	for c != nil && c.bubble != in && c.bubble != 0 && in != 0 {
		c = c.next
	}
	return c
}

// begin returns a new flight of key. Must be called with f.mu held, in the bubble.
func (f *flights) begin(key any, in uint64) *flight {
	c := &flight{bubble: in, done: make(chan struct{}), first: true}
	up := f.inProgress.Load()
	if up == nil {
		up = new(inProgress)
		f.inProgress.Store(up)
	}
	if key != key { // What a NaN is bound to no other caller can find.
		if up.irreflexive == nil {
			up.irreflexive = make(map[*flight]struct{})
		}
		up.irreflexive[c] = struct{}{}
		return c
	}
	if up.calls == nil {
		up.calls = make(map[any]*flight)
	}
	c.next = up.calls[key]
	up.calls[key] = c
	return c
}

// doneFor returns the channel that is closed when c has ended. It was made in c's
// bubble or outside all bubbles, as the runtime requires for closing it, and in the
// given bubble or outside, as it requires for waiting on it. Must be called with
// flights.mu held.
func (c *flight) doneFor(in uint64) <-chan struct{} {
	if in == c.bubble || c.bubble == 0 {
		return c.done
	}
	if c.outside == nil {
		c.outside = make(chan struct{})
	}
	return c.outside
}

// cutOff ensures that what is being computed for key is not stored, and that no
// further caller begins to wait for it. It must be called before the key is unbound.
// While nothing is being computed it costs one load, and the key is not put into an interface.
func cutOff[K comparable](f *flights, key K) {
	if f.inProgress.Load() != nil {
		f.cutOff(key)
	}
}

// cutOff is the function of that name where something may be under way.
func (f *flights) cutOff(key any) {
	f.mu.Lock()
	defer f.mu.Unlock() // A key that cannot be hashed panics.
	up := f.inProgress.Load()
	if up == nil {
		return
	}
	for c := up.calls[key]; c != nil; c = c.next {
		c.cut.Store(true)
	}
	delete(up.calls, key)
	f.dropIfEmpty(up)
}

// cutOffAll is cutOff for all keys.
func (f *flights) cutOffAll() {
	if f.inProgress.Load() == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	up := f.inProgress.Load()
	if up == nil {
		return
	}
	for _, c := range up.calls {
		for ; c != nil; c = c.next {
			c.cut.Store(true)
		}
	}
	for c := range up.irreflexive {
		c.cut.Store(true)
	}
	f.inProgress.Store(nil)
}

// dropIfEmpty lets go of up if it is empty: a map does not shrink by itself. Must be
// called with f.mu held.
func (f *flights) dropIfEmpty(up *inProgress) {
	if len(up.calls) == 0 && len(up.irreflexive) == 0 {
		f.inProgress.Store(nil)
	}
}

// remove takes c out of inProgress if it was not cut off before. Must be called with f.mu held.
func (f *flights) remove(key any, c *flight) {
	up := f.inProgress.Load()
	if up == nil || c.cut.Load() {
		return
	}
	delete(up.irreflexive, c)
	switch first := up.calls[key]; {
	case first == c && c.next == nil:
		delete(up.calls, key)
	case first == c:
		up.calls[key] = c.next
	default:
		for ; first != nil; first = first.next {
			if first.next == c {
				first.next = c.next
				break
			}
		}
	}
	f.dropIfEmpty(up)
}

// land ends c, whether it computed or not, unless it was abandoned.
func (f *flights) land(key any, c *flight) {
	f.mu.Lock()
	over := c.over
	if !over {
		f.remove(key, c)
		c.over = true
	}
	f.mu.Unlock()
	if !over {
		f.wake(c)
	}
}

// wake wakes the callers that wait for c. It must be called in c's bubble.
func (f *flights) wake(c *flight) {
	f.mu.Lock()
	outside := c.outside // No further caller asks for it.
	f.mu.Unlock()
	endLoad(&c.loader)
	seam.Interleave("to end")
	close(c.done)
	if outside != nil {
		close(outside)
	}
}

// noContext is that of callers that do not leave.
var noContext context.Context

func mustBeContext(ctx context.Context) {
	if ctx == noContext {
		panic("weakmap: nil Context")
	}
}

// compute computes on the caller's goroutine.
func (f *flights) compute(key any, c *flight, r *request) (result unsafe.Pointer, loaded bool, err error) {
	defer f.land(key, c)
	// A computation before ours stored its value before it was taken out of inProgress.
	// The callers that wait for us look for themselves.
	if result, loaded = r.lookup(); loaded {
		return result, true, nil
	}
	f.run(noContext, c, r)
	return c.result, c.loaded, c.err
}

// launch has another goroutine compute, in the caller's bubble and under its
// labels, unless the key is bound.
func (f *flights) launch(key any, c *flight, r *request) (result unsafe.Pointer, loaded bool) {
	launched := false
	defer func() {
		if !launched {
			f.land(key, c)
		}
	}()
	if result, loaded = r.lookup(); loaded {
		return result, true
	}
	// It is not cancelled at the end: there is nothing to release, and it may be part
	// of the result.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.ctx))
	c.cancel = cancel
	launched = true
	seam.Spawn(func() { f.computeDetached(ctx, key, c, r) })
	return result, false
}

// computeDetached computes on a goroutine of its own. A panic or Goexit is left to one of the
// callers that have not left. If there is none, it takes its course.
func (f *flights) computeDetached(ctx context.Context, key any, c *flight, r *request) {
	returned := false
	defer func() {
		if !returned {
			f.mu.Lock()
			abandoned := c.over
			c.returned = true // From here on no caller leaves.
			f.mu.Unlock()
			if abandoned {
				return
			}
			c.failure = &failure{value: recover(), stack: debug.Stack()}
		}
		f.land(key, c)
	}()
	beginLoad(&c.loader, r.key)
	if ctx.Err() == nil { // else it was abandoned already
		f.run(ctx, c, r)
	}
	returned = true
}

// run computes and stores for c.
func (f *flights) run(ctx context.Context, c *flight, r *request) {
	computed, err := r.compute(ctx)
	if computed == nil && err == nil {
		err = ErrNilValue
	}
	f.mu.Lock()
	c.returned = true // Before what is stored can be seen.
	abandoned := c.over
	f.mu.Unlock()
	if abandoned {
		return
	}
	result, loaded := computed, false
	if err == nil {
		seam.Interleave("to store")
		result, loaded = r.store(computed, &c.cut)
		if c.cut.Load() { // It may be what others have stored since.
			result, loaded = computed, false
		}
	} else {
		bound, ok := r.lookup()
		if result = nil; ok && !c.cut.Load() {
			result, loaded, err = bound, true, nil // What another call has stored wins over an error too.
		}
	}
	c.result, c.loaded, c.err, c.ended = result, loaded, err, true
}

// wait returns when c has ended, or true when ctx has and the caller has left.
func (f *flights) wait(key any, c *flight, ctx context.Context, in uint64, done <-chan struct{}, began bool) (left bool) {
	stays := false
	defer func() {
		if !stays && !left {
			f.leave(key, c, in, began, nil) // awaitLoad has found a cycle, and panics.
		}
	}()
	ended := awaitLoad(&c.loader)
	stays = true
	defer ended()
	if ctx != nil && ctx.Done() != nil {
		seam.AwaitEither(done, ctx.Done())
		if ctx.Err() != nil && f.leave(key, c, in, began, context.Cause(ctx)) {
			return true
		}
	}
	seam.Await(done)
	return false
}

// leave has a caller that waits for c leave. If no caller is left, c is
// abandoned. It is too late, and false, if c is about to end.
func (f *flights) leave(key any, c *flight, in uint64, began bool, cause error) (left bool) {
	f.mu.Lock()
	if c.returned || c.over {
		f.mu.Unlock()
		return false
	}
	c.first = c.first && !began
	if in == c.bubble {
		c.there--
	}
	abandoned := c.there == 0
	if abandoned {
		f.remove(key, c)
		c.over = true // So it will not be stored: see run.
		// Before another one can begin. No code of the user runs in there. Only a
		// computation with such a context can be abandoned: a caller that computes on
		// its own goroutine has not left.
		c.cancel(cause)
	}
	f.mu.Unlock()
	if abandoned {
		f.wake(c)
	}
	return true
}

// propagate ends one caller as compute ended: the one that began it or, if that has
// left, the first that gets here.
func (f *flights) propagate(c *flight, began bool) {
	f.mu.Lock()
	failure := c.failure
	if failure == nil || c.first && !began {
		f.mu.Unlock()
		return
	}
	c.failure = nil
	f.mu.Unlock()
	if failure.value == nil {
		runtime.Goexit()
	}
	panic(failure)
}

// A failure is what a caller panics with if another goroutine computed for it.
type failure struct {
	value any // nil for Goexit
	stack []byte
}

func (f *failure) Error() string {
	return fmt.Sprintf("weakmap: compute panicked: %v\n\n%s", f.value, f.stack)
}

// Unwrap returns what compute panicked with if that is an error.
func (f *failure) Unwrap() error {
	err, _ := f.value.(error)
	return err
}
