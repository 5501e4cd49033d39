package weaktiny

import (
	"hash/maphash"

	"github.com/go-weak/weakmap"
)

type bySum struct{}

func (bySum) Hash(h *maphash.Hash, p *small) { maphash.WriteComparable(h, *p) }
func (bySum) Equal(x, y *small) bool         { return *x == *y }

var (
	flag   weakmap.Cell[bool]                    // want `this Cell refers weakly to objects of type bool, which may never be reported dead: it has 1 bytes`
	equals = weakmap.Set[small]{Hasher: bySum{}} // want `this Set refers weakly to objects of type small`

	cell  weakmap.Cell[large]
	texts weakmap.Strings
	mixed weakmap.Set[weakmap.Object]
)

func badNewer() {
	weakmap.Finalize(weakmap.ObjectOf(new(int)), f, 0) // want `weakmap\.Finalize is given a int that may never be reported dead`
	mixed.Add(weakmap.ObjectOf(&empty{}))              // want `Set\.Add is given a empty that may never be reported dead`
}

func goodNewer(s *server, m map[string]int) {
	weakmap.Finalize(weakmap.ObjectOf(new(large)), f, 0)
	weakmap.Finalize(weakmap.ObjectOf(&s.mu), f, 0)
	weakmap.Finalize(weakmap.ObjectOf(m), f, 0)
	mixed.Add(weakmap.ObjectOf(s))
}
