package suite

import (
	"errors"
	"math"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap"
)

// outcome is the result of a call of LoadOrCompute.
type outcome struct {
	value  *record
	loaded bool
	err    error
	panic  any
	ended  bool // the call ended by a panic or by Goexit
}

// flight is a computation held up by the test, and the calls that wait for it.
type flight struct {
	m       *weakmap.Map[int, record]
	proceed chan func() (*record, error) // what the first computation ends with
	first   chan outcome                 // of the call that computes first
	waiters chan outcome
	n       int          // waiters
	again   atomic.Int32 // computations begun by waiters
}

// takeOff starts a LoadOrCompute of key 1 whose computation blocks, and n more calls
// that wait for it. A waiter that has to compute calls instead.
func takeOff(t *testing.T, c configuration, n int, instead func() (*record, error)) *flight {
	t.Helper()
	f := &flight{
		m:       newMap[int, record](c),
		proceed: make(chan func() (*record, error)),
		first:   make(chan outcome, 1),
		waiters: make(chan outcome, n),
		n:       n,
	}
	begun := make(chan struct{})
	go call(f.m, f.first, func() (*record, error) {
		close(begun)
		return (<-f.proceed)()
	})
	await(t, "the first computation begins", begun)
	for range n {
		go call(f.m, f.waiters, func() (*record, error) {
			f.again.Add(1)
			return instead()
		})
	}
	awaitParked(t, n+1, "LoadOrCompute")
	if f.again.Load() != 0 {
		t.Fatal("a second computation runs beside the first")
	}
	return f
}

func call(m *weakmap.Map[int, record], result chan<- outcome, compute func() (*record, error)) {
	o := outcome{ended: true}
	defer func() {
		if o.ended {
			o.panic = recover()
		}
		result <- o
	}()
	o.value, o.loaded, o.err = m.LoadOrCompute(1, compute)
	o.ended = false
}

// land lets the first computation end with result and returns the results of the calls.
func (f *flight) land(t *testing.T, result func() (*record, error)) (first outcome, waiters []outcome) {
	t.Helper()
	f.proceed <- result
	return f.collect(t)
}

func (f *flight) collect(t *testing.T) (first outcome, waiters []outcome) {
	t.Helper()
	within(t, "every call of LoadOrCompute ends", func() bool {
		return len(f.first) == 1 && len(f.waiters) == f.n
	})
	for range f.n {
		waiters = append(waiters, <-f.waiters)
	}
	return <-f.first, waiters
}

func unexpected() (*record, error) { return nil, errors.New("a waiter computed") }

func TestLoadOrComputeComputesOnceAndThenLoads(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		v := &record{id: 1}
		if got, loaded, err := m.LoadOrCompute(1, func() (*record, error) { return v, nil }); got != v || loaded || err != nil {
			t.Errorf("LoadOrCompute of an unbound key = %p, %t, %v, want its own value %p, false, nil", got, loaded, err, v)
		}
		if got, loaded, err := m.LoadOrCompute(1, unexpected); got != v || !loaded || err != nil {
			t.Errorf("LoadOrCompute of a bound key = %p, %t, %v, want %p, true, nil", got, loaded, err, v)
		}
		if got, ok := m.Load(1); !ok || got != v {
			t.Errorf("Load = %p, %t, want %p, true", got, ok, v)
		}
		runtime.KeepAlive(v)
	})
}

func TestCallersOfOneKeyShareOneComputation(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		f := takeOff(t, c, 5, unexpected)
		v := &record{id: 1}
		first, waiters := f.land(t, func() (*record, error) { return v, nil })
		if first.value != v || first.loaded || first.err != nil {
			t.Errorf("the call that computed got %+v, want %p with loaded false", first, v)
		}
		for _, w := range waiters {
			if w.value != v || !w.loaded || w.err != nil {
				t.Errorf("a waiter got %+v, want the same %p with loaded true", w, v)
			}
		}
		if got, ok := f.m.Load(1); !ok || got != v {
			t.Errorf("Load = %p, %t, want %p, true", got, ok, v)
		}
		runtime.KeepAlive(v)
	})
}

