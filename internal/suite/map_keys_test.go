package suite

import (
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

// distinct checks that each of the keys has a binding of its own.
func distinct[K comparable](t *testing.T, c configuration, what string, keys ...K) {
	t.Helper()
	m := newMap[K, record](c)
	held := storeHeld(m, keys...)
	if n := m.Len(); n != len(keys) {
		t.Errorf("%s: Len = %d after storing %d different keys", what, n, len(keys))
	}
	for i, key := range keys {
		if got, ok := m.Load(key); !ok || got != held[i] {
			t.Errorf("%s: Load(%v) = %p, %t, want %p, true", what, key, got, ok, held[i])
		}
	}
	yielded := make(map[K]*record)
	for key, v := range m.All() {
		yielded[key] = v
	}
	for i, key := range keys {
		if yielded[key] != held[i] || len(yielded) != len(keys) {
			t.Errorf("%s: All yields %d keys, with %v %p; want %d, %p", what, len(yielded), key, yielded[key], len(keys), held[i])
		}
	}
	for i, key := range keys {
		if got, loaded := m.LoadAndDelete(key); !loaded || got != held[i] {
			t.Errorf("%s: LoadAndDelete(%v) = %p, %t, want %p, true", what, key, got, loaded, held[i])
		}
		if _, ok := m.Load(key); ok {
			t.Errorf("%s: Load(%v) hits after the deletion", what, key)
		}
	}
	runtime.KeepAlive(held)
}

// equal checks that keys which are equal share one binding.
func equal[K comparable](t *testing.T, c configuration, what string, keys ...K) {
	t.Helper()
	for _, first := range keys {
		m := newMap[K, record](c)
		v := &record{}
		m.Store(first, v)
		for _, key := range keys {
			if got, ok := m.Load(key); !ok || got != v {
				t.Errorf("%s: Load of an equal key = %p, %t, want %p, true", what, got, ok, v)
			}
			if got, loaded := m.Swap(key, v); !loaded || got != v {
				t.Errorf("%s: Swap under an equal key = %p, %t, want %p, true", what, got, loaded, v)
			}
		}
		if n := m.Len(); n != 1 {
			t.Errorf("%s: Len = %d, want one entry for equal keys", what, n)
		}
		runtime.KeepAlive(v)
	}
}

type (
	namedString string
	namedInt    int
	namedFloat  float64
	point       struct{ x, y float64 }
	label       struct {
		s string
		n int
	}
)

// Each type of keys is another instance of the engine for the compiler. So this has one type
// of each size and way of hashing; others are dynamic types of interface keys.
func TestKeysOfEveryKindAreToldApart(t *testing.T) {
	long := strings.Repeat("x", 200) // Its struct is not packed.
	everywhere(t, func(t *testing.T, c configuration) {
		distinct(t, c, "int", 0, 1, -1, math.MaxInt, math.MinInt, 256, 1<<16)
		distinct(t, c, "named int", namedInt(0), 1, -1)
		distinct(t, c, "int8", int8(0), 1, -1, 127, -128)
		distinct(t, c, "uint16", uint16(0), 1, 255, 256, math.MaxUint16)
		distinct(t, c, "int32", int32(0), 1, -1, 1<<16, math.MaxInt32, math.MinInt32)
		distinct(t, c, "uint64", uint64(0), 1, 1<<32, math.MaxUint64)
		distinct(t, c, "float64", 0, 1, -1, math.Inf(1), math.Inf(-1), math.SmallestNonzeroFloat64, math.MaxFloat64)
		distinct(t, c, "pointer", nil, new(int), new(int), &globalArray[0], &globalArray[1])
		distinct(t, c, "empty struct", struct{}{})
		distinct(t, c, "struct", label{}, label{"a", 0}, label{"a", 1}, label{"", 1}, label{long, 0}, label{long, 1}, label{long + "y", 1})
		distinct(t, c, "array", [2]string{"ab", "c"}, [2]string{"a", "bc"}, [2]string{"abc", ""}, [2]string{long, "y"}, [2]string{"y", long}, [2]string{long, long})
		distinct(t, c, "large array", [300]byte{}, [300]byte{0: 1}, [300]byte{299: 1})
		distinct[any](t, c, "any", nil,
			1, int8(1), int16(1), int32(1), int64(1), uint(1), uint8(1), uint16(1), uint32(1), uint64(1), uintptr(1), namedInt(1),
			float32(1), 1.0, namedFloat(1), complex64(1), complex128(1), complex(1, 1), "1", namedString("1"), true, false,
			[1]int{1}, [2]int{1}, [1]any{"1"}, struct{}{}, [0]int{}, label{"1", 1}, point{1, 1}, dirty(1, 1, 1, 0),
			new(int), unsafe.Pointer(new(int)), make(chan int), make(chan<- int), errors.New("1"), errors.New("1"))
	})
}

func TestStringKeysOfEveryLengthAreToldApart(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		var keys []string
		for n := range 100 {
			long := strings.Repeat("x", n)
			keys = append(keys, long, long+"\x00", long+"y")
			if n > 0 {
				keys = append(keys, "y"+long, long[1:]+"\x00\x00")
			}
		}
		seen := map[string]bool{}
		different := keys[:0]
		for _, key := range keys {
			if !seen[key] {
				seen[key] = true
				different = append(different, key)
			}
		}
		distinct(t, c, "string", different...)
		named := make([]namedString, len(different))
		for i := range different {
			named[i] = namedString(different[i])
		}
		distinct(t, c, "named string", named...)
	})
}

