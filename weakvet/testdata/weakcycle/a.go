// Package weakcycle has maps whose strong side reaches their weak side, and maps
// where it does not.
package weakcycle

import (
	"context"
	"sync/atomic"
	"weak"

	"github.com/go-weak/weakmap"
)

type page struct{ links []*page }

type leaf struct{ n int }

type view struct{ of *page }

type mapping struct{ schemas map[string][]view }

var (
	direct   weakmap.KeyMap[page, *page]            // want `a value of this KeyMap reaches its key: \*page itself is \*page; both live as long as the map`
	field    weakmap.KeyMap[page, view]             // want `view\.of is \*page`
	pointer  weakmap.KeyMap[page, *view]            // want `\*view\.of is \*page`
	deep     weakmap.KeyMap[page, *mapping]         // want `\*mapping\.schemas\[k\]\[i\]\.of is \*page`
	slice    weakmap.KeyMap[page, []*page]          // want `\[\]\*page\[i\] is \*page`
	array    weakmap.KeyMap[page, [2]*page]         // want `\[2\]\*page\[i\] is \*page`
	keys     weakmap.KeyMap[page, map[*page]bool]   // want `\[key\] is \*page`
	channel  weakmap.KeyMap[page, chan *page]       // want `<- is \*page`
	counted  weakmap.KeyMap[page, *counter]         // want `\*counter\.last\[…\] is \*page`
	strongly weakmap.KeyMap[page, *holder]          // want `\*holder\.pages\[…\] is \*page`
	backward weakmap.Map[*page, page]               // want `a key of this Map reaches its value: \*page itself is \*page`
	inKey    weakmap.Map[struct{ p *page }, page]   // want `a key of this Map reaches its value: struct\{p \*page\}\.p is \*page`
	byHand   = map[weak.Pointer[page]]*view{}       // want `a value of this map reaches its key: \*view\.of is \*page`
	cached   = map[view]weak.Pointer[page]{}        // want `a key of this map reaches its value: view\.of is \*page`
	embedded weakmap.KeyMap[page, struct{ inView }] // want `\.inView\.view\.of is \*page`
)

type counter struct {
	n    int
	last atomic.Pointer[page]
}

type holder struct {
	pages weakmap.Map[*page, int]
}

type inView struct{ view }

// What holds no key, or holds it weakly.
type title struct {
	name string
	page weak.Pointer[page]
	ref  *weakmap.Ref[page]
	seen weakmap.Set[page]
	copy leaf
}

var (
	names    weakmap.KeyMap[page, string]
	titles   weakmap.KeyMap[page, *title]
	byName   weakmap.Map[string, page]
	leaves   weakmap.KeyMap[leaf, leaf] // a copy is not the key
	others   weakmap.KeyMap[view, *page]
	softly   weakmap.KeyMap[page, context.Context]
	function weakmap.KeyMap[page, func(*page)]
	weakly   weakmap.KeyMap[page, weak.Pointer[page]]
	plain    = map[*page]*page{}
	byWeak   = map[weak.Pointer[page]]string{}
)

// An alias is reported where the type is written.
type byAlias = weakmap.KeyMap[view, *frame] // want `\*frame\.view is \*view`

type frame struct{ view *view }

var framed byAlias

// Type parameters.
type cache[K any, V any] struct {
	entries weakmap.KeyMap[K, entry[K, V]] // want `entry\[K, V\]\.key is \*K`
	values  weakmap.KeyMap[K, V]
}

type entry[K, V any] struct {
	key   *K
	value V
}

var _ cache[page, int]
