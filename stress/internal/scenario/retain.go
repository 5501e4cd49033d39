package scenario

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// Config.Retain, RetainFor and RetainMax: a container holds what was used recently, and nothing else,
// on all containers side by side. The last two are in bound.go.
var retentions = []Scenario{
	{"retain/used", "a value that is let go although lookups use it, or held although nothing does",
		needAll, rounds(lookedUp)},
	{"retain/iterated", "a value that is let go although iterations yield it",
		needAll, rounds(iterated)},
	{"retain/again", "a value that is used again after it was let go, and is not held again",
		needAll, rounds(usedAgain)},
	{"retain/removed", "a value that is held by an entry that was deleted, replaced or cleared, or by a container that was dropped",
		needAll, rounds(removedAndDropped)},
	{"retain/count", "a count of what is held that is below zero during hits, deletions and passes, or wrong after them",
		needHits | needCollections, rounds(countedAfterAll)},
	{"retain/met", "a value that is held for good, or counted, because it was used just when it was removed",
		needHits | needCollections, rounds(metByRemoval)},
	{"retain/bound", "more that is held than RetainMax and the shards allow, fewer once it is full, or a value that is let go although it is used all the time",
		needAll, rounds(bounded)},
	{"retain/time", "a value that is gone within RetainFor of its last use, or held for good after it",
		needAll, rounds(timed)},
}

const (
	// used objects are used all the time; each kind of container has its own.
	used = 30

	// unused ones are in the container beside them.
	unused = 100

	// maxCollections is how many collections containers hold what is not used here, at most.
	maxCollections = 4

	// passesSpare is how many passes an unused object may stay beyond the collections for which it is
	// to be held: the first begins its time, and the last may be at other containers still.
	passesSpare = 2

	// forEver holds what is not removed. Its low bits are 0, in case they are taken for the whole.
	forEver = math.MaxInt/2 + 1
)

// passes waits until the reaper has gone over the containers that many times.
func (r *Run) passes(n int) {
	canary := &weakmap.Map[int, object]{}
	for range n {
		elsewhere(func() { canary.Store(0, &object{}) })
		r.within("a pass comes", func() bool {
			if canary.Len() == 0 {
				return true
			}
			runtime.GC()
			time.Sleep(time.Millisecond) // for others to use what they want to keep
			return false
		})
	}
}

// A user uses its objects in one container, and knows when it did so last.
type user struct {
	*worker
	of      retainer
	retain  int64 // collections for which the container holds what is not used
	objects [used]weak.Pointer[object]
	last    [used]int64 // collections that had ended before the last use
}

// bind binds a new object.
func (u *user) bind(id int64) {
	u.last[id] = collections()
	u.objects[id] = weak.Make(u.of.add(id))
}

// found says whether an object was found by a use that began when that many collections had ended.
// It may be gone only if the container has let it go, and a collection came after that.
func (u *user) found(id int64, found bool, began int64) {
	switch since := collections() - u.last[id]; {
	case !found && since <= u.retain:
		u.violation("%v: %v: object %d is gone %d collections after its use, and was to be held for %d", u.configuration, u.of, id, since, u.retain)
	case !found:
		u.bind(id)
		return
	case began > u.last[id]:
		u.worker.found++ // It was held over a collection.
	}
	u.last[id] = began
}

// lookUp uses all objects of the user.
func (u *user) lookUp() {
	began := collections()
	for id := range int64(used) {
		u.found(id, u.of.use(u.rng, id, u.objects[id]), began)
	}
}

// iterate has an iteration use them.
func (u *user) iterate() {
	began := collections()
	var yielded [used]bool
	for o := range u.of.each() {
		yielded[o.id] = weak.Make(o) == u.objects[o.id]
	}
	for id, y := range yielded {
		u.found(int64(id), y, began)
	}
}

