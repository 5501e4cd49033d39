// Package seeded: the same with a map of weak pointers.
package seeded

import "weak"

type Conn struct{ addr string }

type Session struct{ conns []*Conn }

var Sessions = map[weak.Pointer[Conn]]Session{}
