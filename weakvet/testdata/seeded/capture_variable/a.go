// Package seeded: a closure in a variable.
package seeded

import "github.com/go-weak/weakmap"

type Conn struct{ open bool }

func Watch(c *Conn) *weakmap.Ref[Conn] {
	say := func() { println(c.open) }
	return weakmap.NewRef(c, say)
}
