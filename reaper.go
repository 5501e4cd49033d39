package weakmap

import (
	"runtime"
	"runtime/metrics"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap/internal/seam"
)

// The reaper runs one pass after each collection, over every table that has
// entries. A sentinel object that nothing refers to carries the one cleanup:
// the collection that finds it dead starts the pass. It has a twin with a
// finalizer, because cleanups can be held up: by one that blocks, since they may
// share its goroutine, and by the runtime, which up to Go 1.27 leaves those on a
// processor that GOMAXPROCS has just taken away until it is given back. What
// comes first starts the pass.
//
// The next sentinel is made when the pass has ended, never before. Looking at a
// weak pointer during a collection's mark phase keeps its referent for one more
// cycle, so a pass that overlaps marking keeps what it should remove. An object
// made during marking survives that collection. Hence a sentinel made after a
// pass dies only in a collection whose whole mark phase no pass disturbed, and
// the pass that follows finds all that this collection found dead.
var reaper = reaperState{turn: make(chan struct{}, 1)}

type reaperState struct {
	// turn is held by whoever sweeps or must not be disturbed by a sweep: a
	// pass, or Settle throughout its collections. Taken before mu.
	turn chan struct{}

	// settlers is how many calls of Settle are under way. Meanwhile writers do
	// not look for dead entries beyond their own key: a growth amid marking
	// would keep what Settle waits for. Accessed atomically.
	settlers atomic.Int32

	mu     seam.Mutex
	tables []func() sweeper // weak: nil once the table is gone. Guarded by mu.
	rested time.Time        // when the next pass may begin. Accessed by pass only, of which there is one at a time.
	armed  bool             // whether a sentinel or a pass under way will arm again. Guarded by mu.
	made   uint64           // sentinels so far: the number of the last. Guarded by mu.

	awaited   atomic.Uint64 // the number of the sentinel that is to start the next pass, 0 once it has
	finalized atomic.Uint64 // how many finalizers of sentinels have run
}

// A sweeper is a table, whatever its types.
type sweeper interface {
	// collected is called after each collection, which ended at the given time,
	// never twice at a time.
	collected(ended time.Time, workers int)
	// sweep removes every entry that is dead, and returns how many that were.
	sweep(workers int) int
	// retireIfEmpty reports whether the table is empty and will register again
	// when it is not.
	retireIfEmpty() bool
}

// A sentinel holds a pointer so that the tiny allocator cannot keep it alive.
type sentinel struct{ _ *byte }

// register makes the table known to the reaper. It is called after each
// insertion, when the entry is counted.
func (t *table) register() {
	// retireIfEmpty clears registered before it looks at the counts, we count
	// before we look at registered: one of us sees the other.
	seam.Interleave("entry counted")
	if t.registered.Load() || !t.registered.CompareAndSwap(false, true) {
		return
	}
	self := t.self
	reaper.add(func() sweeper {
		if t := self.Value(); t != nil {
			return t
		}
		return nil
	})
}

func (t *table) retireIfEmpty() bool {
	t.registered.Store(false)
	seam.Interleave("registration cleared")
	if t.layout.Load().used() == 0 {
		return true
	}
	seam.Interleave("found not empty")
	// If an insertion has taken registration upon itself, it adds the table anew,
	// and this listing goes.
	return !t.registered.CompareAndSwap(false, true)
}

func (r *reaperState) settling() bool { return r.settlers.Load() > 0 }

func (r *reaperState) add(table func() sweeper) {
	r.mu.Lock()
	r.tables = append(r.tables, table)
	if !r.armed {
		r.armed = true
		r.arm()
	}
	r.mu.Unlock()
}

// arm makes the sentinel whose death starts the next pass, and its twin. Must be
// called with r.mu held.
func (r *reaperState) arm() {
	r.made++
	number := r.made
	r.awaited.Store(number)
	runtime.AddCleanup(new(sentinel), r.announce, number)
	runtime.SetFinalizer(new(sentinel), func(*sentinel) {
		r.finalized.Add(1)
		r.announce(number)
	})
}

// announce starts the pass that the death of a sentinel, or of its twin, is to start.
func (r *reaperState) announce(number uint64) {
	if r.awaited.CompareAndSwap(number, 0) {
		go r.pass()
	}
}

// collections returns how many collections have ended so far. It takes about a
// microsecond.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// pass is what one collection causes.
func (r *reaperState) pass() {
	// Where collections follow each other closely, a pass after each would often
	// meet the mark phase of the next and keep what is dying. So there is a pause
	// between passes. Dead entries can wait: the memory of their values cannot.
	time.Sleep(time.Until(r.rested))
	r.turn <- struct{}{}
	start := time.Now()
	ended, workers := lastCollection(), max(runtime.GOMAXPROCS(0)/4, 1)
	for _, t := range r.live() {
		t.collected(ended, workers)
	}
	<-r.turn
	end := time.Now()
	r.rested = end.Add(min(end.Sub(start)*restPerWork+minRest, maxRest))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune()
	if r.armed = len(r.tables) > 0; r.armed {
		r.arm()
	}
}

// sweep removes all that is dead from every table. r.turn must be held.
func (r *reaperState) sweep() (removed int) {
	for _, t := range r.live() {
		removed += t.sweep(runtime.GOMAXPROCS(0))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune()
	return removed
}

// live returns the tables that are not gone.
func (r *reaperState) live() []sweeper {
	r.mu.Lock()
	defer r.mu.Unlock()
	live := make([]sweeper, 0, len(r.tables))
	for _, table := range r.tables {
		if t := table(); t != nil {
			live = append(live, t)
		}
	}
	return live
}

// prune forgets the tables that are gone or empty. Must be called with r.mu held.
func (r *reaperState) prune() {
	kept := r.tables[:0]
	for _, table := range r.tables {
		if t := table(); t != nil && !t.retireIfEmpty() {
			kept = append(kept, table)
		}
	}
	clear(r.tables[len(kept):])
	if cap(kept) > 2*len(kept)+tablesKept {
		kept = slices.Clone(kept)
	}
	r.tables = kept
}

const (
	// The pause between passes: a multiple of what the last pass took, within bounds.
	restPerWork = 4
	minRest     = 10 * time.Millisecond
	maxRest     = 50 * time.Millisecond

	// tablesKept is how many places for tables may be vacant beside as many as are taken.
	tablesKept = 64
)
