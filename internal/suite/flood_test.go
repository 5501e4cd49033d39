package suite

import (
	"math/bits"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"weak"

	"github.com/cespare/xxhash/v2"
	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// wordWithHash returns the integer whose eight little-endian bytes have the given XXH64 value:
// of such inputs that function is a bijection, and this is its inverse.
func wordWithHash(hash uint64) uint64 {
	const (
		prime1 = 0x9E3779B185EBCA87
		prime2 = 0xC2B2AE3D27D4EB4F
		prime3 = 0x165667B19E3779F9
		prime4 = 0x85EBCA77C2B2AE63
		prime5 = 0x27D4EB2F165667C5
	)
	h := (hash ^ hash>>32) * inverse(prime3)
	h = (h ^ h>>29 ^ h>>58) * inverse(prime2)
	h ^= h >> 33
	h = bits.RotateLeft64((h-prime4)*inverse(prime1), -27) ^ (prime5 + 8)
	return bits.RotateLeft64(h*inverse(prime1), -31) * inverse(prime2)
}

// inverse returns the inverse of an odd n modulo 2^64, by Newton's iteration.
func inverse(n uint64) uint64 {
	x := n
	for range 5 {
		x *= 2 - n*x
	}
	return x
}

func TestWordWithHash(t *testing.T) {
	for range 1000 {
		hash := rand.Uint64()
		w := wordWithHash(hash)
		var b [8]byte
		for i := range b {
			b[i] = byte(w >> (8 * i))
		}
		if got := xxhash.Sum64(b[:]); got != hash {
			t.Fatalf("XXH64 of %#x is %#x, want %#x", w, got, hash)
		}
	}
}

// flooding returns n keys in groups of so many that have the low halves of their hashes in common, and
// with them their place in a table. The groups lie as far apart as they are long, in each of the
// first eight shards.
func flooding(n, group int) []uint64 {
	keys := make([]uint64, 0, n)
	for i := range group {
		for g := range n / group {
			keys = append(keys, wordWithHash(uint64(i)<<32|uint64(g/8*(group/4)*8+g%8)))
		}
	}
	return keys
}

// Whatever the keys, a load takes at most four times as long as of random ones.
func TestLoadsOfFloodingKeys(t *testing.T) {
	const n, limit = 1 << 15, 4
	random := make([]uint64, n)
	for i := range random {
		random[i] = rand.Uint64()
	}
	sets := [][]uint64{random}
	groups := []int{512, 64, 16}
	for _, group := range groups {
		sets = append(sets, flooding(n, group))
	}
	var maps []*weakmap.Map[uint64, object]
	var held []*object
	for _, keys := range sets {
		m := &weakmap.Map[uint64, object]{Config: weakmap.Config{Shards: 8}}
		for _, key := range keys {
			v := new(object)
			m.Store(key, v)
			held = append(held, v)
		}
		rand.Shuffle(n, func(i, k int) { keys[i], keys[k] = keys[k], keys[i] })
		maps = append(maps, m)
	}
	var work []func()
	for i, keys := range sets {
		work = append(work, func() {
			for _, key := range keys {
				if _, ok := maps[i].Load(key); !ok {
					t.Fatalf("key %#x is lost", key)
				}
			}
		})
	}
	// Ratios within a round, and the one in the middle: others use the processor now and then.
	ratios := make([][]float64, len(groups))
	for range 21 {
		took := fastest(1, work...)
		for i := range groups {
			ratios[i] = append(ratios[i], float64(took[i+1])/float64(took[0]))
		}
	}
	for i, group := range groups {
		slices.Sort(ratios[i])
		ratio := ratios[i][len(ratios[i])/2]
		t.Logf("groups of %d: %.2f", group, ratio)
		if ratio > limit {
			t.Errorf("with groups of %d keys of one hash a load takes %.1f times as long as of random ones, want %d at most", group, ratio, limit)
		}
	}
	runtime.KeepAlive(held)
}

// After a flood an entry goes as it did before: lookups of other keys, over and over, do not keep
// what is dead.
func TestAFloodedInternerLetsGoOfTheDead(t *testing.T) {
	const n, hot = 1 << 14, 1 << 13
	in := weakmap.Interner[uint64]{Hash: func(v uint64) uint64 { return min(v, n) }}
	var flood, held []*uint64
	for v := range uint64(1000) {
		flood = append(flood, in.Intern(n+v)) // which all have one hash
	}
	// A long list takes the collector a while, in which each key is looked up more than once.
	var list *object
	for range 200_000 {
		list = &object{next: list}
	}
	var wg sync.WaitGroup
	quit := make(chan struct{})
	var handles []weak.Pointer[uint64]
	gctest.Elsewhere(func() {
		// What is to die comes first, so that it is what the lookups of the others meet first.
		var doomed []*uint64
		for v := range uint64(n - hot) {
			doomed = append(doomed, in.Intern(hot+v))
			handles = append(handles, weak.Make(doomed[v]))
		}
		for v := range uint64(hot) {
			held = append(held, in.Intern(v))
		}
		var started sync.WaitGroup
		for range 2 {
			started.Add(1)
			wg.Go(func() {
				for round := 0; ; round++ {
					for v := range uint64(hot) {
						if _, ok := in.Lookup(v); !ok {
							t.Errorf("%d is lost", v)
						}
					}
					if round == 0 {
						started.Done()
					}
					select {
					case <-quit:
						return
					default:
					}
				}
			})
		}
		started.Wait()
		runtime.KeepAlive(doomed)
		runtime.KeepAlive(flood)
	})
	var left []int
	for range 4 {
		runtime.GC()
		alive := 0
		for _, w := range handles {
			if w.Value() != nil {
				alive++
			}
		}
		left = append(left, alive)
	}
	close(quit)
	wg.Wait()
	t.Logf("left after each collection: %d of %d", left, len(handles))
	if last := left[len(left)-1]; last > 0 {
		t.Errorf("%d of %d dead values are kept by lookups of others, after 4 collections", last, len(handles))
	}
	runtime.KeepAlive(list)
	runtime.KeepAlive(held)
}

// What is held is found while a flood makes the table take another hash.
func TestLookupsWhileATableTakesAnotherHash(t *testing.T) {
	const n = 10_000
	for range 10 {
		in := weakmap.Interner[uint64]{Hash: func(v uint64) uint64 { return min(v, n) }}
		var held []*uint64
		for v := range uint64(n) {
			held = append(held, in.Intern(v))
		}
		var wg sync.WaitGroup
		var started sync.WaitGroup
		quit := make(chan struct{})
		started.Add(1)
		wg.Go(func() {
			for round := 0; ; round++ {
				for v := range uint64(n) {
					if p, ok := in.Lookup(v); p != held[v] {
						t.Errorf("Lookup(%d) = %p, %t, want %p", v, p, ok, held[v])
						return
					}
				}
				if round == 0 {
					started.Done()
				}
				select {
				case <-quit:
					return
				default:
				}
			}
		})
		started.Wait()
		var flood []*uint64
		for v := range uint64(1000) {
			flood = append(flood, in.Intern(n+v)) // which all have one hash
		}
		close(quit)
		wg.Wait()
		runtime.KeepAlive(flood)
		runtime.KeepAlive(held)
	}
}
