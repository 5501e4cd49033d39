package weakmap

import (
	"runtime"
	"unsafe"

	"github.com/go-weak/weakmap/internal/escape"
	"github.com/go-weak/weakmap/internal/pack"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
	"github.com/go-weak/weakmap/internal/xxh"
)

// Lookups. They take no lock, write nothing that others read (but see retain.go) and allocate
// nothing.
//
// The fast path looks at the first slot with the key's tag, in the key's home bucket and those where
// its probe goes on, and suffices in nearly all cases. The others it leaves to search.
// It is one function, and a container's Load is inlined where it is called, so that a hit
// takes as few steps as possible: then the processor gets to the next lookup's memory while it waits
// for this one's. See docs/design.md.

// A route is how the fast path takes the keys of a layout.
type route uint8

const (
	bySearch     route = iota // what the caller hashes, and all in a layout that was flooded
	byNumber                  // Map: a number, or a pointer
	byText                    // Map: a string
	byCanonical               // Interner of strings, Strings: the referent's text
	byComparison              // what a function compares: a copy beside the referent in a Map, or the referent in an Interner
)

// load returns what the key at an address is bound to, or nil. Nothing of the key is kept, so it need not
// be on the heap. counts is the container's Config.Stats, and keys says of which type the key is: a core
// without a table knows neither.
func (c *core) load(at unsafe.Pointer, counts bool, keys keyType) unsafe.Pointer {
	if counts {
		return c.loadCounting(escape.Hide(at), keys)
	}
	t := c.table.Load()
	if t == nil {
		keys.mustBeHashable(escape.Hide(at))
		return nil
	}
	l := t.layout.Load()
	seam.Interleave("layout read")
	var h uint32
	var n uintptr
	switch l.route {
	case byNumber:
		n = t.keys.number(at)
		h = hashWord(n)
	case byText, byCanonical:
		s := *(*string)(at)
		if len(s) > xxh.Max {
			return t.searchAt(escape.Hide(at))
		}
		h = uint32(xxh.String(s, processSeed))
	case byComparison:
		h = uint32(t.keys.hash(escape.Hide(at), comparableSeed))
	default:
		return t.searchAt(escape.Hide(at))
	}
	i := l.Home(h)
	head, version, tags, m := l.glance(i, row.Tag(h))
	for end := false; m == 0; head, version, tags, m = l.glance(i, row.Tag(h)) {
		if i, end = l.Next(h, i, tags); end {
			return nil
		}
	}
	l.Fetch(h)
	b, k := l.At(i), row.SlotOf(m)
	word := seam.Strong(b.Word(k)) // Where it is held.
	seam.Interleave("slot half read")
	// If the version is the same as before, all that was read of the slot is of one binding: see package row.
	switch l.route {
	case byNumber:
		key := b.Key(k)
		seam.Interleave("slot read")
		if key != n || head.Version() != version {
			return t.goOn(l, h, escape.Hide(at))
		}
	case byText:
		key, s := b.KeyAt(k), *(*string)(at)
		seam.Interleave("slot read")
		if int(head.Check(k)) != len(s) || head.Version() != version {
			return t.goOn(l, h, escape.Hide(at))
		}
		if !pack.Same(key, s) { // Apart from the line above, which then takes fewer steps.
			return t.goOn(l, h, escape.Hide(at))
		}
	default:
		return t.loadByReferent(l, h, b, head, k, version, word, escape.Hide(at))
	}
	runtime.KeepAlive(l) // What the slot names was kept up to here.
	if t.retains {
		if held(word) && head.Marks(k) == 0 {
			return word
		}
		return t.loadRetaining(b, head, k, word, escape.Hide(at))
	}
	if v := seam.Value(word); v != nil {
		return v
	}
	return t.searchAt(escape.Hide(at))
}

// loadCounting is load with Config.Stats. A key that it does not find it looks up once more, which says
// whether something dead was met, and finds what was bound in the meantime.
func (c *core) loadCounting(at unsafe.Pointer, keys keyType) unsafe.Pointer {
	v, metDead := c.load(at, false, keys), false
	t := c.table.Load()
	if t == nil {
		c.early.Add(1)
		return nil
	}
	if v == nil {
		found, is := t.find(t.keys.at(at))
		v, metDead = found.referent, is == dead
	}
	t.count(v != nil, metDead)
	return v
}

