package trial

import (
	"math"
	"runtime"
	"runtime/metrics"
	"time"
)

// Drain collects garbage until entries says 0 or no longer falls, and returns the last count.
// It is for caches whose cleanups do not report when they have run.
func Drain(entries func() int) int {
	// Cleanups run on goroutines of the runtime some time after the collection that queued them,
	// so one collection that changes nothing proves nothing. Ten of them with time between do.
	const (
		patience = 10
		pause    = 5 * time.Millisecond
	)
	left := entries()
	for idle := 0; left > 0 && idle < patience; idle++ {
		runtime.GC()
		time.Sleep(pause)
		if now := entries(); now < left {
			left, idle = now, 0
		}
	}
	return left
}

// HeldMemory returns the bytes of memory in use once all garbage is gone: objects on the heap, and
// what the runtime needs beside it for weak pointers, cleanups and spans.
func HeldMemory() uint64 {
	const pause = 5 * time.Millisecond
	held := uint64(math.MaxUint64)
	for {
		// What cleanups let go of becomes free one collection later.
		runtime.GC()
		now := memoryInUse()
		if now >= held {
			return held
		}
		held = now
		time.Sleep(pause)
	}
}

// memoryInUse counts what the runtime got from the system, except memory without objects: gaps
// that a scanner's garbage left would otherwise hide what is allocated into them.
func memoryInUse() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
	}
	metrics.Read(samples)
	use := samples[0].Value.Uint64()
	for _, idle := range samples[1:] {
		use -= idle.Value.Uint64()
	}
	return use
}
