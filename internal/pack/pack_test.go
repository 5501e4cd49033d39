package pack

import (
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"
)

type name struct{ first, last string }

// A mixture has all that can be packed, and gaps.
type mixture struct {
	ok    bool
	n     uint32
	text  string
	pairs [2]struct {
		id   int16
		more string
	}
	a, b    byte
	address uintptr
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		of    reflect.Type
		parts int // 0 if it cannot be packed
	}{
		{reflect.TypeFor[name](), 2},
		{reflect.TypeFor[[2]string](), 2},
		{reflect.TypeFor[struct{ s string }](), 1},
		{reflect.TypeFor[struct {
			a, b int32
			s    string
		}](), 2},
		{reflect.TypeFor[mixture](), 9},
		{reflect.TypeFor[string](), 1},
		{reflect.TypeFor[struct{ a, b int }](), 0}, // It has no string: a copy is as near.
		{reflect.TypeFor[[0]string](), 0},
		{reflect.TypeFor[struct {
			s string
			f float64
		}](), 0}, // Zeros that are equal differ in their bytes.
		{reflect.TypeFor[struct {
			s string
			v any
		}](), 0},
		{reflect.TypeFor[struct {
			s string
			p *int
		}](), 0}, // The collector must see it.
		{reflect.TypeFor[struct {
			s string
			_ int
		}](), 0}, // A comparison passes over it.
		{reflect.TypeFor[struct {
			s string
			b [Max]byte
		}](), 0},
		{reflect.TypeFor[[Max]string](), 0},
		{reflect.TypeFor[[1 << 20]string](), 0},
	} {
		l := Of(c.of)
		if got := l != nil; got != (c.parts != 0) || got && len(l.parts) != c.parts {
			t.Errorf("Of(%v) = %+v, want %d parts", c.of, l, c.parts)
		}
	}
}

func TestPackedKeysAreEqualToTheirOwnOnly(t *testing.T) {
	var names []name
	for _, first := range []string{"", "a", "ab", "abc", "first name", strings.Repeat("x", 60), strings.Repeat("x", 60) + "y"} {
		for _, last := range []string{"", "c", "bc", "\x00", "\x02bc", "last name", strings.Repeat("z", 61)} {
			names = append(names, name{first, last})
		}
	}
	testPacked(t, names)
	mixtures := []mixture{{}}
	mixtures = append(mixtures, mixture{ok: true}, mixture{n: 1}, mixture{n: 1 << 31}, mixture{text: "1"}, mixture{a: 1}, mixture{b: 1},
		mixture{address: 1}, mixture{address: 1 << 31}, mixture{a: 1, b: 2, address: 3, text: "more", n: 5, ok: true})
	for i := range 2 {
		var id, more mixture
		id.pairs[i].id = -2
		more.pairs[i].more = "more"
		mixtures = append(mixtures, id, more)
	}
	testPacked(t, mixtures)
}

// testPacked packs keys that all differ.
func testPacked[K comparable](t *testing.T, keys []K) {
	t.Helper()
	l := Of(reflect.TypeFor[K]())
	for _, key := range keys {
		packed := l.Pack(unsafe.Pointer(&key))
		if packed == nil {
			t.Errorf("%+v is not packed", key)
			continue
		}
		if uintptr(packed)%2 != 0 {
			t.Errorf("%+v is packed at an odd address", key)
		}
		var got K
		l.Unpack(packed, unsafe.Pointer(&got))
		if again := *(*K)(l.Unpacked(packed)); got != key || again != key {
			t.Errorf("%+v comes back as %+v and %+v", key, got, again)
		}
		for _, other := range keys {
			if got := l.Equal(packed, unsafe.Pointer(&other)); got != (key == other) {
				t.Errorf("%+v and %+v: equal = %t", key, other, got)
			}
		}
	}
}

func TestLongKeysAreNotPacked(t *testing.T) {
	l := Of(reflect.TypeFor[name]())
	const most = Max - 3 // without the lengths and the spare byte
	for n, want := range map[int]bool{0: true, most - 1: true, most: true, most + 1: false, 300: false, 1 << 16: false} {
		for _, key := range []name{{first: strings.Repeat("x", n)}, {last: strings.Repeat("x", n)}, {strings.Repeat("x", n/2), strings.Repeat("x", n-n/2)}} {
			packed := l.Pack(unsafe.Pointer(&key))
			if (packed != nil) != want {
				t.Errorf("%d and %d bytes: packed = %t, want %t", len(key.first), len(key.last), packed != nil, want)
			}
			if packed != nil && !l.Equal(packed, unsafe.Pointer(&key)) {
				t.Errorf("%d and %d bytes: not equal", len(key.first), len(key.last))
			}
		}
	}
}

// What is unpacked is in the packed key's memory, and must hold it.
func TestUnpackedKeysHoldThePackedOne(t *testing.T) {
	l := Of(reflect.TypeFor[name]())
	keys := make([]name, 1000)
	for i := range keys {
		key := name{strings.Repeat("f", 14), ""}
		if i%2 == 0 {
			key.last = "last"
		}
		l.Unpack(l.Pack(unsafe.Pointer(&key)), unsafe.Pointer(&keys[i]))
	}
	for range 3 {
		runtime.GC()
		for range 1000 {
			sink = l.Pack(unsafe.Pointer(&name{strings.Repeat("x", 14), "xxxx"}))
		}
	}
	for i, key := range keys {
		if key.first != strings.Repeat("f", 14) || key.last != map[bool]string{true: "last"}[i%2 == 0] {
			t.Fatalf("key %d is %+v now", i, key)
		}
	}
}

var sink unsafe.Pointer

// Every byte counts, at every length.
func TestSame(t *testing.T) {
	for n := range 70 {
		a := []byte(strings.Repeat("k", n))
		b := slices.Clone(a)
		if !Same(unsafe.Pointer(unsafe.SliceData(a)), string(b)) {
			t.Errorf("%d equal bytes are not the same", n)
		}
		for i := range b {
			b[i] ^= 1
			if Same(unsafe.Pointer(unsafe.SliceData(a)), string(b)) {
				t.Errorf("%d bytes of which one differs, at %d, are the same", n, i)
			}
			b[i] ^= 1
		}
	}
}
