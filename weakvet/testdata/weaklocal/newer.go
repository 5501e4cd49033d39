package weaklocal

import (
	"context"

	"github.com/go-weak/weakmap"
)

var (
	current weakmap.Cell[page]
	reader  weakmap.Cell[func()]
	objects weakmap.Set[weakmap.Object]
)

func badNewer(ctx context.Context, f func(), p *page) {
	reader.Store(&f)                  // want `Cell\.Store is given the address of the variable f, not the function in it`
	objects.Add(weakmap.ObjectOf(&p)) // want `Set\.Add is given the address of the variable p, not the pointer in it`

	var local page
	current.Store(&local) // want `Cell\.Store is given the address of the local variable local`

	var key page
	notes.LoadOrComputeContext(ctx, &key, func(context.Context) (string, error) { return "", nil }) // want `KeyMap\.LoadOrComputeContext is given the address of the local variable key`

	member := page{}
	recent.LoadOrAdd(&member) // want `Set\.LoadOrAdd is given the address of the local variable member`
}

func goodNewer(ctx context.Context, p *page) *page {
	current.Store(p)
	objects.Add(weakmap.ObjectOf(p))
	notes.LoadOrComputeContext(ctx, p, func(context.Context) (string, error) { return "", nil })

	added := page{}
	member, _ := recent.LoadOrAdd(&added)
	return member
}
