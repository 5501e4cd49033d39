package weakmap

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/go-weak/weakmap/internal/collide"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/xxh"
)

// What keys can cost that were chosen by an attacker who knows the seed of the process. It is
// counted in buckets and slots, not in time.

// unmix is the inverse of multiplication by the second multiplier of XXH3.
func unmix(h uint64) uint64 { return h * collide.Inverse(0x9FB21C651E98DF25) }

// wordWithHash returns a number whose hash is the lower half of h: the inverse of [xxh.Word]. Those for
// other upper halves differ.
func wordWithHash(h uint64) uint64 {
	h = unmix(h<<32 | h>>32)
	h = unmix(h ^ h>>32)
	return h ^ h>>32 ^ processSeed
}

// textWithHash returns the string of eight bytes with the given hash.
func textWithHash(h uint64) string {
	w := unhashed(h) ^ unhashed(xxh.String(string(make([]byte, 8)), processSeed)) // What of the seed is in it.
	return string(binary.LittleEndian.AppendUint64(nil, w<<32|w>>32))
}

// unhashed returns what XXH3 makes h of where it hashes eight bytes.
func unhashed(h uint64) uint64 {
	h = unmix(h ^ h>>28 ^ h>>56)
	x := h
	for range 2 {
		x = h ^ (x>>35 + 8)
	}
	x = unmix(x)
	// A sum of three rotations is its own inverse to the 63rd power.
	for range 63 {
		x ^= (x<<49 | x>>15) ^ (x<<24 | x>>40)
	}
	return x
}

func TestKeysWithHash(t *testing.T) {
	for range 1000 {
		h := rand.Uint64()
		if got := xxh.Word(wordWithHash(h), processSeed); got != uint32(h) {
			t.Fatalf("the number for hash %#x has hash %#x", uint32(h), got)
		}
		if got := xxh.String(textWithHash(h), processSeed); got != h {
			t.Fatalf("the string for hash %#x has hash %#x", h, got)
		}
	}
}

// TestNumbersInOrderAreNoFlood: numbers as programs have them lie as random ones do, in a table that is
// as full as it may be.
func TestNumbersInOrderAreNoFlood(t *testing.T) {
	const n = 10_000
	orders := map[string]func(i uint64) uint64{
		"downwards":      func(i uint64) uint64 { return -i },
		"squares":        func(i uint64) uint64 { return i * i },
		"a grid":         func(i uint64) uint64 { return i%100<<32 | i/100 },
		"floats":         func(i uint64) uint64 { return math.Float64bits(float64(i)) },
		"tenths":         func(i uint64) uint64 { return math.Float64bits(float64(i) / 10) },
		"reversed bits":  bits.Reverse64,
		"digits":         func(i uint64) uint64 { return binary.LittleEndian.Uint64(fmt.Appendf(nil, "%08d", i)) },
		"twice the same": func(i uint64) uint64 { return i<<32 | i },
		"dates":          func(i uint64) uint64 { return 20260101000000 + i/86400*1000000 + i/3600%24*10000 + i/60%60*100 + i%60 },
		"addresses":      func(i uint64) uint64 { return 0xc000000000 + i/170*8192 + i%170*48 },
		"snowflakes":     func(i uint64) uint64 { return (1_700_000_000_000+i/8)<<22 | i%8<<12 },
		"golden":         func(i uint64) uint64 { return i * 0x9E3779B97F4A7C15 },
	}
	for k := range 51 {
		orders[fmt.Sprintf("steps of 2^%d", k)] = func(i uint64) uint64 { return i << k }
	}
	for _, step := range []uint64{3, 10, 100, 1000, 65537, 1<<31 - 1, 1<<32 + 1} {
		orders[fmt.Sprintf("steps of %d", step)] = func(i uint64) uint64 { return i * step }
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(orders)) {
		number := orders[name]
		for range 10 {
			r, seed, most := row.Make(bucketsFor(n), 1), random.Uint64(), 0
			for i := range uint64(n) {
				most = max(most, r.Insert(xxh.Word(number(i), seed), row.Binding{}))
			}
			if most >= floodPassed {
				t.Errorf("%s: an insertion passes %d buckets under seed %#x", name, most, seed)
			}
		}
	}
}

