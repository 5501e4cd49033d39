// Package seeded: a value that holds its key in an interface.
package seeded

import "github.com/go-weak/weakmap"

type Conn struct{ addr string }

type holder struct{ v any }

var Held weakmap.KeyMap[Conn, holder]

func Hold(c *Conn) { Held.Store(c, holder{c}) }
