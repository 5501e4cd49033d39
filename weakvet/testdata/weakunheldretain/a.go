// Package weakunheldretain has containers that hold what they store.
package weakunheldretain

import "github.com/go-weak/weakmap"

type page struct{ name string }

var pages = weakmap.Map[string, page]{Config: weakmap.Config{Retain: 3}}

func warm(name string) { pages.Store(name, &page{name}) }
