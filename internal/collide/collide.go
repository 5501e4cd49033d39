// Package collide chooses keys by their hashes, for tests and benchmarks.
package collide

import "encoding/binary"

// XXH64 reads the first 64 bytes as two stripes of four lanes, and each lane runs
//
//	v = rotl(v+first*p2, 31) * p1
//	v = rotl(v+second*p2, 31) * p1
//
// from a start v that only the seed decides. Adding k<<33 to the sum under the first rotation
// adds exactly k to the rotated word, because (k<<33)<<31 vanishes modulo 2^64, unless the sum
// wraps, which for a small k has a chance of k in 2^31. So the first word is moved by
// k<<33 / p2 and the second by -k*p1 / p2: the lane ends as it would have for k = 0, whatever
// the seed. Four lanes with sixteen choices of k each give [Max] strings.
const (
	prime1 = 0x9E3779B185EBCA87
	prime2 = 0xC2B2AE3D27D4EB4F
	prime3 = 0x165667B19E3779F9

	lanes    = 4
	perLane  = 4 // bits of the index that choose k in one lane
	laneMask = 1<<perLane - 1
	collided = 64 // bytes
)

// Max is the number of different strings of a group that [String] can make.
const Max = 1 << (lanes * perLane)

// Length is that of the strings: beyond 240 bytes a weakmap takes XXH64. What collides after 64
// bytes does so whatever is the same after them.
const Length = 256

// String returns the i'th of [Max] strings of [Length] bytes, all of which have the same XXH64 value
// as others of their group, under almost every seed. It panics if i is out of range.
func String(group uint64, i int) string {
	if i < 0 || i >= Max {
		panic("collide: index out of range")
	}
	inverse := Inverse(prime2)
	var b [Length]byte
	for lane := range lanes {
		k := uint64(i) >> (lane * perLane) & laneMask
		binary.LittleEndian.PutUint64(b[8*lane:], k<<33*inverse)
		binary.LittleEndian.PutUint64(b[32+8*lane:], -k*prime1*inverse)
	}
	binary.LittleEndian.PutUint64(b[collided:], group)
	return string(b[:])
}

// Unmixed returns what the last step of XXH64 makes h of. A weakmap mixes the results of a Hash
// so: this one leads to the place in a table, and the tag, that the low half of h says.
func Unmixed(h uint64) uint64 {
	h = (h ^ h>>32) * Inverse(prime3)
	h = (h ^ h>>29 ^ h>>58) * Inverse(prime2)
	return h ^ h>>33
}

// Inverse returns the inverse of an odd n modulo 2^64. Newton's iteration doubles the number of
// right bits; n is its own inverse modulo 8, so five steps give more than 64.
func Inverse(n uint64) uint64 {
	x := n
	for range 5 {
		x *= 2 - n*x
	}
	return x
}
