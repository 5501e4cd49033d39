package workload

import (
	"math/rand/v2"

	"github.com/go-weak/weakmap/internal/collide"
)

// A keyKind makes the i'th key of an unbounded sequence of different keys. Keys of different
// kinds with one index have nothing in common but that.
type keyKind[K comparable] struct {
	name string
	make func(i uint64) K
	same bool // whether the very keys that were stored are looked up: another of that index may be no equal one
}

var (
	stringKeys = keyKind[string]{name: "string", make: func(i uint64) string {
		const digits = "0123456789abcdef"
		b := [21]byte{'u', 's', 'e', 'r', ':'}
		for n, at := mix(i), len(b)-1; at >= 5; at-- {
			b[at] = digits[n&15]
			n >>= 4
		}
		return string(b[:])
	}}
	uint64Keys = keyKind[uint64]{name: "uint64", make: mix}
	structKeys = keyKind[fullName]{name: "struct", make: func(i uint64) fullName {
		return fullName{First: stringKeys.make(i), Last: stringKeys.make(^i)}
	}}

	storedKeys = keyKind[string]{"stored", stringKeys.make, true}

	objects16  = objectKeys[[2]uint64]("16B")
	objects64  = objectKeys[[8]uint64]("64B")
	objects256 = objectKeys[[32]uint64]("256B")

	craftedKeys = keyKind[string]{name: "crafted", make: func(i uint64) string { return collide.String(0, int(i)) }}
	randomKeys  = keyKind[string]{name: "random", make: func(i uint64) string {
		var b [collide.Length]byte
		_, _ = rand.NewChaCha8([32]byte{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}).Read(b[:])
		return string(b[:])
	}}
)

// A fullName is a key of two strings.
type fullName struct{ First, Last string }

// objectKeys makes new objects: they are told apart by identity.
func objectKeys[T any](name string) keyKind[*T] {
	return keyKind[*T]{name, func(uint64) *T { return new(T) }, true}
}

// mix is a bijection that leaves no pattern in consecutive numbers (the finalizer of
// splitmix64).
func mix(n uint64) uint64 {
	n += 0x9E3779B97F4A7C15
	n = (n ^ n>>30) * 0xBF58476D1CE4E5B9
	n = (n ^ n>>27) * 0x94D049BB133111EB
	return n ^ n>>31
}

// some returns the n keys that begin with index first. String keys have bytes of their own.
func (k keyKind[K]) some(first, n int) []K {
	keys := make([]K, n)
	for i := range keys {
		keys[i] = k.make(uint64(first + i))
	}
	return keys
}

// stream returns keys to look up, of which keys are equal ones, the first with index first: in random
// order, again and again in a new order until there are at least least. As programs have them, they
// were made after those that were stored, one after the other in the order of use; so what is timed is
// the map, and not the way to the key.
func (k keyKind[K]) stream(keys []K, first, least int) []K {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	order = shuffled(order, least)
	stream := make([]K, len(order))
	for i, at := range order {
		if k.same {
			stream[i] = keys[at]
		} else {
			stream[i] = k.make(uint64(first + at))
		}
	}
	return stream
}

// shuffled returns the keys in random order, again and again in a new order until there are at
// least n.
func shuffled[K comparable](keys []K, n int) []K {
	random := rand.New(rand.NewPCG(1, 2))
	var stream []K
	for len(stream) < n {
		at := len(stream)
		stream = append(stream, keys...)
		part := stream[at:]
		random.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	}
	return stream
}
