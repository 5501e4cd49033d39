package weakmap

import (
	"math/bits"
	"runtime"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/go-weak/weakmap/internal/bubble"
	"github.com/go-weak/weakmap/internal/callback"
	"github.com/go-weak/weakmap/internal/inspect"
	"github.com/go-weak/weakmap/internal/seam"
)

// The reaper runs one pass after each collection, over every table that has
// entries. A sentinel object that nothing refers to carries the one cleanup:
// the collection that finds it dead starts the pass. It has a twin with a
// finalizer, because cleanups can be held up: by one that blocks, since they may
// share its goroutine, and by the runtime, which up to Go 1.27 leaves those on a
// processor that GOMAXPROCS has just taken away until it is given back. Whichever
// runs first starts the pass.
//
// The next sentinel is made when the pass has ended, never before. Looking at a
// weak pointer during a collection's mark phase keeps its referent for one more
// cycle, so a pass that overlaps marking keeps what it should remove. An object
// made during marking survives that collection. So a sentinel made after a
// pass dies only in a collection whose whole mark phase no pass disturbed, and
// the pass that follows finds all that this collection found dead.
//
// A pass asks nothing that was inserted after the last collection had been announced:
// it cannot have died in that, and asking it during the next one would keep it. So
// announcements must not wait for a pass to end. They have an object of their own, the
// clock: another object that nothing refers to, a new one at each collection.
var reaper = reaperState{turn: make(chan struct{}, 1)}

type reaperState struct {
	// turn is held by a goroutine that sweeps or must not be disturbed by a sweep:
	// a pass, or Settle throughout its collections. Taken before mu.
	turn chan struct{}

	// settlers is how many calls of Settle are under way. While there are any,
	// writers do not look for dead entries beyond their own key: a growth during
	// marking would keep what Settle waits for. Accessed atomically.
	settlers atomic.Int32

	// announced is how many collections had ended when the last of them was
	// announced, and announcedBefore when the one before that was. They only grow.
	announced       atomic.Uint64
	announcedBefore atomic.Uint64

	mu      seam.Mutex            // protects the list of tables, and when a sentinel is made
	tables  []weak.Pointer[table] // the zero Pointer where a table is gone. Guarded by mu; what was listed is moved or taken out only with turn held.
	rested  time.Time             // when the next pass may begin. Accessed by pass only, of which there is one at a time.
	unpaid  time.Duration         // how long the previous pass has worked since it last rested. Accessed by pass only.
	armed   atomic.Bool           // whether a sentinel or a pass under way will arm again. Read without lock, written only with mu held.
	ticking atomic.Bool           // whether there is a clock
	ticks   sync.Mutex            // protects the next two, and that announced and announcedBefore are written together
	ticked  time.Time             // when the last collection was announced. Guarded by ticks.
	apart   time.Duration         // how long before that the one before it was. Guarded by ticks.
	made    uint64                // sentinels so far: the number of the last. Guarded by mu.

	awaited   atomic.Uint64 // the number of the sentinel that is to start the next pass, 0 once it has
	finalized atomic.Uint64 // how many finalizers of sentinels have run
	helped    atomic.Int64  // nanoseconds that goroutines beside the sweeping one have worked for sweeps
	paidFor   atomic.Int64  // nanoseconds that passes have worked, counted when they have rested for it. Written by pass only.
}

// A sentinel holds a pointer so that the tiny allocator cannot keep it alive.
type sentinel struct{ _ *byte }

// register makes the table known to the reaper. It is called after each
// insertion, when the entry is counted.
func (t *table) register() {
	// unregisterIfEmpty clears registered before it looks at the counts, we count
	// before we look at registered: one of us sees the other.
	seam.Interleave("entry counted")
	if t.registered.Load() || !t.registered.CompareAndSwap(false, true) {
		return
	}
	reaper.add(t.self)
}

// unregisterIfEmpty has the reaper forget the table if it has no entries, and gives back what it grew to. It
// reports whether the listing that the caller came by goes.
func (t *table) unregisterIfEmpty() bool {
	t.registered.Store(false)
	seam.Interleave("registration cleared")
	if t.layout.Load().used() == 0 {
		t.empty()
		return true
	}
	seam.Interleave("found not empty")
	// If an insertion has taken over registration, it adds the table again, and this
	// listing goes.
	return !t.registered.CompareAndSwap(false, true)
}

