package scenario

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap"
)

// Things that go wrong in the user's code and in the runtime's surroundings.
var faults = []Scenario{
	{"fault/panic", "a lock, a flight or an entry that is left behind when compute, Hash, an iteration body or a predicate panics or calls Goexit, as one call in a hundred does",
		needAll, rounds(panics)},
	{"fault/goexit", "callbacks that do not run, or run twice, after one has called Goexit",
		needDeaths | needCollections, rounds(goexits)},
	{"fault/knobs", "an owned key that is not found while GOGC, GOMAXPROCS and the memory limit change",
		needAll, rounds(knobs)},
	{"fault/resurrect", "a value that its runtime finalizer brought back and that is found under its old key, or is not under its new one",
		needAll, rounds(resurrections)},
	{"fault/blocked-callback", "callbacks of one container that wait for ever and hold up others",
		needDeaths | needCollections, rounds(blockedCallback)},
	{"fault/blocked-cleanup", "a runtime cleanup of somebody else that blocks: what is held must be found, Reap must work, and all goes on afterwards",
		needAll, rounds(blockedCleanup)},
}

var errFault = errors.New("fault")

// fault panics or calls Goexit, once in a hundred times.
func fault(rng *rand.Rand) {
	switch rng.IntN(200) {
	case 0:
		panic(errFault)
	case 1:
		runtime.Goexit()
	}
}

// survive runs f, which may panic with errFault, and on a goroutine of its own, which it may
// end. It reports whether f returned.
func survive(f func()) (returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil && p != errFault {
				panic(p)
			}
		}()
		f()
		returned = true
	}()
	<-done
	return returned
}

