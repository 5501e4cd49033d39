package suite

import (
	"bytes"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

// dies checks that canonical values die: all when none is held, all but one when that is
// held. Catches values that share a block, where one keeps its neighbors.
func dies[T comparable](t *testing.T, values ...T) {
	t.Helper()
	bothInterners(t, func(t *testing.T, in *weakmap.Interner[T]) { diesIn(t, in, values...) })
}

func diesIn[T comparable](t *testing.T, in *weakmap.Interner[T], values ...T) {
	t.Helper()
	var held *T
	elsewhere(func() {
		for i, v := range values {
			if p := in.Intern(v); i == len(values)/2 {
				held = p
			}
		}
	})
	wantLen(t, in, 1)
	if v := values[len(values)/2]; *held != v || in.Intern(v) != held {
		t.Errorf("the held canonical value became %#v, want %#v", *held, v)
	}
	runtime.KeepAlive(held)
	held = nil
	wantLen(t, in, 0)
	if s := balanced(t, in); s.Reaped != s.Inserts || s.Inserts < uint64(len(values)) {
		t.Errorf("Stats = %+v with %d values", s, len(values))
	}
	for i, v := range values {
		if _, ok := in.Lookup(v); ok {
			t.Errorf("Lookup of value %d hits after its death", i)
		}
	}
}

// many returns n values, made by f.
func many[T any](n int, f func(i int) T) []T {
	values := make([]T, n)
	for i := range values {
		values[i] = f(i)
	}
	return values
}

// Canonical values of any size die, although the runtime packs small ones without pointers
// into shared blocks, and has all empty ones at one address.
func TestInternerCanonicalValuesDie(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[string]) { diesIn(t, in, many(100, strconv.Itoa)...) })
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[byte]) {
		diesIn(t, in, many(100, func(i int) byte { return byte(i) })...)
	})
}

// The same for values of many kinds, each in the default configuration of both modes.
func TestInternerCanonicalValuesOfAnySizeDie(t *testing.T) {
	t.Run("struct", func(t *testing.T) { dies(t, many(100, func(i int) key { return key{strconv.Itoa(i), "f"} })...) })
	t.Run("empty struct", func(t *testing.T) { dies(t, struct{}{}) })
	t.Run("1 byte", func(t *testing.T) { dies(t, many(256, func(i int) byte { return byte(i) })...) })
	t.Run("8 bytes", func(t *testing.T) { dies(t, many(100, func(i int) float64 { return float64(i) })...) })
	t.Run("15 bytes", func(t *testing.T) { dies(t, many(100, func(i int) [15]byte { return [15]byte{14: byte(i)} })...) })
	t.Run("16 bytes", func(t *testing.T) { dies(t, many(100, func(i int) vector { return vector{1, float64(i)} })...) })
	t.Run("any", func(t *testing.T) { dies(t, many(100, func(i int) any { return i })...) })
}

// doesNotPin checks that a canonical value made of a part of a large string does not keep the
// large string.
func doesNotPin[T comparable](t *testing.T, with func(part string) T) {
	t.Helper()
	bothInterners(t, func(t *testing.T, in *weakmap.Interner[T]) {
		var source weak.Pointer[byte]
		var held *T
		elsewhere(func() {
			large := strings.Repeat("0123456789", 1<<20/10)
			source = weak.Make(unsafe.StringData(large))
			held = in.Intern(with(large[1000:1010]))
		})
		eventually(t, "the large string goes", func() bool { return source.Value() == nil })
		if *held != with("0123456789") || in.Intern(with("0123456789")) != held {
			t.Errorf("the canonical value became %v", *held)
		}
		runtime.KeepAlive(held)
		held = nil
		wantLen(t, in, 0)
	})
}

// Strings are cloned wherever they are in T.
func TestInternerDoesNotPinTheSource(t *testing.T) {
	type item struct {
		n int
		name
		Exported string
	}
	type deep struct {
		n     int
		inner struct{ list [2]item }
	}
	t.Run("string", func(t *testing.T) { doesNotPin(t, func(s string) string { return s }) })
	t.Run("named string", func(t *testing.T) { doesNotPin(t, func(s string) name { return name(s) }) })
	t.Run("field", func(t *testing.T) { doesNotPin(t, func(s string) key { return key{"d", s} }) })
	t.Run("deep", func(t *testing.T) {
		doesNotPin(t, func(s string) (d deep) {
			d.n, d.inner.list = 1, [2]item{{1, "a", s}, {2, name(s), "b"}}
			return d
		})
	})
}

// Short strings are in one object with their header, of one size or another; long ones are not.
func TestInternerOfStringsOfEveryLength(t *testing.T) {
	bothInterners(t, func(t *testing.T, in *weakmap.Interner[string]) {
		for length := range 200 {
			elsewhere(func() {
				b := bytes.Repeat([]byte{byte(length)}, length)
				source := string(b)
				p := in.Intern(source)
				q := weakmap.InternBytes(in, append([]byte("."), b...))
				clear(b)
				if *p != source || *q != "."+source || in.Intern(strings.Clone(source)) != p {
					t.Errorf("the canonical value of %d bytes is %q, and with one more %q", length, *p, *q)
				}
				if length > 0 && unsafe.StringData(*p) == unsafe.StringData(source) {
					t.Errorf("the canonical value of %d bytes is in its source", length)
				}
			})
		}
		wantLen(t, in, 0)
	})
}

