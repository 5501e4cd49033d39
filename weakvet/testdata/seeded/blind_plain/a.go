// Package seeded: a plain map beside the weak one.
package seeded

import (
	"runtime"
	"weak"
)

type Page struct{ name string }

var (
	pages = map[string]weak.Pointer[Page]{}
	sizes = map[string]int{}
)

func Put(p *Page) {
	pages[p.name] = weak.Make(p)
	sizes[p.name] = 1
	runtime.AddCleanup(p, func(name string) { delete(sizes, name) }, p.name)
}