// glance returns the head of bucket i, and what it says: first the version, and then
// which slots have the tag, for row.SlotOf. It is inlined.
func (l *layout) glance(i uint32, tag uint64) (head *row.Head, version uint32, tags, m uint64) {
	head = l.Head(i)
	version, tags = head.Version(), head.Tags()
	seam.Interleave("tags read")
	return head, version, tags, row.Matching(tags, tag)
}

// loadRetaining is the end of the fast path in a table that retains, except for what is held and was used
// since the last pass.
func (t *table) loadRetaining(b *row.Bucket, head *row.Head, k uintptr, word, at unsafe.Pointer) unsafe.Pointer {
	v := t.referent(word)
	if v == nil {
		return t.searchAt(at)
	}
	if head.Marks(k) != 0 {
		t.use(b, head, k, word, v, t.keys.at(at))
	}
	return v
}

// loadByReferent is the end of the fast path byCanonical and byComparison: the referent is needed to compare
// keys.
func (t *table) loadByReferent(l *layout, h uint32, b *row.Bucket, head *row.Head, k uintptr, version uint32, word, at unsafe.Pointer) unsafe.Pointer {
	var n uintptr
	var key unsafe.Pointer
	if l.route == byCanonical {
		n = b.Key(k)
	} else {
		key = b.KeyAt(k)
	}
	seam.Interleave("slot read")
	if head.Check(k) != uint16(h>>8) || head.Version() != version {
		return t.goOn(l, h, at)
	}
	v, same := t.referent(word), false
	switch {
	case v == nil:
	case l.route == byCanonical:
		s := *(*string)(at)
		same = n == uintptr(len(s)) && pack.Same(unsafe.Pointer(unsafe.StringData(t.keys.textOf(v, n))), s)
	case key == nil: // An Interner's key is what the referent holds.
		same = t.keys.equal(v, at)
	case t.keys.isPacked(key): // As equalKept, without a call of it: see LoadHit/struct/1000 in bench/cmd/turns.
		same = t.keys.layout.Equal(key, at)
	default:
		same = t.keys.equal(t.keys.copied(key), at)
	}
	if !same {
		return t.searchAt(at)
	}
	runtime.KeepAlive(l)
	if t.retains && head.Marks(k) != 0 {
		t.use(b, head, k, word, v, t.keys.at(at))
	}
	return v
}

// goOn is searchAt in l, of the key with hash h there.
func (t *table) goOn(l *layout, h uint32, at unsafe.Pointer) unsafe.Pointer {
	found, is := t.probe(l, h, t.keys.at(at), nil)
	if is == torn {
		return t.searchAt(at)
	}
	return found.referent
}

// searchAt is load for all keys and all cases.
func (t *table) searchAt(at unsafe.Pointer) unsafe.Pointer { return t.search(t.keys.at(at)).referent }

// loadObject is find for a KeyMap or Set. It does not look at the object of a pointer that is not a
// key of the table. It takes the steps of load, but confirms by the referent and returns two addresses.
// It is apart from load for speed: see KeyLoadHit in bench/.
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
	l.Fetch(h)
	b, k := l.At(i), row.SlotOf(m)
	value := b.KeyAt(k)
	seam.Interleave("slot half read")
	word := seam.Strong(b.Word(k))
	seam.Interleave("slot read")
	if head.Check(k) == uint16(h>>8) && head.Version() == version {
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
				if t.retains && (head.Marks(s) != 0 || !held(word)) {
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
			// It may be another key's. A writer that replaces a key holds it until both words
			// of the slot are written: so if this one had been replaced, the word would be another.
			miss = dead
		}
		i, end = l.Next(h, i, tags)
	}
	runtime.KeepAlive(l)
	return bound{}, miss
}

// loadObject returns what an object is bound to. Nothing of it is kept, so it need not be on the
// heap.
func (c *core) loadObject(object unsafe.Pointer) bound {
	if t := c.table.Load(); t != nil {
		return t.loadObject(object)
	}
	return bound{}
}

// loadHashedObject is loadObject for a key of keyOfObject.
func (t *table) loadHashedObject(k key) bound {
	if t.keys.class == alikes {
		return t.search(k)
	}
	return t.loadObject(k.at)
}
