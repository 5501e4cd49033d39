// Package weakunheldretain has containers that hold what they store.
package weakunheldretain

import (
	"time"

	"github.com/go-weak/weakmap"
)

type page struct{ name string }

var pages = weakmap.Map[string, page]{Config: weakmap.Config{Retain: 3}}

func warm(name string) { pages.Store(name, &page{name}) }

var (
	names   = weakmap.Interner[string]{Config: weakmap.Config{RetainMax: 100}}
	texts   = weakmap.Strings{Config: weakmap.Config{RetainFor: time.Minute}}
	current weakmap.Cell[page] // has no such setting
)

func warmNewer(name string) {
	names.Intern(name)
	texts.Intern(name)
	pages.LoadOrCompute(name, func() (*page, error) { return &page{name}, nil })
	current.Store(&page{name})                                               // want `nothing but Cell\.Store has this new object`
	current.LoadOrCompute(func() (*page, error) { return &page{name}, nil }) // want `the result of Cell\.LoadOrCompute is thrown away`
}