// startUsers starts a user for each container, which goes on until stop is called. Between two uses
// it lets some collections go by, no more than its objects are to be held for: if they are let go
// too early, one of these collections finds them dead.
func (r *Round) startUsers(of []retainer, retain int, use func(*user)) (stop func()) {
	var stopped atomic.Bool
	r.start(len(of), func(w *worker) {
		u := &user{worker: w, of: of[w.number], retain: int64(retain)}
		for id := range int64(used) {
			u.bind(id)
		}
		for !stopped.Load() && u.ctx.Err() == nil {
			use(u)
			w.did += used
			w.flush()
			for next := collections() + w.rng.Int64N(int64(retain)+1); collections() < next && !stopped.Load(); {
				time.Sleep(100 * time.Microsecond)
			}
		}
	})
	return func() { stopped.Store(true); r.wait() }
}

func lookedUp(r *Round) {
	retain := 1 + r.rng.IntN(maxCollections)
	containers := retainers(r.configuration, retain)
	var others []weak.Pointer[object]
	elsewhere(func() {
		for _, c := range containers {
			for id := range int64(unused) {
				others = append(others, weak.Make(c.add(used+id)))
			}
		}
	})
	stop := r.startUsers(containers, retain, (*user).lookUp)
	r.passes(retain + passesSpare)
	stop()
	for _, c := range containers {
		if held := c.Stats().Retained; held > used {
			r.violation("%v: %v: %d are held after %d passes, and %d of them were used; Retain is %d", r.configuration, c, held, retain+passesSpare, used, retain)
			return
		}
	}
	r.allLeave(containers, retain)
	r.eventually("what was not used is gone", func() bool { return alive(others) == 0 })
	r.dead.Add(int64(len(others)))
}

func iterated(r *Round) {
	retain := 1 + r.rng.IntN(maxCollections)
	containers := retainers(r.configuration, retain)
	stop := r.startUsers(containers, retain, (*user).iterate)
	r.passes(retain + passesSpare)
	stop()
	r.allLeave(containers, retain)
}

// usedAgain holds the objects itself until the containers have let them go, and then uses them.
func usedAgain(r *Round) {
	retain := 1 + r.rng.IntN(maxCollections)
	containers := retainers(r.configuration, retain)
	objects := make([]held, len(containers))
	for i, c := range containers {
		for id := range int64(used) {
			objects[i] = append(objects[i], c.add(id))
		}
	}
	r.passes(retain + passesSpare)
	for i, c := range containers {
		began := collections()
		for id, o := range objects[i] {
			if !c.use(r.rng, int64(id), weak.Make(o)) {
				r.violation("%v: %v: object %d is not found, although it is held", r.configuration, c, id)
			}
		}
		n := c.Stats().Retained
		if since := collections() - began; n != used && since <= int64(retain) {
			r.violation("%v: %v: %d of %d are held %d collections after they were used again; Retain is %d", r.configuration, c, n, used, since, retain)
		}
		objects[i].release()
		r.ops.Add(used)
		r.hits.Add(used)
	}
	r.allLeave(containers, retain)
}

// allLeave waits until the containers, which are no longer used, are empty.
func (r *Round) allLeave(containers []retainer, retain int) {
	r.passes(retain + passesSpare)
	for _, c := range containers {
		if held := c.Stats().Retained; held != 0 {
			r.violation("%v: %v: %d are held %d passes after the last use; Retain is %d", r.configuration, c, held, retain+passesSpare, retain)
			return
		}
		r.eventually("all left", func() bool { return c.Len() == 0 })
		r.dead.Add(int64(r.balance(c).Reaped))
	}
}

func removedAndDropped(r *Round) {
	n := r.many(200)
	var dropped []weak.Pointer[object]
	for _, c := range retainers(r.configuration, forEver) {
		var kept, gone []weak.Pointer[object]
		elsewhere(func() {
			for id := range int64(n) {
				o := c.add(id)
				if id%2 == 0 && c.remove(r.rng, o) {
					gone = append(gone, weak.Make(o))
				} else {
					kept = append(kept, weak.Make(o))
				}
			}
		})
		r.passes(passesSpare)
		r.holdsAll(c)
		r.eventually("what was removed is gone", func() bool { return alive(gone) == 0 })
		if living := alive(kept); living != len(kept) {
			r.violation("%v: %v: %d of %d are alive, and all are to be held", r.configuration, c, living, len(kept))
		}
		r.ops.Add(int64(n))
		r.hits.Add(int64(len(kept)))
		c.Clear()
		r.holdsAll(c)
		r.eventually("what was cleared is gone", func() bool { return alive(kept) == 0 })
		r.dead.Add(int64(len(gone) + len(kept)))
		elsewhere(func() {
			for id := range int64(n) {
				dropped = append(dropped, weak.Make(c.add(id)))
			}
		})
	}
	r.eventually("what dropped containers held is gone", func() bool { return alive(dropped) == 0 })
	r.dead.Add(int64(len(dropped)))
}

