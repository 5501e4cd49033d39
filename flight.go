package weakmap

import "github.com/go-weak/weakmap/internal/bubble"

// flights are the computations under way in one map, at most one for each key.
// The zero value has none. R is what a computation yields: a *V or a V.
type flights[K comparable, R any] struct {
	mu    mutex
	calls map[K]*flight[R] // nil while there are none. Guarded by mu.
}

// A flight is one computation. Its fields that do not say otherwise are written
// before done is closed and read after.
type flight[R any] struct {
	loader  loader        // for the detection of cycles, which only the build tag weakmapcheck has
	bubble  uint64        // of testing/synctest, in which it is computed; 0 = none. Immutable.
	next    *flight[R]    // of the same key, in another bubble. Guarded by flights.mu.
	done    chan struct{} // made in bubble. Immutable.
	outside chan struct{} // as done, for those outside of all bubbles; nil unless one waits for a flight in one. Guarded by flights.mu.
	landing bool          // whether compute has returned. Guarded by flights.mu.
	ended   bool          // whether there is a result: compute neither panicked nor called Goexit
	result  R
	err     error
}

// do returns what lookup finds bound to key, or else what compute returns and
// store makes of it. loaded is false for the one caller whose value was stored.
//
// One caller computes, the others wait. No lock is held while lookup, compute
// or store run. If compute panics or calls Goexit, one of the waiters takes
// over.
//
// Between two bubbles of testing/synctest there is nothing to wait by, so there
// each computes for itself. To wait for a computation outside of all bubbles, or
// from there, is possible.
func (f *flights[K, R]) do(key K, lookup func() (R, bool), compute func() (R, error), store func(R) (R, bool)) (result R, loaded bool, err error) {
	if key != key { // A NaN is bound to nothing that another caller could find.
		return f.run(new(flight[R]), lookup, compute, store)
	}
	in := bubble.ID()
	for {
		f.mu.Lock()
		c := f.waitable(key, in)
		if c == nil {
			c = &flight[R]{bubble: in, next: f.calls[key], done: make(chan struct{})}
			if f.calls == nil {
				f.calls = make(map[K]*flight[R])
			}
			f.calls[key] = c
			beginLoad[K](&c.loader)
			f.mu.Unlock()
			defer f.land(key, c)
			// Whoever computed before us has stored its value before it left calls.
			// Those who wait for us look for themselves.
			if result, loaded = lookup(); loaded {
				return result, true, nil
			}
			return f.run(c, lookup, compute, store)
		}
		// The result of a flight that is landing may have been bound, and deleted
		// again, before we came: it is nothing that this call may return.
		late := c.landing
		done := c.doneFor(in)
		f.mu.Unlock()
		ended := awaitLoad(&c.loader)
		await(done)
		ended()
		if c.ended && !late {
			return c.result, c.err == nil, c.err
		}
		if result, loaded = lookup(); loaded {
			return result, true, nil
		}
	}
}

// waitable returns a flight of key that a goroutine in the given bubble can wait
// for, or nil. Must be called with f.mu held.
func (f *flights[K, R]) waitable(key K, in uint64) *flight[R] {
	c := f.calls[key]
	for c != nil && c.bubble != in && c.bubble != 0 && in != 0 {
		c = c.next
	}
	return c
}

// doneFor returns what is closed when c has ended. It was made in c's bubble or
// outside of all, as the runtime demands of who closes it, and in the given bubble
// or outside, as it demands of who waits. Must be called with flights.mu held.
func (c *flight[R]) doneFor(in uint64) <-chan struct{} {
	if in == c.bubble || c.bubble == 0 {
		return c.done
	}
	if c.outside == nil {
		c.outside = make(chan struct{})
	}
	return c.outside
}

// land ends c, whether it computed or not.
func (f *flights[K, R]) land(key K, c *flight[R]) {
	f.mu.Lock()
	switch first := f.calls[key]; {
	case first != c:
		for first.next != c {
			first = first.next
		}
		first.next = c.next
	case c.next != nil:
		f.calls[key] = c.next
	default:
		if delete(f.calls, key); len(f.calls) == 0 {
			f.calls = nil // A map does not shrink by itself.
		}
	}
	outside := c.outside
	f.mu.Unlock()
	endLoad(&c.loader)
	interleave("landed")
	close(c.done)
	if outside != nil {
		close(outside)
	}
}

// run computes and stores for c.
func (f *flights[K, R]) run(c *flight[R], lookup func() (R, bool), compute func() (R, error), store func(R) (R, bool)) (result R, loaded bool, err error) {
	result, err = compute()
	f.mu.Lock()
	c.landing = true // Before anybody can see what is stored.
	f.mu.Unlock()
	if err == nil {
		result, loaded = store(result)
	} else if bound, ok := lookup(); ok {
		result, loaded, err = bound, true, nil // What was stored meanwhile wins over an error too.
	} else {
		var none R
		result = none
	}
	c.result, c.err, c.ended = result, err, true
	return result, loaded, err
}
