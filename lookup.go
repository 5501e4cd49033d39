package weakmap

import (
	"runtime"
	"unsafe"

	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
	"github.com/go-weak/weakmap/internal/xxh"
)

// Lookups. They take no lock, write nothing that others read (but see retain.go) and allocate
// nothing.
//
// The short ways ask the first slot with the key's tag in the key's home bucket, and are right
// in all but a few cases in a hundred. The others they leave to search.

// loadText is find for a Map of strings.
func (t *table) loadText(s string) unsafe.Pointer {
	l := t.layout.Load()
	seam.Interleave("layout read")
	if len(s) > xxh.Max || l.hashing.seeded || t.keys.custom != nil {
		return t.search(keyOfString(s)).referent
	}
	h := uint32(xxh.String(s, processSeed))
	b := l.At(h)
	version := b.Version()
	tags := b.Tags()
	seam.Interleave("tags read")
	m := row.Matching(tags, row.Tag(h))
	if m == 0 {
		if row.Passed(tags) {
			return t.search(keyOfString(s)).referent
		}
		return nil
	}
	k := row.SlotOf(m)
	n := int(b.Len(k))
	key := b.KeyAt(k)
	seam.Interleave("key read")
	word := seam.Strong(b.Word(k)) // Where it is held.
	seam.Interleave("slot read")
	// With the version of before, key, length and word are of one binding: see package row.
	if n == len(s) && b.Version() == version && unsafe.String((*byte)(key), n) == s {
		runtime.KeepAlive(l) // What the slot names was kept up to here.
		if v := t.referent(word); v != nil {
			if t.retains && b.Age(k) != 0 {
				t.use(b, k, word, v, keyOfString(s))
			}
			return v
		}
	}
	return t.search(keyOfString(s)).referent
}

// loadWord is find for a Map of numbers.
func (t *table) loadWord(n uintptr) unsafe.Pointer {
	l := t.layout.Load()
	seam.Interleave("layout read")
	if l.hashing.seeded {
		return t.search(key{n: n}).referent
	}
	h := uint32(xxh.Word(uint64(n), processSeed))
	b := l.At(h)
	version := b.Version()
	tags := b.Tags()
	seam.Interleave("tags read")
	m := row.Matching(tags, row.Tag(h))
	if m == 0 {
		if row.Passed(tags) {
			return t.search(key{n: n}).referent
		}
		return nil
	}
	k := row.SlotOf(m)
	bound := b.Key(k)
	seam.Interleave("key read")
	word := seam.Strong(b.Word(k))
	seam.Interleave("slot read")
	if bound == n && b.Version() == version {
		runtime.KeepAlive(l)
		if v := t.referent(word); v != nil {
			if t.retains && b.Age(k) != 0 {
				t.use(b, k, word, v, key{n: n})
			}
			return v
		}
	}
	return t.search(key{n: n}).referent
}

// loadObject is find for a KeyMap or Set. A pointer that is no key of the table's is nothing
// to it: its object is not looked at.
func (t *table) loadObject(object unsafe.Pointer) bound {
	l := t.layout.Load()
	seam.Interleave("layout read")
	if l.hashing.seeded {
		return t.search(key{at: object})
	}
	h := uint32(xxh.Word(uint64(uintptr(object)), processSeed))
	b := l.At(h)
	version := b.Version()
	tags := b.Tags()
	seam.Interleave("tags read")
	m := row.Matching(tags, row.Tag(h))
	if m == 0 {
		if row.Passed(tags) {
			return t.search(key{at: object})
		}
		return bound{}
	}
	k := row.SlotOf(m)
	value := b.KeyAt(k)
	seam.Interleave("key read")
	word := seam.Strong(b.Word(k))
	seam.Interleave("slot read")
	if b.Len(k) == uint16(h>>8) && b.Version() == version {
		runtime.KeepAlive(l)
		if v := t.referent(word); v == object && v != nil {
			if t.retains && b.Age(k) != 0 {
				t.use(b, k, word, v, key{at: object})
			}
			return bound{v, value}
		}
	}
	return t.search(key{at: object})
}

// find returns what k is bound to; nothing if that is dead.
func (t *table) find(k key) bound {
	switch t.keys.class {
	case texts:
		return bound{referent: t.loadText(k.text())}
	case words:
		return bound{referent: t.loadWord(k.n)}
	case objects:
		return t.loadObject(k.at)
	}
	return t.search(k)
}

// search is find for all keys and all cases.
//
// It reads the layout, a bucket's version and tags, a slot and the weak pointer, in this
// order, while writers change each of them. What it finds alive was bound when the slot was
// read, or when the layout was replaced, both within the call. What it finds nowhere was
// unbound at some moment within the call: a layout that was replaced holds what was bound
// then, and within one layout a binding never moves to another slot.
func (t *table) search(k key) bound {
	for {
		l := t.layout.Load()
		seam.Interleave("layout read")
		h := t.hash(&l.hashing, k)
		found, is := t.probe(l, h, k)
		if is != torn {
			return found
		}
	}
}

// probe is search in one layout. torn means that it must be looked again.
func (t *table) probe(l *layout, h uint32, k key) (bound, verdict) {
	tag := row.Tag(h)
	for i, end := h, false; !end; {
		b := l.At(i)
		version := b.Version()
		tags := b.Tags()
		seam.Interleave("tags read")
		for m := row.Matching(tags, tag); m != 0; m &= m - 1 {
			s := row.SlotOf(m)
			word, found, is := t.match(b, s, version, k, h) // While l is kept, which is used below.
			switch is {
			case other:
				continue
			case torn:
				return bound{}, torn
			case alive:
				if t.retains && (b.Age(s) != 0 || uintptr(word)&1 != 0) {
					t.use(b, s, word, found.referent, k)
				}
				runtime.KeepAlive(l)
				return found, alive
			}
			seam.Interleave("found dead")
			// Dead, but perhaps replaced since the slot was read, by a live value: then this
			// is no miss (Caffeine had this bug, its issue 568). Only a binding that is still
			// in its slot of the layout in use was bound at the moment at which it was seen to
			// be dead.
			if b.Word(s) != word || b.Version() != version || t.layout.Load() != l {
				return bound{}, torn
			}
			return bound{}, dead
		}
		i, end = l.Next(h, i, tags)
	}
	runtime.KeepAlive(l)
	return bound{}, other
}

// findObject returns what an object is bound to.
func (c *core) findObject(object unsafe.Pointer) bound {
	if t := c.table.Load(); t != nil {
		return t.loadObject(object)
	}
	return bound{}
}
