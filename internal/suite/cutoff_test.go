package suite

import (
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-weak/weakmap"
)

// Delete, LoadAndDelete and Clear cut a computation off, clause by clause.

func TestAnInvalidationCutsALoadOff(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		for how, cut := range l.cut {
			old, fresh := &record{id: 1}, &record{id: 2}
			first, second := make(chan func() (*record, error), 1), make(chan func() (*record, error), 1)
			computes := l.begin(0, first)
			waiters := []*outcome{l.join(t, 0), l.join(t, 0)}
			cut(0)
			later := l.begin(0, second)
			latest := l.join(t, 0) // waits for the second
			first <- returns(old, nil)
			synctest.Wait()
			computes.want(t, how+": who computed", old, false, nil)
			for _, w := range waiters {
				w.want(t, how+": who waited", old, true, nil)
			}
			l.wantLoad(t, how+": after the first computation", 0, nil)
			if !later.ended || !latest.ended {
				t.Errorf("%s: who came later has %+v and %+v before a computation of its own ended", how, *later, *latest)
			}
			second <- returns(fresh, nil)
			synctest.Wait()
			later.want(t, how+": who came later", fresh, false, nil)
			latest.want(t, how+": who came last", fresh, true, nil)
			l.wantLoad(t, how+": in the end", 0, fresh)
			cut(0)
			l.wantLoad(t, how+": after one more", 0, nil)
			runtime.KeepAlive([]any{old, fresh})
		}
	})
}

// The computation that was cut off may also end last.
func TestACutOffLoadDoesNotReplaceALaterOne(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		for how, cut := range l.cut {
			old, fresh := &record{id: 1}, &record{id: 2}
			first, second := make(chan func() (*record, error), 1), make(chan func() (*record, error), 1)
			computes := l.begin(0, first)
			cut(0)
			later := l.begin(0, second)
			second <- returns(fresh, nil)
			synctest.Wait()
			later.want(t, how+": who came later", fresh, false, nil)
			first <- returns(old, nil)
			synctest.Wait()
			computes.want(t, how+": who computed first", old, false, nil)
			l.wantLoad(t, how, 0, fresh)
			cut(0)
			runtime.KeepAlive(fresh)
		}
	})
}

// Whatever is stored before or after the cut, a caller that was cut off gets what it computed.
func TestACutOffLoadReturnsWhatItComputed(t *testing.T) {
	failure := errors.New("mine")
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		for how, cut := range l.cut {
			for bind, store := range l.binders {
				for _, before := range []bool{true, false} {
					for _, fails := range []bool{true, false} {
						stored, v, err := &record{id: 1}, &record{id: 2}, error(nil)
						if fails {
							v, err = nil, failure
						}
						result := make(chan func() (*record, error), 1)
						computes, waits := l.begin(0, result), l.join(t, 0)
						if before {
							store(0, stored)
							cut(0)
						} else {
							cut(0)
							store(0, stored)
						}
						result <- returns(v, err)
						synctest.Wait()
						computes.want(t, how+" and "+bind+": who computed", v, false, err)
						waits.want(t, how+" and "+bind+": who waited", v, !fails, err)
						if before {
							l.wantLoad(t, bind+" before "+how, 0, nil)
						} else {
							l.wantLoad(t, bind+" after "+how, 0, stored)
						}
						cut(0)
						runtime.KeepAlive(stored)
					}
				}
			}
		}
	})
}

func TestWhatEndsABindingCutsNoLoadOff(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		for how, unbind := range l.other {
			stored, v := &record{id: 1}, &record{id: 2}
			result := make(chan func() (*record, error), 1)
			computes := l.begin(0, result)
			unbind(0)
			l.store(0, stored)
			unbind(0)
			l.wantLoad(t, how, 0, nil)
			waits := l.join(t, 0)
			result <- returns(v, nil)
			synctest.Wait()
			computes.want(t, how+": who computed", v, false, nil)
			waits.want(t, how+": who came after it", v, true, nil)
			l.wantLoad(t, how, 0, v)
			l.cut["Clear"](0)
			runtime.KeepAlive([]any{stored, v})
		}
	})
}

// Clear is for all keys, and the others for theirs only.
func TestOnlyClearCutsOffTheLoadsOfAllKeys(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		for how, cut := range l.cut {
			values := newRecords(l.keys)
			results := make([]chan func() (*record, error), l.keys)
			loads := make([]*outcome, l.keys)
			for key := range l.keys {
				results[key] = make(chan func() (*record, error), 1)
				loads[key] = l.begin(key, results[key])
			}
			cut(0)
			for key := range l.keys {
				results[key] <- returns(values[key], nil)
			}
			synctest.Wait()
			for key := range l.keys {
				loads[key].want(t, how+": who computed", values[key], false, nil)
				if how == "Clear" || key == 0 {
					l.wantLoad(t, how, key, nil)
				} else {
					l.wantLoad(t, how, key, values[key])
				}
			}
			l.cut["Clear"](0)
			runtime.KeepAlive(values)
		}
	})
}

