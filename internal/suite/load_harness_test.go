package suite

import (
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-weak/weakmap"
)

// A loading is a container that loads, with what tests of loads use of it. Its keys are 0 to
// loadingKeys-1; a Cell has one key, which is 0.
type loading struct {
	keys          int
	load          func(key int) (*record, bool)
	store         func(key int, v *record)
	loadOrCompute func(key int, compute func() (*record, error)) (*record, bool, error)
	within        func(ctx context.Context, key int, compute func(context.Context) (*record, error)) (*record, bool, error) // nil for a Cell
	cut           map[string]func(key int)                                                                                  // what invalidates
	other         map[string]func(key int)                                                                                  // what unbinds, and cuts off nothing
	binders       map[string]func(key int, v *record)
	container     container  // nil for a Cell
	count         func() int // of what All yields; nil for a Cell
	nilIsAValue   bool
}

const loadingKeys = 8

// eachLoading runs a test as a subtest of every container that loads.
func eachLoading(t *testing.T, test func(t *testing.T, l *loading)) {
	t.Helper()
	inBothModes(t, func(t *testing.T, c configuration) {
		t.Run("Map", func(t *testing.T) { test(t, mapLoading(c)) })
		t.Run("KeyMap", func(t *testing.T) { test(t, keyMapLoading(c)) })
		t.Run("KeyMap by equality", func(t *testing.T) { test(t, equalKeyLoading(c)) })
		if c.reclaim == weakmap.PerCycle { // a Cell has no settings
			t.Run("Cell", func(t *testing.T) { test(t, cellLoading()) })
		}
	})
}

// eachLoadingInABubble runs a test in bubbles of synctest, where Wait returns when all calls that
// are to wait do. That is quick, so containers have all configurations.
func eachLoadingInABubble(t *testing.T, test func(t *testing.T, l *loading)) {
	t.Helper()
	run := func(t *testing.T, name string, l *loading) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, l) }) })
	}
	everywhere(t, func(t *testing.T, c configuration) { run(t, "Map", mapLoading(c)) })
	eachKeying(t, func(t *testing.T, c configuration) { run(t, "KeyMap", keyMapLoading(c)) })
	eachConfig(t, func(t *testing.T, c configuration) { run(t, "KeyMap by equality", equalKeyLoading(c)) })
	run(t, "Cell", cellLoading())
}

func mapLoading(c configuration) *loading {
	m := newMap[int, record](c)
	return &loading{
		container:     m,
		count:         func() int { return yielded(m.All()) },
		keys:          loadingKeys,
		load:          m.Load,
		store:         m.Store,
		loadOrCompute: m.LoadOrCompute,
		within:        m.LoadOrComputeContext,
		cut: map[string]func(int){
			"Delete":        m.Delete,
			"LoadAndDelete": func(key int) { m.LoadAndDelete(key) },
			"Clear":         func(int) { m.Clear() },
		},
		other: map[string]func(int){
			"CompareAndDelete": func(key int) {
				v, _ := m.Load(key)
				m.CompareAndDelete(key, v)
			},
			"DeleteFunc":     func(int) { m.DeleteFunc(func(int, *record) bool { return true }) },
			"Compute to nil": func(key int) { m.Compute(key, func(*record) *record { return nil }) },
		},
		binders: map[string]func(int, *record){
			"Store":       m.Store,
			"Swap":        func(key int, v *record) { m.Swap(key, v) },
			"LoadOrStore": func(key int, v *record) { m.LoadOrStore(key, v) },
			"Compute":     func(key int, v *record) { m.Compute(key, func(*record) *record { return v }) },
		},
	}
}

func keyMapLoading(c configuration) *loading {
	keys := newRecords(loadingKeys)
	return keyMapLoadingBy(c, hasherOf[record](c), func(key int) *record { return keys[key] })
}

// equalKeyLoading is keyMapLoading where each call has an object of its own, which is held.
func equalKeyLoading(c configuration) *loading {
	var keys sync.Map
	return keyMapLoadingBy(c, byID{}, func(key int) *record {
		r := &record{id: key}
		keys.Store(r, true)
		return r
	})
}