func (r *reaperState) settling() bool { return r.settlers.Load() > 0 }

func (r *reaperState) add(table weak.Pointer[table]) {
	r.mu.Lock()
	r.tables = append(r.tables, table)
	if !r.armed.Load() {
		r.armed.Store(true)
		r.arm()
	}
	r.mu.Unlock()
	r.startClock()
}

// startClock makes the clock, if there is none.
func (r *reaperState) startClock() {
	if r.ticking.Load() || !r.ticking.CompareAndSwap(false, true) {
		return
	}
	runtime.AddCleanup(new(sentinel), func(r *reaperState) {
		r.announce(collections())
		// We clear ticking before we look at armed, add sets armed before it looks
		// at ticking: one of us starts the clock.
		r.ticking.Store(false)
		if r.armed.Load() {
			r.startClock()
		}
	}, r)
}

// announce says that n collections have ended. The referent of an insertion that reads
// announced after this is alive then, since the caller holds it: see journal.Begin.
func (r *reaperState) announce(n uint64) {
	r.ticks.Lock()
	defer r.ticks.Unlock()
	if last := r.announced.Load(); last < n {
		now := time.Now()
		r.apart, r.ticked = now.Sub(r.ticked), now
		r.announcedBefore.Store(last)
		r.announced.Store(n)
	}
}

// awaitStart returns when the pass that follows collection n may begin: not while another one may be
// near, since a pass that asks while that marks keeps all that is dying. It also keeps what was
// inserted after collection n and before its announcement, which counts as inserted before, unless it
// goes by an announcement that others have followed.
func (r *reaperState) awaitStart(n uint64) {
	for {
		r.ticks.Lock()
		left := passDelay(time.Since(r.ticked), r.apart, r.announcedBefore.Load() >= n)
		r.ticks.Unlock()
		if left <= 0 {
			return
		}
		time.Sleep(min(left, minRest/2))
	}
}

// passDelay returns how long a pass waits because another collection may be near. since is the time since
// the last one was announced, apart that between it and the one before, and news says whether it came
// after the pass's own. Collections that follow each other closely are expected to go on, and others to
// come in bursts, or at equal intervals.
func passDelay(since, apart time.Duration, news bool) time.Duration {
	burst, near := min(apart/2, closely), min(apart/3, closely)
	switch {
	case !news && apart <= closely:
		return 2*apart - since
	case !news && since < burst:
		return burst - since
	case since > apart-near:
		return apart + near - since
	}
	return 0
}

// arm makes the sentinel whose death starts the next pass, and its twin. Must be
// called with r.mu held.
func (r *reaperState) arm() {
	r.made++
	number := r.made
	r.awaited.Store(number)
	runtime.AddCleanup(new(sentinel), r.startPass, number)
	runtime.SetFinalizer(new(sentinel), func(*sentinel) {
		r.finalized.Add(1)
		r.startPass(number)
	})
}

// startPass starts the pass that the death of a sentinel, or of its twin, is to start.
func (r *reaperState) startPass(number uint64) {
	if r.awaited.CompareAndSwap(number, 0) {
		ended := collections()
		callback.Launch(func() { r.pass(ended) })
	}
}

// collectionsEnded takes about a microsecond. The runtime counts a collection while the
// world is stopped, and from then on every goroutine sees as dead what it found dead.
func collectionsEnded() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// A scope says which collections' victims a sweep looks for.
type scope struct {
	collections uint64 // the number of the last of them: the first has the number 1
	everything  bool   // whether some have not been announced yet, so that everything must be asked
}

// scope returns that of all collections so far. It takes about a microsecond.
func (r *reaperState) scope() scope {
	n := collections()
	return scope{n, n != r.announced.Load()}
}

