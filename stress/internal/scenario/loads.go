package scenario

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-weak/weakmap"
)

// Computations that are cut off by an invalidation, and callers that leave.
var loads = []Scenario{
	{"cache/invalidated", "a value that was computed before its data changed, and is found after the Delete or Clear that followed the change",
		needAll, rounds(invalidatedMap)},
	{"cache/invalidated-keymap", "the same for values attached to objects",
		needHits | needCollections, rounds(invalidatedKeyMap)},
	{"cache/invalidated-cell", "the same in a Cell",
		needAll, rounds(invalidatedCell)},
	{"cache/left", "a caller that gets another's context as its error; two computations of one key at work; what an abandoned one has computed; a computation that does not end",
		needAll, rounds(left)},
}

// An invalidatable is a container whose keys, numbered from 0, are bound by computations.
type invalidatable struct {
	keys          int
	loadOrCompute func(w *worker, key int, compute func() (*object, error)) (*object, bool, error)
	load          func(key int) (*object, bool)
	invalidate    func(w *worker, key int)
	clear         func()
}

// stale has one goroutine change the data of a key, and then invalidate it. What is found by a call
// that begins after that is not older. The id of a value is the version of the data.
func stale(r *Round, c invalidatable) {
	data, valid := make([]atomic.Int64, c.keys), make([]atomic.Int64, c.keys) // valid: the oldest that may be found
	r.collect()
	r.start(1, func(w *worker) {
		for w.goOn() {
			for range 20 {
				if w.rng.IntN(3) == 0 {
					for key := range data {
						data[key].Add(1)
					}
					c.clear()
					for key := range valid {
						valid[key].Store(data[key].Load())
					}
				} else {
					key := w.rng.IntN(c.keys)
					version := data[key].Add(1)
					c.invalidate(w, key)
					valid[key].Store(version)
				}
				for range w.rng.IntN(4) {
					runtime.Gosched()
				}
			}
			w.did += 20
		}
	})
	r.start(3, func(w *worker) {
		current := make(held, c.keys)
		for w.goOn() {
			for range 100 {
				key := w.rng.IntN(c.keys)
				since := valid[key].Load()
				if v, ok := c.load(key); ok && v.id < since {
					w.violation("%v: Load(%d) gives version %d, which was invalidated: %d is the oldest", w.configuration, key, v.id, since)
					return
				}
				v, loaded, err := c.loadOrCompute(w, key, func() (*object, error) {
					v := &object{id: data[key].Load()}
					if w.rng.IntN(2) == 0 {
						runtime.Gosched()
					}
					return v, nil
				})
				if err != nil || v == nil || v.id < since {
					w.violation("%v: LoadOrCompute(%d) = %+v, %t, %v, but version %d is the oldest", w.configuration, key, v, loaded, err, since)
					return
				}
				if loaded {
					w.found++
				}
				current[key] = v
			}
			w.did += 200
		}
		runtime.KeepAlive(current)
	})
	r.wait()
}

