// Package seeded: an argument whose type leads back to the object.
package seeded

import "runtime"

type Conn struct{ pool *Pool }

type Pool struct{ all []*Conn }

func drop(p *Pool) {}

func New(p *Pool) *Conn {
	c := &Conn{pool: p}
	p.all = append(p.all, c)
	runtime.AddCleanup(c, drop, p)
	return c
}
