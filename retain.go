package weakmap

import "sync/atomic"

// What Config.Retain adds: an entry holds its referent strongly until that has
// gone unused for so many collections. The pass after a collection ages the
// entries; a hit makes one young again. An entry that was removed is reachable
// from nowhere, and so is what it holds.

// A hold is what an entry holds, in a table with the trait retains. A lookup takes
// the referent from here as long as it is held, which is sooner done than to make
// a weak pointer strong.
type hold[P any] struct {
	referent atomic.Pointer[P] // nil once it was let go. Read and written without lock.
	unused   atomic.Uint32     // for how many collections, 0 if it was used since the last pass. Read and written without lock.
}

// use notes that the referent of e, which is v, was used: it is held from here
// on. The caller holds v.
//
// Here the note is written first and the referent looked at then; letGoUnused
// takes the referent away first and looks for a note then. So one of the two
// sees the other, and what was used stays held.
func (t *table[K, P, A]) use(e *entry[P, A], v *P) {
	if t.traits&retains == 0 {
		return
	}
	h := &extensionOf[K](e).hold
	if h.unused.Load() != 0 {
		h.unused.Store(0)
	}
	interleave("use noted")
	if h.referent.Load() == nil && h.referent.CompareAndSwap(nil, v) {
		t.retained.Inc()
		interleave("held again")
		if e.isRemoved() { // Whoever removed e may have let go before.
			t.letGo(e)
		}
	}
}

// letGo has e hold nothing, and returns what it held.
func (t *table[K, P, A]) letGo(e *entry[P, A]) *P {
	interleave("to let go")
	v := extensionOf[K](e).hold.referent.Swap(nil)
	if v != nil {
		t.retained.Dec()
	}
	return v
}

// letGoUnused lets go of what has gone unused for Config.Retain collections,
// when there have been so many since the last call. It is called by one pass at a
// time, and takes no lock while it looks.
func (t *table[K, P, A]) letGoUnused(collections uint32) {
	limit := uint32(min(t.options.config.Retain, maxRetain))
	for _, j := range t.layout.Load().journals(nil) {
		for e := range j.entries() {
			h := &extensionOf[K](e).hold
			if h.referent.Load() == nil {
				continue
			}
			unused := h.unused.Load()
			interleave("age read")
			switch {
			case unused == 0:
				h.unused.CompareAndSwap(0, 1) // Its time begins.
			case unused+collections <= limit:
				h.unused.CompareAndSwap(unused, unused+collections)
			default:
				v := strong(t.letGo(e))
				interleave("let go")
				// It may have been used meanwhile. We hold it up to here, or a
				// collection just now could take what was used.
				if v != nil && h.unused.Load() == 0 {
					t.use(e, v)
				}
			}
		}
	}
}

// maxRetain is for ever, and leaves room to count beyond it.
const maxRetain = 1 << 30
