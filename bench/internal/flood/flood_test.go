package flood

import (
	"testing"

	"github.com/cespare/xxhash/v2"
)

func TestStringsDifferAndCollide(t *testing.T) {
	want := xxhash.Sum64String(String(0))
	seen := make(map[string]bool, Max)
	for i := range Max {
		s := String(i)
		if len(s) != Length {
			t.Fatalf("String(%d) has %d bytes, want %d", i, len(s), Length)
		}
		if seen[s] {
			t.Fatalf("String(%d) equals an earlier one", i)
		}
		seen[s] = true
		if got := xxhash.Sum64String(s); got != want {
			t.Fatalf("XXH64 of String(%d) = %#x, of String(0) %#x", i, got, want)
		}
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
			if a, b := sum(seed, String(0)), sum(seed, String(i)); a != b {
				t.Errorf("seed %#x: XXH64 of String(%d) = %#x, of String(0) %#x", seed, i, b, a)
			}
		}
	}
}

func TestStringPanicsOutOfRange(t *testing.T) {
	for _, i := range []int{-1, Max} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("String(%d) did not panic", i)
				}
			}()
			String(i)
		}()
	}
}
