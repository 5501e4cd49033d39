// Package xxh hashes short strings, and numbers. Strings take XXH3, 64 bits wide, up to [Max] bytes, with
// a seed. Longer ones are better hashed by github.com/cespare/xxhash, whose assembly
// takes 32 bytes a step.
//
// The algorithm and its constants are those of XXH3 by Yann Collet,
// https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md. Unlike XXH64, it
// takes a short input in steps that do not wait for each other.
package xxh

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// Max is the length of the longest input.
const Max = 240

const (
	prime1 = 0x9E3779B185EBCA87 // of XXH64
	prime2 = 0xC2B2AE3D27D4EB4F
	prime3 = 0x165667B19E3779F9
	mix1   = 0x165667919E3779F9 // of XXH3
	mix2   = 0x9FB21C651E98DF25
)

// secret is the default secret of XXH3.
const secret = "" +
	"\xb8\xfe\x6c\x39\x23\xa4\x4b\xbe\x7c\x01\x81\x2c\xf7\x21\xad\x1c\xde\xd4\x6d\xe9\x83\x90\x97\xdb\x72\x40\xa4\xa4\xb7\xb3\x67\x1f" +
	"\xcb\x79\xe6\x4e\xcc\xc0\xe5\x78\x82\x5a\xd0\x7d\xcc\xff\x72\x21\xb8\x08\x46\x74\xf7\x43\x24\x8e\xe0\x35\x90\xe6\x81\x3a\x26\x4c" +
	"\x3c\x28\x52\xbb\x91\xc3\x00\xcb\x88\xd0\x65\x8b\x1b\x53\x2e\xa3\x71\x64\x48\x97\xa2\x0d\xf9\x4e\x38\x19\xef\x46\xa9\xde\xac\xd8" +
	"\xa8\xfa\x76\x3f\xe3\x9c\x34\x3f\xf9\xdc\xbb\xc7\xc7\x0b\x4f\x1d\x8a\x51\xe0\x4b\xcd\xb4\x59\x31\xc8\x9f\x7e\xc9\xd9\x78\x73\x64" +
	"\xea\xc5\xac\x83\x34\xd3\xeb\xc3\xc5\x81\xa0\xff\xfa\x13\x63\xeb\x17\x0d\xdd\x51\xb7\xf0\xda\x49\xd3\x16\x55\x26\x29\xd4\x68\x9e" +
	"\x2b\x16\xbe\x58\x7d\x47\xa1\xfc\x8f\xf8\xb8\xd1\x7a\xd0\x31\xce\x45\xcb\x3a\x8f\x95\x16\x04\x28\xaf\xd7\xfb\xca\xbb\x4b\x40\x7e"

// The words of the secret that the commonest lengths take, by the byte at which they stand.
const (
	secret0  = 0xbe4ba423396cfeb8
	secret8  = 0x1cad21f72c81017c
	secret16 = 0xdb979083e96dd4de
	secret24 = 0x1f67b3b7a4a44072
	secret32 = 0x78e5c0cc4ee679cb
	secret40 = 0x2172ffcc7dd05a82
	secret48 = 0x8e2443f7744608b8
	secret56 = 0x4c263a81e69035e0
	secret64 = 0xcb00c391bb52283c
)

// Word returns a hash of w, of 32 bits. XXH3 of its eight bytes takes half as many steps again, for
// which a lookup of a number waits; the multiplier is one of XXH3's.
func Word(w, seed uint64) uint32 {
	h := w ^ seed
	h ^= h >> 32
	h *= mix2
	h ^= h >> 32
	h *= mix2
	return uint32(h >> 32)
}

// String returns the hash of s, which must not be longer than [Max].
func String(s string, seed uint64) uint64 {
	p := unsafe.Pointer(unsafe.StringData(s))
	n := uintptr(len(s))
	switch {
	case n > 32:
		return long(s, seed)
	case n > 16:
		acc := uint64(n)*prime1 +
			fold(read64(p, 0)^(secret0+seed), read64(p, 8)^(secret8-seed)) +
			fold(read64(p, n-16)^(secret16+seed), read64(p, n-8)^(secret24-seed))
		return avalanche(acc)
	case n > 8:
		lo := read64(p, 0) ^ (secret24 ^ secret32 + seed)
		hi := read64(p, n-8) ^ (secret40 ^ secret48 - seed)
		return avalanche(uint64(n) + bits.ReverseBytes64(lo) + hi + fold(lo, hi))
	case n >= 4:
		seed ^= uint64(bits.ReverseBytes32(uint32(seed))) << 32
		h := uint64(read32(p, n-4)) + uint64(read32(p, 0))<<32
		h ^= secret8 ^ secret16 - seed
		h ^= bits.RotateLeft64(h, 49) ^ bits.RotateLeft64(h, 24)
		h *= mix2
		h ^= h>>35 + uint64(n)
		h *= mix2
		return h ^ h>>28
	case n > 0:
		c := uint64(s[0])<<16 | uint64(s[n>>1])<<24 | uint64(s[n-1]) | uint64(n)<<8
		return avalanche64(c ^ (secret0&0xffffffff ^ secret0>>32 + seed))
	}
	return avalanche64(seed ^ secret56 ^ secret64)
}

// long is String for more than 32 bytes.
func long(s string, seed uint64) uint64 {
	n := len(s)
	acc := uint64(n) * prime1
	if n <= 128 {
		for i := (n - 1) / 32; i >= 0; i-- {
			acc += mix(s, 16*i, 32*i, seed)
			acc += mix(s, n-16*(i+1), 32*i+16, seed)
		}
		return avalanche(acc)
	}
	for i := range 8 {
		acc += mix(s, 16*i, 16*i, seed)
	}
	acc = avalanche(acc)
	end := mix(s, n-16, 136-17, seed)
	for i := 8; i < n/16; i++ {
		end += mix(s, 16*i, 16*(i-8)+3, seed)
	}
	return avalanche(acc + end)
}

// mix takes the 16 bytes of s at i, with those of the secret at j.
func mix(s string, i, j int, seed uint64) uint64 {
	p, q := unsafe.Pointer(unsafe.StringData(s)), unsafe.Pointer(unsafe.StringData(secret))
	return fold(read64(p, uintptr(i))^(read64(q, uintptr(j))+seed), read64(p, uintptr(i)+8)^(read64(q, uintptr(j)+8)-seed))
}

// fold returns the exclusive or of the two halves of a*b.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func avalanche(h uint64) uint64 {
	h = (h ^ h>>37) * mix1
	return h ^ h>>32
}

// avalanche64 is the last step of XXH64.
func avalanche64(h uint64) uint64 {
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}

// Mix spreads the bits of h, which may be no better than a counter.
func Mix(h uint64) uint64 { return avalanche64(h) }

// read64 reads eight little-endian bytes at p+i. Same as binary.LittleEndian.Uint64 of
// a slice there. Safety: all callers read within the input, whose length they checked.
func read64(p unsafe.Pointer, i uintptr) uint64 {
	return binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(p, i))[:])
}

func read32(p unsafe.Pointer, i uintptr) uint32 {
	return binary.LittleEndian.Uint32((*[4]byte)(unsafe.Add(p, i))[:])
}