// After a panic of what was cut off one of those that waited computes, and stores.
func TestAWaiterTakesOverACutOffLoadThatPanics(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		for how, cut := range l.cut {
			result, v := make(chan func() (*record, error), 1), &record{id: 1}
			computes := l.begin(0, result)
			waits := start(func() (*record, bool, error) { return l.loadOrCompute(0, returns(v, nil)) })
			synctest.Wait()
			cut(0)
			result <- func() (*record, error) { panic("mine") }
			synctest.Wait()
			if computes.panic != "mine" {
				t.Errorf("%s: who computed came to %+v", how, *computes)
			}
			waits.want(t, how+": who waited", v, false, nil)
			l.wantLoad(t, how, 0, v)
			cut(0)
			runtime.KeepAlive(v)
		}
	})
}

// A computation may cut itself off.
func TestALoadMayCutItselfOff(t *testing.T) {
	eachLoading(t, func(t *testing.T, l *loading) {
		for how, cut := range l.cut {
			v, inner := &record{id: 1}, &record{id: 2}
			got, loaded, err := l.loadOrCompute(0, func() (*record, error) {
				cut(0)
				if got, loaded, err := l.loadOrCompute(0, returns(inner, nil)); got != inner || loaded || err != nil {
					t.Errorf("%s: the load within got %p, %t, %v", how, got, loaded, err)
				}
				return v, nil
			})
			if got != v || loaded || err != nil {
				t.Errorf("%s: LoadOrCompute = %p, %t, %v, want %p, false, nil", how, got, loaded, err, v)
			}
			l.wantLoad(t, how, 0, inner)
			cut(0)
			runtime.KeepAlive(inner)
		}
	})
}

func TestClearCutsOffLoadsOfNaN(t *testing.T) {
	var m weakmap.Map[float64, record]
	v := new(record)
	for _, cut := range []func(){func() {}, func() { m.Delete(math.NaN()) }, m.Clear} {
		m.Clear()
		m.LoadOrCompute(math.NaN(), func() (*record, error) { cut(); return v, nil })
		m.LoadOrCompute(1, func() (*record, error) { m.Delete(math.NaN()); return v, nil })
	}
	if n := m.Len(); n != 1 {
		t.Errorf("Len = %d, want what was loaded under 1 after Clear", n)
	}
	if v2, _ := m.Load(1); v2 != v {
		t.Errorf("Load = %p, want %p", v2, v)
	}
	runtime.KeepAlive(v)
}

// A key that cannot be hashed panics, and no lock stays held, while something is computed.
func TestDeleteOfAnUnhashableKeyPanicsBesideALoad(t *testing.T) {
	var m weakmap.Map[any, record]
	m.LoadOrCompute(1, func() (*record, error) {
		for what, f := range map[string]func(){
			"Delete":        func() { m.Delete([]int{}) },
			"LoadAndDelete": func() { m.LoadAndDelete([]int{}) },
			"LoadOrCompute": func() { m.LoadOrCompute([]int{}, func() (*record, error) { return new(record), nil }) },
		} {
			mustPanic(t, what, "runtime error: hash of unhashable type []int", f)
		}
		return new(record), nil
	})
	mustStillWork(t, &m, any(2))
}

func TestDeleteAllocatesNothingBesideALoad(t *testing.T) {
	var m weakmap.Map[string, record]
	b := []byte("a string of thirty-two bytes ...")
	n := -1.0
	m.LoadOrCompute("a", func() (*record, error) {
		n = testing.AllocsPerRun(100, func() { m.Delete(string(b)) })
		return new(record), nil
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// A row of a database is changed, and then invalidated: what is loaded after that is never what
// was read before.
func TestNoLoadReturnsWhatWasInvalidated(t *testing.T) {
	eachLoading(t, func(t *testing.T, l *loading) {
		for how, cut := range l.cut {
			rows := make([]atomic.Int64, l.keys)
			oldest := make([]atomic.Int64, l.keys) // what may still be read: the last one for which Delete has returned
			var stop atomic.Bool
			var loaded, stale atomic.Int64
			check := func(key int, since int64, v *record) {
				if v == nil {
					return
				}
				loaded.Add(1)
				if int64(v.id) < since {
					stale.Add(1)
					t.Errorf("%s: key %d: loaded version %d after %d was invalidated", how, key, v.id, since-1)
				}
			}
			var wg sync.WaitGroup
			for w := range 3 {
				wg.Go(func() {
					var held [loadingKeys]*record
					for i := w; !stop.Load() && stale.Load() < 10; i++ {
						key := i % l.keys
						since := oldest[key].Load()
						if i%3 == 0 {
							v, _ := l.load(key)
							check(key, since, v)
							continue
						}
						v, _, _ := l.loadOrCompute(key, func() (*record, error) {
							v := &record{id: int(rows[key].Load())}
							if i%2 == 0 {
								runtime.Gosched()
							}
							return v, nil
						})
						check(key, since, v)
						held[key] = v
					}
					runtime.KeepAlive(&held)
				})
			}
			wg.Go(func() {
				for i := 0; !stop.Load(); i++ {
					key := i % l.keys
					version := rows[key].Add(1)
					cut(key)
					oldest[key].Store(version)
					if i%4 == 0 {
						runtime.Gosched()
					}
				}
			})
			time.Sleep(time.Duration(scaled(300)) * time.Millisecond)
			stop.Store(true)
			wg.Wait()
			if loaded.Load() == 0 {
				t.Errorf("%s: nothing was loaded", how)
			}
		}
	})
}
