package suite

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/go-weak/weakmap"
)

// LoadOrCompute of KeyMap, clause by clause. The tests run in synctest bubbles,
// where Wait returns when all callers that are to wait do.

// An answer is what one call of LoadOrCompute returned.
type answer struct {
	value    int
	loaded   bool
	err      error
	panicked any
	returned bool
}

// ask calls LoadOrCompute on a goroutine; the answer is there after Wait, once
// the call has ended in whatever way.
func ask(m *weakmap.KeyMap[record, int], key *record, compute func() (int, error)) *answer {
	a := new(answer)
	go func() {
		defer func() { a.panicked = recover() }()
		a.value, a.loaded, a.err = m.LoadOrCompute(key, compute)
		a.returned = true
	}()
	return a
}

func eachFlight(t *testing.T, f func(t *testing.T, m *weakmap.KeyMap[record, int], key *record)) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		synctest.Test(t, func(t *testing.T) { f(t, m, &record{}) })
	})
}

func mustNotCompute(t *testing.T) func() (int, error) {
	return func() (int, error) {
		t.Error("a second computation for the key runs")
		return -1, nil
	}
}

func (a *answer) want(t *testing.T, who string, value int, loaded bool, err error) {
	t.Helper()
	if !a.returned || a.value != value || a.loaded != loaded || a.err != err {
		t.Errorf("%s got %+v, want %v, %v, %v", who, *a, value, loaded, err)
	}
}

// Catches: two computations at a time; a waiter that computes after all, or that
// is told that it stored; callers of other keys that wait; a lock held during compute.
func TestKeyMapLoadOrComputeRunsOnce(t *testing.T) {
	eachFlight(t, func(t *testing.T, m *weakmap.KeyMap[record, int], key *record) {
		gate, other := make(chan struct{}), &record{}
		first := ask(m, key, func() (int, error) { <-gate; return 7, nil })
		synctest.Wait()
		var waiters [3]*answer
		for i := range waiters {
			waiters[i] = ask(m, key, mustNotCompute(t))
		}
		synctest.Wait()
		stranger := ask(m, other, func() (int, error) { return 8, nil })
		synctest.Wait()
		stranger.want(t, "a caller of another key", 8, false, nil)
		m.Store(other, 9)
		m.Load(key)
		if v, ok := m.Load(key); ok {
			t.Errorf("Load during the computation = %v", v)
		}
		for range m.All() {
		}
		close(gate)
		synctest.Wait()
		first.want(t, "who computed", 7, false, nil)
		for _, w := range waiters {
			w.want(t, "a waiter", 7, true, nil)
		}
		late := ask(m, key, mustNotCompute(t))
		synctest.Wait()
		late.want(t, "a late caller", 7, true, nil)
	})
}

func TestKeyMapLoadOrComputeMayUseTheMap(t *testing.T) {
	eachFlight(t, func(t *testing.T, m *weakmap.KeyMap[record, int], key *record) {
		others := newRecords(200)
		v, loaded, err := m.LoadOrCompute(key, func() (int, error) {
			for i, k := range others { // Enough to make every shard grow.
				m.Store(k, i)
			}
			m.Delete(key)
			inner, _, err := m.LoadOrCompute(&record{}, func() (int, error) { return 20, nil })
			return inner + m.Len(), err
		})
		if v != 221 || loaded || err != nil {
			t.Errorf("LoadOrCompute = %v, %v, %v", v, loaded, err)
		}
		runtime.KeepAlive(others)
	})
}

func TestKeyMapLoadOrComputeError(t *testing.T) {
	mine := errors.New("mine")
	eachFlight(t, func(t *testing.T, m *weakmap.KeyMap[record, int], key *record) {
		gate := make(chan struct{})
		first := ask(m, key, func() (int, error) { <-gate; return 7, mine }) // The value beside an error is not stored.
		synctest.Wait()
		waiter := ask(m, key, mustNotCompute(t))
		synctest.Wait()
		close(gate)
		synctest.Wait()
		for _, a := range []*answer{first, waiter} {
			if !a.returned || a.err != mine || a.loaded {
				t.Errorf("got %+v, want the error", *a)
			}
		}
		if v, ok := m.Load(key); ok {
			t.Errorf("an error left %v", v)
		}
		if s := m.Stats(); s.Inserts != 0 {
			t.Errorf("an error left Stats %+v", s)
		}
		again := ask(m, key, func() (int, error) { return 8, nil })
		synctest.Wait()
		again.want(t, "the next caller", 8, false, nil)
	})
}

// The zero value without an error is a value: unlike in Map nothing is nil.
func TestKeyMapLoadOrComputeZeroValue(t *testing.T) {
	eachFlight(t, func(t *testing.T, m *weakmap.KeyMap[record, int], key *record) {
		first := ask(m, key, func() (int, error) { return 0, nil })
		synctest.Wait()
		first.want(t, "who computed", 0, false, nil)
		second := ask(m, key, mustNotCompute(t))
		synctest.Wait()
		second.want(t, "the next caller", 0, true, nil)
	})
}

