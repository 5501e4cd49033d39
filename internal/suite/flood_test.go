package suite

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/collide"
	"github.com/go-weak/weakmap/internal/gctest"
)

// Keys are chosen by their hashes here: those of a user's Hash, of which the container takes all bits
// into account by the last step of XXH64; and those of strings that are long, by XXH64 itself. Short
// ones and numbers are hashed with a seed that only the process knows: flood_test.go of the root has them.

// spread returns n hashes in groups of the given size that have the low halves in common, and with them
// their place in a table. The groups lie as far apart as they are long, in each of the first eight
// shards. In a group of 0 all are random.
func spread(n, group int) []uint64 {
	hashes := make([]uint64, n)
	for i := range hashes {
		if hashes[i] = rand.Uint64(); group > 0 {
			g, i := i/group, i%group
			hashes[g*group+i] = uint64(i)<<32 | uint64(g/8*(group/4)*8+g%8)
		}
	}
	return hashes
}

// TestLoadsOfFloodingKeys: whatever the keys, a load takes at most four times as long as of random
// ones. It is here for the time; TestLookupsAreShortWhateverTheKeys counts steps and is sharper: where
// bindings of one tag are not counted, that fails in 20 of 20 runs, and this in 2 of 10.
func TestLoadsOfFloodingKeys(t *testing.T) {
	t.Run("numbers", func(t *testing.T) {
		loadsOfFloods(t, func(key uint64) uint64 { return key }, func(group int) []uint64 {
			keys := spread(1<<14, group)
			for i, h := range keys {
				keys[i] = collide.Unmixed(h)
			}
			return keys
		})
	})
	t.Run("strings", func(t *testing.T) {
		hash := func(key string) uint64 { return binary.LittleEndian.Uint64([]byte(key)) }
		loadsOfFloods(t, hash, func(group int) (keys []string) {
			for _, h := range spread(1<<14, group) {
				keys = append(keys, string(binary.LittleEndian.AppendUint64(nil, collide.Unmixed(h))))
			}
			return keys
		})
	})
	t.Run("long strings", func(t *testing.T) {
		loadsOfFloods(t, nil, func(group int) (keys []string) {
			for i := range 1 << 13 {
				keys = append(keys, collide.String(uint64(i/max(group, 1)), i))
			}
			return keys
		})
	})
}

// loadsOfFloods compares loads of keys in groups with those of keys without.
func loadsOfFloods[K comparable](t *testing.T, hash func(K) uint64, keysOf func(group int) []K) {
	const limit = 4
	groups := []int{0, 512, 110, 16} // 110 fill 22 buckets, which alone is no flood in the emptiest shard
	var work []func()
	var held []*record
	for _, group := range groups {
		m := &weakmap.Map[K, record]{Config: weakmap.Config{Shards: 8}, Hash: hash}
		keys := keysOf(group)
		for _, key := range keys {
			v := new(record)
			m.Store(key, v)
			held = append(held, v)
		}
		rand.Shuffle(len(keys), func(i, k int) { keys[i], keys[k] = keys[k], keys[i] })
		work = append(work, func() {
			for _, key := range keys {
				if _, ok := m.Load(key); !ok {
					t.Fatalf("key %#v is lost", key)
				}
			}
		})
	}
	// Ratios within a round, and the one in the middle: others use the processor now and then.
	ratios := make([][]float64, len(groups))
	for range 21 {
		took := fastest(1, work...)
		for i := range groups {
			ratios[i] = append(ratios[i], float64(took[i])/float64(took[0]))
		}
	}
	for i, group := range groups[1:] {
		slices.Sort(ratios[i+1])
		ratio := ratios[i+1][len(ratios[i+1])/2]
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
	var list *record
	for range 200_000 {
		list = &record{link: list}
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
	// Those whose 32 bits of hash all agree with those of a key that is looked up are asked: of 2^26
	// pairs one in 64 runs has such a pair, and more than three are there in one of 10^8.
	const alike = 3
	if last := left[len(left)-1]; last > alike {
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
