package suite

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

// What a Cell has in common with other containers that load is in load_share_test.go and cutoff_test.go.

func TestCellHasTwentyFourBytes(t *testing.T) {
	if n := unsafe.Sizeof(weakmap.Cell[record]{}); n > 24 {
		t.Errorf("a Cell has %d bytes", n)
	}
}

func TestCellLoadsWhatIsStored(t *testing.T) {
	var c weakmap.Cell[record]
	if v, ok := c.Load(); v != nil || ok {
		t.Errorf("Load of a zero Cell = %p, %t", v, ok)
	}
	c.Clear()
	a, b := new(record), new(record)
	for _, v := range []*record{a, b, b, a} {
		c.Store(v)
		if got, ok := c.Load(); got != v || !ok {
			t.Errorf("Load = %p, %t, want %p", got, ok, v)
		}
	}
	if got, loaded, err := c.LoadOrCompute(unexpected); got != a || !loaded || err != nil {
		t.Errorf("LoadOrCompute = %p, %t, %v, want %p, true, nil", got, loaded, err, a)
	}
	c.Clear()
	if v, ok := c.Load(); v != nil || ok {
		t.Errorf("Load after Clear = %p, %t", v, ok)
	}
	mustPanic(t, "Store(nil)", "weakmap: nil value", func() { c.Store(nil) })
	runtime.KeepAlive([]any{a, b})
}

// It holds nothing: the value dies, and is made again.
func TestCellDoesNotKeepItsValue(t *testing.T) {
	var c weakmap.Cell[record]
	var handles []weak.Pointer[record]
	for round := range 3 {
		elsewhere(func() {
			v, loaded, err := c.LoadOrCompute(func() (*record, error) { return &record{id: round}, nil })
			if v == nil || v.id != round || loaded || err != nil {
				t.Errorf("round %d: LoadOrCompute = %v, %t, %v", round, v, loaded, err)
			}
			handles = append(handles, weak.Make(v))
		})
		awaitDeath(t, handles)
		if v, ok := c.Load(); v != nil || ok {
			t.Errorf("round %d: Load of a dead value = %p, %t", round, v, ok)
		}
	}
	elsewhere(func() { v := new(record); handles = append(handles, weak.Make(v)); c.Store(v) })
	awaitDeath(t, handles)
	if v, ok := c.Load(); v != nil || ok {
		t.Errorf("Load of a dead value = %p, %t", v, ok)
	}
	runtime.KeepAlive(&c)
}

func TestCellAllocatesNothingButTheWeakPointer(t *testing.T) {
	var c weakmap.Cell[record]
	v, w := new(record), new(record)
	weak.Make(v) // so that the runtime has one
	handle := weak.Make(w)
	for what, f := range map[string]func(){
		"Load of an empty Cell": func() { c.Load() },
		"Clear":                 func() { c.Clear() },
		"Store":                 func() { c.Store(w); c.Clear() },
		"Load":                  func() { c.Store(w); c.Load(); c.Clear() },
		"LoadOrCompute that hits": func() {
			c.Store(w)
			c.LoadOrCompute(unexpected)
			c.Clear()
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations, want 0", what, n)
		}
	}
	// After a load only the weak pointer stays.
	const n = 10_000
	cells := make([]weakmap.Cell[record], n)
	before := heapBytes()
	for i := range cells {
		cells[i].LoadOrCompute(returns(w, nil))
	}
	if each := (heapBytes() - before) / n; each > 2 {
		t.Errorf("each Cell keeps %d bytes on the heap after a load", each)
	}
	if got, ok := cells[n-1].Load(); got != w || !ok {
		t.Errorf("Load = %p, %t, want %p", got, ok, w)
	}
	runtime.KeepAlive([]any{v, w, handle, &c, cells})
}

// A reader never misses while what is stored is held, whatever replaces it and dies.
func TestCellLoadDoesNotMissBetweenTwoStores(t *testing.T) {
	defer collectInBackground()()
	var c weakmap.Cell[record]
	first := new(record)
	c.Store(first)
	var stop atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		held := first
		for !stop.Load() {
			next := new(record)
			c.Store(next)
			runtime.KeepAlive(held) // Only now may the one before die.
			held = next
		}
		runtime.KeepAlive(held)
	})
	misses, loads := 0, 0
	for end := time.Now().Add(time.Duration(scaled(500)) * time.Millisecond); time.Now().Before(end); loads++ {
		if _, ok := c.Load(); !ok {
			misses++
		}
	}
	stop.Store(true)
	wg.Wait()
	if misses > 0 || loads == 0 {
		t.Errorf("%d of %d loads missed", misses, loads)
	}
}

// cellEvent is one call in a history.
type cellEvent struct {
	begin, end int64 // by a common clock
	what       byte  // S(tore), C(lear), L(oad), M(iss), O(wn value loaded with LoadOrCompute), W(as loaded with it)
	id         int   // of the value
	since      int64 // O: when compute began
	held       *record
}

