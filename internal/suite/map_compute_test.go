package suite

import (
	"runtime"
	"sync"
	"testing"
)

func TestCompareAndSwapReplacesOnlyTheOldValue(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		a, b, other := &record{id: 1}, &record{id: 2}, &record{id: 3}
		for _, step := range []struct {
			when     string
			old, new *record
			swapped  bool
			bound    *record
		}{
			{"unbound, old nil", nil, a, false, nil},
			{"unbound, old not nil", a, b, false, nil},
			{"bound, old nil", nil, b, false, a},
			{"bound, another old", other, b, false, a},
			{"bound, its old", a, b, true, b},
			{"bound, the old before", a, other, false, b},
			{"bound, to itself", b, b, true, b},
		} {
			if step.bound == a {
				m.Store("k", a)
			}
			if got := m.CompareAndSwap("k", step.old, step.new); got != step.swapped {
				t.Errorf("CompareAndSwap (%s) = %t, want %t", step.when, got, step.swapped)
			}
			if got, ok := m.Load("k"); got != step.bound || ok != (step.bound != nil) {
				t.Errorf("Load after CompareAndSwap (%s) = %p, %t, want %p", step.when, got, ok, step.bound)
			}
		}
		runtime.KeepAlive([]*record{a, b, other})
	})
}

func TestCompareAndDeleteRemovesOnlyTheOldValue(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		a, other := &record{id: 1}, &record{id: 3}
		if m.CompareAndDelete("k", a) || m.CompareAndDelete("k", nil) {
			t.Error("CompareAndDelete of an unbound key succeeded")
		}
		m.Store("k", a)
		if m.CompareAndDelete("k", nil) || m.CompareAndDelete("k", other) {
			t.Error("CompareAndDelete of another value succeeded")
		}
		if got, ok := m.Load("k"); !ok || got != a {
			t.Errorf("Load = %p, %t, want %p, true", got, ok, a)
		}
		if !m.CompareAndDelete("k", a) {
			t.Error("CompareAndDelete of the bound value failed")
		}
		if m.CompareAndDelete("k", a) || m.Len() != 0 {
			t.Errorf("after CompareAndDelete: it succeeds again, or Len = %d", m.Len())
		}
		runtime.KeepAlive(a)
	})
}

func TestADeadEntryIsNeverEqualToOldNorLoaded(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		v := &record{id: 9}
		m := newMap[int, record](c)
		awaitDeath(t, storeDoomed(m, numbers(9)...))
		if got, ok := m.Load(0); ok || got != nil {
			t.Errorf("Load = %p, %t, want nil, false", got, ok)
		}
		if got, loaded := m.LoadOrStore(1, v); loaded || got != v {
			t.Errorf("LoadOrStore = %p, %t, want its own value %p, false", got, loaded, v)
		}
		if got, loaded := m.LoadAndDelete(2); loaded || got != nil {
			t.Errorf("LoadAndDelete = %p, %t, want nil, false", got, loaded)
		}
		if got, loaded := m.Swap(3, v); loaded || got != nil {
			t.Errorf("Swap = %p, %t, want nil, false", got, loaded)
		}
		if m.CompareAndSwap(4, nil, v) {
			t.Error("CompareAndSwap of nil for a dead value succeeded")
		}
		if m.CompareAndDelete(5, nil) {
			t.Error("CompareAndDelete of nil for a dead value succeeded")
		}
		got := m.Compute(6, func(current *record) *record {
			if current != nil {
				t.Errorf("Compute saw %p, want nil for a dead value", current)
			}
			return v
		})
		if got != v {
			t.Errorf("Compute = %p, want %p", got, v)
		}
		if got, loaded, err := m.LoadOrCompute(7, func() (*record, error) { return v, nil }); got != v || loaded || err != nil {
			t.Errorf("LoadOrCompute = %p, %t, %v, want its own value %p, false, nil", got, loaded, err, v)
		}
		for _, key := range []int{1, 3, 6, 7} {
			if got, ok := m.Load(key); !ok || got != v {
				t.Errorf("Load(%d) = %p, %t, want %p, true", key, got, ok, v)
			}
		}
		if s := balanced(t, m); s.Deleted != 0 {
			t.Errorf("%d dead entries count as deleted, want all of them as reaped", s.Deleted)
		}
		runtime.KeepAlive(v)
	})
}