func invalidatedMap(r *Round) {
	m := newMap[int](r.configuration)
	stale(r, invalidatable{
		keys: 3,
		loadOrCompute: func(w *worker, key int, compute func() (*object, error)) (*object, bool, error) {
			if w.number == 0 {
				return m.LoadOrComputeContext(context.Background(), key, func(context.Context) (*object, error) { return compute() })
			}
			return m.LoadOrCompute(key, compute)
		},
		load: m.Load,
		invalidate: func(w *worker, key int) {
			if w.rng.IntN(2) == 0 {
				m.LoadAndDelete(key)
			} else {
				m.Delete(key)
			}
		},
		clear: m.Clear,
	})
	m.Store(-1, &object{}) // There is one at least that dies.
	r.eventually("what nothing holds left", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}

func invalidatedKeyMap(r *Round) {
	m := &weakmap.KeyMap[object, *object]{Config: r.config()} //weakvet:ignore weakcycle the values are other objects than the keys, and refer to none
	keys := [3]*object{{}, {}, {}}
	stale(r, invalidatable{
		keys: len(keys),
		loadOrCompute: func(_ *worker, key int, compute func() (*object, error)) (*object, bool, error) {
			return m.LoadOrCompute(keys[key], compute)
		},
		load: func(key int) (*object, bool) { return m.Load(keys[key]) },
		invalidate: func(w *worker, key int) {
			if w.rng.IntN(2) == 0 {
				m.LoadAndDelete(keys[key])
			} else {
				m.Delete(keys[key])
			}
		},
		clear: m.Clear,
	})
	clear(keys[:])
	r.eventually("nothing is attached when the keys are gone", func() bool { return m.Len() == 0 })
	r.balance(m)
}

func invalidatedCell(r *Round) {
	var c weakmap.Cell[object]
	stale(r, invalidatable{
		keys: 1,
		loadOrCompute: func(_ *worker, _ int, compute func() (*object, error)) (*object, bool, error) {
			return c.LoadOrCompute(compute)
		},
		load:       func(int) (*object, bool) { return c.Load() },
		invalidate: func(*worker, int) { c.Clear() },
		clear:      c.Clear,
	})
	r.diesInCell(&c)
}

// diesInCell stores a value that nothing holds, and waits for its death.
func (r *Round) diesInCell(c *weakmap.Cell[object]) {
	c.Store(&object{}) //weakvet:ignore weakunheld is to die
	if r.eventually("the value of the Cell died", func() bool { _, ok := c.Load(); return !ok }) {
		r.dead.Add(1)
	}
}

// abandoned is the id of what was computed when all callers had left.
const abandoned = -1

// left has callers wait for each other's computations, and leave at random.
func left(r *Round) {
	const keys = 3
	m := newMap[int](r.configuration)
	var mu sync.Mutex
	var working [keys][]context.Context // the computations at work. Guarded by mu.
	r.collect()
	r.start(6, func(w *worker) {
		mine := errors.New("my own cause")
		compute := func(ctx context.Context, key int, time time.Duration) *object {
			mu.Lock()
			for _, other := range working[key] {
				if other.Err() == nil && ctx.Err() == nil { // It may have been left before it came here.
					w.violation("%v: two computations of key %d are at work", w.configuration, key)
				}
			}
			working[key] = append(working[key], ctx)
			mu.Unlock()
			rest(ctx, time)
			mu.Lock()
			defer mu.Unlock()
			working[key] = slices.DeleteFunc(working[key], func(other context.Context) bool { return other == ctx })
			if ctx.Err() != nil {
				return &object{id: abandoned} // It must be no caller's.
			}
			return &object{id: int64(key)}
		}
		for w.goOn() {
			key, time := w.rng.IntN(keys), w.randomTime()
			var v *object
			var loaded bool
			var err error
			ctx, cancel := context.WithCancelCause(context.Background())
			switch w.rng.IntN(8) {
			case 0: // who stays
				v, loaded, err = m.LoadOrCompute(key, func() (*object, error) {
					own, end := context.WithCancel(context.Background())
					defer end()
					return compute(own, key, time), nil
				})
			case 1: // who has left before
				cancel(mine)
				fallthrough
			default:
				if leaves := w.randomTime(); w.rng.IntN(3) > 0 {
					w.workers.Go(func() {
						rest(ctx, leaves)
						cancel(mine)
					})
				}
				v, loaded, err = m.LoadOrComputeContext(ctx, key, func(ctx context.Context) (*object, error) { return compute(ctx, key, time), nil })
			}
			switch {
			case err != nil && (err != mine || ctx.Err() == nil || v != nil):
				w.violation("%v: key %d: %v, %v, and the caller's own context has %v", w.configuration, key, v, err, context.Cause(ctx))
			case err == nil && (v == nil || v.id != int64(key)):
				w.violation("%v: key %d: %+v", w.configuration, key, v)
			case err == nil && loaded:
				w.found++
			}
			cancel(nil)
			w.did++
			if v != nil {
				m.CompareAndDelete(key, v) // This cuts no computation off, and makes room for the next.
			}
		}
	})
	r.wait()
	r.within("all computations ended", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(working[0])+len(working[1])+len(working[2]) == 0
	})
	m.Store(-1, &object{}) // There is one at least that dies.
	r.eventually("what nothing holds left", func() bool { return m.Len() == 0 })
	r.dead.Add(int64(r.balance(m).Reaped))
}

// randomTime returns 0 for most, and otherwise some microseconds.
func (w *worker) randomTime() time.Duration {
	return time.Duration(max(w.rng.IntN(400)-200, 0)) * time.Microsecond
}

// rest waits for some time, or until ctx has ended; for no time it lets others go first.
func rest(ctx context.Context, d time.Duration) {
	if d == 0 {
		runtime.Gosched()
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
