package suite

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// The room that Config.Capacity asks for stays until as many entries have been inserted.
func TestCapacityIsKept(t *testing.T) {
	const n = 20_000
	for _, shards := range []int{0, 64} {
		m := weakmap.Map[uint64, record]{Config: weakmap.Config{Capacity: n, Shards: shards}}
		kept := func(when string) {
			t.Helper()
			if got := m.Stats().Capacity; got < n {
				t.Fatalf("Capacity = %d %s, want %d at least", got, when, n)
			}
		}
		var value record
		inserted := uint64(0)
		insert := func(count int) {
			for range count {
				inserted++
				m.Store(inserted, &value)
			}
		}
		insert(10)
		kept("after 10 insertions")
		m.Clear()
		kept("after Clear")
		insert(1000)
		for key := range m.Keys() {
			m.Delete(key)
		}
		kept("after Deletes")
		gctest.Elsewhere(func() {
			for range 5000 {
				inserted++
				m.Store(inserted, new(record))
			}
		})
		settle(t)
		if entries := m.Len(); entries > 0 {
			t.Fatalf("Len = %d after Settle", entries)
		}
		kept("after a mass death")
		m.Reap()
		kept("after Reap")
		insert(n - int(inserted))
		m.Clear()
		if got := m.Stats().Capacity; got > 8192 {
			t.Errorf("Capacity = %d after Clear when all the room was used, want 8192 at most", got)
		}
		runtime.KeepAlive(&value)
	}
}

// An invalid Capacity panics at the first insertion, and at each that follows.
func TestCapacityThatIsTooLargePanics(t *testing.T) {
	for _, capacity := range []int{math.MaxInt, math.MaxInt - 1, math.MaxInt / 2, math.MaxInt / 8} {
		m := weakmap.Map[uint64, record]{Config: weakmap.Config{Capacity: capacity}}
		for range 2 {
			gctest.MustPanic(t, fmt.Sprintf("Store with Capacity %d", capacity), "weakmap: Config.Capacity too large: ", func() { m.Store(1, new(record)) })
		}
		if m.Len() != 0 || m.Stats() != (weakmap.Stats{}) {
			t.Errorf("Capacity %d: the map is not unused: %+v", capacity, m.Stats())
		}
	}
}