func keyMapLoadingBy(c configuration, h weakmap.Hasher[*record], object func(key int) *record) *loading {
	m := &weakmap.KeyMap[record, *record]{Config: c.config(), Hasher: h}
	return &loading{
		container:   m,
		count:       func() int { return yielded(m.All()) },
		nilIsAValue: true,

		keys:  loadingKeys,
		load:  func(key int) (*record, bool) { return m.Load(object(key)) },
		store: func(key int, v *record) { m.Store(object(key), v) },
		loadOrCompute: func(key int, compute func() (*record, error)) (*record, bool, error) {
			return m.LoadOrCompute(object(key), compute)
		},
		within: func(ctx context.Context, key int, compute func(context.Context) (*record, error)) (*record, bool, error) {
			return m.LoadOrComputeContext(ctx, object(key), compute)
		},
		cut: map[string]func(int){
			"Delete":        func(key int) { m.Delete(object(key)) },
			"LoadAndDelete": func(key int) { m.LoadAndDelete(object(key)) },
			"Clear":         func(int) { m.Clear() },
		},
		other: map[string]func(int){
			"DeleteFunc": func(int) { m.DeleteFunc(func(*record, *record) bool { return true }) },
			"Compute to nothing": func(key int) {
				m.Compute(object(key), func(*record, bool) (*record, bool) { return nil, false })
			},
		},
		binders: map[string]func(int, *record){
			"Store":       func(key int, v *record) { m.Store(object(key), v) },
			"Swap":        func(key int, v *record) { m.Swap(object(key), v) },
			"LoadOrStore": func(key int, v *record) { m.LoadOrStore(object(key), v) },
			"Compute": func(key int, v *record) {
				m.Compute(object(key), func(*record, bool) (*record, bool) { return v, true })
			},
		},
	}
}

func yielded[K, V any](all iter.Seq2[K, V]) (n int) {
	for range all {
		n++
	}
	return n
}

// byID is a Hasher by which records with one id are the same.
type byID struct{}

func (byID) Hash(h *maphash.Hash, r *record) { maphash.WriteComparable(h, r.id) }
func (byID) Equal(x, y *record) bool         { return x.id == y.id }

func cellLoading() *loading {
	c := new(weakmap.Cell[record])
	return &loading{
		keys:  1,
		load:  func(int) (*record, bool) { return c.Load() },
		store: func(_ int, v *record) { c.Store(v) },
		loadOrCompute: func(_ int, compute func() (*record, error)) (*record, bool, error) {
			return c.LoadOrCompute(compute)
		},
		cut:     map[string]func(int){"Clear": func(int) { c.Clear() }},
		binders: map[string]func(int, *record){"Store": func(_ int, v *record) { c.Store(v) }},
	}
}

// start has a goroutine make a call that loads. Its result is there after synctest.Wait.
func start(call func() (*record, bool, error)) *outcome {
	o := &outcome{ended: true}
	go func() {
		defer func() { o.panic = recover() }()
		o.value, o.loaded, o.err = call()
		o.ended = false
	}()
	return o
}

// begin starts a LoadOrCompute of key whose computation ends when result has one.
func (l *loading) begin(key int, result <-chan func() (*record, error)) *outcome {
	o := start(func() (*record, bool, error) {
		return l.loadOrCompute(key, func() (*record, error) { return (<-result)() })
	})
	synctest.Wait()
	return o
}

// join starts a LoadOrCompute of key that must not compute.
func (l *loading) join(t *testing.T, key int) *outcome {
	o := start(func() (*record, bool, error) {
		return l.loadOrCompute(key, func() (*record, error) {
			t.Error("a second computation runs")
			return nil, errors.New("a second computation")
		})
	})
	synctest.Wait()
	return o
}

func (o *outcome) want(t *testing.T, who string, v *record, loaded bool, err error) {
	t.Helper()
	if o.ended || o.value != v || o.loaded != loaded || o.err != err {
		t.Errorf("%s got %+v, want %p, %t, %v", who, *o, v, loaded, err)
	}
}

func (l *loading) wantLoad(t *testing.T, when string, key int, want *record) {
	t.Helper()
	if got, ok := l.load(key); got != want || ok != (want != nil) {
		t.Errorf("%s: Load = %p, %t, want %p", when, got, ok, want)
	}
}

func returns(v *record, err error) func() (*record, error) {
	return func() (*record, error) { return v, err }
}
