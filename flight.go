package weakmap

import "sync"

// flights are the computations under way in one map, at most one for each key.
// The zero value has none. R is what a computation yields: a *V or a V.
type flights[K comparable, R any] struct {
	mu    sync.Mutex
	calls map[K]*flight[R] // nil while there are none. Guarded by mu.
}

// A flight is one computation. Its fields are written before done is closed and
// read after.
type flight[R any] struct {
	done   chan struct{}
	ended  bool // whether compute returned: neither panicked nor called Goexit
	result R
	err    error
}

// do returns what lookup finds bound to key, or else what compute returns and
// store makes of it. loaded is false for the one caller whose value was stored.
//
// One caller computes, the others wait. No lock is held while lookup, compute
// or store run. If compute panics or calls Goexit, one of the waiters takes
// over.
func (f *flights[K, R]) do(key K, lookup func() (R, bool), compute func() (R, error), store func(R) (R, bool)) (result R, loaded bool, err error) {
	if key != key { // A NaN is bound to nothing that another caller could find.
		return new(flight[R]).run(lookup, compute, store)
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
			if result, loaded = lookup(); loaded {
				c.result, c.ended = result, true
				return result, true, nil
			}
			return c.run(lookup, compute, store)
		}
		f.mu.Unlock()
		if <-c.done; c.ended {
			return c.result, c.err == nil, c.err
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
	close(c.done)
}

// run computes and stores.
func (c *flight[R]) run(lookup func() (R, bool), compute func() (R, error), store func(R) (R, bool)) (result R, loaded bool, err error) {
	result, err = compute()
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
