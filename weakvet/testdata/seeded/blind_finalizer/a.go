// Package seeded: a finalizer that deletes by the key in the object.
package seeded

import (
	"runtime"
	"weak"
)

type Page struct{ name string }

var pages = map[string]weak.Pointer[Page]{}

func forget(p *Page) { delete(pages, p.name) }

func Put(p *Page) {
	pages[p.name] = weak.Make(p)
	runtime.SetFinalizer(p, forget)
}
