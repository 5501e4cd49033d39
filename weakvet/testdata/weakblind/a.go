// Package weakblind deletes what it has not looked at.
package weakblind

import (
	"runtime"
	"sync"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

type page struct{ name string }

var (
	mu      sync.Mutex
	byName  = make(map[string]weak.Pointer[page])
	entries = make(map[string]entry)
	pages   sync.Map
	library weakmap.Map[string, page]
	sizes   = make(map[uintptr]int)
	byWeak  = make(map[weak.Pointer[page]]int)
	counts  = make(map[string]int)
	numbers sync.Map
)

type entry struct {
	page weak.Pointer[page]
	size int
}

func bad(name string) *page {
	p := &page{name}
	byName[name] = weak.Make(p)
	runtime.AddCleanup(p, func(name string) {
		mu.Lock()
		defer mu.Unlock()
		delete(byName, name) // want `the function given to runtime\.AddCleanup deletes whatever is bound to the key by then`
	}, name)

	entries[name] = entry{page: weak.Make(p)}
	runtime.AddCleanup(p, func(int) { delete(entries, name) }, 0) // want `deletes whatever is bound to the key by then`

	pages.Store(name, weak.Make(p))
	runtime.AddCleanup(p, func(name string) { pages.Delete(name) }, name) // want `deletes whatever is bound`

	runtime.SetFinalizer(p, func(p *page) { pages.LoadAndDelete(p.name) }) // want `the function given to runtime\.SetFinalizer deletes whatever is bound`

	weakmap.Finalize(p, library.Delete, name)
	weakmap.Finalize(p, func(name string) { library.Delete(name) }, name) // want `the function given to weakmap\.Finalize deletes whatever is bound`

	runtime.AddCleanup(p, forget, name)

	address := uintptr(unsafe.Pointer(p))
	sizes[address] = 1
	runtime.AddCleanup(p, func(a uintptr) { delete(sizes, a) }, address) // want `deletes by an address, which by then another object may have`
	return p
}

func forget(name string) {
	delete(byName, name) // want `deletes whatever is bound`
}

var reaped = weakmap.Map[string, page]{OnReap: func(name string) {
	library.Delete(name) // want `the function given to OnReap deletes whatever is bound`
}}

// Generics and embedded fields.

type cache[K comparable, V any] struct {
	sync.Map
	typed map[K]weak.Pointer[V]
}

func (c *cache[K, V]) put(key K, v *V) {
	c.Map.Store(key, weak.Make(v))
	c.typed[key] = weak.Make(v)
	runtime.AddCleanup(v, func(key K) {
		c.Map.Delete(key)    // want `deletes whatever is bound`
		delete(c.typed, key) // want `deletes whatever is bound`
	}, key)
}

func good(name string) *page {
	p := &page{name}
	w := weak.Make(p)
	byName[name] = w
	runtime.AddCleanup(p, func(name string) {
		mu.Lock()
		defer mu.Unlock()
		if byName[name] == w {
			delete(byName, name)
		}
	}, name)
	pages.Store(name, w)
	runtime.AddCleanup(p, func(name string) { pages.CompareAndDelete(name, w) }, name)

	byWeak[w] = 1
	runtime.AddCleanup(p, func(w weak.Pointer[page]) { delete(byWeak, w) }, w) // never used again

	counts[name] = 1
	runtime.AddCleanup(p, func(name string) { delete(counts, name) }, name) // perhaps on purpose
	numbers.Store(name, 1)
	runtime.AddCleanup(p, func(name string) { numbers.Delete(name) }, name)

	// A finalizer runs before the memory is used again.
	address := uintptr(unsafe.Pointer(p))
	runtime.SetFinalizer(p, func(p *page) { delete(sizes, address) })
	return p
}
