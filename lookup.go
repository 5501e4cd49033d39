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
// The fast paths look at the first slot with the key's tag, in the key's home bucket and those where
// its probe goes on, and suffice in all except a few cases in a hundred. Those they leave to search.
// Each kind of key has its own, so that a hit takes as few steps as possible: then the processor gets
// to the next lookup's memory while it waits for this one's. The few lines that find the slot are in
// each: a function for them costs a miss a twentieth. See docs/design.md.

// A way is a lookup in one layout of a table, of the key at an address. It returns what the key is
// bound to, or nil, and whether it met what has died. Nothing of the key is kept, so it need not be on
// the heap.
type way func(t *table, l *layout, at unsafe.Pointer) (referent unsafe.Pointer, metDead bool)

// current returns the table and its layout in use, or nil if nothing was ever inserted.
func (c *core) current() (*table, *layout) {
	t := c.table.Load()
	if t == nil {
		return nil, nil
	}
	l := t.layout.Load()
	seam.Interleave("layout read")
	return t, l
}

// glance returns the head of bucket i, and what it says: first the version, and then
// which slots have the tag, for row.SlotOf. It is inlined.
func (l *layout) glance(i uint32, tag uint64) (head *row.Head, version uint32, tags, m uint64) {
	head = l.Head(i)
	version, tags = head.Version(), head.Tags()
	seam.Interleave("tags read")
	return head, version, tags, row.Matching(tags, tag)
}

// loadText is the fast path for a Map of strings.
func loadText(t *table, l *layout, at unsafe.Pointer) (referent unsafe.Pointer, metDead bool) {
	if len(*(*string)(at)) > xxh.Max {
		return t.searchAt(at)
	}
	h := uint32(xxh.String(*(*string)(at), processSeed))
	i := l.Home(h)
	head, version, tags, m := l.glance(i, row.Tag(h))
	for end := false; m == 0; head, version, tags, m = l.glance(i, row.Tag(h)) {
		if i, end = l.Next(h, i, tags); end {
			return nil, false
		}
	}
	b, k := l.At(i), row.SlotOf(m)
	key := b.KeyAt(k)
	seam.Interleave("key read")
	word := seam.Strong(b.Word(k)) // Where it is held.
	seam.Interleave("slot read")
	// If the version is the same as before, all that was read of the slot is of one binding: see package row.
	s := *(*string)(at)
	if int(head.Len(k)) != len(s) || head.Version() != version || !sameBytes(key, s) {
		return t.goOn(l, h, at)
	}
	runtime.KeepAlive(l) // What the slot names was kept up to here.
	if t.retains {
		if held(word) && head.Marks(k) == 0 {
			return word, false
		}
		return t.loadRetaining(b, head, k, word, at)
	}
	if v := seam.Value(word); v != nil {
		return v, false
	}
	return t.searchAt(at)
}

// sameBytes reports whether the len(s) bytes at p are those of s. For the lengths that keys mostly
// have it is inlined.
func sameBytes(p unsafe.Pointer, s string) bool {
	type word = [8]byte
	n := len(s)
	if n < 8 || n > 32 {
		return unsafe.String((*byte)(p), n) == s
	}
	// Safety: each word is within the n bytes.
	q := unsafe.Pointer(unsafe.StringData(s))
	return *(*word)(p) == *(*word)(q) && *(*word)(unsafe.Add(p, n-8)) == *(*word)(unsafe.Add(q, n-8)) &&
		(n <= 16 || *(*word)(unsafe.Add(p, 8)) == *(*word)(unsafe.Add(q, 8)) &&
			*(*word)(unsafe.Add(p, n-16)) == *(*word)(unsafe.Add(q, n-16)))
}

// loadWord is the fast path for a Map of numbers, or of pointers, which have the size of N.
func loadWord[N uint8 | uint16 | uint32 | uint64](t *table, l *layout, at unsafe.Pointer) (referent unsafe.Pointer, metDead bool) {
	n := uintptr(*(*N)(at))
	h := hashWord(n)
	i := l.Home(h)
	head, version, tags, m := l.glance(i, row.Tag(h))
	for end := false; m == 0; head, version, tags, m = l.glance(i, row.Tag(h)) {
		if i, end = l.Next(h, i, tags); end {
			return nil, false
		}
	}
	b, k := l.At(i), row.SlotOf(m)
	key := b.Key(k)
	seam.Interleave("key read")
	word := seam.Strong(b.Word(k))
	seam.Interleave("slot read")
	if key != n || head.Version() != version {
		return t.goOn(l, h, at)
	}
	runtime.KeepAlive(l)
	if t.retains {
		if held(word) && head.Marks(k) == 0 {
			return word, false
		}
		return t.loadRetaining(b, head, k, word, at)
	}
	if v := seam.Value(word); v != nil {
		return v, false
	}
	return t.searchAt(at)
}

