// Package seeded: a new value that is only stored.
package seeded

import "github.com/go-weak/weakmap"

type Page struct{ body string }

var pages weakmap.Map[string, Page]

func Warm(names []string) {
	for _, n := range names {
		pages.Store(n, &Page{n})
	}
}
