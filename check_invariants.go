//go:build weakmapcheck

package weakmap

import (
	"fmt"

	"github.com/go-weak/weakmap/internal/row"
)

// With the build tag weakmapcheck a locked section that binds or unbinds ends with a check of what must
// be true of its shard. If the shard is large, only a sample of them does.

// checkEntries is how many entries a shard may have to be checked every time; larger ones are
// sampled so that the same number of entries is looked at on average.
const checkEntries = 64

// checkInvariants panics if s, which must be locked, is not as it must be.
func (t *table) checkInvariants(s *shard) {
	l := t.layout.Load()
	shard := -1
	for i := range l.shards {
		if &l.shards[i] == s {
			shard = i
		}
	}
	used := s.used()
	if shard < 0 || used > checkEntries && s.inserted.Load()%uint64(used/checkEntries+1) != 0 {
		return
	}
	must := func(ok bool, format string, args ...any) {
		if !ok {
			panic("weakmap: invariant broken: " + fmt.Sprintf(format, args...))
		}
	}
	must(l.Len()%l.Shards() == 0 && l.Shards() == len(l.shards), "layout of %d buckets, %d for %d shards", l.Len(), l.Shards(), len(l.shards))

	listed, held := 0, 0
	hashes := make(map[uint32]uint32) // by place
	for r, pos := range s.journal.Records {
		listed++
		if s.journal.Extended && s.journal.ExtraAt(pos).Strong != nil {
			held++
		}
		hashes[pos] = t.hashOfRecord(&l.hashing, r.Bits())
		must(l.Shard(hashes[pos]) == uint32(shard), "a binding with hash %x is recorded in shard %d", hashes[pos], shard)
	}
	must(listed == used, "%d records, %d counted", listed, used)
	must(int(s.journal.End())-listed == s.journal.Holes(), "%d holes in the journal, %d counted", int(s.journal.End())-listed, s.journal.Holes())
	if q := s.journal.Queue; q != nil {
		must(s.journal.QueueIsSound(), "the queue of what is held does not say where that is")
		must(q.Len() == held, "%d records are queued, %d hold their referents", q.Len(), held)
	}
	must(used <= l.Limit(), "%d bindings in a shard that takes %d", used, l.Limit())

	present, passed := 0, make(map[uint32]int)
	for n, end := l.Buckets(uint32(shard)); n < end; n++ {
		b := l.At(n)
		for at := range uintptr(row.Slots) {
			tag := l.Tags(n) >> (8 * at) & 0xff
			must((b.Word(at) == nil) == (tag == 0), "slot %d of bucket %d has tag %x and word %p", at, n, tag, b.Word(at))
			if tag == 0 {
				must(b.Key(at) == 0, "an empty slot has key %x", b.Key(at))
				continue
			}
			present++
			pos := l.Pos(b, at)
			h, ok := hashes[pos]
			must(ok, "slot %d of bucket %d is at place %d, where no record is", at, n, pos)
			delete(hashes, pos)
			must(tag == row.Tag(h)&0xff, "tag %x for hash %x", tag, h)
			r := s.journal.At(pos)
			word := t.slotWord(r.Word())
			if t.retains {
				word = heldWord(s.journal.ExtraAt(pos).Strong, word)
			}
			must(b.Word(at) == word, "slot %d of bucket %d has word %p, its record %p", at, n, b.Word(at), word)
			want := t.slotOf(word, r.Ref(), r.Bits(), pos)
			must(b.Key(at) == want.Key && l.Head(n).Check(at) == want.Check, "slot %d of bucket %d has key %x, %d, its record %x, %d", at, n, b.Key(at), l.Head(n).Check(at), want.Key, want.Check)
			for i := l.Home(h); i != n; i = l.After(h, i) {
				passed[i]++
			}
		}
	}
	must(present == used, "%d bindings in buckets, %d counted", present, used)
	for n, end := l.Buckets(uint32(shard)); n < end; n++ {
		if got, exact := row.PassedBy(l.Tags(n)); exact {
			must(got == passed[n], "bucket %d counts %d that passed it, there are %d", n, got, passed[n])
		}
	}
}
