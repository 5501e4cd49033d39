//go:build weakmapcheck

package weakmap

import (
	"fmt"
	"math/bits"
)

// With the build tag weakmapcheck every locked section ends with a check of what
// must be true of its shard, or, where the shard is large, every so many.

// checkEntries is how many entries a shard may have to be checked every time;
// of larger ones a like share of entries is looked at.
const checkEntries = 64

// checkInvariants panics if s, which must be locked, is not as it must be.
func (t *table[K, P, A]) checkInvariants(s *shard[P, A]) {
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
	must(bits.OnesCount32(l.mask+1) == 1 && bits.OnesCount32(l.step) == 1 && int(l.step) == len(l.shards),
		"layout of %d buckets, step %d, %d shards", l.len(), l.step, len(l.shards))

	listed, slots := 0, 0
	for i := range s.journal.chunks {
		c := s.journal.chunk(i)
		slots += len(c)
		for k := range c {
			e := c[k].Load()
			if e == nil {
				continue
			}
			listed++
			must(int(e.pos.Load()) == i*chunkSize+k, "entry at %d of the journal says it is at %d", i*chunkSize+k, e.pos.Load())
			must(int(e.hash&(l.step-1)) == shard, "entry with hash %x is listed in shard %d", e.hash, shard)
		}
	}
	must(listed == used, "%d entries in the journal, %d counted", listed, used)
	must(slots-listed == int(s.journal.holes), "%d holes in the journal, %d counted", slots-listed, s.journal.holes)
	must(used <= l.limit(), "%d entries in a shard that takes %d", used, l.limit())

	present, passed := 0, make(map[uint32]uint64)
	for b := uint32(shard); b <= l.mask; b += l.step {
		tags := l.at(b).tags.Load()
		for k := range slotsPerBucket {
			e := l.at(b).slots[k].load()
			tag := tags >> (8 * k) & 0xff
			must((e == nil) == (tag == 0), "slot %d of bucket %d has tag %x and entry %p", k, b, tag, e)
			if e == nil {
				continue
			}
			present++
			must(tag == tagOf(e.hash)&0xff, "tag %x for hash %x", tag, e.hash)
			must(!e.isRemoved(), "a removed entry in bucket %d", b)
			for i := e.hash & l.mask; i != b; i = (i + l.step) & l.mask {
				passed[i]++
			}
		}
	}
	must(present == used, "%d entries in buckets, %d counted", present, used)
	for b := uint32(shard); b <= l.mask; b += l.step {
		if n := l.at(b).tags.Load() >> passedShift; n != passedMax {
			must(n == passed[b], "bucket %d counts %d that passed it, there are %d", b, n, passed[b])
		}
	}
}
