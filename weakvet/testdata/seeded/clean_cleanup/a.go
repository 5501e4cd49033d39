// Package seeded: a cleanup of a descriptor.
package seeded

import (
	"runtime"
	"syscall"

	"github.com/go-weak/weakmap"
)

type File struct {
	fd   int
	name string
}

var open weakmap.Set[File]

func Open(fd int, name string) *File {
	f := &File{fd, name}
	open.Add(f)
	runtime.AddCleanup(f, func(fd int) { syscall.Close(fd) }, fd)
	return f
}
