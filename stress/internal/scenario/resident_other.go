//go:build !linux

package scenario

import "runtime/metrics"

// residentBytes is what the runtime has mapped and not given back: the nearest that is known here.
func residentBytes() float64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return float64(samples[0].Value.Uint64() - samples[1].Value.Uint64())
}
