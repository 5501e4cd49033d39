// Package weakhand has weak maps made by hand.
package weakhand

import (
	"sync"
	"weak"
)

type page struct{ name string }

var seen = make(map[weak.Pointer[page]]struct{}) // want `seen is a weak map made by hand: a weakmap\.Set\[page\] also removes the entries of the dead`

func see(p *page) bool {
	_, ok := seen[weak.Make(p)]
	seen[weak.Make(p)] = struct{}{}
	if len(seen) > 1000 {
		clear(seen)
	}
	return ok
}

func unsee(p *page) { delete(seen, weak.Make(p)) }

var notes = map[weak.Pointer[page]]string{} // want `notes is a weak map made by hand: a weakmap\.KeyMap\[page, string\]`

func note(p *page, text string) {
	notes[weak.Make(p)] = text + "."
	if old, ok := notes[weak.Make(p)]; ok && old == "" {
		delete(notes, weak.Make(p))
	}
}

func local(p *page) int {
	pages := make(map[string]weak.Pointer[page]) // want `pages is a weak map made by hand: a weakmap\.Map\[string, page\]`
	pages[p.name] = weak.Make(p)
	q := pages["q"].Value()
	if q == nil {
		delete(pages, "q")
	}
	return len(pages)
}

// Not line for line.

type cache[K comparable, V any] struct {
	mu      sync.Mutex
	entries map[K]weak.Pointer[V] // want `entries is a weak map made by hand: a weakmap\.Map\[K, V\]`
	sync.Map
}

var all = map[string]weak.Pointer[page]{} // want `all is a weak map made by hand`

func each(yield func(*page)) {
	for _, w := range all {
		yield(w.Value())
	}
}

var shared sync.Map // want `shared maps keys to weak pointers by hand: a weakmap\.Map`

func share(p *page) { shared.LoadOrStore(p.name, weak.Make(p)) }

type alias = map[weak.Pointer[page]]int

var counts alias // want `counts is a weak map made by hand: a weakmap\.KeyMap\[page, int\]`

// No weak maps.

var (
	strong = map[string]*page{}
	slice  []weak.Pointer[page]
	plain  sync.Map
)

func keep(p *page) { plain.Store(p.name, p) }
