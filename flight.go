package weakmap

// flights are the computations under way in one map, at most one for each key.
// The zero value has none. R is what a computation yields: a *V or a V.
type flights[K comparable, R any] struct {
	mu    mutex
	calls map[K]*flight[R] // nil while there are none. Guarded by mu.
}

// A flight is one computation. Its fields but landing are written before done is
// closed and read after.
type flight[R any] struct {
	done    chan struct{}
	landing bool // whether compute has returned. Guarded by flights.mu.
	ended   bool // whether there is a result: compute neither panicked nor called Goexit
	result  R
	err     error
}

// do returns what lookup finds bound to key, or else what compute returns and
// store makes of it. loaded is false for the one caller whose value was stored.
//
// One caller computes, the others wait. No lock is held while lookup, compute
// or store run. If compute panics or calls Goexit, one of the waiters takes
// over.
func (f *flights[K, R]) do(key K, lookup func() (R, bool), compute func() (R, error), store func(R) (R, bool)) (result R, loaded bool, err error) {
	if key != key { // A NaN is bound to nothing that another caller could find.
		return f.run(new(flight[R]), lookup, compute, store)
	}
	for {
		f.mu.Lock()
		c, found := f.calls[key]
		if !found {
			c = &flight[R]{done: make(chan struct{})}
			if f.calls == nil {
				f.calls = make(map[K]*flight[R])
			}
			f.calls[key] = c
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
		f.mu.Unlock()
		if await(c.done); c.ended && !late {
			return c.result, c.err == nil, c.err
		}
		if result, loaded = lookup(); loaded {
			return result, true, nil
		}
	}
}

// land ends c, whether it computed or not.
func (f *flights[K, R]) land(key K, c *flight[R]) {
	f.mu.Lock()
	if delete(f.calls, key); len(f.calls) == 0 {
		f.calls = nil // A map does not shrink by itself.
	}
	f.mu.Unlock()
	interleave("landed")
	close(c.done)
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
