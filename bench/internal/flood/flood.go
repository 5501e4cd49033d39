// Package flood makes strings that collide under xxhash.
package flood

import (
	"encoding/binary"
)

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

	lanes    = 4
	perLane  = 4 // bits of the index that choose k in one lane
	laneMask = 1<<perLane - 1
)

// Max is the number of different strings that [String] can make.
const Max = 1 << (lanes * perLane)

// Length is that of the strings: beyond 240 bytes a weakmap takes XXH64. What collides after 64
// bytes does so whatever is the same after them.
const Length = 256

// String returns the i'th of [Max] strings of [Length] bytes, all of which have the same XXH64 value
// as each other, under almost every seed. It panics if i is out of range.
func String(i int) string {
	if i < 0 || i >= Max {
		panic("flood: index out of range")
	}
	inverse := invert(prime2)
	var b [Length]byte
	for lane := range lanes {
		k := uint64(i) >> (lane * perLane) & laneMask
		binary.LittleEndian.PutUint64(b[8*lane:], k<<33*inverse)
		binary.LittleEndian.PutUint64(b[32+8*lane:], -k*prime1*inverse)
	}
	return string(b[:])
}

// invert returns the inverse of an odd n modulo 2^64. Newton's iteration doubles the number of
// right bits; n is its own inverse modulo 8, so five steps give more than 64.
func invert(n uint64) uint64 {
	x := n
	for range 5 {
		x *= 2 - n*x
	}
	return x
}
