package suite

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/go-weak/weakmap"
)

// TestLargeCanonicalValuesTakeTheirSize: and little beside, whatever their number: no stock of
// spare ones. A collection frees spare ones only when another has passed them by.
func TestLargeCanonicalValuesTakeTheirSize(t *testing.T) {
	type page [64 << 10]byte
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, n := range []int{16, 33, 64} {
		var in weakmap.Interner[page]
		var value page
		held := make([]*page, 0, n)
		live := func() int64 {
			var stats runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&stats)
			return int64(stats.HeapAlloc)
		}
		live()
		before := live()
		for i := range n {
			value[0] = byte(i)
			held = append(held, in.Intern(value))
		}
		grown := float64(live()-before) / float64(n*len(value))
		if grown < 0.9 || grown > 1.15 {
			t.Errorf("%d values of 64 KiB take %.2f times their size, want 1.0 to 1.1", n, grown)
		}
		runtime.KeepAlive(held)
	}
}