// Keys of strings are kept as bytes if they are short. They come back as they were: from iterations, also where
// a table grows and takes another hash meanwhile, and from OnReap.
func TestKeysOfStringsComeBack(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[label, record](c)
		reports := watch(m)
		n := scaled(1000)
		keys := make([]label, n)
		for i := range keys {
			keys[i] = label{strings.Repeat("k", i%250), i}
		}
		held := storeHeld(m, keys[:n/2]...)
		storeDoomed(m, keys[n/2:]...)
		live, grown := 0, false
		for key, v := range m.All() {
			if key.n < 0 || key.n >= n || key != keys[key.n] {
				t.Fatalf("All yields the key %+v", key)
			}
			if key.n < n/2 {
				live++
				if v != held[key.n] {
					t.Fatalf("All yields %p with %+v, want %p", v, key, held[key.n])
				}
			}
			if !grown {
				grown = true
				for i := range n {
					extra := label{"extra", n + i}
					m.Store(extra, held[0])
					m.Delete(extra)
				}
			}
		}
		if live != n/2 {
			t.Errorf("All yields %d of %d keys that are bound", live, n/2)
		}
		within(t, "those of dead values are reported", func() bool { runtime.GC(); return reports.count() == n-n/2 })
		reports.mu.Lock()
		for _, key := range keys[n/2:] {
			if reports.times[key] != 1 {
				t.Errorf("OnReap has %+v %d times", key, reports.times[key])
			}
		}
		reports.mu.Unlock()
		if deleted := m.DeleteFunc(func(key label, _ *record) bool { return key == keys[key.n] }); deleted != n/2 {
			t.Errorf("DeleteFunc deletes %d of %d", deleted, n/2)
		}
		runtime.KeepAlive(held)
	})
}

// padded has a hole between its fields and a field that comparison ignores.
type padded struct {
	a byte
	b uint64
	_ uint32
	c byte
}

// dirty returns {a, b, c} with every byte that does not count set to fill.
func dirty(a byte, b uint64, c byte, fill byte) (p padded) {
	bytes := (*[unsafe.Sizeof(p)]byte)(unsafe.Pointer(&p))
	for i := range bytes {
		bytes[i] = fill
	}
	p.a, p.b, p.c = a, b, c
	return p
}

func TestKeysThatAreEqualButDifferInBytesShareABinding(t *testing.T) {
	negativeZero := math.Copysign(0, -1)
	everywhere(t, func(t *testing.T, c configuration) {
		equal(t, c, "±0", 0, negativeZero)
		equal(t, c, "±0 named", 0, namedFloat(negativeZero))
		equal(t, c, "±0 in a struct", point{}, point{negativeZero, 0}, point{0, negativeZero})
		equal[any](t, c, "±0 in an interface", 0.0, negativeZero)
		equal[any](t, c, "±0 float32", float32(0), float32(negativeZero))
		equal[any](t, c, "±0 complex", 0i, complex(negativeZero, 0), complex(0, negativeZero), complex(negativeZero, negativeZero))
		equal[any](t, c, "±0 in an array", [2]float64{}, [2]float64{0, negativeZero})
		equal(t, c, "padding", dirty(1, 2, 3, 0), dirty(1, 2, 3, 0xff), dirty(1, 2, 3, 0x55))
		equal[any](t, c, "padding in an interface", dirty(1, 2, 3, 0), dirty(1, 2, 3, 0xff))
		equal[any](t, c, "padding in an array", [1]padded{dirty(1, 2, 3, 0)}, [1]padded{dirty(1, 2, 3, 0xff)})
		equal(t, c, "string bytes elsewhere", "a string of some length", strings.Clone("a string of some length"))
		equal[any](t, c, "interface boxes", "boxed string", strings.Clone("boxed string"))
		equal[any](t, c, "interfaces in a struct", struct{ v any }{1000}, struct{ v any }{1000})
		distinct(t, c, "padded struct", dirty(1, 2, 3, 0), dirty(2, 2, 3, 0), dirty(1, 3, 3, 0), dirty(1, 2, 4, 0xff))
	})
}

