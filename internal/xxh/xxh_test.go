package xxh

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// The vectors were made by a published implementation, with which bench/internal/xxhref compares
// this one at more seeds and inputs. Those with the lengths and seeds of xxhsum's sanity check
// are what that has.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/vectors.txt")
	if err != nil {
		t.Fatal(err)
	}
	input := make([]byte, Max)
	for i, x := 0, uint64(2654435761); i < len(input); i, x = i+1, x*0x9E3779B185EBCA8D {
		input[i] = byte(x >> 56)
	}
	vectors := 0
	for line := range strings.Lines(string(text)) {
		var seed, want uint64
		var length string
		if strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := fmt.Sscanf(line, "%x %s %x", &seed, &length, &want); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		vectors++
		got := uint64(0)
		if length == "all" {
			for n := range Max + 1 {
				// A copy of its own: with checkptr, to read beyond it is found.
				got = got*31 + String(string(input[:n]), seed)
			}
		} else {
			n := 0
			if _, err := fmt.Sscan(length, &n); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			got = String(string(input[:n]), seed)
		}
		if got != want {
			t.Errorf("seed %#x, length %s: %#x, want %#x", seed, length, got, want)
		}
	}
	if vectors < 100 {
		t.Errorf("%d vectors, want 100 at least", vectors)
	}
}

// The vectors that xxhsum checks itself with, by the word.
func TestXxhsumsOwnVectors(t *testing.T) {
	const seed = 0x9E3779B185EBCA8D
	input := make([]byte, Max)
	for i, x := 0, uint64(2654435761); i < len(input); i, x = i+1, x*seed {
		input[i] = byte(x >> 56)
	}
	for n, want := range map[int][2]uint64{
		0:   {0x2D06800538D394C2, 0xA8A6B918B2F0364A},
		1:   {0xC44BDFF4074EECDB, 0x032BE332DD766EF8},
		6:   {0x27B56A84CD2D7325, 0x84589C116AB59AB9},
		12:  {0xA713DAF0DFBB77E7, 0xE7303E1B2336DE0E},
		24:  {0xA3FE70BF9D3510EB, 0x850E80FC35BDD690},
		48:  {0x397DA259ECBA1F11, 0xADC2CBAA44ACC616},
		80:  {0xBCDEFBBB2C47C90A, 0xC6DD0CB699532E73},
		195: {0xCD94217EE362EC3A, 0xBA68003D370CB3D9},
	} {
		for i, s := range []uint64{0, seed} {
			if got := String(string(input[:n]), s); got != want[i] {
				t.Errorf("seed %#x, length %d: %#x, want %#x", s, n, got, want[i])
			}
		}
	}
}

// Each bit of a number changes each bit of its hash in half of the cases, as in a random function.
func TestEachBitOfAWordChangesHalfOfItsHash(t *testing.T) {
	const samples = 4000
	random := rand.New(rand.NewPCG(1, 2))
	for in := range 64 {
		var changed [32]int
		for range samples {
			w := random.Uint64()
			x := Word(w, 7) ^ Word(w^1<<in, 7)
			for out := range changed {
				changed[out] += int(x >> out & 1)
			}
		}
		for out, n := range changed {
			if n < samples*9/20 || n > samples*11/20 { // Six deviations.
				t.Errorf("bit %d of the number changes bit %d of the hash in %d of %d cases", in, out, n, samples)
			}
		}
	}
}

func TestMixIsTheLastStepOfXXH64(t *testing.T) {
	const prime5 = 0x27D4EB2F165667C5 // XXH64 of nothing mixes this alone
	if got := Mix(prime5); got != 0xEF46DB3751D8E999 {
		t.Errorf("Mix(%#x) = %#x", uint64(prime5), got)
	}
}
