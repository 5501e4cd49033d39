package suite

import (
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// TestLargeCanonicalValuesTakeTheirSize: and little more, whatever their number: there is no stock
// of spare ones. A collection frees spare ones only if they were not used since the one before.
func TestLargeCanonicalValuesTakeTheirSize(t *testing.T) {
	type page [64 << 10]byte
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, n := range []int{16, 33, 64} {
		var in weakmap.Interner[page]
		var value page
		held := make([]*page, 0, n)
		// What other tests left behind goes over several collections and callbacks.
		before := gctest.HeapBytes()
		gctest.Eventually(t, "the heap is at rest", func() bool {
			last := before
			settle(t)
			before = gctest.HeapBytes()
			return max(before-last, last-before) < 16<<10
		})
		for i := range n {
			value[0] = byte(i)
			held = append(held, in.Intern(value))
		}
		var after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&after)
		grown := float64(int(after.HeapAlloc)-before) / float64(n*len(value))
		if grown < 0.9 || grown > 1.15 {
			t.Errorf("%d values of 64 KiB take %.2f times their size, want 1.0 to 1.1", n, grown)
		}
		runtime.KeepAlive(held)
	}
}