// An empty part of a large string points into it all the same.
func TestInternerDoesNotPinTheSourceOfNothing(t *testing.T) {
	bothInterners(t, func(t *testing.T, in *weakmap.Interner[string]) {
		var source weak.Pointer[byte]
		var held *string
		elsewhere(func() {
			large := strings.Repeat("0123456789", 1<<20/10)
			source = weak.Make(unsafe.StringData(large))
			held = in.Intern(unsafe.String(unsafe.StringData(large), 0))
		})
		eventually(t, "the large string goes", func() bool { return source.Value() == nil })
		runtime.KeepAlive(held)
	})
}

// What is no string is copied as it is: pointers stay the same, and live as long as the
// canonical value, no longer.
func TestInternerKeepsNoCopyOfTheValue(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[holder]) {
		var held *holder
		var w weak.Pointer[record]
		elsewhere(func() {
			r := &record{id: 5}
			w = weak.Make(r)
			held = in.Intern(holder{1, r})
		})
		settle(t)
		if w.Value() == nil || held.v != w.Value() || w.Value().id != 5 {
			t.Error("what a held canonical value points to is gone")
		}
		runtime.KeepAlive(held)
		held = nil
		eventually(t, "what the canonical value pointed to goes with it", func() bool { return w.Value() == nil })
		wantLen(t, in, 0)
	})
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[string]) {
		var bytes weak.Pointer[byte]
		elsewhere(func() {
			canonical := in.Intern(strings.Repeat("long enough for a block of its own", 10))
			bytes = weak.Make(unsafe.StringData(*canonical))
		})
		eventually(t, "the canonical string's bytes go", func() bool { return bytes.Value() == nil })
	})
}

// internChain returns the last of n nested canonical values: each refers to the one before.
func internChain(in *weakmap.Interner[record], n int) (last *record) {
	for i := range n {
		last = in.Intern(record{id: i, link: last})
	}
	return last
}

// Nested canonical values die together, in one collection, not one level with each; and while
// the last is held, all of them are.
func TestInternerNestedValuesGoTogether(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[record]) {
		const n = 50
		last := internChain(in, n)
		settle(t)
		if got := in.Len(); got != n {
			t.Fatalf("Len = %d with the last one held, want %d", got, n)
		}
		if internChain(in, n) != last || in.Len() != n {
			t.Error("an equal chain has other pointers")
		}
		runtime.KeepAlive(last)
		last = nil
		settle(t)
		if got := in.Len(); got != 0 {
			t.Errorf("Len = %d after one Settle", got)
		}
		// One collection: no pass disturbs it or helps, only Reap looks.
		stallCleanups(t)
		left := n
		for range 5 { // A word on some stack may look like a pointer, but not each time.
			elsewhere(func() { internChain(in, n) })
			runtime.GC()
			in.Reap()
			if left = in.Len(); left == 0 {
				break
			}
			in.Clear()
		}
		if left != 0 {
			t.Errorf("%d of %d nested values are left after one collection, each time", left, n)
		}
	})
}

// A dropped interner is collected while its canonical values live on.
func TestInternerDropped(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		var held []*string
		var w weak.Pointer[weakmap.Interner[string]]
		elsewhere(func() {
			in := newInterner[string](c)
			for i := range 100 {
				held = append(held, in.Intern(strconv.Itoa(i)))
			}
			w = weak.Make(in)
		})
		eventually(t, "a dropped interner is collected", func() bool { return w.Value() == nil })
		for i, p := range held {
			if *p != strconv.Itoa(i) {
				t.Errorf("canonical value %d became %q", i, *p)
			}
		}
	})
}

// Strings that come and go without end leave nothing: on the heap, off it, in the table.
func TestInternerOfUnboundedValues(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		in := newInterner[string](c)
		elsewhere(func() {
			for i := range 1000 {
				in.Intern(strconv.Itoa(i))
			}
		})
		settle(t)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		full := 0
		elsewhere(func() {
			buf := make([]byte, 0, 20)
			for i := range scaled(200_000) {
				buf = strconv.AppendInt(buf[:0], int64(i)*7919, 10)
				weakmap.InternBytes(in, buf)
				if full = max(full, in.Stats().Capacity); i%50_000 == 0 {
					runtime.GC()
				}
			}
		})
		wantLen(t, in, 0)
		settle(t)
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
		wantShrunk(t, in, full)
		runtime.KeepAlive(in)
	})
}

// Large tables shrink after a mass death, with a few survivors too.
func TestInternerShrinks(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		in := newInterner[float64](c)
		var held []*float64
		elsewhere(func() {
			for i := range 100_000 {
				if p := in.Intern(math.Sqrt(float64(i))); i%10_000 == 0 {
					held = append(held, p)
				}
			}
		})
		full := in.Stats().Capacity
		wantLen(t, in, len(held))
		wantShrunk(t, in, full)
		runtime.KeepAlive(held)
	})
}