func TestAnErrorGoesToEveryoneWhoWaitedAndNothingIsStored(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		failure, beside := errors.New("no such thing"), &record{id: 1}
		for what, result := range map[string]struct {
			value     *record
			err, want error
		}{
			"an error":                {nil, failure, failure},
			"a value beside an error": {beside, failure, failure},
			"neither":                 {nil, nil, weakmap.ErrNilValue},
		} {
			f := takeOff(t, c, 3, unexpected)
			first, waiters := f.land(t, func() (*record, error) { return result.value, result.err })
			for _, o := range append(waiters, first) {
				if !errors.Is(o.err, result.want) || o.ended {
					t.Errorf("compute returned %s: a caller got %+v, want error %q", what, o, result.want)
				}
			}
			if got, ok := f.m.Load(1); ok || f.m.Len() != 0 {
				t.Errorf("compute returned %s: %p is stored, Len = %d", what, got, f.m.Len())
			}
			v := &record{id: 2}
			if got, loaded, err := f.m.LoadOrCompute(1, func() (*record, error) { return v, nil }); got != v || loaded || err != nil {
				t.Errorf("the call after %s = %p, %t, %v, want it to compute again", what, got, loaded, err)
			}
			runtime.KeepAlive(v)
		}
		runtime.KeepAlive(beside)
	})
}

// A call that ends without a result must leave neither the waiters waiting forever nor the
// key blocked, and must not send them all off to compute at once.
func TestAfterAPanicOrGoexitOneWaiterTakesOver(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		for what, end := range map[string]func() (*record, error){
			"a panic": func() (*record, error) { panic("mine") },
			"Goexit":  func() (*record, error) { runtime.Goexit(); return nil, nil },
		} {
			v := &record{id: 1}
			begun, proceed := make(chan struct{}, 9), make(chan struct{})
			f := takeOff(t, c, 4, func() (*record, error) {
				begun <- struct{}{}
				<-proceed
				return v, nil
			})
			f.proceed <- end
			await(t, "a waiter takes over", begun)
			awaitParked(t, 4, "LoadOrCompute")
			if n := f.again.Load(); n != 1 {
				t.Errorf("after %s %d waiters compute at once, want one", what, n)
			}
			close(proceed)
			first, waiters := f.collect(t)
			if !first.ended || (what == "a panic") != (first.panic == "mine") {
				t.Errorf("%s in compute came to %+v, want it to go on to the caller", what, first)
			}
			stored := 0
			for _, w := range waiters {
				if w.value != v || w.err != nil || w.ended {
					t.Errorf("after %s a waiter got %+v, want %p", what, w, v)
				}
				if !w.loaded {
					stored++
				}
			}
			if n := f.again.Load(); n != 1 || stored != 1 {
				t.Errorf("after %s waiters computed %d times and %d saw loaded false, want one and one", what, n, stored)
			}
			runtime.KeepAlive(v)
		}
	})
}

func TestEveryCallerPanicsIfEveryComputationPanics(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		f := takeOff(t, c, 4, func() (*record, error) { panic("again") })
		first, waiters := f.land(t, func() (*record, error) { panic("first") })
		if first.panic != "first" {
			t.Errorf("the first call came to %+v, want its own panic", first)
		}
		for _, w := range waiters {
			if w.panic != "again" {
				t.Errorf("a waiter came to %+v, want its own panic", w)
			}
		}
		mustStillWork(t, f.m, 1)
	})
}

// binders are the ways to bind key 1 while it is being computed.
var binders = map[string]func(m *weakmap.Map[int, record], v *record){
	"Store":       func(m *weakmap.Map[int, record], v *record) { m.Store(1, v) },
	"Swap":        func(m *weakmap.Map[int, record], v *record) { m.Swap(1, v) },
	"LoadOrStore": func(m *weakmap.Map[int, record], v *record) { m.LoadOrStore(1, v) },
	"Compute": func(m *weakmap.Map[int, record], v *record) {
		m.Compute(1, func(*record) *record { return v })
	},
}

