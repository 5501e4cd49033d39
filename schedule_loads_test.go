//go:build weakmapsched

package weakmap

import (
	"context"
	"fmt"
)

// A weakCell is a Cell whose operations are recorded, under key 0.
type weakCell struct {
	Cell[cell]
	run *run
}

// newCell makes the Cell of a run.
func (r *run) newCell() *weakCell {
	c := &weakCell{run: r}
	r.finish = append(r.finish, func() error {
		c.load()
		if !r.history.explained() {
			return fmt.Errorf("no order of the operations explains what they gave")
		}
		return nil
	})
	return c
}

func (c *weakCell) do(name string, arg *cell, f func() (*cell, bool)) *cell {
	r := c.run
	o := operation{name: name, arg: number(r, arg), call: r.call()}
	got, did := f()
	o.got, o.did = number(r, got), did
	if a := r.running; a != nil && got != nil {
		take(a, got)
	}
	r.record(o)
	return got
}

func (c *weakCell) load() *cell { return c.do("Load", nil, c.Load) }

func (c *weakCell) store(v *cell) {
	c.do("Store", v, func() (*cell, bool) { c.Store(v); return nil, false })
}

func (c *weakCell) clear() {
	c.do("Clear", nil, func() (*cell, bool) { c.Clear(); return nil, false })
}

func (c *weakCell) loadOrCompute(v *cell) *cell {
	return c.do("LoadOrCompute", v, func() (*cell, bool) {
		got, loaded, _ := c.LoadOrCompute(func() (*cell, error) {
			c.run.yield("compute", nil)
			return v, nil
		})
		return got, loaded
	})
}

// A loaded is a container in which one key is bound by computations, and invalidated.
type loaded struct {
	loadOrCompute func(compute func() (*cell, error)) (*cell, bool, error)
	load          func() (*cell, bool)
	invalidate    func()
}

// isNotStale changes the data from which a computation makes its value, and then invalidates the
// container: what was made from the old data must not be found after that. Histories do not show
// it, since the computation may also be said to have come after the invalidation.
func isNotStale(r *run, l loaded) {
	before, after := c1, c2
	data := before
	r.keep(before, after)
	compute := func() (*cell, error) {
		v := data
		r.yield("compute", nil)
		return v, nil
	}
	r.start("loader", func(*actor) { l.loadOrCompute(compute); r.forget() })
	r.start("writer", func(*actor) {
		data = after
		r.yield("changed", nil)
		l.invalidate()
		r.forget()
		if v, ok := l.load(); ok && v != after {
			r.fail(fmt.Errorf("what was computed before the invalidation is bound after it"))
		}
		r.forget()
		if v, _, _ := l.loadOrCompute(compute); v != after {
			r.fail(fmt.Errorf("a load that began after the invalidation gives what was computed before it"))
		}
		r.forget()
	})
	r.start("other", func(*actor) { l.loadOrCompute(compute); r.forget() })
}

func loadedMap(r *run, invalidate func(m *Map[int, cell])) loaded {
	m := &Map[int, cell]{Config: Config{Shards: 1}}
	r.guards = append(r.guards, &guard{run: r, core: &m.core})
	return loaded{
		func(compute func() (*cell, error)) (*cell, bool, error) { return m.LoadOrCompute(0, compute) },
		func() (*cell, bool) { return m.Load(0) },
		func() { invalidate(m) },
	}
}

func loadedKeyMap(r *run, invalidate func(m *KeyMap[cell, *cell])) loaded {
	m := &KeyMap[cell, *cell]{Config: Config{Shards: 1}}
	r.guards = append(r.guards, &guard{run: r, core: &m.core})
	r.keep(c3)
	return loaded{
		func(compute func() (*cell, error)) (*cell, bool, error) { return m.LoadOrCompute(c3, compute) },
		func() (*cell, bool) { return m.Load(c3) },
		func() { invalidate(m) },
	}
}

// Scenarios of computations that are cut off or left, and of the Cell.
var loadScenarios = []scenario{
	{
		name: "clear beside computation", preemptions: 2, reaches: []string{"to store", "changed"},
		stage: func(r *run) { isNotStale(r, loadedMap(r, (*Map[int, cell]).Clear)) },
	},
	{
		name: "delete beside computation", preemptions: 2, reaches: []string{"to store", "changed"},
		stage: func(r *run) { isNotStale(r, loadedMap(r, func(m *Map[int, cell]) { m.Delete(0) })) },
	},
	{
		name: "clear of a KeyMap beside computation", preemptions: 2, reaches: []string{"to store", "changed"},
		stage: func(r *run) { isNotStale(r, loadedKeyMap(r, (*KeyMap[cell, *cell]).Clear)) },
	},
	{
		name: "clear of a Cell beside computation", preemptions: 2, reaches: []string{"to store", "cut off"},
		stage: func(r *run) {
			var c Cell[cell]
			isNotStale(r, loaded{c.LoadOrCompute, c.Load, c.Clear})
		},
	},
	{
		// A value that dies when it is no longer in the Cell is not a miss: the second read.
		name: "load of a Cell beside replacement", preemptions: 3, reaches: []string{"word read"},
		stage: func(r *run) {
			c := r.newCell()
			c.store(c1)
			r.start("writer", func(a *actor) {
				c.store(c2)
				a.drop(c1)
				c.store(c3)
				a.drop(c2)
			}, c1, c2, c3)
			r.start("reader", func(*actor) { c.load() })
			r.start("collector", func(a *actor) { kill(a, c1); kill(a, c2) })
		},
	},
	{
		name: "computations of a Cell, a store and a death", preemptions: 2, reaches: []string{"await", "to store", "word read"},
		stage: func(r *run) {
			c := r.newCell()
			c.store(c1)
			r.keep(c3)
			r.start("one", func(*actor) { c.loadOrCompute(c2); c.load() }, c2)
			r.start("other", func(*actor) { c.loadOrCompute(c3); c.clear() })
			r.start("writer", func(*actor) { c.store(c3) })
			r.start("collector", func(a *actor) { killUnheld(a, c1); killUnheld(a, c2) })
		},
	},
	{
		// The last caller leaves, and another begins: by then the computation that was left must
		// know that it is cancelled, or two of one key would be at work.
		name: "leaving beside another load", preemptions: 3, reaches: []string{"compute", "leaves", "await"},
		stage: func(r *run) {
			m := &Map[int, cell]{Config: Config{Shards: 1}}
			r.guards = append(r.guards, &guard{run: r, core: &m.core})
			r.keep(c1)
			var working []context.Context
			load := func(ctx context.Context) {
				m.LoadOrComputeContext(ctx, 0, func(ctx context.Context) (*cell, error) {
					for _, w := range working {
						if w.Err() == nil && ctx.Err() == nil {
							r.fail(fmt.Errorf("a computation begins while another is at work that was not cancelled"))
						}
					}
					working = append(working, ctx)
					r.yield("compute", nil)
					for i, w := range working {
						if w == ctx {
							working = append(working[:i:i], working[i+1:]...)
							break
						}
					}
					return c1, ctx.Err()
				})
				r.forget()
			}
			ctx, cancel := context.WithCancel(context.Background())
			r.start("leaver", func(*actor) { load(ctx) })
			r.start("canceller", func(*actor) { r.yield("leaves", nil); cancel() })
			r.start("other", func(*actor) { load(context.Background()) })
			r.finish = append(r.finish, func() error {
				if v, ok := m.Load(0); !ok || v != c1 {
					return fmt.Errorf("Load = %p, %t, want what the one computed who stayed", v, ok)
				}
				return balanced(m.Stats(), 1)
			})
		},
	},
}
