// Package seeded: a method value as the cleanup.
package seeded

import "github.com/go-weak/weakmap"

type File struct {
	name string
	fd   int
}

func (f *File) close(bool) {}

func Open(name string, fd int) *File {
	f := &File{name, fd}
	weakmap.Finalize(f, f.close, true)
	return f
}
