// Package seeded: a new value that comes out of a function.
package seeded

import "github.com/go-weak/weakmap"

type Page struct{ body string }

var pages weakmap.Map[string, Page]

func newPage(body string) *Page { return &Page{body} }

func Put(name string) { pages.Store(name, newPage(name)) }