func TestComputeBindsWhatItsFunctionReturns(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		a, b := &record{id: 1}, &record{id: 2}
		for _, step := range []struct {
			what                string
			sees, returns, then *record
		}{
			{"returns nil for an unbound key", nil, nil, nil},
			{"binds an unbound key", nil, a, a},
			{"returns current", a, a, a},
			{"replaces", a, b, b},
			{"deletes", b, nil, nil},
			{"binds again", nil, b, b},
		} {
			calls := 0
			got := m.Compute("k", func(current *record) *record {
				calls++
				if current != step.sees {
					t.Errorf("Compute that %s saw %p, want %p", step.what, current, step.sees)
				}
				return step.returns
			})
			if got != step.then {
				t.Errorf("Compute that %s = %p, want %p", step.what, got, step.then)
			}
			if calls != 1 {
				t.Errorf("Compute that %s called its function %d times with nobody else there", step.what, calls)
			}
			if got, ok := m.Load("k"); got != step.then || ok != (step.then != nil) {
				t.Errorf("Load after Compute that %s = %p, %t, want %p", step.what, got, ok, step.then)
			}
		}
		runtime.KeepAlive([]*record{a, b})
	})
}

func TestComputeThatReturnsCurrentLeavesStatsAsTheyWere(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		m.Config.Stats = true
		v := &record{id: 1}
		m.Store("k", v)
		before := m.Stats()
		m.Compute("k", func(current *record) *record { return current })
		m.Compute("unbound", func(current *record) *record { return current })
		if after := m.Stats(); after != before {
			t.Errorf("Stats went from %+v to %+v", before, after)
		}
		m.Store("k", v)
		m.Swap("k", v)
		if after := m.Stats(); after.Inserts != before.Inserts+2 || after.Deleted != before.Deleted+2 {
			t.Errorf("Stats = %+v after storing the bound value by Store and by Swap, want two more inserts and two more deletions than %+v", after, before)
		}
		runtime.KeepAlive(v)
	})
}

// A Compute that forgets to check whether the binding is still the one that f saw would
// overwrite what was bound since.
func TestComputeRunsAgainIfTheBindingChangedMeanwhile(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		old, meanwhile, result := &record{id: 1}, &record{id: 2}, &record{id: 3}
		for _, when := range []struct {
			what   string
			before *record
			change func(store func(*record), del func())
			then   *record
		}{
			{"bound meanwhile", nil, func(store func(*record), _ func()) { store(meanwhile) }, meanwhile},
			{"replaced meanwhile", old, func(store func(*record), _ func()) { store(meanwhile) }, meanwhile},
			{"deleted meanwhile", old, func(_ func(*record), del func()) { del() }, nil},
		} {
			m := newMap[string, record](c)
			if when.before != nil {
				m.Store("k", when.before)
			}
			var saw []*record
			got := m.Compute("k", func(current *record) *record {
				saw = append(saw, current)
				if len(saw) == 1 {
					when.change(func(v *record) { m.Store("k", v) }, func() { m.Delete("k") })
				}
				return result
			})
			if len(saw) != 2 || saw[0] != when.before || saw[1] != when.then {
				t.Errorf("%s: Compute's function saw %v, want %p and then %p", when.what, saw, when.before, when.then)
			}
			if v, ok := m.Load("k"); got != result || !ok || v != result {
				t.Errorf("%s: Compute = %p and Load = %p, %t, want %p", when.what, got, v, ok, result)
			}
		}
		runtime.KeepAlive([]*record{old, meanwhile, result})
	})
}

