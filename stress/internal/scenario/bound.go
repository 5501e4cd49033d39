package scenario

import (
	"runtime"
	"sync/atomic"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// shardsAtMost returns how many shards a container of the configuration can come to have.
func (c configuration) shardsAtMost() int {
	if c.shards != 0 {
		return c.shards
	}
	n := 1
	for n < 4*runtime.GOMAXPROCS(0) {
		n *= 2
	}
	return n
}

// bounded has containers with RetainMax hold, use and remove what they can, beside collections.
func bounded(r *Round) {
	most := []int{1, 10, 100}[r.rng.IntN(3)]
	limit := most + r.shardsAtMost() - 1
	containers := retaining(r.configuration, weakmap.Config{RetainMax: most})
	numbers := int64(4 * most)
	rows := make([][]atomic.Pointer[object], len(containers)) // what the test itself holds
	for i := range rows {
		rows[i] = make([]atomic.Pointer[object], numbers)
	}
	r.collect()
	r.start(2*len(containers), func(w *worker) {
		c, row := containers[w.number%len(containers)], rows[w.number%len(containers)]
		for w.goOn() {
			for range 16 {
				id := w.rng.Int64N(numbers)
				switch o := row[id].Load(); {
				case o == nil:
					row[id].Store(c.add(id))
				case w.rng.IntN(8) == 0:
					row[id].Store(nil) // The container may hold it still.
				case w.rng.IntN(8) == 0:
					c.remove(w.rng, o)
					row[id].Store(nil)
				case c.use(w.rng, id, weak.Make(o)):
					w.found++
				}
				w.did++
				if held := c.Stats().Retained; held > limit || held < 0 {
					w.violation("%v: %v: %d are held, with RetainMax %d the limit is %d", w.configuration, c, held, most, limit)
					return
				}
			}
			if w.rng.IntN(16) == 0 {
				for range c.each() {
				}
			}
		}
	})
	r.wait()
	for i, c := range containers {
		clear(rows[i])
		r.full(c, most, limit)
		if c.Clear(); c.Stats().Retained != 0 {
			r.violation("%v: %v: %d are held after Clear", r.configuration, c, c.Stats().Retained)
		}
	}
	r.usedStays()
}

// full checks a container into which more comes than it may hold.
func (r *Round) full(c retainer, most, limit int) {
	c.Clear()
	before := c.Stats().Evicted
	elsewhere(func() {
		for id := range int64(3 * limit) {
			c.add(id)
		}
	})
	s := c.Stats()
	if s.Retained < most || s.Retained > limit {
		r.violation("%v: %v: %d are held of %d, want %d to %d", r.configuration, c, s.Retained, 3*limit, most, limit)
	}
	if got := int(s.Evicted - before); got != 3*limit-s.Retained {
		r.violation("%v: %v: %d were evicted, and of %d there are %d held", r.configuration, c, got, 3*limit, s.Retained)
	}
	// What is not held is found dead. At the next pass, not at a collection, it is counted.
	r.within("what was let go is reaped", func() bool {
		runtime.GC()
		s := c.Stats()
		return s.Entries == s.Retained
	})
	r.dead.Add(int64(3*limit - s.Retained))
}

const (
	// hot objects are used between any two batches of others that come and go.
	hot = 16

	// batch is how many others come between. A hand that goes over the queue lets go of one other
	// for each that comes, as none of them is used. So it comes to a hot object once in boundOfHot -
	// hot of them at most.
	batch = 16

	boundOfHot = 64
)

// usedStays uses some objects all the time, while others push in. A container of one shard is to keep them.
// With several a shard may hold one object alone, which must make room for another of its shard.
func (r *Round) usedStays() {
	c := r.configuration
	c.shards = 1
	turns := r.many(60)
	containers := retaining(c, weakmap.Config{RetainMax: boundOfHot})
	var ended atomic.Int64
	r.start(2*len(containers), func(w *worker) {
		of := containers[w.number/2]
		if w.number%2 == 1 {
			for ended.Load() < int64(len(containers)) && w.ctx.Err() == nil {
				runtime.GC()
				time.Sleep(time.Millisecond)
			}
			return
		}
		defer ended.Add(1)
		var objects [hot]weak.Pointer[object]
		elsewhere(func() {
			for id := range objects {
				objects[id] = weak.Make(of.add(int64(id)))
			}
		})
		next := int64(hot)
		for turn := range turns {
			for id, o := range objects {
				if !of.use(w.rng, int64(id), o) {
					w.violation("%v: %v: object %d is gone in turn %d, and was used %d insertions before; RetainMax is %d", c, of, id, turn, batch, boundOfHot)
					return
				}
				w.found++
			}
			elsewhere(func() {
				for range batch {
					of.add(next)
					next++
				}
			})
			w.did += hot + batch
		}
	})
	r.wait()
}

// A limiter uses objects in one container, which is to keep each for some time from its last use.
type limiter struct {
	*worker
	of      retainer
	window  time.Duration
	objects [used]weak.Pointer[object]
	last    [used]time.Time // before the last use
	cycles  [used]int64     // collections that had ended then
}

// lookUp uses all objects. One that is gone must have gone unused for as long as it is to be held:
// it was used after what last says, and looked up before now.
func (l *limiter) lookUp() {
	for id := range int64(used) {
		begun, cycles := time.Now(), collections()
		if l.of.use(l.rng, id, l.objects[id]) {
			if cycles > l.cycles[id] {
				l.found++ // It was held over a collection.
			}
		} else {
			if unused := time.Since(l.last[id]); unused < l.window {
				l.violation("%v: %v: object %d is gone %v after its use, and was to be held for %v", l.configuration, l.of, id, unused, l.window)
				return
			}
			l.bind(id)
		}
		l.last[id], l.cycles[id] = begun, cycles
	}
	l.did += used
}

func (l *limiter) bind(id int64) {
	l.last[id], l.cycles[id] = time.Now(), collections()
	l.objects[id] = weak.Make(l.of.add(id))
}

func timed(r *Round) {
	window := []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond}[r.rng.IntN(3)]
	containers := retaining(r.configuration, weakmap.Config{RetainFor: window})
	r.collect()
	r.start(len(containers), func(w *worker) {
		l := &limiter{worker: w, of: containers[w.number], window: window}
		for id := range int64(used) {
			l.bind(id)
		}
		for l.goOn() {
			l.lookUp()
			switch l.rng.IntN(50) {
			case 0:
				time.Sleep(window + window/2) // Some may go.
			case 1:
				time.Sleep(window - window/4)
			}
		}
	})
	r.wait()
	for _, c := range containers {
		if !r.eventually("nothing is held when the time is up", func() bool { return c.Stats().Retained == 0 }) ||
			!r.eventually("all left", func() bool { return c.Len() == 0 }) {
			return
		}
		r.dead.Add(int64(r.balance(c).Reaped))
	}
}
