package scenario

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var budget = Budget{Seed: 1, Duration: 50 * time.Millisecond, Patience: time.Second}

// plays returns a scenario that needs everything.
func plays(play func(*Run)) Scenario { return Scenario{"test/one", "nothing", needAll, play} }

func TestAViolationFailsAndEndsTheRun(t *testing.T) {
	r := plays(rounds(func(r *Round) {
		r.start(2, func(w *worker) {
			for w.goOn() {
				w.did++
				w.violation("number %d", w.number)
			}
		})
		r.wait()
	})).Play(t.Context(), budget)
	if !r.Failed() || r.Violated == 0 || r.Violated > 2 || !strings.HasPrefix(r.Violations[0], "number ") {
		t.Errorf("report %+v, want one violation of each worker at most", r)
	}
}

func TestVacuityFails(t *testing.T) {
	r := plays(func(r *Run) { r.ops.Add(1); r.hits.Add(1) }).Play(t.Context(), budget)
	if want := "no death, no collection"; !r.Failed() || strings.Join(r.Missing, ", ") != want {
		t.Errorf("missing %q, want %q", r.Missing, want)
	}
}

// A share that is too short on a busy machine is no failure.
func TestAScenarioThatHasSeenTooLittleGoesOn(t *testing.T) {
	plenty := func(r *Run) { r.ops.Add(1); r.hits.Add(1); r.dead.Add(1); runtime.GC() }
	for sees := 1; sees <= 5; sees++ { // in which turn it sees all it needs
		var turns []time.Duration
		r := plays(func(r *Run) {
			if turns = append(turns, r.Duration); len(turns) == sees {
				plenty(r)
			}
		}).Play(t.Context(), budget)
		if r.Failed() || len(turns) != sees || r.Ops != 1 || r.Deaths != 1 {
			t.Errorf("after %d turns: %v; want all that was seen in turn %d, and no failure", len(turns), r, sees)
		}
	}
	var all time.Duration
	r := plays(func(r *Run) { all += r.Duration; r.ops.Add(1) }).Play(t.Context(), budget)
	if most := 20 * budget.Duration; !slices.Contains(r.Missing, "no death") || all != most {
		t.Errorf("went on for %v, and misses %q; want deaths to be missed after %v", all, r.Missing, most)
	}
	turns := 0
	r = plays(func(r *Run) { turns++; r.violation("at once") }).Play(t.Context(), budget)
	if turns != 1 || r.Violated != 1 || r.Missing != nil {
		t.Errorf("%d turns after a violation: %v; want one", turns, r)
	}
	turns = 0
	ctx, cancel := context.WithCancel(t.Context())
	if r = plays(func(*Run) { turns++; cancel() }).Play(ctx, budget); turns != 1 || r.Failed() {
		t.Errorf("%d turns after an interrupt: %v; want one, and no blame", turns, r)
	}
}

func TestWhatDoesNotHappenIsAViolation(t *testing.T) {
	b := budget
	b.Patience = 20 * time.Millisecond
	r := plays(func(r *Run) {
		if r.eventually("pigs fly", func() bool { return false }) {
			t.Error("eventually = true")
		}
	}).Play(t.Context(), b)
	if len(r.Violations) != 1 || r.Violations[0] != "not within 20ms: pigs fly" {
		t.Errorf("violations %q", r.Violations)
	}
}

func TestEveryConfigurationIsPlayed(t *testing.T) {
	b := budget
	b.Duration = time.Minute
	seen := map[configuration]bool{}
	plays(rounds(func(r *Round) {
		if seen[r.configuration] = true; len(seen) == len(configurations()) {
			r.cancel()
		}
	})).Play(t.Context(), b)
	if len(seen) != 2*3*3 {
		t.Errorf("%d configurations were played, want 18", len(seen))
	}
}

func TestALeakIsFound(t *testing.T) {
	var lost [][]byte
	b := budget
	b.Patience = 10 * time.Second
	r := plays(leaking(func(*Run) func() int {
		return func() int {
			lost = append(lost, make([]byte, 32<<10))
			return 1000
		}
	})).Play(t.Context(), b)
	if r.Violated == 0 || !strings.HasPrefix(r.Violations[0], "heap ") {
		t.Errorf("32 bytes are lost in each operation, %d in all: %+v", len(lost), r)
	}
}

// The fit is sure that a single late step is a slope; it is a chunk of the runtime's own.
func TestAStepIsNoLeak(t *testing.T) {
	for rounds, want := range map[int]int64{16: 0, 64: 1} {
		r := newRun(t.Context(), "test/one", budget)
		for _, m := range memories() {
			for i := range rounds {
				m.points = append(m.points, float64(i/8*(256<<10))) // 32 KiB a round, in chunks
			}
			if m.what == "off-heap" {
				r.judge(m, 1, 1000)
			}
		}
		if report := r.report(); report.Violated != want {
			t.Errorf("%d rounds: %v; want %d violations", rounds, report, want)
		}
	}
}

// In a short run RSS says what the system lent and took back, and no more.
func TestRSSIsJudgedInLongRunsOnly(t *testing.T) {
	for ran, want := range map[time.Duration]int64{time.Second: 0, 2 * residentJudged: 1} {
		r := newRun(t.Context(), "test/one", budget)
		r.begun = time.Now().Add(-ran)
		for _, m := range memories() {
			for i := range 100 {
				m.points = append(m.points, float64(i<<20))
			}
			if m.what == "RSS" {
				r.judge(m, 1, 1000)
			}
		}
		if report := r.report(); report.Violated != want || len(report.Notes) != 1 || !strings.HasPrefix(report.Notes[0], "RSS ") ||
			len(report.Slopes) != 1 || report.Slopes[0].Judged != (want == 1) {
			t.Errorf("after %v: %v; want %d violations, and the slope", ran, report, want)
		}
	}
}

func TestLongRunsThinOutWhatTheyMeasured(t *testing.T) {
	measured := 0.0
	m := &memory{measure: func() float64 { return measured }, points: make([]float64, 0, maxPoints)}
	for ; measured <= maxPoints; measured++ {
		m.add()
	}
	if n := maxPoints/2 + 1; len(m.points) != n || m.points[1] != 2 || m.points[n-1] != maxPoints || !slices.IsSorted(m.points) {
		t.Errorf("%d points, %v", len(m.points), m.points)
	}
}
