package suite

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// reports collects what OnReap is called with, and how many calls run at once.
type reports[K comparable] struct {
	mu      sync.Mutex
	times   map[K]int
	calls   int
	running int
	overlap bool
}

func watch[K comparable, V any](m *weakmap.Map[K, V]) *reports[K] {
	r := &reports[K]{times: map[K]int{}}
	m.OnReap = func(key K) {
		r.mu.Lock()
		r.calls++
		r.times[key]++
		r.running++
		r.overlap = r.overlap || r.running > 1
		r.mu.Unlock()
		runtime.Gosched() // gives a second call the chance to begin
		r.mu.Lock()
		r.running--
		r.mu.Unlock()
	}
	return r
}

func (r *reports[K]) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls
}

func TestOnReapIsCalledOnceForEachDeadEntry(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		r := watch(m)
		held := storeHeld(m, numbers(200)[100:]...)
		storeDoomed(m, numbers(100)...)
		m.Delete(150) // not a death
		m.Store(151, held[0])
		eventually(t, "100 dead entries are reported", func() bool { return r.count() >= 100 })
		settle(t)
		r.mu.Lock()
		defer r.mu.Unlock()
		for key := range 100 {
			if r.times[key] != 1 {
				t.Errorf("key %d reported %d times, want once", key, r.times[key])
			}
		}
		if r.calls != 100 {
			t.Errorf("%d calls for 100 deaths, want no others", r.calls)
		}
		if s := m.Stats(); s.Reaped != 100 {
			t.Errorf("Stats = %+v, want 100 reaped: as many as calls", s)
		}
		runtime.KeepAlive(held)
	})
}

// Whatever removes a dead entry, it counts as reaped and is reported. The runtime's cleanups
// do not run, so it is the call under test that meets the dead.
func TestADeadEntryIsReportedWhoeverRemovesIt(t *testing.T) {
	stallCleanups(t)
	const n = 40
	v := &record{id: -1}
	each := func(f func(m *weakmap.Map[int, record], key int)) func(m *weakmap.Map[int, record]) {
		return func(m *weakmap.Map[int, record]) {
			for key := range n {
				f(m, key)
			}
		}
	}
	removers := map[string]func(m *weakmap.Map[int, record]){
		"Reap":          func(m *weakmap.Map[int, record]) { m.Reap() },
		"Clear":         func(m *weakmap.Map[int, record]) { m.Clear() },
		"Store":         each(func(m *weakmap.Map[int, record], key int) { m.Store(key, v) }),
		"Swap":          each(func(m *weakmap.Map[int, record], key int) { m.Swap(key, v) }),
		"LoadOrStore":   each(func(m *weakmap.Map[int, record], key int) { m.LoadOrStore(key, v) }),
		"Delete":        each(func(m *weakmap.Map[int, record], key int) { m.Delete(key) }),
		"LoadAndDelete": each(func(m *weakmap.Map[int, record], key int) { m.LoadAndDelete(key) }),
		"Compute": each(func(m *weakmap.Map[int, record], key int) {
			m.Compute(key, func(*record) *record { return v })
		}),
		"LoadOrCompute": each(func(m *weakmap.Map[int, record], key int) {
			m.LoadOrCompute(key, func() (*record, error) { return v, nil })
		}),
		"growth, then Reap": func(m *weakmap.Map[int, record]) {
			for i := range 500 {
				m.Store(1000+i, v)
			}
			m.Reap()
		},
		"DeleteFunc, then Reap": func(m *weakmap.Map[int, record]) {
			m.DeleteFunc(func(int, *record) bool { return true })
			m.Reap()
		},
		"Compute to nil, then Reap": func(m *weakmap.Map[int, record]) {
			for key := range n {
				m.Compute(key, func(*record) *record { return nil })
			}
			m.Reap()
		},
	}
	everywhere(t, func(t *testing.T, c configuration) {
		maps, watches := map[string]*weakmap.Map[int, record]{}, map[string]*reports[int]{}
		var doomed []weak.Pointer[record]
		for who := range removers {
			m := newMap[int, record](c)
			maps[who], watches[who] = m, watch(m)
			doomed = append(doomed, storeDoomed(m, numbers(n)...)...)
		}
		awaitDeath(t, doomed)
		for who, remove := range removers {
			remove(maps[who])
		}
		for who, m := range maps {
			r := watches[who]
			within(t, fmt.Sprintf("all %d dead entries are reported after %s", n, who), func() bool { return r.count() >= n })
			if s := m.Stats(); s.Reaped != n || s.Deleted != 0 || s.Inserts != n+uint64(s.Entries) {
				t.Errorf("after %s Stats = %+v, want %d reaped, none deleted", who, s, n)
			}
			r.mu.Lock()
			for key := range n {
				if r.times[key] != 1 {
					t.Errorf("%s: key %d reported %d times, want once", who, key, r.times[key])
				}
			}
			r.mu.Unlock()
		}
		runtime.KeepAlive(v)
	})
}