// Short histories of Store, Clear, Load and LoadOrCompute are linearizable, with the collector as
// an actor that may empty the Cell when the value is not held.
func TestCellIsLinearizable(t *testing.T) {
	defer collectInBackground()()
	const workers, calls = 3, 4
	var clock atomic.Int64
	rounds, deaths, cuts := 0, 0, 0
	for end := time.Now().Add(time.Duration(scaled(1500)) * time.Millisecond); time.Now().Before(end); rounds++ {
		var c weakmap.Cell[record]
		histories := make([][]cellEvent, workers)
		var wg sync.WaitGroup
		var ids atomic.Int64
		clock.Store(0)
		holds := rounds%3 != 0 // else values may die at once
		for w := range workers {
			r := rand.New(rand.NewPCG(uint64(rounds), uint64(w)))
			wg.Go(func() {
				for range calls {
					e := cellEvent{begin: clock.Add(1)}
					switch r.IntN(5) {
					case 0:
						v := &record{id: int(ids.Add(1))}
						c.Store(v)
						e.what, e.id, e.held = 'S', v.id, v
					case 1:
						c.Clear()
						e.what = 'C'
					case 2, 3:
						e.what = 'M'
						if v, ok := c.Load(); ok {
							e.what, e.id, e.held = 'L', v.id, v
						}
					case 4:
						v, loaded, _ := c.LoadOrCompute(func() (*record, error) {
							e.since = clock.Add(1)
							runtime.Gosched()
							return &record{id: int(ids.Add(1))}, nil
						})
						e.what, e.id, e.held = 'W', v.id, v
						if !loaded {
							e.what = 'O'
						}
					}
					e.end = clock.Add(1)
					if !holds {
						e.held = nil
					}
					histories[w] = append(histories[w], e)
				}
			})
		}
		wg.Wait()
		died, cut, ok := explainCell(histories, !holds)
		if !ok {
			t.Fatalf("round %d, held %t: no order explains %+v", rounds, holds, histories)
		}
		deaths, cuts = deaths+died, cuts+cut
		runtime.KeepAlive(histories)
	}
	if rounds == 0 || cuts == 0 {
		t.Errorf("%d rounds, %d deaths, %d loads that were cut off", rounds, deaths, cuts)
	}
}

// explainCell looks for an order of the calls that a Cell, of which one thing happens at a time,
// would give the same results for. A computation that was cut off stores nothing: a Clear comes
// between its beginning and its end. A caller that waited for one gets that value too.
func explainCell(histories [][]cellEvent, mayDie bool) (deaths, cuts int, ok bool) {
	type state struct {
		at    [3]int
		value int // 0 = empty
	}
	var own = map[int]cellEvent{}
	for _, h := range histories {
		for _, e := range h {
			if e.what == 'O' {
				own[e.id] = e
			}
		}
	}
	cleared := func(e cellEvent) bool { // whether a Clear was under way while e.id was computed
		o, known := own[e.id]
		if !known {
			return false
		}
		for _, h := range histories {
			for _, c := range h {
				if c.what == 'C' && c.begin < o.end && c.end > o.begin {
					return true
				}
			}
		}
		return false
	}
	seen := map[state]bool{}
	var search func(s state) bool
	search = func(s state) bool {
		if seen[s] {
			return false
		}
		seen[s] = true
		done := true
		first := int64(1 << 62) // when the first of those that are left has ended
		for w, h := range histories {
			if s.at[w] < len(h) {
				done = false
				first = min(first, h[s.at[w]].end)
			}
		}
		if done {
			return true
		}
		if mayDie && s.value != 0 {
			if n := (state{s.at, 0}); search(n) {
				deaths++
				return true
			}
		}
		for w, h := range histories {
			if s.at[w] == len(h) || h[s.at[w]].begin > first {
				continue
			}
			e, n := h[s.at[w]], s
			n.at[w]++
			switch e.what {
			case 'S':
				n.value = e.id
			case 'C':
				n.value = 0
			case 'L':
				if s.value != e.id {
					continue
				}
			case 'M':
				if s.value != 0 {
					continue
				}
			case 'O':
				if s.value == 0 {
					stored := n
					stored.value = e.id
					if search(stored) {
						return true
					}
				}
				if !cleared(e) {
					continue
				}
				if search(n) {
					cuts++
					return true
				}
				continue
			case 'W':
				// A waiter gets what was computed, also if that was replaced or cleared since.
				o, known := own[e.id]
				waited := known && o.begin < e.end && e.begin < o.end
				if s.value != e.id && !waited {
					continue
				}
			}
			if search(n) {
				return true
			}
		}
		return false
	}
	ok = search(state{})
	return deaths, cuts, ok
}
