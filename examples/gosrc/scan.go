package main

import (
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

// text is what interners take: strings, or the bytes that a reader has before it makes a string.
type text interface{ string | []byte }

// A source is a file's identifiers one after the other. That they lie in one piece keeps the
// collector's work on the input small, and that they are cut from it makes plain strings clone
// them, as a program must that does not want to keep whole sources in memory.
type source[T text] struct {
	pkg   int // index of the file's directory
	names T
	ends  []uint32 // by identifier: where it ends in names; it begins where the one before ends
}

// maxSource is the most bytes that ends can count.
const maxSource = 1<<32 - 1

// all yields the identifiers in their order, with their indexes.
func (s *source[T]) all(yield func(i int, name T) bool) {
	var start uint32
	for i, end := range s.ends {
		if !yield(i, s.names[start:end]) {
			return
		}
		start = end
	}
}

// scan reads the files, several at a time, and returns the sources of those that can be read.
func scan[T text](paths []string, goroutines int, done *atomic.Int64) (sources []source[T], skipped int) {
	dirs := directories(paths)
	all := make([]source[T], len(paths))
	failed := make([]bool, len(paths)) // each element is written by the goroutine that has the file
	share(len(paths), goroutines, func(i int) {
		defer done.Add(1)
		src, err := os.ReadFile(paths[i])
		if err != nil || uint64(len(src)) > maxSource {
			failed[i] = true
			return
		}
		names, ends := identifiers(src)
		all[i] = source[T]{pkg: dirs[i], names: T(names), ends: ends}
	})
	for i := range all {
		if failed[i] {
			skipped++
		} else {
			sources = append(sources, all[i])
		}
	}
	return sources, skipped
}

// identifiers returns the identifiers in a file. Errors of syntax do not matter: the scanner goes
// on after them, and the standard library's test data has them on purpose.
func identifiers(src []byte) (names []byte, ends []uint32) {
	var s scanner.Scanner
	files := token.NewFileSet()
	s.Init(files.AddFile("", files.Base(), len(src)), src, nil, 0)
	for {
		switch _, kind, name := s.Scan(); kind {
		case token.IDENT:
			names = append(names, name...)
			ends = append(ends, uint32(len(names)))
		case token.EOF:
			return names, ends
		}
	}
}

// share calls do with 0 to n-1, spread over goroutines.
func share(n, goroutines int, do func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	all.Wait()
}

// directories numbers the directories in the order in which paths come to them, and returns the
// number of each path's.
func directories(paths []string) []int {
	number := make(map[string]int)
	numbers := make([]int, len(paths))
	for i, path := range paths {
		dir := filepath.Dir(path)
		if _, ok := number[dir]; !ok {
			number[dir] = len(number)
		}
		numbers[i] = number[dir]
	}
	return numbers
}

// packages returns how many directories paths are in.
func packages(paths []string) int {
	n := 0
	for _, number := range directories(paths) {
		n = max(n, number+1)
	}
	return n
}
