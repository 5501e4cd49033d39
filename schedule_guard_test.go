//go:build weakmapsched

package weakmap

import (
	"fmt"
	"slices"
	"unsafe"

	"github.com/go-weak/weakmap/internal/row"
)

// A schedule keeps all memory, so that a lookup which reads what the engine does not keep gets what
// was there. So each step of a schedule begins with a look at all slots that a lookup may read.

// A guard looks at one container.
type guard struct {
	run     *run
	core    *core
	layouts []guarded // that a lookup may be in; the last is the one in use
	most    int       // how many referents may be held; 0 = any number
}

// A guarded layout is one that is or was in use.
type guarded struct {
	*layout
	replaced int // when; 0 = it is in use
}

// update notes a layout that is new, and forgets those that no operation under way can have read.
func (g *guard) update() {
	t := g.core.table.Load()
	if t == nil {
		return
	}
	l := t.layout.Load()
	if n := len(g.layouts); n > 0 {
		last := &g.layouts[n-1]
		if last.layout == l && n == 1 {
			return
		}
		if last.layout != l {
			last.replaced = g.run.tick()
		}
		g.layouts = slices.DeleteFunc(g.layouts, func(l guarded) bool {
			return l.replaced != 0 && !slices.ContainsFunc(g.run.actors, func(a *actor) bool { return a.since != 0 && a.since < l.replaced })
		})
	}
	if n := len(g.layouts); n == 0 || g.layouts[n-1].layout != l {
		g.layouts = append(g.layouts, guarded{layout: l})
	}
}

// check says which slot names what its record does not keep.
func (g *guard) check() error {
	g.update()
	if g.most > 0 {
		if n := g.core.stats().Retained; n > g.most {
			return fmt.Errorf("%d referents are held, at most %d may be", n, g.most)
		}
	}
	for _, l := range g.layouts {
		for n := range l.Len() {
			b := l.At(uint32(n))
			for at := range uintptr(row.Slots) {
				if word := b.Word(at); word != nil {
					if err := g.checkSlot(l.layout, b, uint32(n), at, word); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (g *guard) checkSlot(l *layout, b *row.Bucket, n uint32, at uintptr, word unsafe.Pointer) error {
	j := l.journalOf(l.ShardOf(n))
	pos := l.Pos(b, at)
	r := j.At(pos)
	isKept := word == l.table.slotWord(r.Word()) || l.table.retains && word == j.ExtraAt(pos).Strong
	if isKept && b.Key(at) == l.table.slotOf(nil, r.Ref(), r.Bits(), pos).Key {
		return nil
	}
	for _, a := range g.run.actors {
		for _, o := range a.made {
			if word == o.place || word == l.table.slotWord(unsafe.Pointer(o)) {
				return nil // The one that makes it known keeps it as well.
			}
		}
	}
	return fmt.Errorf("slot %d of bucket %d names what its record does not keep: its word is kept: %t", at, n, isKept)
}

// holds reports whether a binding of the container holds what is at p. What a replaced layout held,
// it holds for the lookups that are in it.
func (g *guard) holds(p unsafe.Pointer) bool {
	g.update()
	for _, l := range g.layouts {
		if !l.table.retains {
			return false
		}
		for i := range l.shards {
			j := l.journalOf(uint32(i))
			for _, pos := range j.Records {
				if j.ExtraAt(pos).Strong == p {
					return true
				}
			}
		}
	}
	return false
}
