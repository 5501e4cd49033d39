package suite

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

// collectable checks that a map made by fill, its keys and whatever else fill names go while
// the values that fill returns live on.
func collectable(t *testing.T, what string, fill func(watch func(alive func() bool)) (values any)) {
	t.Helper()
	var values any
	var watched []func() bool
	elsewhere(func() {
		values = fill(func(alive func() bool) { watched = append(watched, alive) })
	})
	eventually(t, what+": the dropped map and its keys are collected", func() bool {
		for _, alive := range watched {
			if alive() {
				return false
			}
		}
		return true
	})
	runtime.KeepAlive(values)
}

// lives returns a function that tells whether what p points to lives.
func lives[T any](p *T) func() bool {
	handle := weak.Make(p)
	return func() bool { return handle.Value() != nil }
}

func TestADroppedMapGoesWhileItsValuesLive(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		collectable(t, "pointer keys", func(watch func(func() bool)) any {
			m := newMap[*bulky, record](c)
			watch(lives(m))
			var values []*record
			for range 100 {
				key, v := &bulky{}, &record{}
				watch(lives(key))
				m.Store(key, v)
				values = append(values, v)
			}
			return values
		})
		collectable(t, "string keys", func(watch func(func() bool)) any {
			m := newMap[string, record](c)
			watch(lives(m))
			var values []*record
			for i := range 100 {
				key, v := fmt.Sprintf("a key of more than sixteen bytes: %d", i), &record{}
				watch(lives(unsafe.StringData(key)))
				m.Store(key, v)
				values = append(values, v)
			}
			return values
		})
		collectable(t, "struct keys", func(watch func(func() bool)) any {
			type key struct {
				n    int
				name any
			}
			m := newMap[key, record](c)
			watch(lives(m))
			var values []*record
			for i := range 100 {
				b, v := &bulky{}, &record{}
				watch(lives(b))
				m.Store(key{i, b}, v)
				values = append(values, v)
			}
			return values
		})
		collectable(t, "integer keys", func(watch func(func() bool)) any {
			m := newMap[int, record](c)
			watch(lives(m))
			return storeHeld(m, numbers(100)...)
		})
	})
}

func TestADroppedMapGoesWhateverItWentThrough(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		for what, use := range map[string]func(m *weakmap.Map[int, record], v *record){
			"one entry":          func(m *weakmap.Map[int, record], v *record) {},
			"dead entries":       func(m *weakmap.Map[int, record], v *record) { storeDoomed(m, numbers(100)...); runtime.GC() },
			"OnReap":             func(m *weakmap.Map[int, record], v *record) { m.OnReap = func(int) { m.Len() } },
			"one value for many": func(m *weakmap.Map[int, record], v *record) { storeMany(m, v) },
			"every method": func(m *weakmap.Map[int, record], v *record) {
				useEveryMethod(m, 1000, v)
				m.Store(5, v)
			},
			"iteration": func(m *weakmap.Map[int, record], v *record) {
				for range m.All() {
				}
			},
			"a panic in compute": func(m *weakmap.Map[int, record], v *record) {
				panicText(func() { m.LoadOrCompute(9, func() (*record, error) { panic("no") }) })
			},
			"growth and death": func(m *weakmap.Map[int, record], v *record) {
				storeDoomed(m, numbers(500)...)
				runtime.GC()
				m.Reap()
				m.Store(5, v)
			},
		} {
			collectable(t, what, func(watch func(func() bool)) any {
				m := newMap[int, record](c)
				v := &record{}
				if what != "OnReap" {
					m.Store(1, v)
				}
				use(m, v)
				m.Store(2, v)
				watch(lives(m))
				return v
			})
		}
	})
}

func storeMany(m *weakmap.Map[int, record], v *record) {
	for key := range 200 {
		m.Store(key, v)
	}
}

// A map inside a larger object must not keep that object, nor be kept by it.
func TestAnObjectWithAMapInsideGoesAsAWhole(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		type server struct {
			ballast [1000]byte
			cache   weakmap.Map[string, record]
		}
		collectable(t, "a map in a struct", func(watch func(func() bool)) any {
			s := &server{}
			s.cache.Config.Reclaim = c.reclaim
			s.cache.OnReap = func(string) { s.ballast[0]++ }
			watch(lives(s))
			return storeHeld(&s.cache, "a", "b", "c")
		})
	})
}

// A value that refers to the map that holds it, and keys too: a cycle that only a strong
// reference from outside, in the argument of a cleanup say, could keep.
func TestAMapGoesTogetherWithValuesThatReferToIt(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		type member struct {
			home *weakmap.Map[*bulky, any]
			key  *bulky
		}
		collectable(t, "a cycle", func(watch func(func() bool)) any {
			m := newMap[*bulky, any](c)
			watch(lives(m))
			for range 50 {
				key := &bulky{}
				var v any = member{m, key}
				watch(lives(key))
				watch(lives(&v))
				m.Store(key, &v)
			}
			return nil
		})
	})
}

// Maps come and go, and one value that was in all of them lives on. With PerValue a few
// hundred bytes per map may stay with the value; with PerCycle nothing need.
func TestManyDroppedMapsLeaveLittleOnAValueThatLives(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		n := scaled(2000)
		perMap := 64
		if c.reclaim == weakmap.PerValue {
			perMap = 600
		}
		v := &record{id: 1}
		makeAndDrop := func(n int) {
			elsewhere(func() {
				for range n {
					m := newMap[*bulky, record](c)
					m.Store(&bulky{}, v)
					m.Store(&bulky{}, v)
				}
			})
		}
		// What stays of each map stays in every round. What the runtime keeps room for, which is as many
		// as ever lived at a time, does not grow in all of them.
		makeAndDrop(10)
		var grown []int
		limit := n*perMap + 128*kib
		for range 6 {
			settle(t)
			heap, off := heapBytes(), offHeap()
			makeAndDrop(n)
			settle(t)
			grown = append(grown, heapBytes()-heap+offHeap()-off)
		}
		if slices.Min(grown) > limit {
			t.Errorf("%d dropped maps have left %d bytes each time, want at most %d", n, grown, limit)
		}
		runtime.KeepAlive(v)
	})
}

func TestADroppedLargeMapLeavesNothingOnTheHeap(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		n := scaled(50_000)
		values := make([]*record, n)
		for i := range values {
			values[i] = &record{id: i}
		}
		heap := heapBytes()
		elsewhere(func() {
			m := newMap[int, record](c)
			for key, v := range values {
				m.Store(key, v)
			}
		})
		// A weak pointer's handle lives as long as its value, and so may the argument of a cleanup
		// that was not stopped.
		perValue := 32
		if c.reclaim == weakmap.PerValue {
			perValue = 192
		}
		eventually(t, "the dropped map's memory is free", func() bool {
			return int(metric("/memory/classes/heap/objects:bytes"))-heap < n*perValue+256*kib
		})
		runtime.KeepAlive(values)
	})
}
