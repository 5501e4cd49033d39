package suite

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

// Keys that are bound throughout a call of Len or Stats are counted by it, also while they are
// replaced, and while others that come and go make the table grow and shrink.
func TestLenCountsWhatIsBoundThroughout(t *testing.T) {
	for _, shards := range []int{0, 1} {
		for _, most := range []int64{0, 3000} {
			t.Run(fmt.Sprintf("Shards=%d/others=%d", shards, most), func(t *testing.T) {
				m := weakmap.Map[uint64, record]{Config: weakmap.Config{Shards: shards}}
				values := [2]*record{new(record), new(record)}
				m.Store(0, values[0])
				var wg sync.WaitGroup
				quit := make(chan struct{})
				repeat := func(work func(round int)) {
					wg.Go(func() {
						for round := 0; ; round++ {
							select {
							case <-quit:
								return
							default:
								work(round)
							}
						}
					})
				}
				repeat(func(round int) { m.Store(0, values[round%2]) })
				// The keys from 1 to others are bound. They go in the opposite order of that in
				// which they came; turns says how often the direction changed.
				var others, turns atomic.Int64
				if most > 0 {
					repeat(func(int) {
						turns.Add(1)
						for key := others.Load() + 1; key <= most; key++ {
							m.Store(uint64(key), values[0])
							others.Store(key)
						}
						turns.Add(1)
						for key := others.Load(); key > 0; key-- {
							others.Store(key - 1)
							m.Delete(uint64(key))
						}
					})
				}
				calls, missed := 0, 0
				for start := time.Now(); time.Since(start) < 200*time.Millisecond; calls++ {
					turn, before := turns.Load(), others.Load()
					length, entries := m.Len(), m.Stats().Entries
					least := 1 + int(min(before, others.Load()))
					if turns.Load() == turn && (length < least || entries < least) {
						if missed++; missed == 1 {
							t.Errorf("Len = %d, Stats().Entries = %d while %d keys were bound throughout", length, entries, least)
						}
					}
				}
				close(quit)
				wg.Wait()
				if t.Logf("%d calls", calls); missed > 0 {
					t.Errorf("too few in %d of %d calls", missed, calls)
				}
			})
		}
	}
}