// holdsAll checks that a container holds each of its objects, which are all that it is to hold.
func (r *Round) holdsAll(c retainer) {
	if s := c.Stats(); s.Retained != s.Entries || s.Entries != c.Len() {
		r.violation("%v: %v: %d of %d entries are held, and %d found by Len", r.configuration, c, s.Retained, s.Entries, c.Len())
	}
}

func countedAfterAll(r *Round) {
	numbers := []int64{1, 40}[r.rng.IntN(2)] // With one, the count is next to zero all the time.
	containers := retainers(r.configuration, 1)
	rows := make([][]atomic.Pointer[object], len(containers)) // what the test itself holds
	for i := range rows {
		rows[i] = make([]atomic.Pointer[object], numbers)
	}
	r.collect()
	r.start(2*len(containers), func(w *worker) {
		c, row := containers[w.number%len(containers)], rows[w.number%len(containers)]
		for w.goOn() {
			id := w.rng.Int64N(numbers)
			switch o := row[id].Load(); {
			case o == nil:
				row[id].Store(c.add(id))
			case w.rng.IntN(4) == 0:
				c.remove(w.rng, o)
				row[id].Store(nil)
			case w.rng.IntN(200) == 0:
				c.Clear()
			case c.use(w.rng, id, weak.Make(o)):
				w.found++
			}
			if w.rng.IntN(16) == 0 {
				for range c.each() {
				}
			}
			w.did++
		}
	})
	r.start(len(containers), func(w *worker) {
		for c := containers[w.number]; w.goOn(); {
			for range 1000 { // A reader that is interrupted within its sum is what can go wrong.
				if held := c.Stats().Retained; held < 0 {
					w.violation("%v: %v: %d are held", w.configuration, c, held)
					return
				}
			}
			w.did += 1000
		}
	})
	r.wait()
	for _, c := range containers {
		if !r.counts(c) {
			return
		}
	}
}

// counts checks that a container that is not in use counts what it holds: none after all was
// removed, and all right after all was used.
func (r *Round) counts(c retainer) bool {
	const n = 50
	c.Clear()
	if !r.within(c.String()+" holds nothing after Clear", func() bool { return c.Stats().Retained == 0 }) {
		return false
	}
	var objects [n]*object
	for id := range objects {
		objects[id] = c.add(int64(id))
	}
	counted := r.within(c.String()+" holds all that was just used", func() bool {
		for id, o := range objects {
			c.use(r.rng, int64(id), weak.Make(o))
		}
		return c.Stats().Retained == n
	})
	runtime.KeepAlive(&objects)
	clear(objects[:])
	c.Clear()
	return counted
}

// metByRemoval uses each object just when it is removed, after the container has let it go.
func metByRemoval(r *Round) {
	n := int64(r.many(500))
	containers := retainers(r.configuration, 1)
	for _, c := range containers {
		objects := make(held, n)
		for id := range objects {
			objects[id] = c.add(int64(id))
		}
		r.passes(1 + passesSpare)
		var arrived atomic.Int64 // two for each object
		r.start(2, func(w *worker) {
			for id, o := range objects {
				for arrived.Add(1); arrived.Load() < 2*int64(id+1); {
					runtime.Gosched()
				}
				if w.number%2 == 0 {
					c.remove(w.rng, o)
				} else if c.use(w.rng, int64(id), weak.Make(o)) {
					w.found++
				}
			}
			w.did += n
		})
		r.wait()
		objects.release()
		if !r.counts(c) {
			return
		}
	}
}
