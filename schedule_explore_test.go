//go:build weakmapsched

package weakmap

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-weak/weakmap/internal/seam"
)

// Two ways through the schedules of a scenario. One takes all of them in which no more than a
// few goroutines are preempted, and any number gives way because it waits or ends: most faults
// need very few preemptions, and with so few the schedules can be counted (Musuvathi and Qadeer's
// CHESS: Musuvathi et al., Finding and Reproducing Heisenbugs in Concurrent Programs, OSDI 2008).
// The other goes at random, from a seed.

// A search takes all schedules with no more than bound preemptions, one after the other.
type search struct {
	bound int
	path  []branch // the choices of the run under way, and what is left to try of them
	depth int      // how many of them were made
}

// A branch is one choice on a search's path.
type branch struct {
	taken, options int // the options that are within the bound
	among          int // how many there were to choose from
	preempts       bool
	preempted      int // preemptions before
}

func (s *search) choose(n int, preempts bool) int {
	if s.depth == len(s.path) {
		b := branch{options: n, among: n, preempts: preempts}
		if s.depth > 0 {
			last := s.path[s.depth-1]
			b.preempted = last.preempted
			if last.preempts && last.taken > 0 {
				b.preempted++
			}
		}
		if preempts && b.preempted == s.bound {
			b.options = 1
		}
		s.path = append(s.path, b)
	}
	b := s.path[s.depth]
	if b.among != n || b.preempts != preempts {
		panic("the same picks have led elsewhere: something besides the schedule decides")
	}
	s.depth++
	return b.taken
}

// next goes on to the next schedule, if there is one.
func (s *search) next() bool {
	s.depth = 0
	for n := len(s.path); n > 0; n = len(s.path) {
		if last := &s.path[n-1]; last.taken+1 < last.options {
			last.taken++
			return true
		}
		s.path = s.path[:n-1]
	}
	return false
}

// A walk goes at random.
type walk struct{ *rand.Rand }

func (w walk) choose(n int, _ bool) int { return w.IntN(n) }

// A replay makes the picks of an earlier run.
type replay struct{ picks []byte }

func (p *replay) choose(n int, _ bool) int {
	if len(p.picks) == 0 {
		return 0
	}
	k := int(p.picks[0])
	p.picks = p.picks[1:]
	if k >= n {
		panic(fmt.Sprintf("the schedule picks number %d of %d: it is of another scenario or another engine", k, n))
	}
	return k
}

// digits writes picks, and picksOf reads them.
const digits = "0123456789abcdefghijklmnopqrstuvwxyz"

func written(picks []byte) string {
	text := make([]byte, len(picks))
	for i, k := range picks {
		text[i] = digits[k]
	}
	return string(text)
}

func picksOf(text string) ([]byte, error) {
	picks := make([]byte, len(text))
	for i := range picks {
		k := strings.IndexByte(digits, text[i])
		if k < 0 {
			return nil, fmt.Errorf("%q is no pick", text[i])
		}
		picks[i] = byte(k)
	}
	return picks, nil
}

// A scenario is what the goroutines of a run do.
type scenario struct {
	name        string
	preemptions int      // in a search
	reaches     []string // moments that some schedule must come to, or the scenario shows nothing
	stage       func(*run)
}

// try runs one schedule.
func (s scenario) try(c chooser) *run {
	r := &run{chooser: c}
	reaper.tables = nil // Of earlier runs.
	reaper.announced.Store(0)
	seam.Schedule = r
	defer func() { seam.Schedule = nil }()
	s.stage(r)
	r.drive()
	for _, check := range slices.Backward(r.finish) {
		if r.failure == nil {
			r.failure = r.conclude(check)
		}
	}
	return r
}

// conclude makes a check of what is left in the end. It may fail by a panic of the engine, too.
func (r *run) conclude(check func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("in the end: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return check()
}

// told says what happened in a run, and how to have it again.
func (s scenario) told(t *testing.T, r *run) string {
	steps := new(strings.Builder)
	for i, m := range r.trace {
		if i == 0 || m.actor != r.trace[i-1].actor {
			fmt.Fprintf(steps, "\n  %-10s", m.actor.name)
		} else {
			steps.WriteString(",")
		}
		steps.WriteString(" " + m.at)
	}
	return fmt.Sprintf("%v\nwho went on, and from where:%s\nwhat they did:\n%s\nagain: WEAKMAP_SCHEDULE=%s go test -tags weakmapsched -run '%s$' .",
		r.failure, steps, r.history.String(), written(r.picks), t.Name())
}

const (
	// walks is how many random schedules of each scenario are run.
	walks = 2000

	// walkSeed is the seed of the first; each has its own.
	walkSeed = 1

	// schedulesPerCollection keeps the heap small. No collection comes in between:
	// of one during a schedule, only the engine's count of them would show.
	schedulesPerCollection = 5000
)

func TestSchedules(t *testing.T) {
	reaper.turn <- struct{}{} // No pass comes but the scenarios' own.
	if !reaper.idle() {
		t.Fatal("containers of other tests are alive, which cleanups may use during a schedule: run this test alone")
	}
	announced := reaper.announced.Load()
	reaper.armed.Store(true)   // No sentinel is made,
	reaper.ticking.Store(true) // and no clock.
	defer func() {
		reaper.tables = nil
		reaper.announced.Store(announced)
		reaper.armed.Store(false)
		reaper.ticking.Store(false)
		<-reaper.turn
	}()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for _, s := range slices.Concat(scenarios, protocolScenarios, retainScenarios, otherScenarios, loadScenarios, equalityScenarios) {
		t.Run(s.name, func(t *testing.T) {
			if text, ok := os.LookupEnv("WEAKMAP_SCHEDULE"); ok {
				picks, err := picksOf(text)
				if err != nil {
					t.Fatalf("WEAKMAP_SCHEDULE=%s: %v", text, err)
				}
				r := s.try(&replay{picks})
				if t.Log(s.told(t, r)); r.failure != nil {
					t.Error(r.failure)
				}
				return
			}
			s.explore(t)
		})
	}
}

// explore searches, and walks then.
func (s scenario) explore(t *testing.T) {
	reached := map[string]bool{}
	runs := 0
	try := func(c chooser) {
		if runs++; runs%schedulesPerCollection == 0 {
			runtime.GC()
		}
		r := s.try(c)
		for _, m := range r.trace {
			reached[m.at] = true
		}
		if r.failure != nil {
			t.Fatalf("schedule %d: %s", runs, s.told(t, r))
		}
	}
	start := time.Now()
	all := search{bound: s.preemptions}
	for more := true; more; more = all.next() {
		try(&all)
	}
	searched := runs
	for seed := range walks * walksTimes() {
		try(walk{rand.New(rand.NewPCG(walkSeed, uint64(seed)))})
	}
	t.Logf("%d schedules, all with at most %d preemptions, and %d at random, in %v", searched, s.preemptions, runs-searched, time.Since(start).Round(time.Millisecond))
	for _, at := range s.reaches {
		if !reached[at] {
			t.Errorf("no schedule came to %q: %v", at, slices.Sorted(maps.Keys(reached)))
		}
	}
}

// walksTimes is WEAKMAP_STRESS, which multiplies the random schedules.
func walksTimes() int {
	if times, err := strconv.Atoi(os.Getenv("WEAKMAP_STRESS")); err == nil {
		return times
	}
	return 1
}
