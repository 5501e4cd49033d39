package peer

import (
	"hash/maphash"
	"math/bits"
	"runtime"
	"weak"

	"github.com/cespare/xxhash/v2"
)

// The floors: the parts of the work that a weak map cannot leave out.

// lookupFloor hashes the key, takes the handle in the slot that the hash names, and asks it for
// its value. It compares no key, so it is wrong as a map, and a hit may be another key's value.
// A Store fills the first slot that is free, in order, so that all slots are filled by capacity
// stores; it must not run concurrently with anything.
func lookupFloor[K comparable](capacity int) Map[K] {
	slots := make([]handle, 1<<bits.Len(uint(max(capacity, 1)-1)))
	mask := uint64(len(slots) - 1)
	used := 0
	m := Map[K]{
		Store: func(_ K, value *Value) {
			h := weak.Make(value)
			slots[used%len(slots)] = h
			used++
			if used == capacity {
				for i := used; i < len(slots); i++ {
					slots[i] = slots[i-used]
				}
			}
		},
		Len:    func() int { return used },
		Within: func(n int) bool { return used <= n },
	}
	switch load := any(&m.Load).(type) {
	case *func(string) *Value:
		*load = func(key string) *Value { return slots[xxhash.Sum64String(key)&mask].Value() }
	case *func(uint64) *Value:
		*load = func(key uint64) *Value { return slots[sum8(key)&mask].Value() }
	default:
		seed := maphash.MakeSeed()
		m.Load = func(key K) *Value { return slots[maphash.Comparable(seed, key)&mask].Value() }
	}
	return m
}

// sum8 is XXH64 of the eight bytes of n, in little-endian order, with seed zero.
func sum8(n uint64) uint64 {
	const (
		prime1 = 0x9E3779B185EBCA87
		prime2 = 0xC2B2AE3D27D4EB4F
		prime3 = 0x165667B19E3779F9
		prime4 = 0x85EBCA77C2B2AE63
		prime5 = 0x27D4EB2F165667C5
	)
	h := uint64(prime5 + 8)
	h ^= bits.RotateLeft64(n*prime2, 31) * prime1
	h = bits.RotateLeft64(h, 27)*prime1 + prime4
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}

// insertFloor makes the weak pointer that every weak map must make.
func insertFloor[K comparable](int) Map[K] {
	m := nothing[K](0)
	m.Store = func(_ K, value *Value) { runtime.KeepAlive(weak.Make(value)) }
	return m
}

// nothing ignores what it is told.
func nothing[K comparable](int) Map[K] {
	return Map[K]{
		Load:   func(K) *Value { return nil },
		Store:  func(K, *Value) {},
		Len:    func() int { return 0 },
		Within: func(int) bool { return true },
	}
}
