package suite

import (
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap"
)

func TestInternerZeroValueIsEmptyAndFree(t *testing.T) {
	var in weakmap.Interner[string]
	zeroAllocs(t, "reading an unused Interner", func() {
		if _, ok := in.Lookup("x"); ok {
			t.Error("Lookup in an empty interner hits")
		}
		in.Clear()
		if in.Len() != 0 || in.Reap() != 0 || in.Stats() != (weakmap.Stats{}) {
			t.Error("an empty interner is not empty")
		}
	})
	for range in.All() {
		t.Error("All of an unused interner yields")
	}
	var holders weakmap.Interner[holder]
	key := holder{1, "a dynamic type that can be hashed"}
	zeroAllocs(t, "a lookup that looks at dynamic types", func() { holders.Lookup(key) })
}

// Every method by its contract, in one walk.
func TestInternerMethods(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[string]) {
		a := in.Intern("a")
		b := in.Intern("b")
		if *a != "a" || *b != "b" || a == b {
			t.Fatalf("Intern gives %q and %q", *a, *b)
		}
		if got := in.Intern(strings.Clone("a")); got != a {
			t.Error("Intern of an equal value gives another pointer")
		}
		if got, ok := in.Lookup(strings.Clone("b")); got != b || !ok {
			t.Errorf("Lookup = %p, %v, want %p", got, ok, b)
		}
		if got, ok := in.Lookup("c"); got != nil || ok {
			t.Errorf("Lookup of what was not interned = %p, %v", got, ok)
		}
		if n := in.Len(); n != 2 {
			t.Errorf("Len = %d: Lookup leaves a trace", n)
		}
		once(t, "All", in.All(), a, b)
		for range in.All() {
			break
		}
		if s := balanced(t, in); s.Inserts != 2 || s.Entries != 2 || s.Deleted != 0 || s.Reaped != 0 {
			t.Errorf("Stats = %+v", s)
		}
		in.Clear()
		if _, ok := in.Lookup("a"); ok || in.Len() != 0 {
			t.Error("Clear leaves entries")
		}
		again := in.Intern("a")
		if *again != "a" || *a != "a" || in.Intern("a") != again {
			t.Error("Intern after Clear")
		}
		if s := balanced(t, in); s.Inserts != 3 || s.Entries != 1 || s.Deleted != 2 {
			t.Errorf("Stats = %+v", s)
		}
		runtime.KeepAlive(a)
		runtime.KeepAlive(b)
		runtime.KeepAlive(again)
	})
}

// one checks that equal values have one pointer, different ones different pointers.
func one[T comparable](t *testing.T, values ...T) {
	t.Helper()
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[T]) {
		pointers := make([]*T, len(values))
		for i, v := range values {
			pointers[i] = in.Intern(v)
			if *pointers[i] != v {
				t.Errorf("Intern(%#v) points to %#v", v, *pointers[i])
			}
		}
		for i, v := range values {
			if got := in.Intern(v); got != pointers[i] {
				t.Errorf("Intern(%#v) again = %p, want %p", v, got, pointers[i])
			}
			if got, ok := in.Lookup(v); got != pointers[i] || !ok {
				t.Errorf("Lookup(%#v) = %p, %v, want %p", v, got, ok, pointers[i])
			}
			for j := range i {
				if (pointers[i] == pointers[j]) != (v == values[j]) {
					t.Errorf("%#v and %#v: pointers %p and %p", v, values[j], pointers[i], pointers[j])
				}
			}
		}
		once(t, "All", in.All(), slices.Compact(slices.Clone(pointers))...)
		runtime.KeepAlive(pointers)
	})
}

// The types that the tests of Interner share: each one costs the compiler an engine.
type (
	name   string
	key    struct{ dir, file string }
	vector [2]float64
	holder struct {
		n int
		v any
	}
)

func TestInternerOfAnyComparableType(t *testing.T) {
	a, b := &record{}, &record{}
	t.Run("string", func(t *testing.T) { one(t, "", "a", "b", "\x00", "\xff\xfe", strings.Repeat("long", 1000)) })
	t.Run("named string", func(t *testing.T) { one[name](t, "", "a", "b") })
	t.Run("struct", func(t *testing.T) { one(t, key{}, key{"d", ""}, key{"", "d"}, key{"d", "f"}, key{"e", "f"}) })
	t.Run("byte", func(t *testing.T) { one[byte](t, 0, 1, 255) })
	t.Run("empty struct", func(t *testing.T) { one(t, struct{}{}) })
	t.Run("float", func(t *testing.T) { one(t, 1.5, math.Inf(1), math.Inf(-1)) })
	t.Run("any", func(t *testing.T) {
		one[any](t, nil, 1, int64(1), "1", name("1"), 1.0, [1]int{1}, key{"d", "f"}, a, b, struct{}{}, true)
	})
}

