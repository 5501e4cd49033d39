// Package reports: a pool that wants to know when a connection is gone.
package reports

import (
	"sync/atomic"

	"github.com/go-weak/weakmap"
)

type Conn struct{ address string }

type Pool struct{ open atomic.Int64 }

func (p *Pool) Dial(address string) *Conn {
	c := &Conn{address}
	p.open.Add(1)
	weakmap.NewRef(c, func() { p.open.Add(-1) })
	return c
}
