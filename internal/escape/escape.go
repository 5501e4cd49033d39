// Package escape corrects what the compiler takes to escape to the heap, in both directions.
package escape

import (
	"hash/maphash"
	"unsafe"
)

// Hide returns p so that the compiler does not see where it goes. Safety: what it is passed to
// does not keep it.
//
//go:nosplit
//go:nocheckptr
func Hide(p unsafe.Pointer) unsafe.Pointer {
	x := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&x))
}

// reveal is false, and the compiler does not know.
var reveal bool

var (
	keep func(any) // for all that the compiler knows
	seed maphash.Seed
)

// Reveal puts what v refers to on the heap. It is for what is kept although Hide hid it.
func Reveal[T any](v T) {
	if reveal {
		keep(v)
	}
}

// RevealAddresses is Reveal for all that v refers to except the bytes of strings: an address on a
// stack cannot be hashed, so the compiler leaves nothing there that might be hashed by its address.
func RevealAddresses[T comparable](v T) {
	if reveal {
		maphash.Comparable(seed, v)
	}
}
