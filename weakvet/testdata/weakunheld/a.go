// Package weakunheld stores new objects weakly that nothing else has.
package weakunheld

import (
	"unique"
	"weak"

	"github.com/go-weak/weakmap"
)

type page struct {
	name  string
	links []*page
}

func (p *page) register() { all = append(all, p) }

var (
	all     []*page
	pages   weakmap.Map[string, page]
	recent  weakmap.Set[page]
	notes   weakmap.KeyMap[page, string]
	names   weakmap.Interner[string]
	viewing weakmap.KeyMap[page, *page]
)

type cache[K comparable, V any] struct {
	weakmap.Map[K, V]
}

func bad(name string) weak.Pointer[page] {
	pages.Store(name, &page{name: name}) // want `nothing but Map\.Store has this new object: it is gone after the next collection`
	recent.Add(new(page))                // want `nothing but Set\.Add has this new object`
	notes.Store(&page{}, "unreachable")  // want `nothing but KeyMap\.Store has this new object`
	names.Intern(name)                   // want `the result of Interner\.Intern is thrown away`
	unique.Make(name)                    // want `the result of unique\.Make is thrown away`

	p := &page{}
	p.name = name
	pages.Swap(name, p) // want `nothing but Map\.Swap has this new object`

	q := new(page)
	pages.LoadOrStore(name, q) // want `nothing but Map\.LoadOrStore has this new object`
	_ = q.name

	twice := &page{}
	pages.Store(name, twice) // want `nothing but Map\.Store has this new object`
	recent.Add(twice)
	weakmap.Finalize(twice, func(string) {}, name)

	_ = weakmap.NewRef(&page{}, nil) // want `nothing but weakmap\.NewRef has this new object`

	var c cache[string, page]
	c.Store(name, &page{}) // want `nothing but Map\.Store has this new object`

	return weak.Make(&page{name: name}) // want `nothing but weak\.Make has this new object`
}

func generic[V any](m *weakmap.Map[string, V]) {
	m.Store("a", new(V)) // want `nothing but Map\.Store has this new object`
}

func good(name string) *page {
	p := &page{}
	pages.Store(name, p)

	q := &page{}
	pages.Store(name, q)
	q.register()

	r := &page{}
	pages.Store(name, r)
	p.links = append(p.links, r)

	s := &page{}
	pages.Store(name, s)
	go func() { _ = s.name }()

	actual, _ := pages.LoadOrStore(name, &page{})
	all = append(all, actual)

	t := &page{}
	viewing.Store(t, t) //weakvet:ignore weakcycle the value holds the key on purpose

	u, _ := unique.Make(name), 1
	_ = u
	_ = unique.Make(name).Value()

	canonical := names.Intern(name)
	p.name = *canonical
	return p
}
