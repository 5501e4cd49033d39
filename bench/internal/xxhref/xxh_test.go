package xxhref

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"

	"github.com/go-weak/weakmap/internal/xxh"
)

// seeds are some that have few bits, many, and those of either half alone.
var seeds = []uint64{0, 1, 0x9E3779B185EBCA8D, 1 << 32, 0xffffffff, 1<<64 - 1}

func TestEveryLengthIsHashedAsPublished(t *testing.T) {
	for n := range xxh.Max + 1 {
		for i := range 200 {
			b := make([]byte, n)
			for k := range b {
				b[k] = byte(rand.Uint32())
			}
			seed := rand.Uint64()
			if i < len(seeds) {
				seed = seeds[i]
			}
			if got, want := xxh.String(string(b), seed), xxh3.HashSeed(b, seed); got != want {
				t.Fatalf("String of %d bytes %x under seed %#x is %#x, want %#x", n, b, seed, got, want)
			}
		}
	}
}

const vectors = "../../../internal/xxh/testdata/vectors.txt"

// The vectors that internal/xxh is tested with are those of the published implementation. Set
// WEAKMAP_VECTORS to write them again.
func TestTheVectorsAreThePublishedOnes(t *testing.T) {
	input := make([]byte, xxh.Max)
	for i, x := 0, uint64(2654435761); i < len(input); i, x = i+1, x*0x9E3779B185EBCA8D {
		input[i] = byte(x >> 56)
	}
	var want strings.Builder
	fmt.Fprintln(&want, "# XXH3, 64 bits, of the first bytes of xxhsum's sanity buffer: seed, length, hash.")
	fmt.Fprintln(&want, "# The length \"all\" has the sum of c*31 + hash over the lengths 0 to 240.")
	for _, seed := range seeds {
		sum := uint64(0)
		for n := range len(input) + 1 {
			h := xxh3.HashSeed(input[:n], seed)
			sum = sum*31 + h
			switch n {
			case 0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 17, 24, 32, 33, 48, 64, 65, 80, 96, 97, 128, 129, 144, 195, 239, 240:
				fmt.Fprintf(&want, "%016x %d %016x\n", seed, n, h)
			}
		}
		fmt.Fprintf(&want, "%016x all %016x\n", seed, sum)
	}
	if os.Getenv("WEAKMAP_VECTORS") != "" {
		if err := os.WriteFile(vectors, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectors)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(strings.NewReader(want.String()))
	for _, line := range strings.Split(strings.TrimSuffix(string(got), "\n"), "\n") {
		if !lines.Scan() || lines.Text() != line {
			t.Fatalf("a vector reads %q, want %q", line, lines.Text())
		}
	}
	if lines.Scan() {
		t.Errorf("the vector %q is missing", lines.Text())
	}
}
