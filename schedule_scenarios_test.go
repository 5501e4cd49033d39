//go:build weakmapsched

package weakmap

import (
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// In all scenarios c1, c2 and so on are cells, and a cell that an actor holds dies only after the
// actor has dropped it. What newMap checks in the end is checked in each: the operations have an
// order that explains them, each dead entry was reaped and reported once, and the books balance.
var c1, c2, c3 = cells[1], cells[2], cells[3]

var scenarios = []scenario{
	{
		// A value that dies when it is no longer bound is not a miss: the second look.
		name: "lookup beside replacement", preemptions: 3, reaches: []string{"found dead"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			r.start("writer", func(a *actor) {
				m.store(0, c2)
				a.drop(c1)
				m.store(0, c3)
				a.drop(c2)
			}, c1, c2, c3)
			r.start("reader", func(a *actor) { m.load(0) })
			r.start("collector", func(a *actor) { kill(a, c1); kill(a, c2) })
		},
	},
	{
		name: "two insertions of one key", preemptions: 3, reaches: []string{"table made"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			r.start("one", func(a *actor) { m.loadOrStore(0, c1); m.load(0) }, c1)
			r.start("other", func(a *actor) { m.loadOrStore(0, c2) }, c2)
			r.start("reader", func(a *actor) { m.load(0) })
		},
	},
	{
		name: "pass beside re-insertion", preemptions: 3, reaches: []string{"kill"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			r.keep(c2, c3)
			r.start("collector", func(a *actor) { kill(a, c1); m.reap() })
			r.start("writer", func(a *actor) { m.store(0, c2) })
			r.start("other", func(a *actor) { m.loadOrStore(0, c3) })
		},
	},
	{
		name: "two passes beside re-insertion", preemptions: 3,
		stage: func(r *run) {
			m := r.newMap(Config{Shards: 2})
			m.store(0, c1)
			m.store(1, c2)
			r.keep(c2, c3)
			r.start("collector", func(a *actor) { kill(a, c1); m.reap() })
			r.start("reaper", func(a *actor) { m.reap() })
			r.start("writer", func(a *actor) { m.store(0, c3) })
		},
	},
	{
		name: "cleanup beside re-insertion", preemptions: 3, reaches: []string{"try to lock"},
		stage: func(r *run) {
			m := r.newMap(Config{Reclaim: PerValue})
			m.store(0, c1)
			r.keep(c2, c3)
			r.start("collector", func(a *actor) { kill(a, c1) })
			r.start("writer", func(a *actor) { m.store(0, c2) })
			r.start("other", func(a *actor) { m.loadOrStore(0, c3) })
		},
	},
	{
		name: "a replaced value dies", preemptions: 3, reaches: []string{"slot replaced"},
		stage: func(r *run) {
			m := r.newMap(Config{Reclaim: PerValue})
			m.store(0, c1)
			r.keep(c3)
			r.start("writer", func(a *actor) { m.store(0, c2); m.store(0, c3) }, c2)
			r.start("collector", func(a *actor) { kill(a, c1); kill(a, c2) })
			r.start("deleter", func(a *actor) { m.remove(0) })
		},
	},
	{
		// Six keys with one hash: the sixth finds their bucket full, of dead bindings.
		name: "full bucket beside pass", preemptions: 3, reaches: []string{"tag cleared"},
		stage: func(r *run) {
			m := r.newMap(Config{Capacity: 8})
			m.Hash = func(int) uint64 { return 42 }
			for key := range row.Slots {
				m.store(key, cells[10+key])
			}
			r.keep(cells[10], c1)
			r.start("collector", func(a *actor) {
				for key := range row.Slots - 1 {
					kill(a, cells[11+key])
				}
				m.reap()
			})
			r.start("writer", func(a *actor) { m.store(row.Slots, c1) })
			r.start("reader", func(a *actor) { m.load(0) })
		},
	},
	{
		name: "growth beside lookup and insertion", preemptions: 3, reaches: []string{"to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.fill()
			r.keep(cells[10:15]...)
			r.keep(c1, c2)
			r.start("one", func(a *actor) { m.store(5, c1); m.load(0) })
			r.start("other", func(a *actor) { m.store(6, c2); m.load(5) })
			r.start("owner", func(a *actor) { m.load(3) })
		},
	},
	{
		// The reader searches the old layout when the value that this still has is replaced and
		// dies. All keys have one hash, so that it must search.
		name: "lookup beside growth and replacement", preemptions: 2, reaches: []string{"to place a shard", "found dead"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.Hash = func(int) uint64 { return 42 }
			m.fill()
			r.keep(cells[10:13]...)
			r.keep(cells[14])
			r.keep(c1, c2)
			r.start("writer", func(a *actor) {
				m.store(5, c1)
				m.store(3, c2)
				a.drop(cells[13])
			}, cells[13])
			r.start("collector", func(a *actor) { kill(a, cells[13]) })
			r.start("reader", func(a *actor) { m.load(3) })
		},
	},
	{
		name: "growth beside pass", preemptions: 3, reaches: []string{"to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.fill()
			r.keep(cells[11:15]...)
			r.keep(c1)
			r.start("writer", func(a *actor) { m.store(5, c1) })
			r.start("collector", func(a *actor) { kill(a, cells[10]); m.reap() })
			r.start("owner", func(a *actor) { m.load(3) })
		},
	},
	{
		name: "growth beside cleanup", preemptions: 2, reaches: []string{"to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{Reclaim: PerValue})
			m.fill()
			r.keep(cells[11:15]...)
			r.keep(c1)
			r.start("writer", func(a *actor) { m.store(5, c1) })
			r.start("collector", func(a *actor) { kill(a, cells[10]) })
			r.start("other", func(a *actor) { m.remove(3) })
		},
	},
	{
		name: "deletion beside pass", preemptions: 3, reaches: []string{seam.ToAsk},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			r.start("collector", func(a *actor) { kill(a, c1); m.reap() })
			r.start("deleter", func(a *actor) { m.remove(0) })
			r.start("reader", func(a *actor) { m.load(0) })
		},
	},
	{
		name: "compare and swap beside death", preemptions: 2, reaches: []string{"found dead"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			r.keep(c3)
			r.start("swapper", func(a *actor) { m.compareAndSwap(0, c1, c2) }, c1, c2)
			r.start("deleter", func(a *actor) { m.compareAndDelete(0, c1) }, c1)
			r.start("other", func(a *actor) { m.compareAndSwap(0, c1, c3); a.drop(c1); m.load(0) }, c1)
			r.start("collector", func(a *actor) { kill(a, c1); killUnheld(a, c2) })
		},
	},
	{
		name: "computations of one key", preemptions: 3, reaches: []string{"compute"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			r.start("one", func(a *actor) { m.compute(0, c1, c2) }, c1, c2)
			r.start("other", func(a *actor) { m.compute(0, c1, c2) }, c1, c2)
			r.start("collector", func(a *actor) { kill(a, c1) })
		},
	},
	{
		name: "clear beside insertion", preemptions: 3, reaches: []string{"to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{Shards: 2})
			m.store(0, c1)
			r.keep(c1, c2, c3)
			r.start("clearer", func(a *actor) { m.clear() })
			r.start("writer", func(a *actor) { m.store(1, c2); m.load(1) })
			r.start("other", func(a *actor) { m.store(0, c3); m.load(0) })
		},
	},
	{
		name: "clear beside death", preemptions: 2, reaches: []string{"to place a shard", "try to lock"},
		stage: func(r *run) {
			m := r.newMap(Config{Reclaim: PerValue})
			m.store(0, c1)
			r.keep(c2)
			r.start("clearer", func(a *actor) { m.clear() })
			r.start("writer", func(a *actor) { m.store(0, c2) })
			r.start("collector", func(a *actor) { killUnheld(a, c1) })
		},
	},
	{
		name: "iteration beside re-insertion", preemptions: 3, reaches: []string{"referent read"},
		stage: func(r *run) {
			m := r.newMap(Config{Shards: 2})
			m.store(0, c1)
			m.store(1, c2)
			r.keep(c1, c2, c3)
			m.iterates(1, 1)
			r.start("writer", func(a *actor) { m.remove(0); m.store(0, c3) })
		},
	},
	{
		name: "deletion of what is yielded", preemptions: 3, reaches: []string{"referent read"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.store(0, c1)
			r.keep(c2)
			r.start("deleter", func(a *actor) {
				m.do("CompareAndDelete", 0, c1, nil, func() (*cell, bool) {
					return nil, m.DeleteFunc(func(_ int, v *cell) bool { return v == c1 }) == 1
				})
			}, c1)
			r.start("writer", func(a *actor) { m.store(0, c2) })
			r.start("collector", func(a *actor) { kill(a, c1) })
		},
	},
	{
		// For one more key the table takes four shards in place of two.
		name: "iteration beside new shards", preemptions: 1, reaches: []string{"to place a shard"},
		stage: func(r *run) {
			m := r.newMap(Config{})
			m.Config.Shards = 0
			key := 0
			for ; !m.isFull(key); key++ {
				m.store(key, cells[10+key%50])
			}
			r.keep(cells[10:60]...)
			r.keep(c1)
			r.muted = []string{"referent read"}
			m.iterates(0, key-1)
			r.start("writer", func(a *actor) { m.store(key, c1) })
		},
	},
}
