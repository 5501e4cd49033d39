package suite

import (
	"runtime"
	"testing"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// TestDroppedContainersLeaveNothingOnLiveValues: in either mode of reclaim, with one value in many
// containers and with many values in one; also where a key refers to its own container.
func TestDroppedContainersLeaveNothingOnLiveValues(t *testing.T) {
	type key struct{ of *weakmap.Map[*key, record] }
	for _, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		for name, sizes := range map[string]struct{ containers, values int }{
			"many containers": {6000, 1},
			"many values":     {3, 2000},
		} {
			values := make([]*record, sizes.values)
			for i := range values {
				values[i] = new(record)
			}
			round := func() {
				for range sizes.containers {
					m := &weakmap.Map[*key, record]{Config: weakmap.Config{Reclaim: reclaim}}
					for _, v := range values {
						m.Store(&key{m}, v)
					}
				}
			}
			gctest.Elsewhere(round) // What values need once, such as the runtime's handle for weak pointers, is there after this.
			settle(t)
			before := gctest.HeapObjects()
			gctest.Elsewhere(round)
			const tolerated = 1000 // what runtime and tests leave at the same time
			var left int64
			gctest.Eventually(t, reclaim.String()+", "+name+": what dropped containers left is gone", func() bool {
				left = int64(gctest.HeapObjects() - before)
				return left < tolerated
			})
			runtime.KeepAlive(values)
		}
	}
}
