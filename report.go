package weakmap

import (
	"slices"
	"sync"
	"weak"

	"github.com/go-weak/weakmap/internal/bubble"
	"github.com/go-weak/weakmap/internal/callback"
	"github.com/go-weak/weakmap/internal/fifo"
)

// callbacks runs all callbacks that follow a collection, including OnReap, and
// what a cleanup could not do at once.
var callbacks callback.Queue

// reports are what is recorded of a table's dead entries, waiting for the
// container's OnReap. They belong to the table, so they go with it.
//
// OnReap is called by one goroutine, which ends when nothing is left to report. It
// belongs to the queue of callbacks, and so to no bubble of testing/synctest. What
// a goroutine in a bubble has found dead is reported in that bubble instead, and
// nothing else is: it may be a mock of the bubble that OnReap uses, and the bubble
// waits for all its goroutines to end. If the one outside is at work, it takes
// those reports as well, since a bubble must not wait for it.
type reports struct {
	mu    sync.Mutex
	lines []*line // those that are served now: one, or none, where there are no bubbles. Guarded by mu.
}

// A line is the reports that wait for one goroutine.
type line struct {
	due   fifo.Queue[reaped] // Guarded by reports.mu.
	tally *tally
}

// A tally counts the reports of one line that wait or are being made, for the
// goroutines that wait for them. It keeps nothing of the table.
type tally struct {
	callback.Tally
	calling *sync.Mutex // held while OnReap runs. All lines of a table have one. Immutable.
}

// line returns the line for what is found in a bubble, and whether it is new.
// Must be called with r.mu held.
func (r *reports) line(in uint64) (l *line, made bool) {
	for _, l := range r.lines {
		if l.tally.Bubble == in || l.tally.Bubble == 0 {
			return l, false
		}
	}
	l = &line{tally: &tally{Tally: callback.Tally{Bubble: in}}}
	if len(r.lines) > 0 {
		l.tally.calling = r.lines[0].tally.calling
	} else {
		l.tally.calling = new(sync.Mutex)
	}
	r.lines = append(r.lines, l)
	return l, true
}

// next takes the oldest report of a line. When there is none, the line ends.
func (r *reports) next(of *tally) (a reaped, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.lines, func(l *line) bool { return l.tally == of })
	if r.lines[i].due.Len() > 0 {
		return r.lines[i].due.Pop(), true
	}
	if r.lines = slices.Delete(r.lines, i, i+1); len(r.lines) == 0 {
		r.lines = nil
	}
	return a, false
}

// drop ends a line whose container is gone, so that what is found dead later gets another, which
// ends as well.
func (r *reports) drop(of *tally) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = slices.DeleteFunc(r.lines, func(l *line) bool { return l.tally == of })
}

// waiting is the number of reports not taken.
func (r *reports) waiting() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		n += l.due.Len()
	}
	return n
}

// report has OnReap called for each of dead.
func (t *table) report(dead []reaped) {
	in, r := bubble.ID(), &t.reports
	r.mu.Lock()
	l, made := r.line(in)
	for _, a := range dead {
		l.due.Push(a)
	}
	callbacks.Enter(&l.tally.Tally, len(dead))
	r.mu.Unlock()
	if made {
		t.serve(l.tally)
	}
}

// serve has a goroutine call OnReap for a line until that ends. The goroutine is
// started in the line's bubble, by one that belongs to it.
func (t *table) serve(of *tally) {
	self := t.self
	if of.Bubble != 0 {
		go serveReports(self, of)
		return
	}
	callbacks.SubmitCounted(func() { serveReports(self, of) })
}

// serveReports calls OnReap until all in a line is reported. Between calls it holds
// the table weakly: a report that waits behind a slow one keeps neither the container
// nor its keys, and none comes once the container was collected.
func serveReports(self weak.Pointer[table], of *tally) {
	returned := false
	defer func() {
		if returned {
			return
		}
		// OnReap has called Goexit: another goroutine goes on.
		callbacks.Leave(&of.Tally, false)
		if t := self.Value(); t != nil {
			t.serve(of)
		} else {
			callbacks.Leave(&of.Tally, true)
		}
	}()
	for reportNext(self, of) {
		callbacks.Leave(&of.Tally, false)
	}
	returned = true
}

// reportNext makes the next report of a line, or ends the line if there is none.
func reportNext(self weak.Pointer[table], of *tally) (reported bool) {
	of.calling.Lock()
	defer of.calling.Unlock()
	t := self.Value()
	if t == nil || t.life.Value() == nil {
		if t != nil {
			t.reports.drop(of)
		}
		callbacks.Leave(&of.Tally, true)
		return false
	}
	a, ok := t.reports.next(of)
	if !ok {
		return false
	}
	onReap := t.onReap
	t = nil
	onReap(a)
	return true
}
