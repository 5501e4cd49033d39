package collide

import (
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/go-weak/weakmap/internal/xxh"
)

func TestStringsDifferAndCollide(t *testing.T) {
	sums := make(map[uint64]bool)
	seen := make(map[string]bool, 2*Max)
	for _, group := range []uint64{0, rand.Uint64() | 1} {
		want := xxhash.Sum64String(String(group, 0))
		sums[want] = true
		for i := range Max {
			s := String(group, i)
			if len(s) != Length {
				t.Fatalf("String(%#x, %d) has %d bytes, want %d", group, i, len(s), Length)
			}
			if seen[s] {
				t.Fatalf("String(%#x, %d) equals an earlier one", group, i)
			}
			seen[s] = true
			if got := xxhash.Sum64String(s); got != want {
				t.Fatalf("XXH64 of String(%#x, %d) = %#x, of the first of its group %#x", group, i, got, want)
			}
		}
	}
	if len(sums) != 2 {
		t.Error("two groups have one XXH64 value")
	}
}

func TestCollisionsDoNotDependOnTheSeed(t *testing.T) {
	sum := func(seed uint64, s string) uint64 {
		d := xxhash.NewWithSeed(seed)
		_, _ = d.WriteString(s)
		return d.Sum64()
	}
	for seed := uint64(1); seed != 0; seed <<= 1 {
		for i := 1; i < Max; i *= 3 {
			if a, b := sum(seed, String(seed, 0)), sum(seed, String(seed, i)); a != b {
				t.Errorf("seed %#x: XXH64 of String(%#x, %d) = %#x, of the first of its group %#x", seed, seed, i, b, a)
			}
		}
	}
}

func TestStringPanicsOutOfRange(t *testing.T) {
	for _, i := range []int{-1, Max} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("String(0, %d) did not panic", i)
				}
			}()
			String(0, i)
		}()
	}
}

func TestUnmixedIsWhatMixMakesAHashOf(t *testing.T) {
	for range 1000 {
		if h := rand.Uint64(); xxh.Mix(Unmixed(h)) != h {
			t.Fatalf("Mix makes %#x of %#x, want %#x", xxh.Mix(Unmixed(h)), Unmixed(h), h)
		}
	}
}

func TestInverse(t *testing.T) {
	for range 1000 {
		if n := rand.Uint64() | 1; n*Inverse(n) != 1 {
			t.Fatalf("the inverse of %#x is not %#x", n, Inverse(n))
		}
	}
}