// pass is what one collection causes, of the first n.
func (r *reaperState) pass(n uint64) {
	// Where collections follow each other closely, a pass after each would often
	// meet the mark phase of the next and keep what is dying. So there is a pause
	// between passes. Dead entries can wait: the memory of their values cannot.
	time.Sleep(time.Until(r.rested))
	r.paidFor.Add(int64(r.unpaid))
	r.announce(n) // The clock has, unless its cleanup was held up.
	r.awaitStart(n)
	r.turn <- struct{}{}
	workers := max(runtime.GOMAXPROCS(0)/4, 1)
	var ended time.Time
	if inspect.Watched { // It allocates.
		ended = bubble.LastCollection()
	}
	scope := scope{collections: r.announced.Load()}
	if before := r.announcedBefore.Load(); before >= n {
		scope.collections = before
	}
	r.helped.Store(0)
	start := time.Now()
	r.each(func(t *table) { t.collected(ended, scope, workers) }, func() {
		if worked := r.worked(start); worked > shift {
			r.rested = time.Now().Add(worked * restPerWork)
			for !r.settling() && time.Now().Before(r.rested) {
				time.Sleep(min(time.Until(r.rested), minRest))
			}
			r.paidFor.Add(int64(worked))
			r.helped.Store(0)
			start = time.Now()
		}
	})
	r.unpaid = r.worked(start)
	r.rested = time.Now().Add(r.unpaid*restPerWork + minRest)
	<-r.turn
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed.Store(len(r.tables) > 0)
	if r.armed.Load() {
		r.arm()
	}
}

// blockPasses implements inspect.HoldPasses.
func (r *reaperState) blockPasses() (release func()) {
	r.turn <- struct{}{}
	return func() { <-r.turn }
}

// worked returns the processor time, at most, that the pass has taken since start.
func (r *reaperState) worked(start time.Time) time.Duration {
	return time.Since(start) + time.Duration(r.helped.Load())
}

// sweep removes all that is dead from every table. r.turn must be held.
func (r *reaperState) sweep() (removed int) {
	scope := r.scope()
	r.each(func(t *table) { removed += t.sweep(scope, runtime.GOMAXPROCS(0)) }, func() {})
	return removed
}

// each calls visit for each table, and forgets those that are gone or empty. It holds
// one table at a time, and none across pause, which is called between two, so that a
// container which is dropped during that goes with the next collection. There is no
// pause after the last: a collection that came then would have no sentinel.
// r.turn must be held.
func (r *reaperState) each(visit func(*table), pause func()) {
	look := func(table weak.Pointer[table]) (stays bool) {
		t := table.Value()
		if t == nil {
			return false
		}
		visit(t)
		return !t.unregisterIfEmpty()
	}
	r.mu.Lock()
	listed := len(r.tables) // Those that are added from now on come behind these.
	r.mu.Unlock()
	var some [64]weak.Pointer[table]
	for next := 0; next < listed; {
		r.mu.Lock()
		n := copy(some[:], r.tables[next:listed])
		r.mu.Unlock()
		gone := uint64(0)
		for i := range n {
			if next+i > 0 {
				pause()
			}
			if !look(some[i]) {
				gone |= 1 << i
			}
		}
		if gone != 0 {
			r.mu.Lock()
			for ; gone != 0; gone &= gone - 1 {
				r.tables[next+bits.TrailingZeros64(gone)] = weak.Pointer[table]{}
			}
			r.mu.Unlock()
		}
		next += n
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tables = slices.DeleteFunc(r.tables, func(p weak.Pointer[table]) bool { return p == weak.Pointer[table]{} })
	if cap(r.tables) > 2*len(r.tables)+tablesKept {
		r.tables = slices.Clone(r.tables)
	}
}

// live yields the tables that are not gone, one at a time.
func (r *reaperState) live(yield func(*table) bool) {
	r.mu.Lock()
	tables := slices.Clone(r.tables)
	r.mu.Unlock()
	for _, p := range tables {
		if t := p.Value(); t != nil && !yield(t) {
			return
		}
	}
}

// idle reports whether there is no table that is not gone.
func (r *reaperState) idle() bool {
	for range r.live {
		return false
	}
	return true
}

const (
	// A pass and the pause after it take a tenth of one processor: the pause is this
	// multiple of what the pass has worked, and at least minRest.
	restPerWork = 9
	minRest     = 10 * time.Millisecond

	// shift is how long a pass over many tables works between two pauses, so that it
	// takes a tenth of each second and not all of one.
	shift = 10 * time.Millisecond

	// closely is how long after each other collections are that follow each other closely, and how
	// far from others a pass begins. There is no evidence for its exact value.
	closely = 100 * time.Millisecond

	// tablesKept is how many places for tables may be vacant in addition to as many as are taken.
	tablesKept = 64
)