// loadCanonicalText is the fast path for an Interner of strings and for Strings.
func loadCanonicalText(t *table, l *layout, at unsafe.Pointer) (referent unsafe.Pointer, metDead bool) {
	if len(*(*string)(at)) > xxh.Max {
		return t.searchAt(at)
	}
	h := uint32(xxh.String(*(*string)(at), processSeed))
	i := l.Home(h)
	head, version, tags, m := l.glance(i, row.Tag(h))
	for end := false; m == 0; head, version, tags, m = l.glance(i, row.Tag(h)) {
		if i, end = l.Next(h, i, tags); end {
			return nil, false
		}
	}
	b, k := l.At(i), row.SlotOf(m)
	n := b.Key(k)
	seam.Interleave("key read")
	word := seam.Strong(b.Word(k))
	seam.Interleave("slot read")
	s := *(*string)(at)
	if n != uintptr(len(s)) || head.Len(k) != uint16(h>>8) || head.Version() != version {
		return t.goOn(l, h, at)
	}
	runtime.KeepAlive(l)
	v := t.referent(word)
	if v == nil || !sameBytes(unsafe.Pointer(unsafe.StringData(t.keys.textOf(v, n))), s) {
		return t.searchAt(at)
	}
	if t.retains && head.Marks(k) != 0 {
		t.use(b, head, k, word, v, t.keys.at(at))
	}
	return v, false
}

// loadCompared is the fast path for keys that a function compares: a copy beside the referent in a Map,
// or the referent itself in an Interner.
func loadCompared(t *table, l *layout, at unsafe.Pointer) (referent unsafe.Pointer, metDead bool) {
	h := uint32(t.keys.hash(at, comparableSeed))
	i := l.Home(h)
	head, version, tags, m := l.glance(i, row.Tag(h))
	for end := false; m == 0; head, version, tags, m = l.glance(i, row.Tag(h)) {
		if i, end = l.Next(h, i, tags); end {
			return nil, false
		}
	}
	b, k := l.At(i), row.SlotOf(m)
	key := b.KeyAt(k)
	seam.Interleave("key read")
	word := seam.Strong(b.Word(k))
	seam.Interleave("slot read")
	if head.Len(k) != uint16(h>>8) || head.Version() != version {
		return t.goOn(l, h, at)
	}
	v := t.referent(word)
	if v == nil {
		return t.searchAt(at)
	}
	if key == nil {
		key = v
	}
	if !t.keys.equal(key, at) {
		return t.searchAt(at)
	}
	runtime.KeepAlive(l)
	if t.retains && head.Marks(k) != 0 {
		t.use(b, head, k, word, v, t.keys.at(at))
	}
	return v, false
}

// loadRetaining is the end of a fast path in a table that retains, except for what is held and was used
// since the last pass.
func (t *table) loadRetaining(b *row.Bucket, head *row.Head, k uintptr, word, at unsafe.Pointer) (referent unsafe.Pointer, metDead bool) {
	v := t.referent(word)
	if v == nil {
		return t.searchAt(at)
	}
	if head.Marks(k) != 0 {
		t.use(b, head, k, word, v, t.keys.at(at))
	}
	return v, false
}

// loadOther is the way for all other keys, and for all in a layout that was flooded.
func loadOther(t *table, _ *layout, at unsafe.Pointer) (referent unsafe.Pointer, metDead bool) {
	return t.searchAt(at)
}

// goOn is searchAt in l, of the key with hash h there.
func (t *table) goOn(l *layout, h uint32, at unsafe.Pointer) (referent unsafe.Pointer, metDead bool) {
	found, is := t.probe(l, h, t.keys.at(at), nil)
	if is == torn {
		return t.searchAt(at)
	}
	return found.referent, is == dead
}

// searchAt is load for all keys and all cases.
func (t *table) searchAt(at unsafe.Pointer) (referent unsafe.Pointer, metDead bool) {
	found, is := t.find(t.keys.at(at))
	return found.referent, is == dead
}

