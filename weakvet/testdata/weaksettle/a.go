// Package weaksettle waits for callbacks inside of callbacks.
package weaksettle

import (
	"context"

	"github.com/go-weak/weakmap"
)

type page struct{ name string }

func settle() {
	_ = weakmap.Settle(context.Background()) // called by a callback, but not itself one
}

type cache[V any] struct {
	weakmap.Map[string, V]
}

func newCache[V any]() *cache[V] {
	c := &cache[V]{}
	c.OnReap = func(string) {
		_ = weakmap.Settle(context.Background()) // want `for the one given to OnReap`
	}
	return c
}

func bad(p *page) {
	weakmap.Finalize(p, func(string) { settle() }, "")
	weakmap.Finalize(p, func(string) {
		_ = weakmap.Settle(context.Background()) // want `for the one given to weakmap\.Finalize`
	}, "")
	var ref = weakmap.NewRef(p, settleRef)
	defer ref.Stop()
	_ = &weakmap.KeyMap[page, string]{OnReap: func(string) {
		_ = weakmap.Settle(context.Background()) // want `for the one given to OnReap`
	}}
	weakmap.Finalize(p, finish, 1)
}

func finish(int) {
	_ = weakmap.Settle(context.Background()) // want `weakmap\.Settle waits for all callbacks, so for the one given to weakmap\.Finalize that calls it: it never returns`
}

func settleRef() {
	_ = weakmap.Settle(context.Background()) // want `for the one given to weakmap\.NewRef`
}

func good(p *page) {
	weakmap.Finalize(p, func(string) {
		go weakmap.Settle(context.Background())
		go func() { _ = weakmap.Settle(context.Background()) }()
	}, "")
	_ = weakmap.Settle(context.Background())
}
