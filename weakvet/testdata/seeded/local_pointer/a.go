// Package seeded: a pointer to a pointer.
package seeded

import (
	"runtime"
)

type Conn struct{ fd int }

func Open(fd int) *Conn {
	c := &Conn{fd}
	runtime.SetFinalizer(&c, func(c **Conn) {})
	return c
}
