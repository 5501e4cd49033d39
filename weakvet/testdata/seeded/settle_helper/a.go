// Package seeded: a callback that calls a function that waits.
package seeded

import (
	"context"

	"github.com/go-weak/weakmap"
)

type Conn struct{ open bool }

func flush() { _ = weakmap.Settle(context.Background()) }

func Watch(c *Conn) { weakmap.Finalize(c, func(int) { flush() }, 0) }
