package weakcycle

import (
	"hash/maphash"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

// Hashers that keep what they are given.

type memo struct {
	sums map[*page]uint64
	last *page
	seen []*page
	pair struct{ x, y *page }
}

var recent []*page

func (m *memo) Hash(h *maphash.Hash, p *page) {
	m.sums[p] = 1               // want `the Hasher's Hash keeps p: the container holds its Hasher, so what it keeps never goes`
	m.last = p                  // want `the Hasher's Hash keeps p`
	m.seen = append(m.seen, p)  // want `the Hasher's Hash keeps p`
	recent = append(recent, p)  // want `the Hasher's Hash keeps p`
	m.pair.x, m.pair.y = nil, p // want `the Hasher's Hash keeps p`
}

func (m *memo) Equal(x, y *page) bool {
	m.pair = struct{ x, y *page }{x, y} // want `the Hasher's Equal keeps x`
	return x == y
}

type byMap map[*leaf]uint64

func (b byMap) Hash(h *maphash.Hash, l *leaf) { b[l] = 1 } // want `the Hasher's Hash keeps l`
func (b byMap) Equal(x, y *leaf) bool         { return x == y }

type generic[T any] struct{ last *T }

func (g *generic[T]) Hash(h *maphash.Hash, x *T) { g.last = x } // want `the Hasher's Hash keeps x`
func (g *generic[T]) Equal(x, y *T) bool         { return x == y }

var (
	memoed = weakmap.KeyMap[page, string]{Hasher: &memo{}}
	mapped weakmap.Set[leaf]
	views  = weakmap.Set[view]{Hasher: new(generic[view])}
)

func init() { mapped.Hasher = byMap{} }

type concurrent struct {
	sums  sync.Map
	known *sync.Map
}

func (c *concurrent) Hash(h *maphash.Hash, p *page) {
	c.sums.Store(p, 1)                   // want `the Hasher's Hash keeps p`
	c.known.LoadOrStore(len(p.links), p) // want `the Hasher's Hash keeps p`
	c.sums.Load(p)
	c.sums.Store(weak.Make(p), 1)
	var local sync.Map
	local.Store(p, 1)
}

func (c *concurrent) Equal(x, y *page) bool { return x == y }

var summed = weakmap.Set[page]{Hasher: new(concurrent)}

// Hashers that do not, and what is no Hasher of a container.

type tidy struct {
	seed  uint64
	calls int
	sums  map[weak.Pointer[page]]uint64
	names map[int]string
	state *maphash.Hash
}

func (t *tidy) Hash(h *maphash.Hash, p *page) {
	t.calls++
	t.state = h // no key
	t.sums[weak.Make(p)] = t.seed
	t.names[len(p.links)] = "a name"
	local := []*page{}
	local = append(local, p)
	other := p
	other.links = local[:0]
	copied := *t
	copied.calls = 0
}

func (t *tidy) Equal(x, y *page) bool { t.seed = uint64(len(x.links)); return x == y }

type copied struct{ last *page }

func (c copied) Hash(h *maphash.Hash, p *page) { c.last = p } // of a copy
func (c copied) Equal(x, y *page) bool         { return x == y }

type byCopy struct{ last leaf }

func (b *byCopy) Hash(h *maphash.Hash, l leaf) { b.last = l }
func (b *byCopy) Equal(x, y leaf) bool         { return x == y }

type unused struct{ last *page }

func (u *unused) Hash(h *maphash.Hash, p *page) { u.last = p }
func (u *unused) Equal(x, y *page) bool         { return x == y }

var (
	tidied = weakmap.KeyMap[page, string]{Hasher: &tidy{}}
	copies = weakmap.Set[page]{Hasher: copied{}}
	values = weakmap.Set[leaf]{Hasher: weakmap.ByValue[leaf](&byCopy{})}
	_      = unused{}
)