// hashTo returns the least hash with a tag that leads to bucket i of a number of them. Others differ in
// the upper half.
func hashTo(buckets, i int, tag uint8) uint64 {
	const ofTag = 1 << row.TagBits
	least := (uint64(i)<<32 + uint64(buckets) - 1) / uint64(buckets)
	return (least+ofTag-1)/ofTag*ofTag | uint64(tag)
}

func TestHashTo(t *testing.T) {
	for _, n := range []int{1, 2, 10, 56, 4096, 5120} {
		r := row.Make(n, 1)
		for i := range n {
			if h := hashTo(n, i, 77); r.Home(uint32(h)) != uint32(i) || row.Tag(uint32(h)) != row.Tag(77) {
				t.Fatalf("hash %x leads to bucket %d of %d, want %d", h, r.Home(uint32(h)), n, i)
			}
		}
	}
}

// A hoard is a container whose keys are made from hashes.
type hoard struct {
	core  *core
	store func(hash uint64)
	drop  func(hashes []uint64) // by deletion, or by death
	probe func(hash uint64) key
}

// hoards returns a container for each way in which numbers and strings are hashed. Each has room for
// capacity entries.
func hoards(shards, capacity int) map[string]hoard {
	c := Config{Shards: shards, Capacity: capacity}
	var value thing
	words, texts := &Map[uint64, thing]{Config: c}, &Map[string, thing]{Config: c}
	strings, held := &Interner[string]{Config: c}, map[uint64]*string{}
	ofText := func(h uint64) key { return keyOfString(textWithHash(h)) }
	hoards := map[string]hoard{
		"Map of numbers": {&words.core,
			func(h uint64) { words.Store(wordWithHash(h), &value) },
			func(hashes []uint64) {
				for _, h := range hashes {
					words.Delete(wordWithHash(h))
				}
			},
			func(h uint64) key { return key{n: uintptr(wordWithHash(h))} }},
		"Map of strings": {&texts.core,
			func(h uint64) { texts.Store(textWithHash(h), &value) },
			func(hashes []uint64) {
				for _, h := range hashes {
					texts.Delete(textWithHash(h))
				}
			}, ofText},
		"Interner": {&strings.core,
			func(h uint64) { held[h] = strings.Intern(textWithHash(h)) },
			func(hashes []uint64) {
				for _, h := range hashes {
					delete(held, h)
				}
				for end := time.Now().Add(20 * time.Second); strings.Len() > len(held)+len(hashes)/100 && time.Now().Before(end); {
					runtime.GC()
					strings.Reap()
				}
			}, ofText},
	}
	if !areWords {
		delete(hoards, "Map of numbers")
	}
	return hoards
}

// areWords says whether numbers of 64 bits are hashed as such.
const areWords = ptrSize == 8

// steps returns what a lookup of each of the keys takes beyond the first bucket, in the mean: a step
// for each bucket, and two for each slot with its tag that is another's.
func (h hoard) steps(t *testing.T, hashes []uint64) float64 {
	t.Helper()
	table := h.core.table.Load()
	l := table.layout.Load()
	steps := 0
	for _, hash := range hashes {
		k := h.probe(hash)
		at := table.hash(&l.hashing, k)
		found := false
		for i, end := l.Home(at), false; !end && !found; {
			b, head := l.At(i), l.Head(i)
			tags := head.Tags()
			for m := row.Matching(tags, row.Tag(at)); m != 0 && !found; m &= m - 1 {
				_, _, is := table.match(b, head, row.SlotOf(m), head.Version(), k, at)
				if found = is == alive; !found {
					steps += 2
				}
			}
			if i, end = l.Next(at, i, tags); !found {
				steps++
			}
		}
		if !found {
			t.Fatalf("the key with hash %#x is lost", hash)
		}
	}
	return float64(steps) / float64(len(hashes))
}

const (
	// lookupSteps is what a lookup takes that makes no further steps, in steps: 27 ns where a bucket is
	// 2.4 ns and a slot 4 ns.
	lookupSteps = 10

	// floodCost is how much longer than of random keys a lookup of others may take.
	floodCost = 4
)

// mustBeShort fails the test if lookups of hashes in h take more than floodCost times as long as
// those of random keys in others.
func (h hoard) mustBeShort(t *testing.T, what string, hashes []uint64, random float64) {
	t.Helper()
	steps := h.steps(t, hashes)
	ratio := (lookupSteps + steps) / (lookupSteps + random)
	if t.Logf("%s: %.1f steps, %.2f times as long as random keys take", what, steps, ratio); ratio > floodCost {
		t.Errorf("%s: a lookup takes %.1f steps, and %.1f times as long as of random keys, want %d at most", what, steps, ratio, floodCost)
	}
}

