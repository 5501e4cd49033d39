// Package seeded: a session that names its connection, in a map keyed by connections.
package seeded

import "github.com/go-weak/weakmap"

type Conn struct{ addr string }

type Session struct {
	user string
	conn *Conn
}

var Sessions weakmap.KeyMap[Conn, *Session]
