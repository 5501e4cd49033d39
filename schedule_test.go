//go:build weakmapsched

package weakmap

import (
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
	"unsafe"

	"github.com/go-weak/weakmap/internal/seam"
)

// Controlled schedules. A scenario is a few goroutines that use one container. One of them runs
// at a time, and wherever the engine calls seam.Interleave, takes a lock or waits, the schedule
// picks which one goes on. Objects die when a goroutine of the scenario kills them, which it may as
// soon as they are not held. So a run depends on the picks alone, and can be repeated.

// The same keys have the same hashes in each process, except what maphash hashes.
func init() { processSeed = 1 }

// A run is one schedule of one scenario.
type run struct {
	chooser chooser
	actors  []*actor
	running *actor // nil while none does: then the engine goes on undisturbed.
	next    *actor // the one that goes on
	objects []*object
	kept    []*object // held to the end
	guards  []*guard  // of the containers
	muted   []string  // moments at which no other actor goes on: there would be hundreds
	history history
	now     int
	finish  []func() error // what must be true when all have ended; the last comes first
	failure error

	picks []byte   // one for each choice between several
	trace []moment // what was done in this order
}

// A chooser picks one of n goroutines that can go on. The first is the one that runs, if it can;
// then picking another preempts it.
type chooser interface {
	choose(n int, preempts bool) int
}

// A moment is where an actor was when it went on.
type moment struct {
	actor *actor
	at    string
}

// An actor is a goroutine of a scenario: a coroutine of the driver.
type actor struct {
	run    *run
	name   string
	resume func() (struct{}, bool)
	pause  func(struct{}) bool
	at     string
	ready  func() bool // nil = it can go on
	ended  bool
	held   []*object // until it lets go
	seen   []*object // by the operation under way, which holds them on its stack
	made   []*object // of those, which the operation has made a weak pointer to
	since  int       // when the operation under way was called; 0 = there is none
}

// start adds an actor, which holds the given objects at first.
func (r *run) start(name string, f func(*actor), holds ...*cell) {
	a := &actor{run: r, name: name, at: "begin"}
	for _, c := range holds {
		take(a, c)
	}
	a.resume, _ = iter.Pull(func(yield func(struct{}) bool) {
		defer func() {
			if p := recover(); p != nil {
				r.fail(fmt.Errorf("%s panics: %v\n%s", name, p, debug.Stack()))
			}
		}()
		a.pause = yield
		f(a)
	})
	r.actors = append(r.actors, a)
}

func (r *run) fail(err error) {
	if r.failure == nil {
		r.failure = err
	}
}

// stepsAtMost is far more than any scenario takes: one that gets there goes round in circles.
const stepsAtMost = 10_000

// drive runs the actors to their ends, or until something fails. Then it leaves those that have
// not ended where they are.
func (r *run) drive() {
	for r.pick(nil); r.next != nil && r.failure == nil; {
		a := r.next
		r.running = a
		_, more := a.resume()
		r.running = nil
		if !more {
			a.ended, a.held, a.seen, a.made, a.since = true, nil, nil, nil, 0
			r.pick(nil)
		}
	}
}

// pick decides which actor goes on; current, if not nil, is the one that runs.
func (r *run) pick(current *actor) {
	for _, g := range r.guards {
		if err := g.check(); err != nil {
			r.fail(err)
		}
	}
	var few [8]*actor
	can := few[:0]
	if current != nil && current.canGoOn() {
		can = append(can, current)
	}
	preempts := len(can) > 0
	waiting := 0
	for _, a := range r.actors {
		switch {
		case a == current || a.ended:
		case a.canGoOn():
			can = append(can, a)
		default:
			waiting++
		}
	}
	r.next = nil
	switch {
	case len(can) > 1:
		k := r.chooser.choose(len(can), preempts)
		r.picks = append(r.picks, byte(k))
		r.next = can[k]
	case len(can) == 1:
		r.next = can[0]
	case waiting > 0 || current != nil:
		r.fail(fmt.Errorf("deadlock: nobody can go on"))
		return
	default:
		return
	}
	if len(r.trace) == stepsAtMost {
		r.fail(fmt.Errorf("no end after %d steps", stepsAtMost))
	}
	r.trace = append(r.trace, moment{r.next, r.next.at})
}

func (a *actor) canGoOn() bool { return a.ready == nil || a.ready() }

// Yield implements seam.Scheduler.
func (r *run) Yield(at string, ready func() bool) { r.yield(at, ready) }

func (r *run) yield(at string, ready func() bool) {
	a := r.running
	if a == nil {
		return
	}
	a.at, a.ready = at, ready
	if slices.Contains(r.muted, at) {
		return
	}
	if r.pick(a); r.next != a || r.failure != nil {
		a.pause(struct{}{})
	}
	a.ready = nil
}

// Submit implements seam.Scheduler.
func (r *run) Submit(f func()) {
	r.start("submitted", func(*actor) { f() })
}

