package weakmap

import (
	"hash/maphash"
	"math/bits"
	"reflect"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// How keys become hashes. A table chooses one kind when it is made, and a
// lookup dispatches on it with a predictable branch: a hasher called through a
// pointer costs 2 to 3 ns more.
//
// Byte-like keys take xxhash, which is stable, fast and can be flooded (two
// thousand 64-byte strings with one hash under every seed are easy to make);
// what an attacker cannot predict is maphash, and a table that he floods
// changes over to that (see table.reseed).
type hashKind uint8

const (
	hashComparable hashKind = iota // maphash.Comparable: equal keys may differ in bytes (±0, padding, interfaces)
	hashString                     // xxhash of the bytes
	hashWord                       // xxhash of the 8 little-endian bytes of the zero-extended integer
	hashCustom                     // the caller's function, mixed
	hashSeeded                     // maphash.Comparable under a seed of the layout's own, after a flood
)

// hashKindOf chooses the hash for keys of type K.
func hashKindOf[K comparable]() hashKind {
	switch reflect.TypeFor[K]().Kind() {
	case reflect.String:
		return hashString
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return hashWord
	}
	return hashComparable
}

// hasInterface reports whether comparing values of type t can panic: whether
// an interface stands anywhere in it.
func hasInterface(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return hasInterface(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasInterface(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// keySeed seeds maphash.Comparable in every table that was not flooded.
var keySeed = maphash.MakeSeed()

// mustBeHashable panics as a built-in map would if key holds a dynamic type
// that cannot be hashed.
func mustBeHashable[K comparable](key K) {
	maphash.Comparable(keySeed, key)
}

// stringOf reads a key of a string type as a string.
func stringOf[K comparable](key *K) string {
	return *(*string)(unsafe.Pointer(key))
}

// wordOf reads a key of an integer or pointer type, zero-extended.
func wordOf[K comparable](key *K) uint64 {
	switch unsafe.Sizeof(*key) {
	case 8:
		return *(*uint64)(unsafe.Pointer(key))
	case 4:
		return uint64(*(*uint32)(unsafe.Pointer(key)))
	case 2:
		return uint64(*(*uint16)(unsafe.Pointer(key)))
	default:
		return uint64(*(*uint8)(unsafe.Pointer(key)))
	}
}

// The constants of XXH64.
const (
	prime1 = 11400714785074694791
	prime2 = 14029467366897019727
	prime3 = 1609587929392839161
	prime4 = 9650029242287828579
	prime5 = 2870177450012600261
)

// sum64Word is xxhash.Sum64 of the eight little-endian bytes of w, written out
// so that it is inlined: 2 ns instead of 4.
// The algorithm is XXH64 by Yann Collet, https://xxhash.com.
func sum64Word(w uint64) uint64 {
	w = bits.RotateLeft64(w*prime2, 31) * prime1
	return avalanche(bits.RotateLeft64((prime5+8)^w, 27)*prime1 + prime4)
}

// avalanche is the last step of XXH64: every bit of h reaches every bit of the
// result. It also mixes what a caller's Hash returns, which may be no better
// than the key itself.
func avalanche(h uint64) uint64 {
	h = (h ^ h>>33) * prime2
	h = (h ^ h>>29) * prime3
	return h ^ h>>32
}

// hash returns the 32 bits of hash by which key is found. It panics for a key
// that cannot be hashed, before any lock is taken.
func (l *layout[K, P, A]) hash(key K) uint32 {
	switch l.kind {
	case hashString:
		return uint32(xxhash.Sum64String(stringOf(&key)))
	case hashWord:
		return uint32(sum64Word(wordOf(&key)))
	case hashComparable:
		return uint32(maphash.Comparable(keySeed, key))
	case hashSeeded:
		return uint32(maphash.Comparable(l.seed, key))
	}
	if l.table.vetKeys {
		mustBeHashable(key)
	}
	// A function of the caller's may do anything with its argument, as far as the
	// compiler knows. It must not keep it, so that a lookup by a string that was made
	// for it alone allocates nothing.
	return uint32(avalanche(l.table.options.hash(*(*K)(noescape(unsafe.Pointer(&key))))))
}

// noescape returns p, of which the compiler does not see that it is the same.
//
//go:nosplit
//go:nocheckptr
func noescape(p unsafe.Pointer) unsafe.Pointer {
	address := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&address))
}
