// Package seeded: a value that is a closure over its key.
package seeded

import "github.com/go-weak/weakmap"

type Conn struct{ addr string }

var Closers weakmap.KeyMap[Conn, func()]

func (c *Conn) close() {}

func Watch(c *Conn) { Closers.Store(c, func() { c.close() }) }
