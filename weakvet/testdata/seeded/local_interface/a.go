// Package seeded: a weak pointer to a parameter of interface type.
package seeded

import (
	"io"
	"weak"
)

func Observe(r io.Reader) weak.Pointer[io.Reader] { return weak.Make(&r) }
