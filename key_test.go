package weakmap

import (
	"hash/maphash"
	"math"
	"reflect"
	"runtime"
	"testing"
	"unsafe"
)

// Keys as the engine knows them.

func TestNarrowIntegersAreKeysAsTheyAreZeroExtended(t *testing.T) {
	u8, i16, u32, i := uint8(200), int16(-3), uint32(1<<31+7), -1
	for _, c := range []struct {
		got  key
		want uint64
	}{
		{numberAt(&u8), 200}, {numberAt(&i16), 1<<16 - 3}, {numberAt(&u32), 1<<31 + 7}, {numberAt(&i), math.MaxUint64},
	} {
		if c.got.n != uintptr(c.want) || c.got.at != nil {
			t.Errorf("the key is %d, want %d", c.got.n, uintptr(c.want))
		}
	}
	if got := storedKey[int16](&keying{class: words}, nil, uint64(numberAt(&i16).n)); got != i16 {
		t.Errorf("the key %d comes back as %d", i16, got)
	}
}

// numberAt returns the number at p as a key.
func numberAt[K comparable](p *K) key {
	keys := keyingOf[K](words, nil)
	return keys.at(unsafe.Pointer(p))
}

func TestClasses(t *testing.T) {
	type named string
	type pair struct{ _, _ int }
	for _, c := range []struct {
		of     reflect.Type
		custom bool
		want   class
	}{
		{reflect.TypeFor[string](), false, texts},
		{reflect.TypeFor[named](), true, texts},
		{reflect.TypeFor[int](), false, words},
		{reflect.TypeFor[uint8](), false, words},
		{reflect.TypeFor[int](), true, boxes},
		{reflect.TypeFor[*int](), false, pointers},
		{reflect.TypeFor[*int](), true, pointers},
		{reflect.TypeFor[chan int](), false, pointers},
		{reflect.TypeFor[unsafe.Pointer](), false, pointers},
		{reflect.TypeFor[pair](), false, boxes},
		{reflect.TypeFor[float64](), false, boxes},
		{reflect.TypeFor[bool](), false, boxes},
		{reflect.TypeFor[any](), false, boxes},
	} {
		if got := classOf(c.of, c.custom); got != c.want {
			t.Errorf("keys of type %v, custom hash %t, are %v, want %v", c.of, c.custom, got, c.want)
		}
	}
}

// A key that is not equal to itself has one hash in the layout that a table takes on: what that layout has room
// for is counted by it, before the bindings are placed. Without its line in rehashed this fails in 20 of 20 runs.
func TestANaNHasOneHashInTheNextLayout(t *testing.T) {
	defer reaper.blockPasses()()
	const n = 1000
	m := &Map[float64, thing]{Config: Config{Shards: 4}}
	value := new(thing)
	for range n {
		m.Store(math.NaN(), value)
	}
	table := m.core.table.Load()
	l := table.layout.Load()
	next := table.newLayout(hashing{seeded: true, seed: maphash.MakeSeed()})
	hashes := make(map[uint32]bool)
	for i := range l.shards {
		for r, pos := range l.shards[i].journal.Records {
			first, _, _ := table.rehashed(l, next, i, r, pos)
			if again, _, _ := table.rehashed(l, next, i, r, pos); again != first {
				t.Fatalf("a NaN has the hash %#x, and %#x when it is asked for again", first, again)
			}
			hashes[first] = true
		}
	}
	if len(hashes) < n-1 {
		t.Errorf("%d NaNs have %d hashes", n, len(hashes))
	}
	runtime.KeepAlive(value)
}