func TestAStoreMadeMeanwhileWins(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		stored, computed := &record{id: 1}, &record{id: 2}
		for what, result := range map[string]func() (*record, error){
			"a value":  func() (*record, error) { return computed, nil },
			"an error": func() (*record, error) { return nil, errors.New("failed") },
			"neither":  func() (*record, error) { return nil, nil },
		} {
			for how, bind := range binders {
				f := takeOff(t, c, 2, unexpected)
				bind(f.m, stored)
				if got, ok := f.m.Load(1); !ok || got != stored {
					t.Errorf("Load during the computation = %p, %t, want what %s bound: %p", got, ok, how, stored)
				}
				if got, loaded, err := f.m.LoadOrCompute(1, unexpected); got != stored || !loaded || err != nil {
					t.Errorf("a call after %s = %p, %t, %v, want %p, true, nil without waiting", how, got, loaded, err, stored)
				}
				first, waiters := f.land(t, result)
				for _, o := range append(waiters, first) {
					if o.value != stored || !o.loaded || o.err != nil {
						t.Errorf("%s meanwhile, compute returned %s: a caller got %+v, want %p, true, nil", how, what, o, stored)
					}
				}
				if got, ok := f.m.Load(1); !ok || got != stored {
					t.Errorf("Load = %p, %t, want what %s bound: %p", got, ok, how, stored)
				}
			}
		}
		runtime.KeepAlive(stored)
		runtime.KeepAlive(computed)
	})
}

func TestAValueStoredMeanwhileButDeadByTheEndDoesNotWin(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		f := takeOff(t, c, 2, unexpected)
		awaitDeath(t, storeDoomed(f.m, 1))
		v := &record{id: 2}
		first, waiters := f.land(t, func() (*record, error) { return v, nil })
		if first.value != v || first.loaded || first.err != nil {
			t.Errorf("the call that computed got %+v, want its own value %p, false", first, v)
		}
		for _, w := range waiters {
			if w.value != v || !w.loaded || w.err != nil {
				t.Errorf("a waiter got %+v, want %p, true", w, v)
			}
		}
		runtime.KeepAlive(v)
	})
}

func TestCallersOfOtherKeysDoNotWait(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		f := takeOff(t, c, 1, unexpected)
		held := make([]*record, 100)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range held {
				v, _, _ := f.m.LoadOrCompute(2+i, func() (*record, error) { return &record{id: i}, nil })
				held[i] = v
			}
			useEveryMethod(f.m, 1000, held[0])
			if _, ok := f.m.Load(1); ok {
				t.Error("Load of the key that is being computed hits")
			}
		}()
		await(t, "calls for other keys return while one key is being computed", done)
		v := &record{id: 1}
		if first, _ := f.land(t, func() (*record, error) { return v, nil }); first.value != v {
			t.Errorf("the call that computed got %+v, want %p", first, v)
		}
		if n := f.m.Len(); n != 101 {
			t.Errorf("Len = %d, want 101", n)
		}
		runtime.KeepAlive(held)
		runtime.KeepAlive(v)
	})
}

func TestComputeFunctionMayUseTheMap(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(20)...)
		inner, outer := &record{id: 100}, &record{id: 101}
		result := make(chan outcome, 1)
		done := make(chan struct{})
		go func() {
			defer close(done)
			m.Delete(1)
			call(m, result, func() (*record, error) {
				useEveryMethod(m, 1000, held[0])
				if _, ok := m.Load(1); ok {
					t.Error("Load hits while the key is being computed")
				}
				got, loaded, err := m.LoadOrCompute(30, func() (*record, error) { return inner, nil })
				if got != inner || loaded || err != nil {
					t.Errorf("inner LoadOrCompute = %p, %t, %v, want %p, false, nil", got, loaded, err, inner)
				}
				return outer, nil
			})
		}()
		await(t, "a LoadOrCompute whose function uses the map returns", done)
		if o := <-result; o.value != outer || o.loaded || o.err != nil {
			t.Errorf("outer LoadOrCompute came to %+v, want %p, false, nil", o, outer)
		}
		runtime.KeepAlive([]any{held, inner, outer})
	})
}

func TestWithANaNKeyEveryCallComputes(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[float64, record](c)
		const n = 4
		var results [n]*record
		var together atomic.Int32
		done := make(chan struct{})
		go func() {
			defer close(done)
			countUp(n, 1, func(worker int) {
				got, loaded, err := m.LoadOrCompute(math.NaN(), func() (*record, error) {
					together.Add(1)
					for together.Load() < n { // all of them compute at once: none waits for another
						runtime.Gosched()
					}
					return &record{id: worker}, nil
				})
				if got == nil || got.id != worker || loaded || err != nil {
					t.Errorf("LoadOrCompute(NaN) = %v, %t, %v, want its own value %d, false, nil", got, loaded, err, worker)
				}
				results[worker] = got
			})
		}()
		await(t, "calls with NaN keys do not wait for each other", done)
		if got := m.Len(); got != n {
			t.Errorf("Len = %d after %d calls with NaN keys", got, n)
		}
		runtime.KeepAlive(&results)
	})
}
