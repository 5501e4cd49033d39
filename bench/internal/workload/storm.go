package workload

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func storms() []Cell {
	return []Cell{
		storm(64, Full|Quick),
		storm(8, Smoke),
	}
}

// storm has that many goroutines ask at once for one key that is not there, and whose value takes
// 20 µs of processor time to make. ns/op is the time until all have the value, their start
// included; computes/op is how often the value was made. Each time the key is another.
func storm(goroutines int, sets Set) Cell {
	const work = 20 * time.Microsecond
	participants := peer.Computers()
	return Cell{
		Workload: "ComputeStorm",
		Params:   fmt.Sprintf("goroutines=%d", goroutines),
		Sets:     sets,
		Impls:    names(participants),
		Cost:     100 * time.Millisecond,
		start: func(impl string) func(*testing.B) {
			return func(b *testing.B) {
				m := find(participants, impl).New(0)
				var computes atomic.Int64
				compute := func() *peer.Value {
					computes.Add(1)
					for start := time.Now(); time.Since(start) < work; {
					}
					return new(peer.Value)
				}
				values := make([]*peer.Value, goroutines)
				b.ResetTimer()
				for i := range b.N {
					key := strconv.Itoa(i)
					var group sync.WaitGroup
					for g := range values {
						group.Go(func() { values[g] = m.LoadOrCompute(key, compute) })
					}
					group.Wait()
					for _, value := range values {
						if value == nil || value != values[0] {
							b.Fatalf("of one key, one got %p, another %p", value, values[0])
						}
					}
				}
				b.ReportMetric(float64(computes.Load())/float64(b.N), "computes/op")
			}
		},
	}
}
