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
	n       int // waiters
}

// takeOff starts a LoadOrCompute of key 1 whose computation blocks, and n more calls
// that wait for it. It is for what cannot be in a bubble: deaths, and calls that may hang on a lock.
func takeOff(t *testing.T, c configuration, n int) *flight {
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
			t.Error("a second computation runs beside the first")
			return unexpected()
		})
	}
	awaitParked(t, n+1, "LoadOrCompute")
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

func TestAValueStoredMeanwhileButDeadByTheEndDoesNotWin(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		f := takeOff(t, c, 2)
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
		f := takeOff(t, c, 1)
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

// A key that a Hasher does not find equal to itself is another one in each call, also if it is one object.
func TestWithANaNKeyEveryCallOfAKeyMapComputes(t *testing.T) {
	m := weakmap.KeyMap[float64, int]{Hasher: weakmap.Comparable[float64]()}
	nan := new(float64)
	*nan = math.NaN()
	const n = 4
	var together atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		countUp(n, 1, func(worker int) {
			got, loaded, err := m.LoadOrCompute(nan, func() (int, error) {
				together.Add(1)
				for together.Load() < n {
					runtime.Gosched()
				}
				return worker, nil
			})
			if got != worker || loaded || err != nil {
				t.Errorf("LoadOrCompute(NaN) = %d, %t, %v, want its own value %d, false, nil", got, loaded, err, worker)
			}
		})
	}()
	await(t, "calls with one NaN do not wait for each other", done)
	runtime.KeepAlive(nan)
}