// Zero has two signs, which are equal: the first one interned is what both get.
func TestInternerSignedZeros(t *testing.T) {
	minus := math.Copysign(0, -1)
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[float64]) {
		p := in.Intern(minus)
		if in.Intern(0) != p || !math.Signbit(*p) {
			t.Error("0 and -0 have two pointers")
		}
		runtime.KeepAlive(p)
	})
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[vector]) {
		p := in.Intern(vector{0, minus})
		if in.Intern(vector{minus, 0}) != p {
			t.Error("0 and -0 in an array have two pointers")
		}
		runtime.KeepAlive(p)
	})
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[any]) {
		p := in.Intern(complex(minus, 0))
		if in.Intern(complex(0, minus)) != p {
			t.Error("0 and -0 in a complex number in an interface have two pointers")
		}
		runtime.KeepAlive(p)
	})
}

// Equal structs may differ in the bytes between their fields.
func TestInternerIgnoresPadding(t *testing.T) {
	type padded struct {
		a uint8
		b uint64
		c uint16
	}
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[padded]) {
		clean, dirty := new(padded), new(padded)
		bytes := unsafe.Slice((*byte)(unsafe.Pointer(dirty)), unsafe.Sizeof(*dirty))
		for i := range bytes {
			bytes[i] = 0xa5
		}
		*clean = padded{a: 1, b: 2, c: 3}
		dirty.a, dirty.b, dirty.c = 1, 2, 3
		p := in.Intern(*clean)
		if in.Intern(*dirty) != p {
			t.Error("equal structs have two pointers")
		}
		runtime.KeepAlive(p)
	})
}

// A NaN equals nothing, itself included: each call gives a fresh pointer, and its entry goes
// when that dies.
func TestInternerNaN(t *testing.T) {
	nan := math.NaN()
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[float64]) { freshEachTime(t, in, nan) })
	t.Run("array", func(t *testing.T) { freshInBoth(t, vector{1, nan}) })
	t.Run("any", func(t *testing.T) { freshInBoth[any](t, nan) })
}

func freshInBoth[T comparable](t *testing.T, v T) {
	bothInterners(t, func(t *testing.T, in *weakmap.Interner[T]) { freshEachTime(t, in, v) })
}

func freshEachTime[T comparable](t *testing.T, in *weakmap.Interner[T], v T) {
	const n = 40
	held := map[*T]bool{}
	for range n {
		p := in.Intern(v)
		if p == nil || held[p] || *p == v {
			t.Fatalf("Intern = %p, given before: %v", p, held[p])
		}
		held[p] = true
		if _, ok := in.Lookup(v); ok {
			t.Error("Lookup hits")
		}
	}
	if got := in.Len(); got != n {
		t.Errorf("Len = %d, want %d", got, n)
	}
	for p := range held {
		if len(held) == n/2 {
			break
		}
		delete(held, p)
	}
	wantLen(t, in, n/2)
	for p := range in.All() {
		if !held[p] {
			t.Errorf("All yields %p, which nobody holds", p)
		}
	}
	clear(held)
	wantLen(t, in, 0)
}

// A dynamic type that cannot be hashed panics as in a built-in map and leaves the interner
// usable, with either hash.
func TestInternerUnhashable(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[any]) {
		for range 2 { // An unused interner, then one in use.
			for _, v := range []any{[]int{1}, map[string]int{}, func() {}, holder{1, []int{}}, [1]any{[]int{}}} {
				for call, f := range map[string]func(){
					"Intern": func() { in.Intern(v) },
					"Lookup": func() { in.Lookup(v) },
				} {
					if text := panicText(f); !strings.Contains(text, "unhashable") {
						t.Errorf("%s of a %T: panic %q", call, v, text)
					}
				}
			}
			p := in.Intern("hashable")
			if in.Intern("hashable") != p {
				t.Error("the interner is not usable any more")
			}
			runtime.KeepAlive(p)
		}
		wantLen(t, in, 0)
	})
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[holder]) {
		if text := panicText(func() { in.Intern(holder{1, []int{}}) }); !strings.Contains(text, "unhashable") {
			t.Errorf("panic %q", text)
		}
		wantLen(t, in, 0)
	})
}

func TestInternerCloneThatIsNotEqualPanics(t *testing.T) {
	type deep struct{ at *int }
	x := 1
	in := weakmap.Interner[deep]{Clone: func(d deep) deep { y := *d.at; return deep{&y} }}
	const want = "weakmap: Interner.Clone returned a value that is not equal to its argument"
	mustPanic(t, "Intern", want, func() { in.Intern(deep{&x}) })
	texts := weakmap.Interner[string]{Clone: strings.ToUpper}
	mustPanic(t, "InternBytes", want, func() { weakmap.InternBytes(&texts, []byte("a")) })
	if canonical := texts.Intern("A"); *canonical != "A" || in.Len() != 0 || texts.Len() != 1 {
		t.Errorf("Intern = %q; %d and %d entries, want 0 and 1", *canonical, in.Len(), texts.Len())
	}
	numbers := weakmap.Interner[float64]{Clone: func(f float64) float64 { return f }}
	if f := numbers.Intern(math.NaN()); *f == *f {
		t.Errorf("Intern of a NaN = %v", *f)
	}
}
