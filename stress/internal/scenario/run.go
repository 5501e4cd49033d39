package scenario

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap"
)

// A Run is one run of one scenario.
type Run struct {
	Budget
	name   string
	ctx    context.Context
	cancel context.CancelFunc
	begun  time.Time
	cycles int64 // collections before the run

	ops, hits, dead atomic.Int64
	over            atomic.Bool // whether the workers of the round are to end

	mu         sync.Mutex
	violations []string // the first ones. Guarded by mu.
	violated   int64    // Guarded by mu.
	notes      []string // Guarded by mu.
	slopes     []Slope  // Guarded by mu.
}

// violationsKept is how many violations are described in words.
const violationsKept = 5

func newRun(ctx context.Context, name string, b Budget) *Run {
	ctx, cancel := context.WithTimeout(ctx, b.Duration)
	return &Run{Budget: b, name: name, ctx: ctx, cancel: cancel, begun: time.Now(), cycles: collections()}
}

func collections() int64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64())
}

func (r *Run) report() Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Report{
		Ops: r.ops.Load(), Hits: r.hits.Load(), Deaths: r.dead.Load(), Collections: collections() - r.cycles,
		Elapsed: time.Since(r.begun), Violations: r.violations, Violated: r.violated, Notes: r.notes, Slopes: r.slopes,
	}
}

// violation records that something was not as it must be, and ends the run.
func (r *Run) violation(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.violated++; len(r.violations) < violationsKept {
		r.violations = append(r.violations, fmt.Sprintf(format, args...))
	}
	r.cancel()
	r.over.Store(true)
}

func (r *Run) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// slope records a slope, and says in words what it is.
func (r *Run) slope(s Slope, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slopes = append(r.slopes, s)
	r.notes = append(r.notes, text)
}

// done reports whether the budget is used up.
func (r *Run) done() bool {
	return r.ctx.Err() != nil || r.Ops > 0 && r.ops.Load() >= r.Ops
}

// hangs ends the process: a goroutine that waits forever cannot be stopped.
func (r *Run) hangs() {
	_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
	fmt.Fprintf(os.Stderr, "stress: %s: VIOLATION: hangs\n%v\nreplay: %s\n", r.name, r.report(), Replay(r.name, r.Budget))
	os.Exit(1)
}

// within waits until cond holds.
func (r *Run) within(what string, cond func() bool) bool {
	for deadline := time.Now().Add(r.Patience); !cond(); runtime.Gosched() {
		if time.Now().After(deadline) {
			r.violation("not within %v: %s", r.Patience, what)
			return false
		}
	}
	return true
}

// eventually is within, with a collection between any two looks.
func (r *Run) eventually(what string, cond func() bool) bool {
	return r.within(what, func() bool {
		if cond() {
			return true
		}
		runtime.GC()
		return false
	})
}

// settle calls Settle, which must not fail.
func (r *Run) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), r.Patience)
	defer cancel()
	if err := weakmap.Settle(ctx); err != nil {
		r.violation("Settle: %v within %v", err, r.Patience)
	}
}

// balance waits until the counts of a container that is not in use balance, and returns them.
func (r *Run) balance(of interface{ Stats() weakmap.Stats }) (s weakmap.Stats) {
	r.within("Inserts == Reaped + Deleted + Entries", func() bool {
		s = of.Stats()
		return s.Inserts == s.Reaped+s.Deleted+uint64(s.Entries)
	})
	return s
}

// A Round is the part of a Run that has one configuration.
type Round struct {
	*Run
	configuration
	number  int
	rng     *rand.Rand
	workers sync.WaitGroup
	started uint64 // workers ever started
	slice   time.Duration
	end     *time.Timer // sets over
}

// restart gives the round its whole time again, after a setup that took long.
func (r *Round) restart() {
	r.over.Store(false)
	r.end.Reset(r.slice)
}

// rounds plays a scenario under one configuration after the other until the budget is used up.
func rounds(play func(*Round)) func(*Run) {
	return func(r *Run) {
		rng := rand.New(rand.NewPCG(r.Seed, 0))
		all := configurations()
		slice := min(max(r.Duration/time.Duration(len(all)), minSlice), maxSlice)
		for number := 0; !r.done(); number++ {
			if number%len(all) == 0 {
				rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			}
			round := &Round{Run: r, configuration: all[number%len(all)], number: number, rng: rng, slice: slice}
			procs := runtime.GOMAXPROCS(0)
			if rng.IntN(2) == 0 {
				runtime.GOMAXPROCS(manyProcs)
			}
			r.over.Store(false)
			round.end = time.AfterFunc(slice, func() { r.over.Store(true) })
			play(round)
			round.end.Stop()
			runtime.GOMAXPROCS(procs)
		}
	}
}

const (
	// A round takes about as long as its share of all configurations, within bounds.
	minSlice = 20 * time.Millisecond
	maxSlice = 2 * time.Second

	// manyProcs gives the runtime four goroutines for cleanups, and other places of preemption.
	manyProcs = 16
)

// A worker is a goroutine of a round.
type worker struct {
	*Round
	number               int
	rng                  *rand.Rand
	did, found, sawDeath int64 // operations, hits and deaths since the last goOn
}

// start starts n workers. Each is to end when goOn says so.
func (r *Round) start(n int, work func(*worker)) {
	for i := range n {
		r.started++
		w := &worker{Round: r, number: i, rng: rand.New(rand.NewPCG(r.Seed, uint64(r.number+1)<<16+r.started))}
		r.workers.Go(func() {
			work(w)
			w.flush()
		})
	}
}

// wait waits for the workers of the round.
func (r *Round) wait() { r.workers.Wait() }

// goOn accounts for what the worker did and reports whether to go on.
func (w *worker) goOn() bool {
	w.flush()
	return !w.over.Load() && !w.done()
}

func (w *worker) flush() {
	w.ops.Add(w.did)
	w.hits.Add(w.found)
	w.dead.Add(w.sawDeath)
	w.did, w.found, w.sawDeath = 0, 0, 0
}

// collect starts a goroutine that runs collections until the round is over: one right after the
// other, or with pauses in which passes come to an end.
func (r *Round) collect() {
	r.start(1, func(w *worker) {
		for w.goOn() {
			runtime.GC()
			if w.rng.IntN(4) == 0 {
				time.Sleep(time.Duration(w.rng.IntN(3000)) * time.Microsecond)
			}
		}
	})
}
