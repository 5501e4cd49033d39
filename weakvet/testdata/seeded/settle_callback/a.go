// Package seeded: a callback that waits for itself.
package seeded

import (
	"context"

	"github.com/go-weak/weakmap"
)

type Conn struct{ open bool }

func Watch(c *Conn) {
	weakmap.Finalize(c, func(ctx context.Context) { _ = weakmap.Settle(ctx) }, context.Background())
}
