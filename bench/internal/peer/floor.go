package peer

import (
	"hash/maphash"
	"math/bits"
	"math/rand/v2"
	"runtime"
	"weak"

	"github.com/go-weak/weakmap/internal/xxh"
)

// The floors: the parts of the work that a weak map cannot leave out.

// lookupFloor hashes the key as this library does, takes the handle in the slot that the hash names, and
// asks it for its value. It compares no key, so it is wrong as a map, and a hit may be another key's value.
// A Store fills the first slot that is free, in order, so that all slots are filled by capacity
// stores; it must not run concurrently with anything.
func lookupFloor[K comparable](capacity int) Map[K] {
	slots := make([]handle, 1<<bits.Len(uint(max(capacity, 1)-1)))
	mask := uint64(len(slots) - 1)
	seed := rand.Uint64()
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
		*load = func(key string) *Value { return slots[xxh.String(key, seed)&mask].Value() }
	case *func(uint64) *Value:
		*load = func(key uint64) *Value { return slots[uint64(xxh.Word(key, seed))&mask].Value() }
	default:
		seed := maphash.MakeSeed()
		m.Load = func(key K) *Value { return slots[maphash.Comparable(seed, key)&mask].Value() }
	}
	return m
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
