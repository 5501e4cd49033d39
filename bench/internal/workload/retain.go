package workload

import (
	"testing"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func retentions() []Cell {
	return []Cell{
		retainHit(stringKeys, size{1_000, Full}),
		retainHit(uint64Keys, size{1_000, Full}),
		retainHit(stringKeys, size{100_000, Full | Quick}),
		retainHit(uint64Keys, size{100_000, Full}),
		retainHit(stringKeys, size{100, Smoke}),
		retainHit(uint64Keys, size{100, Smoke}),
	}
}

// retainHit is loadHit for values that only Config.Retain holds, beside the weak hits of this
// library, whose values the benchmark holds, and the best map with strong pointers.
func retainHit[K comparable](kind keyKind[K], s size) Cell {
	renew := func() {}
	c := lookups(lookupCell("RetainHit", "key="+kind.name, s), peer.RetainingMaps[K](), true,
		func(p mapPeer[K]) (func(K) *peer.Value, []K, any) {
			keys := kind.some(0, s.n)
			m := p.New(s.n)
			held := fill(m, keys)
			renew = func() {}
			if p.Name == peer.Retain2 {
				held = nil
				renew = func() {
					for _, key := range keys {
						m.Load(key)
					}
				}
			}
			return m.Load, kind.stream(keys, 0, minStream), held
		})
	// The testing package collects before each call, of which the first ones look up few keys.
	start := c.start
	c.start = func(impl string) func(*testing.B) {
		body := start(impl)
		return func(b *testing.B) {
			renew()
			body(b)
		}
	}
	return c
}