func TestComputeThatDeletesSparesABindingMadeMeanwhile(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		old, meanwhile := &record{id: 1}, &record{id: 2}
		m.Store("k", old)
		first := true
		got := m.Compute("k", func(current *record) *record {
			if first {
				first = false
				m.Store("k", meanwhile)
				return nil
			}
			return current
		})
		if v, ok := m.Load("k"); got != meanwhile || !ok || v != meanwhile {
			t.Errorf("Compute = %p and Load = %p, %t, want %p: the deletion was of %p", got, v, ok, meanwhile, old)
		}
		runtime.KeepAlive([]*record{old, meanwhile})
	})
}

func TestComputeHoldsNoLockWhileItsFunctionRuns(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(20)...)
		done := make(chan struct{})
		go func() {
			defer close(done)
			m.Compute(3, func(current *record) *record {
				useEveryMethod(m, 1000, held[0])
				m.Compute(4, func(*record) *record { return held[5] })
				return held[7]
			})
		}()
		await(t, "a Compute whose function uses the map returns", done)
		for key, want := range map[int]*record{3: held[7], 4: held[5]} {
			if got, ok := m.Load(key); !ok || got != want {
				t.Errorf("Load(%d) = %p, %t, want %p, true", key, got, ok, want)
			}
		}
		runtime.KeepAlive(held)
	})
}

// countUp returns after n goroutines have each called add the given number of times.
func countUp(n, times int, add func(worker int)) {
	var wg sync.WaitGroup
	for worker := range n {
		wg.Go(func() {
			for range times {
				add(worker)
			}
		})
	}
	wg.Wait()
}

// The values form a chain of numbers: a lost update leaves the last number too low. Each
// worker holds what it bound last, so the bound value is always held by the worker that bound it. A
// collector runs, to catch a compare that takes a dead entry for nil.
func TestNoComputeIsLostAmongConcurrentOnes(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		const workers = 4
		times := scaled(2000)
		m := newMap[string, record](c)
		stop := collectInBackground()
		last := make([]*record, workers)
		countUp(workers, times, func(worker int) {
			last[worker] = m.Compute("k", func(current *record) *record {
				if current == nil {
					return &record{id: 1}
				}
				return &record{id: current.id + 1}
			})
		})
		stop()
		if got, ok := m.Load("k"); !ok || got.id != workers*times {
			t.Errorf("Load = %+v, %t after %d increments", got, ok, workers*times)
		}
		runtime.KeepAlive(last)
	})
}

func TestNoCompareAndSwapIsLostAmongConcurrentOnes(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		const workers = 4
		times := scaled(2000)
		m := newMap[string, record](c)
		start := &record{id: 0}
		m.Store("k", start)
		stop := collectInBackground()
		last := make([]*record, workers)
		countUp(workers, times, func(worker int) {
			for {
				old, ok := m.Load("k")
				if !ok {
					t.Error("Load misses, but the goroutine that bound the value holds it")
					return
				}
				fresh := &record{id: old.id + 1}
				if m.CompareAndSwap("k", old, fresh) {
					last[worker] = fresh
					return
				}
			}
		})
		stop()
		if got, ok := m.Load("k"); !ok || got.id != workers*times {
			t.Errorf("Load = %+v, %t after %d increments", got, ok, workers*times)
		}
		runtime.KeepAlive(last)
		runtime.KeepAlive(start)
	})
}

// Exactly one of those that delete the same value may succeed.
func TestOneOfManyCompareAndDeletesWins(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		const workers = 4
		m := newMap[int, record](c)
		rounds := scaled(300)
		held := storeHeld(m, numbers(rounds)...)
		wins := make([][workers]bool, rounds)
		var wg sync.WaitGroup
		for worker := range workers {
			wg.Go(func() {
				for key := range rounds {
					wins[key][worker] = m.CompareAndDelete(key, held[key])
				}
			})
		}
		wg.Wait()
		for key := range rounds {
			n := 0
			for _, won := range wins[key] {
				if won {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%d goroutines deleted key %d, want one", n, key)
			}
		}
		runtime.KeepAlive(held)
	})
}
