// Package seeded: a table by address.
package seeded

import (
	"runtime"
	"unsafe"
)

type Page struct{ name string }

var sizes = map[uintptr]int{}

func Note(p *Page, size int) {
	a := uintptr(unsafe.Pointer(p))
	sizes[a] = size
	runtime.AddCleanup(p, func(a uintptr) { delete(sizes, a) }, a)
}
