// Package weakunheldretainmax has containers that hold what they store, by number,
// and a Cell, which has no such setting.
package weakunheldretainmax

import "github.com/go-weak/weakmap"

type page struct{ name string }

var (
	names   = weakmap.Interner[string]{Config: weakmap.Config{RetainMax: 100}}
	pages   = weakmap.Map[string, page]{Config: weakmap.Config{RetainMax: 100}}
	members = weakmap.Set[page]{Config: weakmap.Config{RetainMax: 100}, Hasher: weakmap.Comparable[page]()}
	current weakmap.Cell[page]
)

func warm(name string) {
	names.Intern(name)
	weakmap.InternBytes(&names, []byte(name))
	pages.LoadOrCompute(name, func() (*page, error) { return &page{name}, nil })
	members.LoadOrAdd(&page{name})
	current.Store(&page{name})                                               // want `nothing but Cell\.Store has this new object`
	current.LoadOrCompute(func() (*page, error) { return &page{name}, nil }) // want `the result of Cell\.LoadOrCompute is thrown away`
}
