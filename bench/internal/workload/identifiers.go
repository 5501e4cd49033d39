package workload

import (
	"errors"
	"fmt"
	"go/build"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// identifiers makes the identifiers of Go source canonical, in the order in which they stand
// there, and keeps what it gets as a syntax tree would. Two goroutines share the work. source is
// a package of the standard library, or std for all of them; tests are left out.
func identifiers(source string, sets Set) Cell {
	const goroutines = 2
	cost := 400 * time.Millisecond
	if source == "std" {
		cost = 1600 * time.Millisecond
	}
	return isolated(Cell{
		Workload: "InternIdentifiers",
		Params:   fmt.Sprintf("source=%s/writers=%d", source, goroutines),
		Sets:     sets,
		Cost:     cost,
	}, choose(peer.Interners[string](), storing...), func(p peer.Participant[peer.Interner[string]]) (metrics, error) {
		names, err := scan(source)
		if err != nil {
			return nil, err
		}
		in := p.New(0)
		held := make([]any, len(names))
		rest()
		took, err := clock(func() {
			spread(goroutines, len(names), func(first, last int) {
				for i := first; i < last; i++ {
					held[i] = in.Intern(names[i])
				}
			})
		})
		if err != nil {
			return nil, err
		}
		for i, name := range names {
			if got := in.Value(held[i]); got != name {
				return nil, fmt.Errorf("%q was made %q", name, got)
			}
		}
		runtime.KeepAlive(held)
		result := metrics{"identifiers": float64(len(names))}
		result.per(len(names), took.wall, "ns/op")
		result.per(len(names), took.cpu, "cpu-ns/op")
		return result, nil
	})
}

// scan returns the identifiers in the Go source of the standard library, or of a package of it.
func scan(source string) ([]string, error) {
	root := build.Default.GOROOT
	if root == "" {
		return nil, errors.New("the source of the standard library is not found: GOROOT is not set")
	}
	folder := filepath.Join(root, "src")
	if source != "std" {
		folder = filepath.Join(folder, source)
	}
	var names []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name == "cmd" || name == "vendor" || name == "testdata" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		names = appendIdentifiers(names, text)
		return nil
	})
	return names, err
}

func appendIdentifiers(names []string, text []byte) []string {
	files := token.NewFileSet()
	var s scanner.Scanner
	s.Init(files.AddFile("", files.Base(), len(text)), text, nil, 0)
	for {
		switch _, tok, literal := s.Scan(); tok {
		case token.EOF:
			return names
		case token.IDENT:
			names = append(names, literal)
		}
	}
}
