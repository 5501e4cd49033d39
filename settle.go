package weakmap

import (
	"context"
	"time"

	"github.com/go-weak/weakmap/internal/bubble"
	"github.com/go-weak/weakmap/internal/callback"
)

// Settle runs collections until every entry whose value was unreachable at the
// call has left every container, and every callback that was due has returned:
// OnReap, and the callbacks of every [Ref] and [Finalizer] whose object was
// gone. It is for tests and orderly shutdown: each collection is a full one, and
// costs what runtime.GC costs.
//
// Where the end of one entry lets go of the next, as in a [KeyMap] whose values are
// keys of it, each collection takes one link. Settle goes on to the end of the chain,
// or to 30 links if the program stores or finalizes something between any two of
// them. It does not wait for values that the runtime never reports dead: pointer-free
// ones of less than 16 bytes, which share memory, zero-size and global ones. Nor
// does it wait for an object that its runtime finalizer has brought back, or that
// is at the end of a chain of more than 30 objects with finalizers, of which each
// collection takes one (before Go 1.26, of more than 3). A goroutine that loads or
// iterates during Settle may keep what it touches for one more cycle; the promise
// holds for what no goroutine touches.
//
// If ctx is done first, Settle returns its error. It must not be called from a
// callback, because it would wait for that callback to return. Several calls wait
// for each other. A runtime cleanup or finalizer that blocks, and is not one of this
// package, delays Settle by one second; then it goes on without what is queued behind
// that one.
//
// What Config.Retain, RetainFor or RetainMax hold is reachable, and stays. To empty
// such a container, a test calls Clear, or drops it.
//
// In a bubble of testing/synctest, Settle first waits for the callbacks that run
// in the bubble, while the bubble's clock advances. Then it waits for all others, and
// for the collector, in real time: the bubble's clock stands still, and the time
// until the deadline of ctx is real. A nil ctx panics.
func Settle(ctx context.Context) error {
	mustBeContext(ctx)
	in := bubble.ID()
	if in == 0 {
		return settle(ctx, callback.Everywhere)
	}
	own := func(of uint64) bool { return of == in }
	if err := callbacks.Wait(ctx, own); err != nil {
		return err
	}
	// A sweep on this goroutine would report in the bubble what it finds in other
	// containers, and timers go by the bubble's clock. So the rest happens outside.
	outside, cancel := context.WithCancel(context.Background())
	defer cancel()
	var limit time.Duration
	end, limited := ctx.Deadline()
	if limited {
		limit = time.Until(end)
	}
	var result error
	done := bubble.Run(func() {
		if limited {
			var cancel context.CancelFunc
			outside, cancel = context.WithTimeout(outside, limit)
			defer cancel()
		}
		result = settle(outside, func(of uint64) bool { return of != in })
	})
	if done == nil { // The runtime's cleanups and finalizers are blocked: none will run.
		return sweepOnce(ctx)
	}
	select {
	case <-done:
		return result
	case <-ctx.Done():
		return ctx.Err()
	}
}

// settle is Settle outside all bubbles. It waits for the callbacks of the bubbles
// for which in returns true.
func settle(ctx context.Context, in func(bubble uint64) bool) error {
	reaper.settlers.Add(1) // A pass that is under way does not pause any more.
	defer reaper.settlers.Add(-1)
	select {
	case reaper.turn <- struct{}{}: // No pass may look at weak pointers while our collections mark.
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-reaper.turn }()
	backlog := newBacklog()
	made := readLedger()
	links := made.present // how many rounds can each have taken something that was there
	// What dies can let go of more, and an object behind a runtime finalizer dies one
	// collection later than the object that has it. So we go on until nothing more dies.
	// A program that keeps dropping things must not keep us here forever: a round counts
	// unless it took something and nothing was made since the one before.
	for quiet, rounds := 0, 0; quiet < backlog.quietRounds() && rounds < settleRounds; {
		if err := ctx.Err(); err != nil {
			return err
		}
		finalized := backlog.finalized()
		backlog.collect()
		removed := reaper.sweep()
		if err := backlog.wait(ctx); err != nil {
			return err
		}
		if err := callbacks.Wait(ctx, in); err != nil {
			return err
		}
		now := readLedger()
		took := removed > 0 || now.gone != made.gone
		if took && now.made == made.made && links > 0 {
			links--
		} else {
			rounds++
		}
		quiet++
		if took || backlog.finalized() != finalized {
			quiet = 0
		}
		made = now
	}
	return nil
}

// settleRounds bounds the collections of one Settle that do not each take a link of
// a chain. So it also bounds a chain of objects with runtime finalizers; longer ones
// do not occur in practice.
const settleRounds = 32

// A ledger counts what was made that can die, how much of that has gone, and how much
// is there: entries, and the runtime cleanups that start callbacks.
type ledger struct{ made, gone, present uint64 }

// readLedger reads the counts of all containers that have entries. One that gets its
// first changes made, and one that loses its last changes gone.
func readLedger() (l ledger) {
	l.gone = uint64(followed.gone.Load())
	l.made = exits.made.Load() + uint64(followed.refs.Load())
	l.present = l.made - l.gone
	for t := range reaper.live {
		inserted, reaped, deleted := t.layout.Load().counts()
		l.made += inserted
		l.gone += reaped
		l.present += inserted - reaped - deleted
	}
	return l
}

// sweepOnce does what Settle can do in a bubble where the runtime runs nothing.
func sweepOnce(ctx context.Context) error {
	select {
	case reaper.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-reaper.turn }()
	reaper.sweep()
	in := bubble.ID()
	return callbacks.Wait(ctx, func(of uint64) bool { return of == in })
}
