// Package seeded: a callback that cancels itself.
package seeded

import "github.com/go-weak/weakmap"

type Conn struct{ open bool }

func Watch(c *Conn) { weakmap.NewRef(c, func() { println("gone") }) }
