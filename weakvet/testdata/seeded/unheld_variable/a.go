// Package seeded: a new value in a variable that is only stored.
package seeded

import "github.com/go-weak/weakmap"

type Page struct{ body string }

var pages weakmap.Map[string, Page]

func Put(name, body string) {
	p := new(Page)
	p.body = body
	pages.Store(name, p)
}
