package workload

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func iterations() []Cell {
	return []Cell{
		iterate(stringKeys, size{1_000, Full}),
		iterate(stringKeys, size{100_000, Full | Quick}),
		iterate(stringKeys, size{100, Smoke}),
	}
}

// iterate goes over all bindings of a map that does not change, on one processor, again and again. An
// operation is one binding.
func iterate[K comparable](kind keyKind[K], s size) Cell {
	participants := append(mapPeers[K](storing...), find(peer.RetainingMaps[K](), peer.Retain2))
	c := Cell{
		Workload: "Iterate",
		Params:   fmt.Sprintf("key=%s/size=%d", kind.name, s.n),
		Sets:     s.sets,
		Impls:    names(participants),
		Cost:     250*time.Millisecond + time.Duration(s.n)*1900*time.Nanosecond,
	}
	c.start = func(impl string) func(*testing.B) {
		var m peer.Map[K]
		var held []*peer.Value
		return func(b *testing.B) {
			if m.All == nil {
				m = find(participants, impl).New(s.n)
				held = fill(m, kind.some(0, s.n))
				runtime.GC()
			}
			time.Sleep(pause)
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; {
				before := n
				for range m.All {
					if n++; n == b.N {
						break
					}
				}
				if n-before != s.n && n != b.N {
					b.Fatalf("%s: All yields %d of %d", impl, n-before, s.n)
				}
			}
			b.StopTimer()
			runtime.KeepAlive(held)
		}
	}
	return c
}
