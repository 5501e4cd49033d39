package suite

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/go-weak/weakmap"
)

// Callers of one key share one computation, clause by clause.

type loadResult = func() (*record, error)

// share starts a load of key 0 whose computation ends when result has one, and some that wait for it.
func (l *loading) share(t *testing.T, waiters int) (result chan<- loadResult, all []*outcome) {
	t.Helper()
	c := make(chan loadResult, 1)
	all = append(all, l.begin(0, c))
	for range waiters {
		all = append(all, l.join(t, 0))
	}
	return c, all
}

func TestCallersOfOneKeyShareOneComputation(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		v, others := new(record), newRecords(2)
		result, all := l.share(t, 5)
		if l.keys > 1 {
			stranger := start(func() (*record, bool, error) { return l.loadOrCompute(1, returns(others[0], nil)) })
			synctest.Wait()
			stranger.want(t, "a caller of another key", others[0], false, nil)
			l.store(1, others[1])
			l.wantLoad(t, "another key", 1, others[1])
			if n := l.count(); n != 1 {
				t.Errorf("All yields %d bindings during the computation, want 1", n)
			}
		}
		l.wantLoad(t, "during the computation", 0, nil)
		for _, o := range all {
			if !o.ended {
				t.Errorf("a caller has %+v before the computation has ended", *o)
			}
		}
		result <- returns(v, nil)
		synctest.Wait()
		all[0].want(t, "who computed", v, false, nil)
		for _, w := range all[1:] {
			w.want(t, "a waiter", v, true, nil)
		}
		l.wantLoad(t, "afterwards", 0, v)
		l.join(t, 0).want(t, "a late caller", v, true, nil)
		runtime.KeepAlive([]any{v, others})
	})
}

func TestAnErrorGoesToEveryoneWhoWaitedAndNothingIsStored(t *testing.T) {
	failure := errors.New("no such thing")
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		beside, v := new(record), new(record)
		for what, x := range map[string]struct {
			value     *record
			err, want error
		}{
			"an error":                {nil, failure, failure},
			"a value beside an error": {beside, failure, failure},
			"neither":                 {nil, nil, weakmap.ErrNilValue},
		} {
			if l.nilIsAValue && x.err == nil {
				continue
			}
			before := weakmap.Stats{}
			if l.container != nil {
				before = l.container.Stats()
			}
			result, all := l.share(t, 3)
			result <- returns(x.value, x.err)
			synctest.Wait()
			for _, o := range all {
				o.want(t, what+": a caller", nil, false, x.want)
			}
			l.wantLoad(t, what, 0, nil)
			if l.container != nil {
				if s := l.container.Stats(); s.Inserts != before.Inserts || l.container.Len() != 0 {
					t.Errorf("%s: Len = %d, Stats = %+v", what, l.container.Len(), s)
				}
			}
			again := start(func() (*record, bool, error) { return l.loadOrCompute(0, returns(v, nil)) })
			synctest.Wait()
			again.want(t, what+": the next caller", v, false, nil)
			l.cut["Clear"](0)
		}
		runtime.KeepAlive([]any{beside, v})
	})
}

// A call that ends without a result must leave neither the waiters waiting forever nor the
// key blocked, and must not send them all off to compute at once.
func TestAfterAPanicOrGoexitOneWaiterTakesOver(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		for what, end := range map[string]loadResult{
			"a panic": func() (*record, error) { panic("mine") },
			"Goexit":  func() (*record, error) { runtime.Goexit(); return nil, nil },
		} {
			v, result, proceed := new(record), make(chan loadResult, 1), make(chan struct{})
			first := l.begin(0, result)
			var again atomic.Int32
			waiters := make([]*outcome, 4)
			for i := range waiters {
				waiters[i] = start(func() (*record, bool, error) {
					return l.loadOrCompute(0, func() (*record, error) {
						again.Add(1)
						<-proceed
						return v, nil
					})
				})
			}
			synctest.Wait()
			if n := again.Load(); n != 0 {
				t.Errorf("%d waiters compute beside the first", n)
			}
			result <- end
			synctest.Wait()
			if n := again.Load(); n != 1 {
				t.Errorf("after %s %d waiters compute at once, want one", what, n)
			}
			if !first.ended || (what == "a panic") != (first.panic == "mine") {
				t.Errorf("%s in compute came to %+v, want it to go on to the caller", what, *first)
			}
			close(proceed)
			synctest.Wait()
			stored := 0
			for _, w := range waiters {
				if w.value != v || w.err != nil || w.ended {
					t.Errorf("after %s a waiter got %+v, want %p", what, *w, v)
				}
				if !w.loaded {
					stored++
				}
			}
			if n := again.Load(); n != 1 || stored != 1 {
				t.Errorf("after %s waiters computed %d times and %d saw loaded false, want one and one", what, n, stored)
			}
			l.wantLoad(t, "after "+what, 0, v)
			l.cut["Clear"](0)
			runtime.KeepAlive(v)
		}
	})
}

func TestEveryCallerPanicsIfEveryComputationPanics(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		result := make(chan loadResult, 1)
		first := l.begin(0, result)
		waiters := make([]*outcome, 4)
		for i := range waiters {
			waiters[i] = start(func() (*record, bool, error) {
				return l.loadOrCompute(0, func() (*record, error) { panic("again") })
			})
		}
		synctest.Wait()
		result <- func() (*record, error) { panic("first") }
		synctest.Wait()
		if first.panic != "first" {
			t.Errorf("the first call came to %+v, want its own panic", *first)
		}
		for _, w := range waiters {
			if w.panic != "again" {
				t.Errorf("a waiter came to %+v, want its own panic", *w)
			}
		}
		l.wantLoad(t, "afterwards", 0, nil)
		v := new(record)
		next := start(func() (*record, bool, error) { return l.loadOrCompute(0, returns(v, nil)) })
		synctest.Wait()
		next.want(t, "the next caller", v, false, nil)
		l.wantLoad(t, "in the end", 0, v)
		runtime.KeepAlive(v)
	})
}

// A cut comes between two values from Store or Swap: a store without a cut wins, over a value, an
// error and neither.
func TestAStoreMadeMeanwhileWins(t *testing.T) {
	eachLoadingInABubble(t, func(t *testing.T, l *loading) {
		stored, v := &record{id: 1}, &record{id: 2}
		for bind, store := range l.binders {
			for what, end := range map[string]loadResult{
				"a value": returns(v, nil), "neither": returns(nil, nil),
				"an error": returns(nil, errors.New("mine")), "a value and an error": returns(v, errors.New("mine")),
			} {
				who := bind + " beside " + what + ": "
				result, all := l.share(t, 2)
				store(0, stored)
				l.wantLoad(t, who+"during the computation", 0, stored)
				l.join(t, 0).want(t, who+"a caller after the store", stored, true, nil)
				result <- end
				synctest.Wait()
				for _, o := range all {
					o.want(t, who+"a caller", stored, true, nil)
				}
				l.wantLoad(t, who+"afterwards", 0, stored)
				l.cut["Clear"](0)
			}
		}
		runtime.KeepAlive([]any{stored, v})
	})
}
