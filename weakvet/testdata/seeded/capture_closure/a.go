// Package seeded: a cleanup that uses its object.
package seeded

import (
	"runtime"
	"syscall"
)

type File struct {
	name string
	fd   int
}

func Open(name string, fd int) *File {
	f := &File{name, fd}
	runtime.AddCleanup(f, func(struct{}) { syscall.Close(f.fd) }, struct{}{})
	return f
}
