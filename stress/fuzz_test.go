package stress

import (
	"maps"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// An item is a value of the fuzzed map.
type item struct {
	number int
	_      *item
}

const (
	fuzzKeys  = 5
	fuzzItems = 4
)

// A game is a fuzzed map, a built-in map that says what must be in it, and the items that are held.
type game struct {
	t     *testing.T
	m     *weakmap.Map[int, item]
	model map[int]int      // the numbers of the items that are bound, and not dead
	items [fuzzItems]*item // the one of each place that is held now
	made  int
}

// item returns the item at a place.
func (g *game) item(place int) *item {
	if g.items[place] == nil {
		g.made++
		g.items[place] = &item{number: g.made}
	}
	return g.items[place]
}

// expect compares what the map gave with what the model holds.
func (g *game) expect(operation string, key int, got *item, ok bool) {
	number, bound := g.model[key]
	if ok != bound || ok && got.number != number || !ok && got != nil {
		g.t.Fatalf("%s(%d) = %v, %t, want number %d, %t", operation, key, got, ok, number, bound)
	}
}

// move does one operation on both.
//
//go:noinline
func (g *game) move(operation byte, key, place int) {
	switch operation {
	case 0:
		v, ok := g.m.Load(key)
		g.expect("Load", key, v, ok)
	case 1:
		v := g.item(place)
		g.m.Store(key, v)
		g.model[key] = v.number
	case 2:
		v := g.item(place)
		actual, loaded := g.m.LoadOrStore(key, v)
		if !loaded {
			g.expect("LoadOrStore", key, nil, false)
			g.model[key] = v.number
		}
		g.expect("LoadOrStore", key, actual, true)
	case 3:
		v, ok := g.m.LoadAndDelete(key)
		g.expect("LoadAndDelete", key, v, ok)
		delete(g.model, key)
	case 4:
		v := g.item(place)
		previous, ok := g.m.Swap(key, v)
		g.expect("Swap", key, previous, ok)
		g.model[key] = v.number
	case 5:
		old, next := g.item(place), g.item((place+1)%fuzzItems)
		number, bound := g.model[key]
		if swapped := g.m.CompareAndSwap(key, old, next); swapped != (bound && number == old.number) {
			g.t.Fatalf("CompareAndSwap(%d) = %t, bound is %d", key, swapped, number)
		} else if swapped {
			g.model[key] = next.number
		}
	case 6:
		old := g.item(place)
		number, bound := g.model[key]
		if deleted := g.m.CompareAndDelete(key, old); deleted != (bound && number == old.number) {
			g.t.Fatalf("CompareAndDelete(%d) = %t, bound is %d", key, deleted, number)
		} else if deleted {
			delete(g.model, key)
		}
	case 7:
		v := g.item(place)
		g.m.Compute(key, func(current *item) *item {
			g.expect("Compute", key, current, current != nil)
			if place == 0 {
				return nil
			}
			return v
		})
		if g.model[key] = v.number; place == 0 {
			delete(g.model, key)
		}
	case 8:
		deleted := g.m.DeleteFunc(func(k int, v *item) bool {
			g.expect("DeleteFunc", k, v, true)
			return k <= key
		})
		before := len(g.model)
		for k := range key + 1 {
			delete(g.model, k)
		}
		if gone := before - len(g.model); deleted != gone {
			g.t.Fatalf("DeleteFunc = %d, want %d", deleted, gone)
		}
	case 9:
		seen := 0
		for k, v := range g.m.All() {
			g.expect("All", k, v, true)
			seen++
		}
		if want := len(g.model); seen != want {
			g.t.Fatalf("All yields %d bindings, want %d", seen, want)
		}
	case 10:
		if key == 0 {
			g.m.Clear()
			clear(g.model)
		}
		g.m.Reap()
		if n := g.m.Len(); n != len(g.model) {
			g.t.Fatalf("Len after Reap = %d, want %d", n, len(g.model))
		}
	}
}

// kill lets go of the item at a place and waits for its death. The entries may still be there.
func (g *game) kill(place int) {
	if g.items[place] == nil {
		return
	}
	number, w := g.items[place].number, weak.Make(g.items[place])
	g.items[place] = nil
	for deadline := time.Now().Add(20 * time.Second); w.Value() != nil; runtime.GC() {
		if time.Now().After(deadline) {
			g.t.Fatalf("number %d does not die", number)
		}
	}
	maps.DeleteFunc(g.model, func(_, bound int) bool { return bound == number })
}

// FuzzMap plays operations on few keys against a built-in map, with values that die at any
// time. The first byte configures the map; each of the others is an operation.
func FuzzMap(f *testing.F) {
	f.Fuzz(func(t *testing.T, program []byte) {
		if len(program) == 0 || len(program) > 200 {
			return
		}
		g := &game{t: t, m: &weakmap.Map[int, item]{}, model: map[int]int{}}
		g.m.Config.Reclaim = weakmap.Reclaim(program[0] & 1)
		g.m.Config.Shards = int(program[0] >> 1 & 3)
		if program[0]&8 != 0 {
			g.m.Hash = func(int) uint64 { return 0 }
		}
		for _, b := range program[1:] {
			operation, key, place := b%12, int(b/12)%fuzzKeys, int(b/12)/fuzzKeys%fuzzItems
			if operation == 11 {
				g.kill(place)
			} else {
				g.move(operation, key, place)
			}
		}
		runtime.KeepAlive(&g.items)
		s := g.m.Stats()
		if s.Inserts != s.Reaped+s.Deleted+uint64(s.Entries) {
			t.Fatalf("%+v: Inserts != Reaped + Deleted + Entries", s)
		}
	})
}
