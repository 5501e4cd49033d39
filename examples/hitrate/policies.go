package main

import (
	"container/heap"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/maypok86/otter/v2"

	"github.com/go-weak/weakmap"
)

// A block is what the caches of a trace hold.
type block struct {
	key uint32
	_   [60]byte
}

// A replayed trace is how many requests found a value, and how many found one that the cache held.
// It differs for a weak map: there, what was evicted is found until it is collected.
type replayed struct{ found, held int }

// A policy replays traces with a cache that holds as many values as it is told.
type policy struct {
	name   string
	gogc   int // 0 if it makes no difference
	replay func(order []uint32, capacity int) replayed
}

const (
	best     = "optimum"
	oneShard = "RetainMax"
	rival    = "otter"
	classic  = "LRU"
)

// policies are in the order of the table's columns. RetainMax with one shard is measured with
// several paces of collections.
var policies = []policy{
	{best, 0, func(order []uint32, capacity int) replayed { return certain(optimum(order, capacity)) }},
	{oneShard, 25, retainMax(1)},
	{oneShard, 100, retainMax(1)},
	{oneShard, 400, retainMax(1)},
	{"default shards", 100, retainMax(0)},
	{rival, 0, otterOf},
	{classic, 0, lruOf},
}

// certain is for caches that find what they hold and nothing else.
func certain(found int) replayed { return replayed{found, found} }

// run replays a trace at the pace of collections that p is for.
func (p policy) run(order []uint32, capacity int) replayed {
	if p.gogc != 0 {
		defer debug.SetGCPercent(debug.SetGCPercent(p.gogc))
		runtime.GC()
	}
	return p.replay(order, capacity)
}

// garbage is what each request leaves, as work does, so that there are collections.
var garbage atomic.Pointer[[256]byte]

func retainMax(shards int) func(order []uint32, capacity int) replayed {
	return func(order []uint32, capacity int) (r replayed) {
		m := &weakmap.Map[uint32, block]{Config: weakmap.Config{RetainMax: capacity, Shards: shards}}
		for _, key := range order {
			_, found, _ := m.LoadOrCompute(key, func() (*block, error) { return &block{key: key}, nil })
			if found {
				r.found++
			}
			garbage.Store(new([256]byte))
		}
		// Each request for what was not held had a value held, and each of these is held still or
		// was evicted.
		s := m.Stats()
		r.held = len(order) - s.Retained - int(s.Evicted)
		return r
	}
}

func newOtter(capacity int) *otter.Cache[uint32, *block] {
	return otter.Must(&otter.Options[uint32, *block]{
		MaximumSize: capacity,
		Executor:    func(task func()) { task() }, // so that it evicts before the next request
	})
}

func otterOf(order []uint32, capacity int) replayed {
	c := newOtter(capacity)
	found := 0
	for _, key := range order {
		if _, ok := c.GetIfPresent(key); ok {
			found++
		} else {
			c.Set(key, &block{key: key})
		}
	}
	return certain(found)
}

func lruOf(order []uint32, capacity int) replayed {
	c, err := lru.New[uint32, *block](capacity)
	if err != nil {
		panic(err) // No capacity is below 1.
	}
	found := 0
	for _, key := range order {
		if _, ok := c.Get(key); ok {
			found++
		} else {
			c.Add(key, &block{key: key})
		}
	}
	return certain(found)
}

// farthest is a heap of requests, the last first.
type farthest []request

func (f farthest) Len() int           { return len(f) }
func (f farthest) Less(i, j int) bool { return f[i].at > f[j].at }
func (f farthest) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *farthest) Push(x any)        { *f = append(*f, x.(request)) }

func (f *farthest) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}

func (f *farthest) push(r request) { heap.Push(f, r) }
func (f *farthest) pop() request   { return heap.Pop(f).(request) }