// TestLookupsAreShortWhateverTheKeys: keys of one hash, and keys of one bucket with many or few
// tags, in groups that fill the buckets between them. With bounds that do not depend on how full a
// shard is, 96 buckets and 32 alike, this fails in 20 of 20 runs.
func TestLookupsAreShortWhateverTheKeys(t *testing.T) {
	type shape struct{ group, tags int }
	shapes := []shape{{512, 1}, {450, 1}, {64, 1}, {24, 1}, {12, 1}, {480, 250}, {240, 250}, {120, 250}, {480, 15}, {240, 15}, {60, 15}}
	buckets, sizes, stripes := 4096, []int{12_500, 22_500}, []int{1, 8} // of 23,296, so that a shard is half full, or nearly full
	if testing.Short() {
		buckets, sizes, stripes = 1024, []int{3_150}, []int{8}
	}
	for _, shards := range stripes {
		for _, n := range sizes {
			random := make([]uint64, n)
			for i := range random {
				random[i] = rand.Uint64()
			}
			roomFor := row.LimitOf(buckets) * 9 / 10
			usual := map[string]float64{}
			for kind, h := range hoards(shards, roomFor) {
				for _, hash := range random {
					h.store(hash)
				}
				usual[kind] = h.steps(t, random)
			}
			for _, s := range shapes {
				hashes := make([]uint64, n)
				for i := range hashes {
					g, i := i/s.group, i%s.group
					home := g%shards*(buckets/shards) + g/shards*(s.group/4)%(buckets/shards)
					hashes[g*s.group+i] = uint64(i)<<32 | hashTo(buckets, home, uint8(i%s.tags+2))
				}
				for kind, h := range hoards(shards, roomFor) {
					for _, hash := range hashes {
						h.store(hash)
					}
					h.mustBeShort(t, fmt.Sprintf("%s, %d shards, %d entries in groups of %d with %d tags", kind, shards, n, s.group, s.tags), hashes, usual[kind])
				}
			}
		}
	}
}

// TestLookupsAreShortAfterATableHasShrunk: keys that were far apart in a large table, and are in one
// bucket of a small one. Where a new layout is not looked at, a lookup takes hundreds of steps.
func TestLookupsAreShortAfterATableHasShrunk(t *testing.T) {
	defer reaper.blockPasses()() // Removals leave shrinking to a pass that holds the table, which may have asked before them.
	for _, shards := range []int{1, 8} {
		for kind, h := range hoards(shards, 0) {
			var others, few []uint64
			n := 50_000
			for range n {
				others = append(others, rand.Uint64())
			}
			for i := range 1024 { // in a row of 8,192 buckets one after the other, in each shard
				few = append(few, uint64(i)<<32|hashTo(8192, i%shards*(8192/shards)+i/shards, 2))
			}
			for _, hash := range slices.Concat(others, few) {
				h.store(hash)
			}
			large := h.core.table.Load().layout.Load().Len()
			h.drop(others)
			if small := h.core.table.Load().layout.Load().Len(); small > large/8 {
				t.Fatalf("%s: the table has shrunk from %d buckets to %d only", kind, large, small)
			}
			h.mustBeShort(t, fmt.Sprintf("%s, %d shards", kind, shards), few, 0)
		}
	}
}

// A row is read by its tags and slots here, and not by lookups: they must agree.
func TestStepsAreThoseOfLookups(t *testing.T) {
	var m Map[uint64, thing]
	value := new(thing)
	for i := range uint64(12) { // of one hash: more than a bucket of seven
		m.Store(wordWithHash(7|i<<32), value)
	}
	h := hoard{core: &m.core, probe: func(h uint64) key { return key{n: uintptr(wordWithHash(h))} }}
	if !areWords {
		t.Skip("numbers of 64 bits are no words here")
	}
	for i, want := range []float64{0, 2, 4, 6, 8, 10, 12, 15} {
		if got := h.steps(t, []uint64{7 | uint64(i)<<32}); got != want {
			t.Errorf("a lookup of key %d of those with one hash takes %v steps, want %v", i, got, want)
		}
	}
	runtime.KeepAlive(value)
}
