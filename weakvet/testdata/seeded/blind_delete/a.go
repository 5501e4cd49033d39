// Package seeded: a cleanup that deletes by name.
package seeded

import (
	"runtime"
	"sync"
	"weak"
)

type Page struct{ body string }

var (
	mu    sync.Mutex
	pages = map[string]weak.Pointer[Page]{}
)

func Put(name string, p *Page) {
	mu.Lock()
	defer mu.Unlock()
	pages[name] = weak.Make(p)
	runtime.AddCleanup(p, func(name string) {
		mu.Lock()
		defer mu.Unlock()
		delete(pages, name)
	}, name)
}