func panics(r *Round) {
	const keys = 24
	m := newMap[int](r.configuration)
	hash := m.Hash
	var draws atomic.Uint64
	m.Hash = func(key int) uint64 {
		if draws.Add(1)%1000 == 0 {
			panic(errFault)
		}
		if hash == nil {
			return uint64(key)
		}
		return hash(key)
	}
	r.collect()
	r.start(3, func(w *worker) {
		own, mine := keys+w.number, &object{}
		for !survive(func() { m.Store(own, mine) }) {
		}
		current := make(held, 4)
		for w.goOn() {
			survive(func() {
				key, v := w.rng.IntN(keys), &object{}
				current.keep(w, v)
				switch w.rng.IntN(6) {
				case 0, 1:
					_, _, _ = m.LoadOrCompute(key, func() (*object, error) {
						fault(w.rng)
						if w.rng.IntN(100) == 0 {
							return nil, errFault
						}
						return v, nil
					})
				case 2:
					m.Compute(key, func(*object) *object { fault(w.rng); return v })
				case 3:
					m.DeleteFunc(func(k int, _ *object) bool { fault(w.rng); return k == key })
				case 4:
					for range m.All() {
						fault(w.rng)
					}
				case 5:
					m.CompareAndDelete(key, v)
				}
			})
			survive(func() {
				if v, ok := m.Load(own); !ok || v != mine {
					w.violation("%v: Load = %p, %t, but its owner holds %p", w.configuration, v, ok, mine)
				}
				w.found++
			})
			w.did += 2
		}
		runtime.KeepAlive(mine)
	})
	r.wait()
	r.eventually("what nobody holds left", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
	r.within("every key can be bound and found again", func() bool {
		return survive(func() {
			for key := range keys {
				v, _, err := m.LoadOrCompute(key, func() (*object, error) { return &object{id: int64(key)}, nil })
				if err != nil || v.id != int64(key) {
					r.violation("%v: LoadOrCompute(%d) = %v, %v", r.configuration, key, v, err)
				}
			}
		})
	})
}

func goexits(r *Round) {
	n := int64(r.many(1000))
	reports, runs, calls := make(ledger, n), make(ledger, n), make(ledger, n)
	m := newMap[int64](r.configuration)
	exit := func(id int64) {
		if id%100 == 0 {
			runtime.Goexit()
		}
	}
	m.OnReap = func(id int64) { reports.report(id); exit(id) }
	refs := make([]*weakmap.Ref[object], n)
	r.collect()
	r.start(1, func(w *worker) {
		for id := range n {
			o := &object{}
			m.Store(id, o)
			weakmap.Finalize(o, func(id int64) { runs.report(id); exit(id) }, id)
			refs[id] = weakmap.NewRef(o, func() { calls.report(id); exit(id) }) //weakvet:ignore weakunheld dies on purpose
			w.did += 3
		}
		w.over.Store(true)
	})
	r.wait()
	r.settle()
	once := func(int64) uint32 { return 1 }
	for _, of := range []ledger{reports, runs, calls} {
		r.dead.Add(of.check(r, once))
	}
	r.balance(m) // No report comes when the map is gone, nor a call when its Ref is.
	runtime.KeepAlive(refs)
}

// knobs is the owner's scenario while what it runs on changes.
func knobs(r *Round) {
	r.start(1, func(w *worker) {
		procs := runtime.GOMAXPROCS(0)
		defer runtime.GOMAXPROCS(procs)
		percent := debug.SetGCPercent(100)
		defer debug.SetGCPercent(percent)
		limit := debug.SetMemoryLimit(math.MaxInt64)
		defer debug.SetMemoryLimit(limit)
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for w.goOn() {
			switch w.rng.IntN(4) {
			case 0:
				debug.SetGCPercent(1 + w.rng.IntN(400))
			case 1:
				debug.SetGCPercent(-1)
				time.Sleep(time.Millisecond)
				debug.SetGCPercent(50)
			case 2:
				metrics.Read(live)
				debug.SetMemoryLimit(int64(live[0].Value.Uint64()) * 11 / 10)
				time.Sleep(time.Millisecond)
				debug.SetMemoryLimit(math.MaxInt64)
			case 3:
				runtime.GOMAXPROCS(1 + w.rng.IntN(manyProcs))
			}
			w.did++
			time.Sleep(time.Duration(w.rng.IntN(1000)) * time.Microsecond)
		}
	})
	ownMap(r, func(i int) int { return i })
}

// resurrections counts as deaths the objects that were brought back: their old entries are dead.
func resurrections(r *Round) {
	m := newMap[int64](r.configuration)
	back := make(chan *object, 1024)
	r.collect()
	var next atomic.Int64
	r.start(2, func(w *worker) {
		for w.goOn() {
			id := next.Add(2)
			o := &object{id: id}
			runtime.SetFinalizer(o, func(o *object) {
				select {
				case back <- o:
				default: // Enough of them wait.
				}
			})
			m.Store(id, o)
			if v, ok := m.Load(id); !ok || v != o {
				w.violation("%v: Load(%d) = %p, %t, but %p is held", w.configuration, id, v, ok, o)
				return
			}
			w.did += 2
			runtime.KeepAlive(o)
			for range w.rng.IntN(64) {
				w.takeBack(m, back)
			}
		}
	})
	r.wait()
	r.eventually("all that were dropped came back, or are gone", func() bool {
		for len(back) > 0 {
			<-back
		}
		return m.Len() == 0
	})
	r.balance(m)
}

// takeBack takes an object that its finalizer has brought back, if there is one, and stores it
// under another key for a moment.
func (w *worker) takeBack(m *weakmap.Map[int64, object], back <-chan *object) {
	select {
	case o := <-back:
		if v, ok := m.Load(o.id); ok {
			w.violation("%v: Load(%d) = %p, whose death has been seen", w.configuration, o.id, v)
			return
		}
		again := o.id + 1
		m.Store(again, o)
		if v, ok := m.Load(again); !ok || v != o {
			w.violation("%v: Load(%d) = %p, %t, but %p is held", w.configuration, again, v, ok, o)
		}
		w.found++
		w.sawDeath++
		w.did += 3
		runtime.KeepAlive(o)
	default:
		runtime.Gosched()
	}
}

func blockedCallback(r *Round) {
	gate, entered := make(chan struct{}), make(chan struct{}, 1)
	stuck, free := newMap[int](r.configuration), newMap[int](r.configuration)
	n := r.many(200)
	var reports, stuckReports, finals atomic.Int64
	stuck.OnReap = func(int) {
		select {
		case entered <- struct{}{}:
		default:
		}
		<-gate
		stuckReports.Add(1)
	}
	free.OnReap = func(int) { reports.Add(1) }
	elsewhere(func() {
		for i := range n {
			stuck.Store(i, &object{})
		}
	})
	r.eventually("OnReap is called", func() bool { return len(entered) > 0 })
	elsewhere(func() {
		for i := range n {
			o := &object{}
			free.Store(i, o)
			stuck.Store(-1-i, o)
			weakmap.Finalize(o, func(int) { finals.Add(1) }, i)
		}
	})
	r.eventually("the entries of both maps left, and the callbacks of others ran", func() bool {
		return free.Len()+stuck.Len() == 0 && reports.Load() == int64(n) && finals.Load() == int64(n)
	})
	if late := stuckReports.Load(); late != 0 {
		r.violation("%v: OnReap ran %d times while one call of it is blocked", r.configuration, late)
	}
	close(gate)
	r.within("the reports that waited come", func() bool { return stuckReports.Load() == int64(2*n) })
	r.ops.Add(int64(4 * n))
	r.dead.Add(reports.Load() + stuckReports.Load())
}

func blockedCleanup(r *Round) {
	gate := make(chan struct{})
	m := newMap[int](r.configuration)
	n := r.many(500)
	var blocked atomic.Int64
	r.eventually("a cleanup blocks", func() bool {
		elsewhere(func() {
			for range 200 {
				runtime.AddCleanup(&object{}, func(gate chan struct{}) { blocked.Add(1); <-gate }, gate)
			}
		})
		return blocked.Load() > 0
	})
	current := make(held, n)
	for round := 0; round < 3; round++ {
		elsewhere(func() {
			for i := range n {
				m.Store(n+i, &object{})
			}
		})
		for i := range current {
			current[i] = &object{id: int64(i)}
			m.Store(i, current[i])
		}
		r.eventually("Reap removes what is dead", func() bool { m.Reap(); return m.Len() == n })
		for i, v := range current {
			if got, ok := m.Load(i); !ok || got != v {
				r.violation("%v: Load(%d) = %p, %t, want %p, which is held", r.configuration, i, got, ok, v)
				break
			}
		}
		r.ops.Add(int64(3 * n))
		r.hits.Add(int64(n))
	}
	close(gate)
	current.release()
	r.eventually("all left when the cleanup ended", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}