// Several sources of dead entries at once: passes, callers that reap, callers that store over.
// A queue with two consumers would show here.
func TestOnReapCallsForOneMapNeverOverlap(t *testing.T) {
	for _, procs := range []int{2, 16} {
		t.Run(fmt.Sprintf("procs=%d", procs), func(t *testing.T) {
			withProcs(t, procs)
			everywhere(t, func(t *testing.T, c configuration) {
				m := newMap[int, record](c)
				r := watch(m)
				stop := collectInBackground()
				countUp(4, scaled(10), func(worker int) {
					for key := range 100 {
						m.Store(worker*100+key, &record{id: key})
					}
					m.Reap()
				})
				stop()
				settle(t)
				r.mu.Lock()
				defer r.mu.Unlock()
				if r.overlap {
					t.Error("two OnReap calls of one map ran at once")
				}
				if s := m.Stats(); r.calls == 0 || uint64(r.calls) != s.Reaped {
					t.Errorf("%d OnReap calls, Stats = %+v, want some, and as many as reaped", r.calls, s)
				}
			})
		})
	}
}

// OnReap uses every method of its own map. A lock held around it would hang the test.
func TestOnReapMayUseItsMap(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		v := &record{id: -1}
		var calls atomic.Int32
		m.OnReap = func(key int) {
			if got, ok := m.Load(key); ok {
				t.Errorf("key %d is reported as reaped, and Load = %p hits", key, got)
			}
			useEveryMethod(m, key+1000, v)
			m.Store(key, v)
			calls.Add(1)
		}
		storeDoomed(m, numbers(30)...)
		eventually(t, "30 reports, each stored again by OnReap", func() bool { return calls.Load() == 30 })
		settle(t)
		for key := range 30 {
			if got, ok := m.Load(key); !ok || got != v {
				t.Errorf("Load(%d) = %p, %t, want the value that OnReap stored: %p", key, got, ok, v)
			}
		}
		runtime.KeepAlive(v)
	})
}

func TestByTheTimeOnReapRunsTheKeyMayBeBoundAnew(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		var held []*record
		reported, proceed := make(chan struct{}, 100), make(chan struct{})
		m.OnReap = func(int) {
			reported <- struct{}{}
			<-proceed
		}
		awaitDeath(t, storeDoomed(m, numbers(20)...))
		m.Reap()
		await(t, "the first report", reported)
		held = storeHeld(m, numbers(20)...)
		close(proceed)
		settle(t)
		for key, want := range held {
			if got, ok := m.Load(key); !ok || got != want {
				t.Errorf("Load(%d) = %p, %t, want the new value %p: the report was of the old one", key, got, ok, want)
			}
		}
		if s := balanced(t, m); s.Reaped != 20 || len(reported) != 19 {
			t.Errorf("Stats = %+v and %d reports, want 20 reaped and reported", s, len(reported)+1)
		}
		runtime.KeepAlive(held)
	})
}

// The runtime runs all cleanups on a few goroutines of its own. A callback there could stall
// every cleanup of the program.
func TestOnReapDoesNotRunOnTheRuntimesGoroutines(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		stacks := make(chan string, 100)
		m.OnReap = func(int) {
			pc := make([]uintptr, 64)
			frames := runtime.CallersFrames(pc[:runtime.Callers(0, pc)])
			var names []string
			for more := true; more; {
				var f runtime.Frame
				f, more = frames.Next()
				names = append(names, f.Function)
			}
			stacks <- strings.Join(names, "\n")
		}
		storeDoomed(m, numbers(20)...)
		eventually(t, "20 reports", func() bool { return len(stacks) == 20 })
		for range 20 {
			if s := <-stacks; strings.Contains(strings.ToLower(s), "runtime.runcleanups") ||
				strings.Contains(strings.ToLower(s), "cleanupqueue") || strings.Contains(s, "runtime.runFinalizers") {
				t.Fatalf("OnReap runs on a goroutine of the runtime:\n%s", s)
			}
		}
		runtime.KeepAlive(m) // OnReap is not called for a map that is gone
	})
}

func TestMain(m *testing.M) {
	if os.Getenv("WEAKMAP_TEST_PANIC") != "" {
		panicInOnReap()
		return
	}
	os.Exit(m.Run())
}

// panicInOnReap is what the child process of the test below runs.
func panicInOnReap() {
	var m weakmap.Map[int, record]
	m.OnReap = func(int) { panic("from OnReap") }
	storeDoomed(&m, 1, 2)
	for range 1000 {
		runtime.GC()
		runtime.Gosched()
	}
	fmt.Println("still running")
	runtime.KeepAlive(&m)
}

func TestAPanicInOnReapCrashesTheProgram(t *testing.T) {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "WEAKMAP_TEST_PANIC=1")
	out, err := child.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: from OnReap") {
		t.Errorf("the child ended with %v and said:\n%s\nwant it to crash with the panic", err, out)
	}
}
