package weakmap

import (
	"slices"
	"unsafe"
)

// claims say which object stands for a key in the flights of a KeyMap with a Hasher: of equal
// keys that are being loaded, the first one claims, and the others join. They hold keys only
// while these are being loaded.
//
// A call takes a claim before it begins or looks for a flight, and leaves it after that has
// ended. So while there is a flight, all calls with equal keys have one claim. The zero value has
// none.
type claims[K any] struct {
	mu    mutex
	taken map[uint64][]*claim[K] // by the hash of the key; nil while there are none. Guarded by mu.
}

// A claim is what calls with equal keys have in common.
type claim[K any] struct {
	key   *K     // Immutable.
	hash  uint64 // of key. Immutable.
	calls int    // that have taken it. Guarded by claims.mu.
}

// take has the caller take the claim of a key that is the same as key, or make it.
func (c *claims[K]) take(h Hasher[*K], key *K) *claim[K] { return c.find(h, key, true) }

// held returns the claim of a key that is the same as key, or nil.
func (c *claims[K]) held(h Hasher[*K], key *K) *claim[K] { return c.find(h, key, false) }

// find asks h with no lock held. If there is a key that h has not been asked about when c.mu is
// taken, it has come since, and h is asked about it first.
func (c *claims[K]) find(h Hasher[*K], key *K, take bool) *claim[K] {
	hash := hashBy(h, key, comparableSeed)
	var judged verdicts
	for {
		found, unjudged := c.look(key, hash, &judged, take)
		if len(unjudged) == 0 {
			return found
		}
		for _, other := range unjudged {
			judged.note(unsafe.Pointer(other), h.Equal(other, key))
		}
		interleave("judged")
	}
}

// look returns the claim of the key that was judged the same, or what is to be judged. If take is
// set the caller takes the claim, or a new one if there is none.
func (c *claims[K]) look(key *K, hash uint64, judged *verdicts, take bool) (found *claim[K], unjudged []*K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.taken[hash] {
		switch judged.of(unsafe.Pointer(p.key)) {
		case alive:
			if take {
				p.calls++
			}
			return p, nil
		case alike:
			unjudged = append(unjudged, p.key)
		}
	}
	if !take || len(unjudged) > 0 {
		return nil, unjudged
	}
	if c.taken == nil {
		c.taken = make(map[uint64][]*claim[K])
	}
	p := &claim[K]{key: key, hash: hash, calls: 1}
	c.taken[hash] = append(c.taken[hash], p)
	return p, nil
}

// leave undoes take.
func (c *claims[K]) leave(p *claim[K]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.calls--; p.calls > 0 {
		return
	}
	rest := slices.DeleteFunc(c.taken[p.hash], func(q *claim[K]) bool { return q == p })
	if len(rest) > 0 {
		c.taken[p.hash] = rest
		return
	}
	if delete(c.taken, p.hash); len(c.taken) == 0 {
		c.taken = nil // A map does not shrink by itself.
	}
}
