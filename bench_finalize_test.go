package weakmap_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// BenchmarkFinalize compares Finalize with what it is built on, a bare
// runtime.AddCleanup. One operation gives each of n objects a cleanup. It is
// timed, collections included; the objects' death is not. Both take turns, so
// that noise hits both: the ratio is that of the medians.
func BenchmarkFinalize(b *testing.B) {
	b.Run("size=16", finalize[[2]*byte])
	b.Run("size=64", finalize[[8]*byte])
	b.Run("size=256", finalize[[32]*byte])
}

func nop(int) {}

func finalize[T any](b *testing.B) {
	const n = 100_000
	// nop is no literal: here that would be a closure, and in tests Finalize tries each.
	objects := make([]*T, n)
	var times [2][]float64
	var bytes [2]float64
	for b.Loop() {
		for impl, add := range []func(*T, int){
			func(p *T, i int) { runtime.AddCleanup(p, nop, i) },
			func(p *T, i int) { weakmap.Finalize(p, nop, i) },
		} {
			for i := range objects {
				objects[i] = new(T)
			}
			runtime.GC()
			before := int64(gctest.HeapBytes())
			start := time.Now()
			for i, p := range objects {
				add(p, i)
			}
			times[impl] = append(times[impl], float64(time.Since(start).Nanoseconds())/n)
			bytes[impl] = float64(int64(gctest.HeapBytes())-before) / n
			clear(objects)
			if err := weakmap.Settle(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, t := range times {
		slices.Sort(t)
	}
	bare, ours := times[0][len(times[0])/2], times[1][len(times[1])/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(bare, "ns/AddCleanup")
	b.ReportMetric(ours, "ns/Finalize")
	b.ReportMetric(ours/bare, "ratio")
	b.ReportMetric(bytes[1]-bytes[0], "bytes-more")
}
