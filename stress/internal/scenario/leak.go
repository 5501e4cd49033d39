package scenario

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/go-weak/weakmap/stress/internal/trend"
)

// A leak scenario does the same again and again, and measures memory when all has settled. A line
// is fitted to the measurements: what is lost in each round gives it a slope.

const (
	// A leak scenario has at least this many rounds. The first quarter is warming up.
	minRounds = 16

	// maxPoints is how many measurements are kept. When there are that many, every second one goes,
	// and half as many are made from then on.
	maxPoints = 400

	// residentJudged is how long a run must be for RSS to be judged: the heap has to find its size
	// first, and what the system lends and takes back in a second says nothing.
	residentJudged = time.Minute

	// The runtime takes memory for its own structures in chunks of 256 KiB, and one of some kinds
	// may come late, when each kind has been warmed up except for a rare case. The fit takes steps for
	// a slope with confidence, because they are not independent noise. In a short run of 12 rounds of
	// 2,000 operations two chunks are 22 bytes each: less than a runtime special.
	offHeapStep = 512 << 10
	heapStep    = 64 << 10

	// LossTolerated is how many bytes an operation may cost for good without being called a
	// leak. Losing a pointer costs eight.
	LossTolerated = 2
)

// A Slope is how one measure of memory changed over the rounds of a leak scenario.
type Slope struct {
	Memory     string // which measure
	trend.Line        // bytes in each round
	Ops        int    // operations in a round
	Rounds     int
	Last       float64 // bytes after the last round
	Judged     bool    // whether the run was long enough to call it a leak if it rises
}

// A memory is one measure of memory, taken after rounds.
type memory struct {
	what    string
	step    float64        // bytes that it may rise by at once for reasons of the runtime's own: a slope that amounts to less says nothing
	from    time.Duration  // how long a run must be for it to be judged
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
	points := func() []float64 { return make([]float64, 0, maxPoints) } // Measuring must not cost memory in each round.
	return []*memory{
		{"heap", heapStep, 0, sum("/memory/classes/heap/objects:bytes"), points()},
		{"off-heap", offHeapStep, 0, sum("/memory/classes/metadata/mcache/inuse:bytes", "/memory/classes/metadata/mspan/inuse:bytes", "/memory/classes/metadata/other:bytes"), points()},
		{"RSS", offHeapStep, residentJudged, residentBytes, points()},
	}
}

// leaking runs round after round of what prepare returns, and judges what each leaves behind. A
// round returns how many operations it was.
func leaking(prepare func(*Run) (round func() (ops int))) func(*Run) {
	return func(r *Run) {
		round, memories := prepare(r), memories()
		var ops, rounds int
		every := 1 // rounds between measurements
		for rounds = 0; rounds < minRounds || !r.done(); rounds++ {
			elsewhere(func() { ops = round() })
			r.ops.Add(int64(ops))
			r.settle()
			for range 2 { // What Settle itself dropped; what the second sweeps.
				runtime.GC()
			}
			debug.FreeOSMemory()
			if rounds%every > 0 {
				continue
			}
			if len(memories[0].points) == maxPoints {
				every *= 2
			}
			for _, m := range memories {
				m.add()
			}
		}
		for _, m := range memories {
			r.judge(m, every, ops)
		}
	}
}

// add measures, and thins out what was measured before if there is no room.
func (m *memory) add() {
	if len(m.points) == maxPoints {
		for i := range maxPoints / 2 {
			m.points[i] = m.points[2*i]
		}
		m.points = m.points[:maxPoints/2]
	}
	m.points = append(m.points, m.measure())
}

// judge fits a line to what came after the warm-up, measured at intervals of several rounds of ops
// operations, and says what it is worth.
func (r *Run) judge(m *memory, every, ops int) {
	warm := len(m.points) / 4
	points := m.points[warm:]
	number := make([]float64, len(points))
	for i := range number {
		number[i] = float64(i * every)
	}
	s := Slope{m.what, trend.Fit(number, points), ops, len(m.points) * every, points[len(points)-1], time.Since(r.begun) >= m.from}
	text := fmt.Sprintf("%-8s %v bytes in each round of %d ops; %.1f MiB after %d rounds", s.Memory, s.Line, s.Ops, s.Last/(1<<20), s.Rounds)
	if !s.Judged {
		text += fmt.Sprintf("; judged from %v on", m.from)
	}
	r.slope(s, text)
	if rise := s.Slope * number[len(number)-1]; s.Judged && rise > m.step && s.Rises(float64(LossTolerated*ops)) {
		r.violation("%s", text)
	}
}
