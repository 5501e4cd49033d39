package main

import (
	"go/parser"
	"go/token"
	"hash/maphash"
	"io"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/examples/internal/trial"
)

// imports are the import paths of one file. A slice has no ==.
type imports struct{ paths []string }

// byContent is the Hasher of imports.
type byContent struct{}

func (byContent) Hash(h *maphash.Hash, x *imports) {
	for _, path := range x.paths {
		maphash.WriteComparable(h, path) // With its length: "ab", "c" is not "a", "bc".
	}
}

func (byContent) Equal(x, y *imports) bool { return slices.Equal(x.paths, y.paths) }

// importsOf returns what a file imports, or nil if that is unknown.
func importsOf(path string) *imports {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		return nil
	}
	x := &imports{paths: make([]string, 0, len(f.Imports))}
	for _, spec := range f.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil {
			x.paths = append(x.paths, path)
		}
	}
	return x
}

func reportImports(stdout io.Writer, dir string) error {
	const most = 4 << 30
	files, err := trial.Files(dir, most, func(path string) bool { return filepath.Ext(path) == ".go" })
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return trial.Usagef("no Go files in %s", dir)
	}
	lists := func(take func(*imports) *imports) []*imports {
		var all []*imports
		for _, file := range files {
			if x := importsOf(file); x != nil {
				all = append(all, take(x))
			}
		}
		return all
	}
	own, _, held := measured("a list for each file", func() (any, []*imports, int) {
		all := lists(func(x *imports) *imports { return x })
		return nil, all, len(all)
	})
	set, s, canonical := measured("weakmap.Set", func() (*weakmap.Set[imports], []*imports, int) {
		s := &weakmap.Set[imports]{Hasher: byContent{}}
		all := lists(func(x *imports) *imports { member, _ := s.LoadOrAdd(x); return member })
		return s, all, s.Len()
	})
	// The same for the paths in the lists.
	var paths weakmap.Strings
	both, sOfBoth, shared := measured("weakmap.Set, Strings", func() (*weakmap.Set[imports], []*imports, int) {
		s := &weakmap.Set[imports]{Hasher: byContent{}}
		all := lists(func(x *imports) *imports {
			for i, path := range x.paths {
				x.paths[i] = paths.Intern(path)
			}
			member, _ := s.LoadOrAdd(x)
			return member
		})
		return s, all, s.Len()
	})
	disagree := 0
	for i, x := range held {
		if !slices.Equal(x.paths, canonical[i].paths) || !slices.Equal(x.paths, shared[i].paths) {
			disagree++
		}
	}
	n := len(held)
	held, canonical, shared = nil, nil, nil
	set.left, both.left = trial.Drain(s.Len), trial.Drain(sOfBoth.Len)
	titled(stdout, "\nimports of %s Go files, %d of them wrong in a Set; the times are those of parsing", trial.Count(n), disagree)
	return print(stdout, "imports", own, set, both)
}