func TestANaNKeyIsNeverFoundButGoesWithItsValue(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		notFound(t, c, "float64", math.NaN())
		notFound(t, c, "named", namedFloat(math.NaN()))
		notFound(t, c, "in a struct", point{1, math.NaN()})
		notFound[any](t, c, "in an interface", math.NaN())
		notFound[any](t, c, "float32", float32(math.NaN()))
		notFound[any](t, c, "complex", complex(0, math.NaN()))
		notFound[any](t, c, "in an array", [2]float64{1, math.NaN()})
	})
}

func notFound[K comparable](t *testing.T, c configuration, what string, nan K) {
	t.Helper()
	m := newMap[K, record](c)
	reports := watch(m)
	held := storeHeld(m, nan, nan, nan)
	if n := m.Len(); n != 3 {
		t.Errorf("NaN %s: Len = %d after three Stores, want 3", what, n)
	}
	v := &record{id: 4}
	if got, ok := m.Load(nan); ok {
		t.Errorf("NaN %s: Load = %p hits", what, got)
	}
	if got, loaded := m.LoadOrStore(nan, v); loaded || got != v {
		t.Errorf("NaN %s: LoadOrStore = %p, %t, want its own value, false", what, got, loaded)
	}
	if got, loaded := m.Swap(nan, v); loaded {
		t.Errorf("NaN %s: Swap = %p, true", what, got)
	}
	if m.CompareAndSwap(nan, v, v) || m.CompareAndDelete(nan, v) {
		t.Errorf("NaN %s: a compare succeeded", what)
	}
	if got, loaded := m.LoadAndDelete(nan); loaded {
		t.Errorf("NaN %s: LoadAndDelete = %p, true", what, got)
	}
	m.Delete(nan)
	m.Compute(nan, func(current *record) *record {
		if current != nil {
			t.Errorf("NaN %s: Compute saw %p", what, current)
		}
		return v
	})
	yielded := 0
	for key, value := range m.All() {
		if key == key || value == nil {
			t.Errorf("NaN %s: All yields %v, %p", what, key, value)
		}
		yielded++
	}
	if n := m.Len(); n != 6 || yielded != 6 {
		t.Errorf("NaN %s: Len = %d and All yields %d, want the 6 that were stored", what, n, yielded)
	}
	if n := m.DeleteFunc(func(_ K, value *record) bool { return value == held[0] }); n != 1 || m.Len() != 5 {
		t.Errorf("NaN %s: DeleteFunc = %d and Len = %d, want one removed of six", what, n, m.Len())
	}
	runtime.KeepAlive(held)
	held = nil
	eventually(t, "NaN "+what+": the entries of dead values left", func() bool { return m.Len() == 3 })
	within(t, "NaN "+what+": they are reported", func() bool { return reports.count() == 2 })
	m.Clear()
	if n := m.Len(); n != 0 {
		t.Errorf("NaN %s: Len = %d after Clear", what, n)
	}
	runtime.KeepAlive(v)
	_ = held
}

// However bad the user's Hash is, and in whichever bits, the map is correct.
func TestAPoorHashCostsSpeedOnly(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		for what, hash := range map[string]func(int) uint64{
			"zero":          func(int) uint64 { return 0 },
			"all ones":      func(int) uint64 { return math.MaxUint64 },
			"high bits":     func(key int) uint64 { return uint64(key) << 58 },
			"the key":       func(key int) uint64 { return uint64(key) },
			"key times 2¹⁶": func(key int) uint64 { return uint64(key) << 16 },
			"two values":    func(key int) uint64 { return uint64(key&1) * math.MaxUint64 },
		} {
			m := newMap[int, record](c)
			m.Hash = hash
			n := scaled(3000)
			held := storeHeld(m, numbers(n)...)
			for key := 0; key < n; key += 3 {
				m.Delete(key)
			}
			storeDoomed(m, numbers(2 * n)[n:]...)
			for key, want := range held {
				if got, ok := m.Load(key); ok != (key%3 != 0) || ok && got != want {
					t.Fatalf("hash %s: Load(%d) = %p, %t, want %p unless deleted", what, key, got, ok, want)
				}
			}
			left := n - (n+2)/3
			eventually(t, "hash "+what+": the dead left", func() bool { return m.Len() == left })
			runtime.KeepAlive(held)
		}
	})
}