// An object is one that the container may refer to, from its making to its death. Its own address
// is the word of a weak pointer to it.
type object struct {
	run    *run // nil where there is another object: see Value.
	number int  // from 1 on
	place  unsafe.Pointer
	dead   bool
	atEnd  []*atEnd
}

// object returns the last object that was at p.
func (r *run) object(p unsafe.Pointer) *object {
	for _, o := range slices.Backward(r.objects) {
		if o.place == p {
			return o
		}
	}
	return r.allocate(p)
}

// allocate makes an object at p, where there is none alive.
func (r *run) allocate(p unsafe.Pointer) *object {
	o := &object{run: r, number: len(r.objects) + 1, place: p}
	r.objects = append(r.objects, o)
	return o
}

// number returns the number of the object at p, and 0 for nil.
func number[T any](r *run, p *T) int {
	if p == nil {
		return 0
	}
	return r.object(unsafe.Pointer(p)).number
}

// Make implements seam.Scheduler.
func (r *run) Make(p unsafe.Pointer) unsafe.Pointer {
	o := r.object(p)
	if o.dead {
		panic("the scenario stores an object that is dead")
	}
	if a := r.running; a != nil {
		a.seen, a.made = append(a.seen, o), append(a.made, o)
	}
	return unsafe.Pointer(o)
}

// Value implements seam.Scheduler.
func (r *run) Value(word unsafe.Pointer) unsafe.Pointer {
	o := (*object)(word)
	if o.run != r {
		panic(fmt.Sprintf("%p is no weak pointer of this schedule", word))
	}
	if o.dead {
		return nil
	}
	o.see()
	return o.place
}

// see has the actor that runs hold o until its operation ends.
func (o *object) see() {
	if a := o.run.running; a != nil && a.at != seam.ToAsk {
		a.seen = append(a.seen, o)
	}
}

// Strong implements seam.Scheduler.
func (r *run) Strong(p unsafe.Pointer) {
	for _, o := range slices.Backward(r.objects) {
		if o.place == p {
			if o.dead {
				panic(fmt.Sprintf("a strong pointer to object %d was found, which is dead", o.number))
			}
			if a := r.running; a != nil {
				a.seen = append(a.seen, o)
			}
			return
		}
	}
}

// An atEnd is a runtime cleanup on an object.
type atEnd struct {
	object *object
	run    func() // nil once it was stopped
}

// AddCleanup implements seam.Scheduler.
func (r *run) AddCleanup(p unsafe.Pointer, f func()) seam.Cleanup {
	o := r.object(p)
	e := &atEnd{o, f}
	o.atEnd = append(o.atEnd, e)
	return e
}

// Stop is called only while the object lives: golang/go#81435.
func (e *atEnd) Stop() {
	if e.object.dead {
		panic("Stop of a cleanup whose object is dead")
	}
	e.run = nil
}

// keep holds an object to the end.
func (r *run) keep(cs ...*cell) {
	for _, c := range cs {
		r.kept = append(r.kept, r.object(unsafe.Pointer(c)))
	}
}

func take[T any](a *actor, p *T) { a.held = append(a.held, a.run.object(unsafe.Pointer(p))) }

// drop lets go of c, as an actor does of all when it ends.
func (a *actor) drop(c *cell) {
	o := a.run.object(unsafe.Pointer(c))
	a.held = slices.DeleteFunc(a.held, func(h *object) bool { return h == o })
	a.run.yield("drop", nil)
}

// reachable reports whether o is held.
func (r *run) reachable(o *object) bool {
	for _, a := range r.actors {
		if slices.Contains(a.held, o) || slices.Contains(a.seen, o) {
			return true
		}
	}
	return slices.Contains(r.kept, o) || slices.ContainsFunc(r.guards, func(g *guard) bool { return g.holds(o.place) })
}

// forget has the actor that runs hold only what it holds on purpose: an operation has ended.
func (r *run) forget() {
	if a := r.running; a != nil {
		a.seen, a.made, a.since = a.seen[:0], a.made[:0], 0
	}
}

// kill waits until the object at p is not held, which dies then.
func kill[T any](a *actor, p *T) {
	o := a.run.object(unsafe.Pointer(p))
	a.run.yield("kill", func() bool { return !a.run.reachable(o) })
	o.die()
}

// killUnheld has the object at p die if it is not held now.
func killUnheld[T any](a *actor, p *T) {
	a.run.yield("kill", nil)
	if o := a.run.object(unsafe.Pointer(p)); !a.run.reachable(o) {
		o.die()
	}
}

// die makes all references to o nil and its cleanups due.
func (o *object) die() {
	o.dead = true
	o.run.record(operation{name: "kill", got: o.number, call: o.run.call()})
	for _, e := range o.atEnd {
		if e.run != nil {
			o.run.start("cleanup", func(*actor) { e.run() })
		}
	}
}
