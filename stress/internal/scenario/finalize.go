package scenario

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap"
)

// Functions that run once, for whichever reason comes first.
var finalizers = []Scenario{
	{"finalize/once", "a function that runs twice, or never, or after Detach, when collection, Call, Detach and RunAtExit meet",
		needAll, rounds(finalizeOnce)},
	{"finalize/ref", "a callback of a Ref that runs twice, or never, or although Stop said that it was stopped",
		needDeaths | needCollections, rounds(refOnce)},
}

// finalizeOnce counts as hits the calls that won.
func finalizeOnce(r *Round) {
	const n = 2000
	runs, detached := make(ledger, n), make([]atomic.Bool, n)
	r.collect()
	var next atomic.Int64
	r.start(3, func(w *worker) {
		for w.goOn() {
			id := next.Add(1) - 1
			if id >= n {
				w.over.Store(true)
				return
			}
			f := weakmap.Finalize(&object{}, runs.report, id)
			if arg, ok := f.Peek(); ok && arg != id {
				w.violation("Peek = %d, want %d", arg, id)
			}
			f.AtExit(w.rng.IntN(4) == 0)
			if w.rng.IntN(2) == 0 {
				time.Sleep(time.Duration(w.rng.IntN(300)) * time.Microsecond) // the collection comes first, perhaps
			}
			switch w.rng.IntN(4) {
			case 0:
				before := runs[id].Load()
				if f.Call() {
					w.found++
					if after := runs[id].Load(); before != 0 || after != 1 {
						w.violation("Call = true, and number %d ran %d times before and %d after", id, before, after)
					}
				}
			case 1:
				if f.Detach() {
					detached[id].Store(true)
				}
			case 2:
				go f.Call()
				f.Call()
			}
			if w.rng.IntN(100) == 0 {
				weakmap.RunAtExit()
			}
			w.did += 4
		}
	})
	r.wait()
	made := min(next.Load(), n)
	if made > 0 {
		r.eventually("every function that was not detached has run", func() bool {
			for id := range made {
				if runs[id].Load() == 0 && !detached[id].Load() {
					return false
				}
			}
			return true
		})
	}
	r.settle()
	r.dead.Add(runs[:made].check(r, func(id int64) uint32 {
		if detached[id].Load() {
			return 0
		}
		return 1
	}))
}

func refOnce(r *Round) {
	const n = 2000
	calls, stopped := make(ledger, n), make([]atomic.Bool, n)
	refs := make([]*weakmap.Ref[object], n)
	r.collect()
	var next atomic.Int64
	r.start(3, func(w *worker) {
		for w.goOn() {
			id := next.Add(1) - 1
			if id >= n {
				w.over.Store(true)
				return
			}
			o := &object{id: id}
			ref := weakmap.NewRef(o, func() { calls.report(id) })
			refs[id] = ref
			if v := ref.Value(); v != o {
				w.violation("Value = %p, but %p is held", v, o)
			}
			if w.rng.IntN(2) == 0 {
				time.Sleep(time.Duration(w.rng.IntN(300)) * time.Microsecond)
			}
			if w.rng.IntN(3) == 0 {
				stopped[id].Store(ref.Stop())
			}
			w.did += 2
		}
	})
	r.wait()
	made := min(next.Load(), n)
	r.settle()
	r.dead.Add(calls[:made].check(r, func(id int64) uint32 {
		if stopped[id].Load() {
			return 0
		}
		return 1
	}))
	for id := range made {
		if v := refs[id].Value(); v != nil {
			r.violation("Value = %p after Settle, but nobody holds it", v)
			return
		}
	}
	runtime.KeepAlive(refs)
}
