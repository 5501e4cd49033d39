package main

import (
	"fmt"
	"go/scanner"
	"go/token"
	"iter"
	"os"
	"strings"
	"sync/atomic"
	"unique"
	"unsafe"

	"github.com/go-weak/weakmap"
	"github.com/maypok86/otter/v2"
)

var identifierCaches = []variant{
	{"weakmap", "", interned(0)},
	{"unique", "", handles},
	{"otter = weakmap", "weakmap", counted},
	{"weakmap, Retain 1", "", interned(1)},
	{"otter = Retain 1", "weakmap, Retain 1", counted},
}

func interned(collections int) func(plan, *atomic.Int64) (result, error) {
	return func(p plan, done *atomic.Int64) (result, error) {
		in := &weakmap.Interner[string]{Config: weakmap.Config{Retain: collections}}
		return measureCache(p, done, cacheOfIdentifiers(p.Items, in.Intern, func(canonical *string) string { return *canonical }))
	}
}

func handles(p plan, done *atomic.Int64) (result, error) {
	return measureCache(p, done, cacheOfIdentifiers(p.Items, unique.Make[string], unique.Handle[string].Value))
}

// counted measures a cache that keeps as many identifiers as budget bytes may be enough for.
func counted(p plan, done *atomic.Int64) (result, error) {
	// What one takes, at a guess. Only the first limit that is tried depends on it.
	const each = 128
	names, err := otter.New(&otter.Options[string, string]{MaximumSize: int(max(p.Budget/each, 1))})
	if err != nil {
		return result{}, err
	}
	intern := func(text string) string {
		if name, ok := names.GetIfPresent(text); ok {
			return name
		}
		name := strings.Clone(text) // It must not keep the line that it was cut from.
		name, _ = names.SetIfAbsent(name, name)
		return name
	}
	return measureCache(p, done, cacheOfIdentifiers(p.Items, intern, func(name string) string { return name }))
}

// Around each identifier stands a line of source.
const (
	before = "\tfor _, "
	after  = " := range everything { // to the end of the line"
	place  = 2 // of the identifier, among the fields of the line
)

// cacheOfIdentifiers is for measureCache. It asks intern for identifiers that are cut from lines made
// for the purpose, which leaves garbage, as work does.
func cacheOfIdentifiers[H any](identifiers []string, intern func(text string) H, name func(H) string) cache[H] {
	w := newWitness(len(identifiers))
	return cache[H]{
		get: func(item int) (H, error) {
			return intern(strings.Fields(before + identifiers[item] + after)[place]), nil
		},
		use: func(item int, handle H) (length int, err error) {
			got := name(handle)
			if got != identifiers[item] {
				return 0, fmt.Errorf("asked for %s, got %s", identifiers[item], got)
			}
			w.saw(item, got)
			return len(got), nil
		},
		misses: func() int { return int(w.misses.Load()) },
	}
}

// A witness sees whether an identifier was made again: then its bytes are not where they were. It
// keeps addresses, which keep nothing alive. New bytes at the old place of the same identifier are
// so rare that they do not show in a rate.
type witness struct {
	place  []atomic.Uintptr // by identifier, 0 if it was not seen yet
	misses atomic.Int64
}

func newWitness(identifiers int) *witness {
	return &witness{place: make([]atomic.Uintptr, identifiers)}
}

func (w *witness) saw(item int, got string) {
	now := uintptr(unsafe.Pointer(unsafe.StringData(got)))
	if w.place[item].Load() != now {
		w.place[item].Store(now)
		w.misses.Add(1)
	}
}

// survey returns the paths of files that can be read, and the distinct identifiers in them. Reading
// them leaves them in the system's page cache, so that the first variant is not the only one to wait
// for the disk.
func survey(paths []string) (readable, identifiers []string) {
	seen := make(map[string]bool)
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		readable = append(readable, path)
		for name := range identifiersOf(src) {
			if !seen[name] {
				seen[name] = true
				identifiers = append(identifiers, name)
			}
		}
	}
	return readable, identifiers
}

// identifiersOf yields the identifiers in a file, as often as it has them.
func identifiersOf(src []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		var s scanner.Scanner
		positions := token.NewFileSet()
		s.Init(positions.AddFile("", positions.Base(), len(src)), src, nil, 0)
		// Errors of syntax do not matter: the scanner goes on after them.
		for _, kind, name := s.Scan(); kind != token.EOF; _, kind, name = s.Scan() {
			if kind == token.IDENT && !yield(name) {
				return
			}
		}
	}
}
