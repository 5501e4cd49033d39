// Package weakdebug shows the weak containers of a running program: what they
// hold, how often lookups hit, and how promptly the dead are removed. It serves
// the figures over HTTP, beside net/http/pprof.
//
//	var files weakmap.Map[string, File]
//
//	func main() {
//		weakdebug.Publish("files", &files)
//		http.Handle("/debug/weakmap", weakdebug.Handler())
//		log.Fatal(http.ListenAndServe("localhost:6060", nil))
//	}
//
// Then http://localhost:6060/debug/weakmap is a page that refreshes itself. With
// ?format=json the figures come as JSON, and with ?format=prometheus as text for
// a Prometheus server to scrape. [Vars] is for package expvar. As with
// pprof, anyone who can reach the address sees it: the names and types of the
// containers, and their figures, but no keys and no values.
//
// # Guarantees
//
// No container is kept alive by being shown. When it has been collected, its row
// disappears and its name is free.
//
// Reading disturbs nothing. It takes no lock that a lookup or a writer waits for,
// removes no entry, asks no weak pointer whether it is dead, starts no
// collection, and costs the same whatever the number of entries. The exception
// is behind a button: [Cycles] says what looking for them in a KeyMap costs. The
// handler answers only GET and HEAD. The page loads nothing from elsewhere, and its
// Content-Security-Policy forbids it.
//
// # What cannot be known
//
// Entries may include some that died a moment ago: to know, this package would
// have to ask each of them, and doing so while the collector marks keeps it alive.
// So the live share that is shown is that of the last pass over the container.
// Hits, misses, and misses of dead values are counted only with Config.Stats;
// without it they are not shown.
//
// A Cell counts nothing, so it has no Stats and cannot be published.
package weakdebug

import (
	"iter"
	"maps"
	"slices"
	"sync"
	"unicode/utf8"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/inspect"
)

func init() { inspect.Watched = true }

// Publish shows container under name, as long as it lives. It panics if the
// container is nil, if name is empty or not UTF-8, or if another container has
// that name and has not been collected yet: see [Unpublish].
//
// A container is one of package weakmap, or anything else with such Stats.
func Publish[T any, C interface {
	*T
	Stats() weakmap.Stats
}](name string, container C) {
	if container == nil {
		panic("weakmap: weakdebug.Publish: nil container")
	}
	if name == "" || !utf8.ValidString(name) {
		panic("weakmap: weakdebug.Publish: a name must be UTF-8 and not empty")
	}
	kind, object := kindOf[T](), weak.Make((*T)(container))
	published.add(name, listing{read: func() (row, bool) {
		c := C(object.Value())
		if c == nil {
			return row{}, false
		}
		r := row{Name: name, Type: kind, Stats: c.Stats()}
		if f, ok := inspect.Engine.Figures(c); ok {
			r.show(f)
		}
		_, r.keyed = inspect.Attached(c)
		return r, true
	}, lives: func() bool {
		return object.Value() != nil
	}, attached: func() (iter.Seq2[any, any], bool) {
		c := C(object.Value())
		if c == nil {
			return nil, false
		}
		return inspect.Attached(c)
	}})
}

// Unpublish frees the name of a container and reports whether there was one
// that had not been collected. It is for programs that replace a container by
// another and cannot wait for the collector.
func Unpublish(name string) (was bool) { return published.remove(name) }

// published is every container that the program has named.
var published registry

// A registry holds how to read containers, and none of the containers.
type registry struct {
	mu     sync.Mutex
	byName map[string]listing // Guarded by mu.
}

// A listing is one container that was named.
type listing struct {
	read     func() (row, bool) // false once the container is gone
	lives    func() bool
	attached func() (iter.Seq2[any, any], bool) // the entries of a KeyMap; false for what is none, too
}

func (r *registry) add(name string, added listing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, taken := r.byName[name]; taken && l.lives() {
		panic("weakmap: weakdebug.Publish: the name " + name + " is taken by a container that lives")
	}
	maps.DeleteFunc(r.byName, func(_ string, l listing) bool { return !l.lives() })
	if r.byName == nil {
		r.byName = make(map[string]listing)
	}
	r.byName[name] = added
}

func (r *registry) remove(name string) (was bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, was := r.byName[name]
	delete(r.byName, name)
	return was && l.lives()
}

// attached returns the entries of the KeyMap of that name, or false if there is none.
func (r *registry) attached(name string) (iter.Seq2[any, any], bool) {
	r.mu.Lock()
	l, ok := r.byName[name]
	r.mu.Unlock()
	if !ok {
		return nil, false
	}
	return l.attached()
}

// rows reads every container that lives, sorted by name. Their Stats are called
// with no lock held.
func (r *registry) rows() []row {
	r.mu.Lock()
	listings := make(map[string]listing, len(r.byName))
	maps.Copy(listings, r.byName)
	r.mu.Unlock()
	rows := make([]row, 0, len(listings))
	for _, name := range slices.Sorted(maps.Keys(listings)) {
		if row, ok := listings[name].read(); ok {
			rows = append(rows, row)
		}
	}
	return rows
}
