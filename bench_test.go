package weakmap_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// The cost of faults that were fixed, beside the correct behavior. Where a benchmark compares, both
// sides take turns, and the ratio is that of the medians. docs/faults.md says what each ratio may be.

// alternate calls the functions in turn for as long as b lasts, and reports the time of one operation
// of each, of n in a call, and how many times that of the first the last one takes.
func alternate(b *testing.B, n int, names []string, calls ...func()) {
	times := make([][]time.Duration, len(calls))
	for b.Loop() {
		for i, call := range calls {
			start := time.Now()
			call()
			times[i] = append(times[i], time.Since(start))
		}
	}
	median := func(i int) float64 {
		slices.Sort(times[i])
		return float64(times[i][len(times[i])/2].Nanoseconds()) / float64(n)
	}
	b.ReportMetric(0, "ns/op")
	for i, name := range names {
		b.ReportMetric(median(i), "ns/"+name)
	}
	b.ReportMetric(median(len(calls)-1)/median(0), "ratio")
}

// BenchmarkShards compares Store and Delete in a small map with Shards 64 and without.
func BenchmarkShards(b *testing.B) {
	const n = 1000
	value := new([4]int)
	pairs := func(shards int) func() {
		m := &weakmap.Map[int, [4]int]{Config: weakmap.Config{Shards: shards}}
		return func() {
			for key := range n {
				m.Store(key%50, value)
				m.Delete(key % 50)
			}
		}
	}
	alternate(b, n, []string{"default", "shards64"}, pairs(0), pairs(64))
	runtime.KeepAlive(value)
}

// BenchmarkTakeOneAtATime takes all elements of a set one by one, out of a small one and a large one.
// The times are those of adding an element and taking it. Beside them are the times of adding one and
// removing it without an iteration: memory is slower for the large set. The ratio is that of the two
// for the large set.
func BenchmarkTakeOneAtATime(b *testing.B) {
	take := func(n int, iterates bool) func() {
		elements := make([]*[4]*int, n) // each of its own: in one array the runtime takes longer for each
		for i := range elements {
			elements[i] = new([4]*int)
		}
		return func() {
			var s weakmap.Set[[4]*int]
			for _, e := range elements {
				s.Add(e)
			}
			if !iterates {
				for _, e := range elements {
					s.Remove(e)
				}
			}
			for s.Len() > 0 {
				for e := range s.All() {
					s.Remove(e)
					break
				}
			}
		}
	}
	const small, large = 10_000, 100_000
	times := func(n int, call func()) func() {
		return func() {
			for range n {
				call()
			}
		}
	}
	alternate(b, large, []string{"removed100k", "removed10k", "of10k", "of100k"},
		take(large, false), times(large/small, take(small, false)), times(large/small, take(small, true)), take(large, true))
}

// BenchmarkOneEntry reports what a map of one entry takes on the heap, and one that was cleared.
func BenchmarkOneEntry(b *testing.B) {
	const n = 10_000
	value := new([4]*int)
	bytes := func(make func() any) float64 {
		kept := [n]any{}
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i := range kept {
			kept[i] = make()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(&kept)
		return float64(after.HeapAlloc-before.HeapAlloc) / n
	}
	one, emptied := 0.0, 0.0
	for b.Loop() {
		one = bytes(func() any {
			m := new(weakmap.Map[int, [4]*int])
			m.Store(1, value)
			return m
		})
		emptied = bytes(func() any {
			m := new(weakmap.Map[int, [4]*int])
			m.Store(1, value)
			m.Clear()
			return m
		})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(one, "B/map-of-one")
	b.ReportMetric(emptied, "B/map-cleared")
	runtime.KeepAlive(value)
}

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
