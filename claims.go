package weakmap

import (
	"slices"
	"unsafe"

	"github.com/go-weak/weakmap/internal/seam"
)

// claims say which object stands for a key in the flights of a KeyMap with a Hasher: of equal
// keys that are being loaded, the first one claims, and the others join. They hold keys only
// while these are being loaded.
//
// A call takes a claim before it begins or looks for a flight, and leaves it after that has
// ended. So while there is a flight, all calls with equal keys have one claim. The zero value has
// none.
type claims struct {
	mu    seam.Mutex
	taken *takenClaims // nil while there are none. Guarded by mu. fmt, which takes no lock, prints its address only.
}

// takenClaims are claims by the hash of the key.
type takenClaims struct{ of map[uint64][]*claim }

// A claim is what calls with equal keys have in common.
type claim struct {
	key   unsafe.Pointer // Immutable.
	hash  uint64         // of key. Immutable.
	calls int            // that have taken it. Guarded by claims.mu.
}

// take has the caller take the claim of a key that is the same as key, or make it.
func (c *claims) take(by *keyFunctions, key unsafe.Pointer) *claim { return c.find(by, key, true) }

// held returns the claim of a key that is the same as key, or nil.
func (c *claims) held(by *keyFunctions, key unsafe.Pointer) *claim { return c.find(by, key, false) }

// find asks the Hasher with no lock held. If there is a key that it has not been asked about when c.mu is
// taken, it has come since, and the Hasher is asked about it first.
func (c *claims) find(by *keyFunctions, key unsafe.Pointer, take bool) *claim {
	hash := by.hash(key, comparableSeed)
	var judged verdicts
	for {
		found, unjudged := c.look(key, hash, &judged, take)
		if len(unjudged) == 0 {
			return found
		}
		for _, other := range unjudged {
			judged.note(other, by.equal(other, key))
		}
		seam.Interleave("judged")
	}
}

// look returns the claim of the key that was judged the same, or what is to be judged. If take is
// set the caller takes the claim, or a new one if there is none.
func (c *claims) look(key unsafe.Pointer, hash uint64, judged *verdicts, take bool) (found *claim, unjudged []unsafe.Pointer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.taken == nil {
		if !take {
			return nil, nil
		}
		c.taken = &takenClaims{make(map[uint64][]*claim)}
	}
	for _, p := range c.taken.of[hash] {
		switch judged.of(p.key) {
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
	p := &claim{key: key, hash: hash, calls: 1}
	c.taken.of[hash] = append(c.taken.of[hash], p)
	return p, nil
}

// leave undoes take.
func (c *claims) leave(p *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.calls--; p.calls > 0 {
		return
	}
	rest := slices.DeleteFunc(c.taken.of[p.hash], func(q *claim) bool { return q == p })
	if len(rest) > 0 {
		c.taken.of[p.hash] = rest
		return
	}
	if delete(c.taken.of, p.hash); len(c.taken.of) == 0 {
		c.taken = nil // A map does not shrink by itself.
	}
}