// loadObject is find for a KeyMap or Set. It does not look at the object of a pointer that is not a
// key of the table.
func (t *table) loadObject(object unsafe.Pointer) bound {
	l := t.layout.Load()
	seam.Interleave("layout read")
	if l.hashing.seeded {
		return t.searchObject(object)
	}
	h := hashWord(uintptr(object))
	i := l.Home(h)
	head, version, tags, m := l.glance(i, row.Tag(h))
	for end := false; m == 0; head, version, tags, m = l.glance(i, row.Tag(h)) {
		if i, end = l.Next(h, i, tags); end {
			return bound{}
		}
	}
	b, k := l.At(i), row.SlotOf(m)
	value := b.KeyAt(k)
	seam.Interleave("key read")
	word := seam.Strong(b.Word(k))
	seam.Interleave("slot read")
	if head.Len(k) == uint16(h>>8) && head.Version() == version {
		runtime.KeepAlive(l)
		if v := t.referent(word); v == object && v != nil {
			if t.retains && head.Marks(k) != 0 {
				t.use(b, head, k, word, v, key{at: object})
			}
			return bound{v, value}
		}
	}
	return t.search(key{at: object})
}

// searchObject is loadObject for all cases. Nil is no key, and no Hasher gets it.
func (t *table) searchObject(object unsafe.Pointer) bound {
	if object == nil {
		return bound{}
	}
	return t.search(t.keyOfObject(object))
}

// search returns what k is bound to, or nothing if that is dead, for all keys and all cases.
func (t *table) search(k key) bound {
	found, _ := t.find(k)
	return found
}

// find is search, and says whether what it met was dead.
//
// It reads the layout, a bucket's version and tags, a slot and the weak pointer, in this
// order, while writers change each of them. What it finds alive was bound when the slot was
// read, or when the layout was replaced, both within the call. What it finds nowhere was
// unbound at some moment within the call: a layout that was replaced holds what was bound
// then, and within one layout a binding never moves to another slot.
func (t *table) find(k key) (bound, verdict) {
	for {
		l := t.layout.Load()
		seam.Interleave("layout read")
		h := t.hash(&l.hashing, k)
		found, is := t.probe(l, h, k, nil)
		if is != torn {
			return found, is
		}
	}
}

// probe is search in one layout. torn means that it must be repeated. v is that of judge, or nil.
func (t *table) probe(l *layout, h uint32, k key, v *verdicts) (bound, verdict) {
	tag, miss := row.Tag(h), other
	for i, end := l.Home(h), false; !end; {
		b := l.At(i)
		head, version, tags, m := l.glance(i, tag)
		for ; m != 0; m &= m - 1 {
			s := row.SlotOf(m)
			word, found, is := t.match(b, head, s, version, k, h) // While l is kept, which is used below.
			switch is {
			case other:
				continue
			case lost:
				miss = dead // Unless an equal one comes that lives.
				continue
			case torn:
				return bound{}, torn
			case alike:
				if !t.same(found.referent, k, v) {
					continue
				}
				is = alive
			}
			if is == alive {
				if t.retains && (head.Marks(s) != 0 || uintptr(word)&1 != 0) {
					t.use(b, head, s, word, found.referent, k)
				}
				runtime.KeepAlive(l)
				return found, alive
			}
			seam.Interleave("found dead")
			// Dead, but perhaps replaced since the slot was read, by a live value: then this
			// is no miss (Caffeine had this bug, its issue 568). Only a binding that is still
			// in its slot of the layout in use was bound at the moment at which it was seen to
			// be dead.
			if b.Word(s) != word || head.Version() != version || t.layout.Load() != l {
				return bound{}, torn
			}
			if is == dead {
				return bound{}, dead
			}
			miss = dead
			// A ghost may be another key's. A writer that replaces a key holds it until both words
			// of the slot are written: so if this one had been replaced, the word would be another.
		}
		i, end = l.Next(h, i, tags)
	}
	runtime.KeepAlive(l)
	return bound{}, miss
}

// findObject returns what an object is bound to. Nothing of it is kept, so it need not be on the
// heap.
func (c *core) findObject(object unsafe.Pointer) bound {
	if t := c.table.Load(); t != nil {
		return t.loadObject(object)
	}
	return bound{}
}

// findObject is loadObject for a key of keyOfObject.
func (t *table) findObject(k key) bound {
	if t.keys.class == alikes {
		return t.search(k)
	}
	return t.loadObject(k.at)
}
