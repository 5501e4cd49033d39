package scenario

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"

	"github.com/go-weak/weakmap/stress/internal/trend"
)

// A leak scenario does the same again and again, and measures memory when all has settled. A line
// is fitted to the measurements: what is lost in each round gives it a slope.

const (
	// A leak scenario has so many rounds at least and at most. The first quarter is warming up.
	minRounds, maxRounds = 16, 400

	// lossTolerated is how many bytes an operation may cost for good without being called a
	// leak. Losing a pointer costs eight.
	lossTolerated = 2
)

// A memory is what is measured after each round.
type memory struct {
	what    string
	measure func() float64 // bytes
	points  []float64
}

func memories() []*memory {
	sum := func(names ...string) func() float64 {
		samples := make([]metrics.Sample, len(names))
		for i, name := range names {
			samples[i].Name = name
		}
		return func() (bytes float64) {
			metrics.Read(samples)
			for _, s := range samples {
				bytes += float64(s.Value.Uint64())
			}
			return bytes
		}
	}
	points := func() []float64 { return make([]float64, 0, maxRounds) } // Measuring must not cost memory in each round.
	return []*memory{
		{"heap", sum("/memory/classes/heap/objects:bytes"), points()},
		{"off-heap", sum("/memory/classes/metadata/mcache/inuse:bytes", "/memory/classes/metadata/mspan/inuse:bytes", "/memory/classes/metadata/other:bytes"), points()},
		{"RSS", residentBytes, points()},
	}
}

// leaking runs round after round of what prepare returns, and judges what each leaves behind. A
// round returns how many operations it was.
func leaking(prepare func(*Run) (round func() (ops int))) func(*Run) {
	return func(r *Run) {
		round, memories := prepare(r), memories()
		var ops, rounds int
		for rounds = 0; rounds < minRounds || rounds < maxRounds && !r.done(); rounds++ {
			elsewhere(func() { ops = round() })
			r.ops.Add(int64(ops))
			r.settle()
			for range 2 { // What Settle itself dropped; what the second sweeps.
				runtime.GC()
			}
			debug.FreeOSMemory()
			for _, m := range memories {
				m.points = append(m.points, m.measure())
			}
		}
		for _, m := range memories {
			r.judge(m, rounds/4, ops)
		}
	}
}

// judge fits a line to what came after the warm-up.
func (r *Run) judge(m *memory, warm, ops int) {
	points := m.points[warm:]
	number := make([]float64, len(points))
	for i := range number {
		number[i] = float64(i)
	}
	line := trend.Fit(number, points)
	text := fmt.Sprintf("%-8s %v bytes in each round of %d ops; %.1f MiB after %d rounds", m.what, line, ops, points[len(points)-1]/(1<<20), len(m.points))
	r.note("%s", text)
	if line.Rises(float64(lossTolerated * ops)) {
		r.violation("%s", text)
	}
}