// A panic or Goexit goes to the caller, and one waiter takes over: neither all
// of them nor none, which would leave them waiting (a deadlock of the bubble).
func TestKeyMapLoadOrComputeTakeover(t *testing.T) {
	for name, end := range map[string]func(){
		"panic":  func() { panic("mine") },
		"Goexit": runtime.Goexit,
	} {
		t.Run(name, func(t *testing.T) {
			eachFlight(t, func(t *testing.T, m *weakmap.KeyMap[record, int], key *record) {
				gate, gate2 := make(chan struct{}), make(chan struct{})
				first := ask(m, key, func() (int, error) { <-gate; end(); return 1, nil })
				synctest.Wait()
				var mu sync.Mutex
				computing := 0
				var waiters [3]*answer
				for i := range waiters {
					waiters[i] = ask(m, key, func() (int, error) {
						mu.Lock()
						computing++
						mu.Unlock()
						<-gate2
						return 2, nil
					})
				}
				synctest.Wait()
				close(gate)
				synctest.Wait()
				if first.returned || name == "panic" && first.panicked != "mine" {
					t.Errorf("the first caller got %+v", *first)
				}
				mu.Lock()
				if computing != 1 {
					t.Errorf("%d waiters took over", computing)
				}
				mu.Unlock()
				close(gate2)
				synctest.Wait()
				stored := 0
				for _, w := range waiters {
					if !w.returned || w.value != 2 || w.err != nil {
						t.Errorf("a waiter got %+v", *w)
					}
					if !w.loaded {
						stored++
					}
				}
				if computing != 1 || stored != 1 {
					t.Errorf("%d waiters computed, %d were told that they stored", computing, stored)
				}
			})
		})
	}
}

// What was stored during compute wins, over a value and over an error.
func TestKeyMapLoadOrComputeStoreWins(t *testing.T) {
	for name, fail := range map[string]error{"value": nil, "error": errors.New("mine")} {
		t.Run(name, func(t *testing.T) {
			eachFlight(t, func(t *testing.T, m *weakmap.KeyMap[record, int], key *record) {
				gate := make(chan struct{})
				first := ask(m, key, func() (int, error) { <-gate; return 1, fail })
				synctest.Wait()
				waiter := ask(m, key, mustNotCompute(t))
				synctest.Wait()
				m.Store(key, 50)
				hit := ask(m, key, mustNotCompute(t))
				synctest.Wait()
				hit.want(t, "a caller after the Store", 50, true, nil)
				close(gate)
				synctest.Wait()
				first.want(t, "who computed", 50, true, nil)
				waiter.want(t, "a waiter", 50, true, nil)
				if v, _ := m.Load(key); v != 50 {
					t.Errorf("Load = %v", v)
				}
			})
		})
	}
}

// A computation that has ended, in whatever way, keeps nothing of its key.
func TestKeyMapLoadOrComputeLetsTheKeyGo(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		var keys []weak.Pointer[record]
		for _, compute := range []func() (int, error){
			func() (int, error) { return 1, nil },
			func() (int, error) { return 1, errors.New("mine") },
			func() (int, error) { panic("mine") },
			func() (int, error) { runtime.Goexit(); return 1, nil },
		} {
			var wg sync.WaitGroup
			wg.Go(func() {
				key := &record{}
				keys = append(keys, weak.Make(key))
				defer func() { recover() }()
				m.LoadOrCompute(key, compute)
			})
			wg.Wait()
		}
		for _, k := range keys {
			eventually(t, "a key is collected after its computation", func() bool { return k.Value() == nil })
		}
		wantLen(t, m, 0)
	})
}

// Many callers, keys that die, collections: each key's callers agree on one
// value, and one of them is told that it stored it. Catches a flight that is
// left before its value is stored, and two flights for one key.
func TestKeyMapLoadOrComputeAgree(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		defer collectInBackground()()
		const workers, rounds = 4, 150
		keys := newRecords(rounds)
		var got, stored [workers][rounds]int
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i, k := range keys {
					v, loaded, err := m.LoadOrCompute(k, func() (int, error) {
						runtime.Gosched()
						return w + 1, nil
					})
					if err != nil {
						t.Errorf("LoadOrCompute: %v", err)
					}
					if got[w][i] = v; !loaded {
						stored[w][i] = 1
					}
				}
			})
		}
		wg.Wait()
		for i := range rounds {
			n := 0
			for w := range workers {
				n += stored[w][i]
				if got[w][i] != got[0][i] {
					t.Fatalf("key %d: callers got %d and %d", i, got[w][i], got[0][i])
				}
			}
			if n != 1 {
				t.Fatalf("key %d: %d callers were told that they stored", i, n)
			}
		}
		runtime.KeepAlive(keys)
	})
}
