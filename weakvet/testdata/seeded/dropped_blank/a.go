// Package seeded: the same, assigned to nothing.
package seeded

import "github.com/go-weak/weakmap"

type Conn struct{ open bool }

func gone() {}

func Watch(c *Conn) { _ = weakmap.NewRef(c, gone) }
