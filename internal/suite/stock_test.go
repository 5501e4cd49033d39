package suite

import (
	"runtime"
	"testing"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// TestLargeCanonicalValuesTakeTheirSize: and no more than a little beside, whatever their number:
// no stock of spare ones.
func TestLargeCanonicalValuesTakeTheirSize(t *testing.T) {
	type page [64 << 10]byte
	var in weakmap.Interner[page]
	var value page
	for _, n := range []int{10, 100, 140} {
		held := make([]*page, 0, n)
		before := gctest.HeapBytes()
		for i := range n {
			value[0], value[1] = byte(n), byte(i)
			held = append(held, in.Intern(value))
		}
		grown := float64(gctest.HeapBytes()-before) / float64(n*len(value))
		if grown < 0.9 || grown > 1.15 {
			t.Errorf("%d values of 64 KiB take %.2f times their size, want 1.0 to 1.1", n, grown)
		}
		runtime.KeepAlive(held)
		gctest.Settle(t)
	}
}
