// Package weaklocal makes weak references to variables.
package weaklocal

import (
	"fmt"
	"io"
	"runtime"
	"weak"

	"github.com/go-weak/weakmap"
)

type page struct {
	name  string
	lines [4]string
}

func (p *page) touch() {}
func (p page) show()   {}

var (
	pages   weakmap.Map[string, page]
	bodies  weakmap.Map[string, []byte]
	readers weakmap.Map[string, io.Reader]
	recent  weakmap.Set[page]
	notes   weakmap.KeyMap[page, string]
)

func bad(name string, data []byte, r io.Reader, p *page) {
	bodies.Store(name, &data) // want `Map\.Store is given the address of the variable data, not the slice in it`
	readers.Store(name, &r)   // want `not the interface value in it`
	_ = weak.Make(&p)         // want `weak\.Make is given the address of the variable p, not the pointer in it`

	var local page
	local.name = name
	pages.Store(name, &local) // want `Map\.Store is given the address of the local variable local, which nothing else has`

	other := page{}
	recent.Add(&other) // want `Set\.Add is given the address of the local variable other`
	other.show()
	fmt.Println(other.name, other.lines[1])

	third := page{}
	notes.Store(&third, "note") // want `KeyMap\.Store is given the address of the local variable third`

	f := func() {}
	runtime.SetFinalizer(&f, func(*func()) {}) // want `runtime\.SetFinalizer is given the address of the variable f, not the function in it`
	runtime.AddCleanup(&p, func(int) {}, 0)    // want `runtime\.AddCleanup is given the address of the variable p, not the pointer in it`
}

func parameter(p page) {
	pages.Store(p.name, (&p)) // want `Map\.Store is given the address of the local variable p`
}

func copies(all []page) {
	for _, p := range all {
		pages.Store(p.name, &p) // want `Map\.Store is given the address of the local variable p`
	}
}

func result() (p page) {
	_ = weakmap.NewRef(&p, nil) // want `weakmap\.NewRef is given the address of the local variable p`
	return p
}

func discarded() {
	var p page
	pages.LoadOrStore("a", &p) // want `Map\.LoadOrStore is given the address of the local variable p`
}

// Generics, aliases and embedded containers.

type cache[V any] struct{ weakmap.Map[string, V] }

func (c *cache[V]) put(name string, v V) {
	c.Store(name, &v) // want `Map\.Store is given the address of the local variable v`
}

type alias = weakmap.Map[string, page]

func throughAlias(m *alias) {
	p := page{}
	m.Store("a", &p) // want `Map\.Store is given the address of the local variable p`
}

// The address goes elsewhere, or leads to more than the variable.

var keep []*page

func good(name string, p *page) *page {
	pages.Store(name, p)
	pages.Store(name, &keep[0].field().page)

	returned := page{}
	pages.Store(name, &returned)

	kept := page{}
	pages.Store(name, &kept)
	keep = append(keep, &kept)

	captured := page{}
	pages.Store(name, &captured)
	go func() { fmt.Println(captured.name) }()

	touched := page{}
	recent.Add(&touched)
	touched.touch()

	sliced := page{}
	recent.Add(&sliced)
	fmt.Println(sliced.lines[:])

	alive := page{}
	recent.Add(&alive)
	runtime.KeepAlive(&alive)

	shared := page{}
	actual, _ := pages.LoadOrStore(name, &shared)
	keep = append(keep, actual)

	sentinel := page{}
	runtime.AddCleanup(&sentinel, func(int) {}, 0)
	return &returned
}

type outer struct{ page page }

func (p *page) field() *outer { return nil }

var global page

func globals() { pages.Store("global", &global) }
