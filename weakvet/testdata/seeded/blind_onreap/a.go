// Package seeded: an OnReap that deletes what was stored since.
package seeded

import "github.com/go-weak/weakmap"

type Page struct{ name string }

var pages, drafts weakmap.Map[string, Page]

func init() { pages.OnReap = func(name string) { drafts.Delete(name) } }
