package scenario

import (
	"runtime"
	"sync/atomic"

	"github.com/go-weak/weakmap"
)

// What went in came out: each goroutine adds up what its calls did, and the container must say the
// same.
var accounts = []Scenario{
	{"account/books", "a removal that is counted twice or not at all, by two who both think that they made it",
		needDeaths | needCollections, rounds(books)},
	{"account/once-map", "an entry that is reported to OnReap twice, or never, or although it was deleted",
		needDeaths | needCollections, rounds(reportedOnce)},
	{"account/once-keymap", "the same for the values of a weak-keyed map",
		needDeaths | needCollections, rounds(valuesReportedOnce)},
}

func books(r *Round) {
	const keys = 60
	m := newMap[int](r.configuration)
	var reported, inserts, deletes atomic.Int64
	m.OnReap = func(int) { reported.Add(1) }
	r.collect()
	r.start(4, func(w *worker) {
		current := make(held, 8)
		for w.goOn() {
			key, v := w.rng.IntN(keys), &object{}
			current.keep(w, v)
			// A LoadAndDelete cuts off a load, whose value is then not inserted: so they do not meet.
			switch w.rng.IntN(9) {
			case 0, 1:
				if _, loaded := m.LoadOrStore(key, v); !loaded {
					inserts.Add(1)
				}
			case 2:
				if _, loaded := m.LoadAndDelete(key | 1); loaded {
					deletes.Add(1)
				}
			case 3, 4:
				inserts.Add(1)
				if _, loaded := m.Swap(key, v); loaded {
					deletes.Add(1)
				}
			case 5:
				if old, ok := m.Load(key); ok && m.CompareAndSwap(key, old, v) {
					inserts.Add(1)
					deletes.Add(1)
				}
			case 6:
				if old, ok := m.Load(key); ok && m.CompareAndDelete(key, old) {
					deletes.Add(1)
				}
			case 7:
				if _, loaded, _ := m.LoadOrCompute(key&^1, func() (*object, error) { return v, nil }); !loaded {
					inserts.Add(1)
				}
			case 8:
				deletes.Add(int64(m.DeleteFunc(func(k int, _ *object) bool { return k == key })))
			}
			w.did++
		}
		runtime.KeepAlive(current)
	})
	r.wait()
	if s := r.balance(m); int64(s.Inserts) != inserts.Load() || int64(s.Deleted) != deletes.Load() {
		r.violation("%v: %+v, want %d inserts and %d deletions", r.configuration, s, inserts.Load(), deletes.Load())
	}
	r.eventually("all values died", func() bool { return m.Len() == 0 })
	r.settle()
	if s := m.Stats(); int64(s.Reaped) != inserts.Load()-deletes.Load() || int64(s.Reaped) != reported.Load() {
		r.violation("%v: %+v and %d reports, want what was inserted and not deleted: %d", r.configuration, s, reported.Load(), inserts.Load()-deletes.Load())
	}
	r.dead.Add(reported.Load())
}

// A ledger counts what is reported of things that are numbered from 0.
type ledger []atomic.Uint32

func (l ledger) report(id int64) { l[id].Add(1) }

// check compares what was reported with what was due.
func (l ledger) check(r *Round, due func(id int64) uint32) (total int64) {
	for id := range l {
		reports := l[id].Load()
		if want := due(int64(id)); reports != want {
			r.violation("%v: %d reports of number %d, want %d", r.configuration, reports, id, want)
			return total
		}
		total += int64(reports)
	}
	return total
}

// What becomes of a thing that was numbered.
const (
	kept = iota
	dropped
	deleted
	fates
)

// due is how often a thing with the given number is to be reported.
func due(id int64) uint32 {
	if id%fates == dropped {
		return 1
	}
	return 0
}

func reportedOnce(r *Round) {
	n := r.many(3000)
	reports := make(ledger, n)
	m := newMap[int64](r.configuration)
	m.OnReap = reports.report
	r.collect()
	var next atomic.Int64
	var held [2][]*object
	r.start(2, func(w *worker) {
		for w.goOn() {
			id := next.Add(1) - 1
			if id >= int64(n) {
				w.over.Store(true)
				return
			}
			v := &object{id: id}
			m.Store(id, v)
			switch id % fates {
			case kept:
				held[w.number] = append(held[w.number], v)
			case deleted:
				m.Delete(id)
			}
			runtime.KeepAlive(v)
			w.did++
		}
	})
	r.start(1, func(w *worker) { // Others that remove what is dead.
		for w.goOn() {
			m.Reap()
			w.did++
			runtime.Gosched()
		}
	})
	r.wait()
	stored := min(next.Load(), int64(n))
	r.settle()
	r.dead.Add(reports[:stored].check(r, due))
	if s := r.balance(m); s.Reaped != uint64(reports[:stored].check(r, due)) {
		r.violation("%v: %+v, but %d reports", r.configuration, s, r.dead.Load())
	}
	for _, objects := range held {
		for _, v := range objects {
			if got, ok := m.Load(v.id); !ok || got != v {
				r.violation("%v: Load(%d) = %p, %t, want %p, which is held", r.configuration, v.id, got, ok, v)
				return
			}
		}
	}
}

func valuesReportedOnce(r *Round) {
	const n = 3000
	reports := make(ledger, n)
	m := &weakmap.KeyMap[object, int64]{Config: r.config(), OnReap: reports.report}
	r.collect()
	var next atomic.Int64
	var held [2][]*object
	r.start(2, func(w *worker) {
		for w.goOn() {
			id := next.Add(1) - 1
			if id >= n {
				w.over.Store(true)
				return
			}
			k := &object{}
			m.Store(k, id)
			switch id % fates {
			case kept:
				held[w.number] = append(held[w.number], k)
			case deleted:
				if v, loaded := m.LoadAndDelete(k); !loaded || v != id {
					w.violation("%v: LoadAndDelete = %d, %t, want %d, true", w.configuration, v, loaded, id)
				}
			}
			w.did++
		}
	})
	r.wait()
	stored := min(next.Load(), n)
	r.settle()
	r.dead.Add(reports[:stored].check(r, due))
	r.balance(m)
	runtime.KeepAlive(&held)
}
