package weakmap

import (
	"hash/maphash"
	"math"
	"reflect"
	"unsafe"

	"github.com/cespare/xxhash/v2"

	"github.com/go-weak/weakmap/internal/escape"
	"github.com/go-weak/weakmap/internal/pack"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
	"github.com/go-weak/weakmap/internal/xxh"
)

// What the engine knows of keys. It has no type parameters: a container turns its key into
// one of a few classes, and every decision that depends on the class is taken here.

// A class says what a key is, and what a slot and a record have of it.
type class uint8

const (
	words       class = iota // Map: a number. The slot has it, and the record's bits.
	pointers                 // Map: an address. The slot has it, and the record refers to it.
	texts                    // Map: a string. The slot has the address of its bytes, and the record refers to them.
	boxes                    // Map: anything else. Slot and record have the address of a copy: see keep.
	objects                  // KeyMap, Set: the referent itself. Slot and record have the address of the value, if there are values.
	alikes                   // KeyMap, Set with a Hasher: as objects, but another object may be the same. Beside the value stands the word: see paired.
	copies                   // Interner: what the referent holds. Slot and record have nothing.
	copiedTexts              // Interner: the string that the referent holds. Slot and record have its length.
	contents                 // Strings: the bytes that the referent is. As copiedTexts.
)

// isReferent reports whether what is referred to is the key, or has it.
func (c class) isReferent() bool { return c >= objects }

// A key is one that a caller gave. Only prepare may keep what it refers to.
type key struct {
	at unsafe.Pointer // pointers, objects, alikes: the address. texts, copiedTexts, contents: of the bytes. boxes, copies: of the key.
	n  uintptr        // words: the number. texts, copiedTexts, contents: the length. alikes: the hash.
}

// A keying is what a container decides about its keys.
type keying struct {
	class         class
	size          uint8  // of a number or pointer, in bytes
	vet           bool   // whether keys that the caller hashes must be proved hashable
	wordAt        uint32 // alikes with values: where in a paired value its word is
	*keyFunctions        // noFunctions for most
}

// keyFunctions are what some classes of keys, and some containers, need for theirs.
type keyFunctions struct {
	custom func(k key) uint64                             // the caller's hash, or nil
	hash   func(at unsafe.Pointer, s maphash.Seed) uint64 // maphash.Comparable, of boxes and copies; of alikes the Hasher's. Nil for others, as the next.
	equal  func(a, b unsafe.Pointer) bool                 // ==, or the Hasher's
	box    func(at unsafe.Pointer) unsafe.Pointer         // returns a copy of the key. boxes only.
	layout *pack.Layout                                   // of boxes that can be packed, or nil
}

// noFunctions are those of most keys. They are never written.
var noFunctions keyFunctions

// keyingOf returns how keys of type K of the given class are treated. custom may be nil.
func keyingOf[K comparable](c class, custom func(K) uint64) keying {
	ks := keying{class: c, keyFunctions: &noFunctions}
	if custom != nil || c == boxes || c == copies {
		ks.keyFunctions = new(keyFunctions)
	}
	if c == words || c == pointers {
		ks.size = uint8(unsafe.Sizeof(*new(K)))
	}
	if custom != nil {
		ks.vet = hasInterface(reflect.TypeFor[K]())
		ks.custom = func(k key) uint64 { return custom(given[K](c, k)) }
	}
	if c == boxes || c == copies {
		ks.hash = func(at unsafe.Pointer, s maphash.Seed) uint64 { return maphash.Comparable(s, *(*K)(at)) }
		ks.equal = func(a, b unsafe.Pointer) bool { return *(*K)(a) == *(*K)(b) }
	}
	if c == boxes {
		ks.box = func(at unsafe.Pointer) unsafe.Pointer {
			k := *(*K)(at)
			return unsafe.Pointer(&k)
		}
		ks.layout = pack.Of(reflect.TypeFor[K]())
	}
	return ks
}

// Boxes are kept packed if their type has a layout and they are short, else as copies. Where there are both,
// what is kept of a copy is the address of its second byte: no packed key has an odd one.

// keep returns a copy of a box, of which the caller knows the address.
func (ks *keyFunctions) keep(at unsafe.Pointer) (kept unsafe.Pointer) {
	if ks.layout == nil {
		return ks.box(at)
	}
	if kept = ks.layout.Pack(at); kept == nil {
		kept = unsafe.Add(ks.box(at), 1) // Safety: it has a string, and so more than one byte.
	}
	return kept
}

// isPacked reports whether kept, a result of keep, is packed.
func (ks *keyFunctions) isPacked(kept unsafe.Pointer) bool {
	return ks.layout != nil && uintptr(kept)&1 == 0
}

// copied returns the address of a copy, a result of keep that is not packed.
func (ks *keyFunctions) copied(kept unsafe.Pointer) unsafe.Pointer {
	if ks.layout == nil {
		return kept
	}
	return unsafe.Add(kept, -1)
}

// equalKept reports whether the box at an address is equal to kept, a result of keep.
func (ks *keyFunctions) equalKept(kept, at unsafe.Pointer) bool {
	if ks.isPacked(kept) {
		return ks.layout.Equal(kept, at)
	}
	return ks.equal(ks.copied(kept), at)
}

// hasInterface reports whether comparing values of type t can panic: whether an interface
// stands anywhere in it.
func hasInterface(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Array:
		return hasInterface(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasInterface(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// classOf returns the class of a Map's keys of type K.
func classOf(t reflect.Type, custom bool) class {
	switch t.Kind() {
	case reflect.String:
		return texts
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		// The record of a number has no room for a hash that cannot be computed again.
		if t.Size() <= unsafe.Sizeof(uintptr(0)) && !custom {
			return words
		}
	case reflect.Pointer, reflect.UnsafePointer, reflect.Chan:
		return pointers
	}
	return boxes
}

// at returns the key at an address.
func (ks *keying) at(p unsafe.Pointer) key {
	switch ks.class {
	case texts, copiedTexts, contents:
		return keyOfString(*(*string)(p))
	case words:
		return key{n: ks.number(p)}
	case pointers:
		return key{at: *(*unsafe.Pointer)(p)}
	}
	return key{at: p}
}

// number returns the number, or the address that the pointer at p is. Safety: size is that of the keys.
func (ks *keying) number(p unsafe.Pointer) uintptr {
	if ks.size == uint8(ptrSize) { // The commonest comes first.
		return *(*uintptr)(p)
	}
	switch ks.size {
	case 4:
		return uintptr(*(*uint32)(p))
	case 2:
		return uintptr(*(*uint16)(p))
	}
	return uintptr(*(*uint8)(p))
}

// route returns that of lookups in a layout that is not flooded.
func (ks *keying) route() route {
	switch {
	case ks.custom != nil:
	case ks.class == words, ks.class == pointers:
		return byNumber
	case ks.class == texts:
		return byText
	case ks.class == copiedTexts, ks.class == contents:
		return byCanonical
	case ks.class == boxes, ks.class == copies:
		return byComparison
	}
	return bySearch
}

// isReflexive reports whether k is equal to itself, as a NaN is not. With a Hasher it must be called with
// no lock held.
func (ks *keying) isReflexive(k key) bool {
	switch ks.class {
	case boxes, copies, alikes:
		return ks.equal(k.at, escape.Hide(k.at))
	}
	return true
}

// given is the inverse of keying.at. Safety: as that of storedKey.
func given[K comparable](c class, k key) K {
	switch c {
	case texts, copiedTexts, contents:
		s := k.text()
		return *(*K)(unsafe.Pointer(&s))
	case pointers: // Numbers that the caller hashes are boxes.
		return *(*K)(unsafe.Pointer(&k.at))
	}
	return *(*K)(k.at)
}

func keyOfString(s string) key {
	return key{at: unsafe.Pointer(unsafe.StringData(s)), n: uintptr(len(s))}
}

// keyOfObject returns the key that an object is. With a Hasher it hashes the object, and must be
// called with no lock held.
func (t *table) keyOfObject(p unsafe.Pointer) key {
	if t.keys.class == alikes {
		return t.hashedKey(p)
	}
	return key{at: p}
}

//go:noinline
func (t *table) hashedKey(p unsafe.Pointer) key {
	return key{at: p, n: uintptr(uint32(t.keys.hash(escape.Hide(p), comparableSeed)))}
}

// mustBeHashable panics as a built-in map would if key holds a dynamic type that cannot be
// hashed.
func mustBeHashable[K comparable](key K) { maphash.Comparable(comparableSeed, key) }

// A keyType is the type of a container's keys, for a core that has no table.
type keyType interface {
	// mustBeHashable is the function of that name, of the key at an address.
	mustBeHashable(at unsafe.Pointer)
}

type keysOf[K comparable] struct{}

func (keysOf[K]) mustBeHashable(at unsafe.Pointer) { mustBeHashable(*(*K)(at)) }

func (k key) text() string { return unsafe.String((*byte)(k.at), k.n) }

// storedKey returns the key of a record. Safety: classOf gives a K of another layout than
// that of a string, a number or a pointer no class that is read as one.
func storedKey[K comparable](ks *keying, ref unsafe.Pointer, bits uint64) (k K) {
	p := unsafe.Pointer(&k)
	switch ks.class {
	case texts:
		*(*string)(p) = storedText(ref, bits)
	case words:
		switch unsafe.Sizeof(k) {
		case 8:
			*(*uint64)(p) = bits
		case 4:
			*(*uint32)(p) = uint32(bits)
		case 2:
			*(*uint16)(p) = uint16(bits)
		default:
			*(*uint8)(p) = uint8(bits)
		}
	case pointers:
		*(*unsafe.Pointer)(p) = ref
	default:
		if ks.isPacked(ref) {
			ks.layout.Unpack(ref, p)
		} else {
			k = *(*K)(ks.copied(ref))
		}
	}
	return k
}

// longText is the length from which on a string is not recorded by its bytes: the address
// is that of a string.
const longText = 1<<16 - 1

func storedText(ref unsafe.Pointer, bits uint64) string {
	if n := bits >> 32; n != longText {
		return unsafe.String((*byte)(ref), n)
	}
	return *(*string)(ref)
}

// storedAs returns the key of a record, for a lookup. Not for those whose record
// has none: see isReferent.
func (t *table) storedAs(ref unsafe.Pointer, bits uint64) key {
	switch t.keys.class {
	case words:
		return key{n: uintptr(bits)}
	case texts:
		return keyOfString(storedText(ref, bits))
	case boxes:
		if t.keys.isPacked(ref) {
			return key{at: t.keys.layout.Unpacked(ref)}
		}
		return key{at: t.keys.copied(ref)}
	}
	return key{at: ref}
}

// processSeed is that of xxh in this process, comparableSeed that of maphash in every table
// that was not flooded.
var (
	comparableSeed = maphash.MakeSeed()
	processSeed    = maphash.Comparable(comparableSeed, uint64(0))
)

// A hashing says how keys become hashes.
//
// Strings take xxHash: XXH3 where it is short, and XXH64 beyond. Numbers take xxh.Word. Both are fast,
// and can be flooded by an attacker who knows the seed or does not need it. maphash cannot be
// predicted, and a table that is flooded changes over to it (see relayout). A Hasher has maphash
// from the beginning, and there is nothing else to change over to.
type hashing struct {
	seeded bool         // whether it is maphash, under seed or as the Hasher has it
	seed   maphash.Seed // of this layout's own
}

// hash returns the 32 bits of hash by which k is found. It panics for a key that cannot be
// hashed, before any lock is taken.
func (t *table) hash(by *hashing, k key) uint32 {
	if by.seeded {
		return uint32(t.seededHash(by.seed, k))
	}
	if t.keys.custom != nil {
		if t.keys.vet {
			t.keys.hash(escape.Hide(k.at), comparableSeed) // Panics as a built-in map would.
		}
		return uint32(xxh.Mix(t.keys.custom(k)))
	}
	switch t.keys.class {
	case words:
		return hashWord(k.n)
	case pointers, objects:
		return hashWord(uintptr(k.at))
	case texts, copiedTexts, contents:
		return hashText(k.text())
	}
	return uint32(t.keys.hash(escape.Hide(k.at), comparableSeed))
}

func hashWord(n uintptr) uint32 { return xxh.Word(uint64(n), processSeed) }

func hashText(s string) uint32 {
	if len(s) <= xxh.Max {
		return uint32(xxh.String(s, processSeed))
	}
	return uint32(xxh.Mix(xxhash.Sum64String(s) ^ processSeed))
}

// seededHash hashes what the key holds. No user code runs.
func (t *table) seededHash(seed maphash.Seed, k key) uint64 {
	switch t.keys.class {
	case alikes:
		return uint64(k.n) // It was hashed once, before any lock was taken.
	case words:
		return maphash.Comparable(seed, k.n)
	case pointers, objects:
		return maphash.Comparable(seed, uintptr(k.at))
	case texts, copiedTexts, contents:
		return maphash.String(seed, k.text())
	}
	return t.keys.hash(escape.Hide(k.at), seed)
}

// hashOfRecord returns the hash of a record, from its bits.
func (t *table) hashOfRecord(by *hashing, bits uint64) uint32 {
	if t.keys.class == words {
		return t.hash(by, key{n: uintptr(bits)})
	}
	return uint32(bits)
}

// bitsOf returns what a record has beside the addresses: the number, or else the hash, and
// the length of a text, or the sixteen bits that its slot has.
func (t *table) bitsOf(k key, h uint32) uint64 {
	switch t.keys.class {
	case words:
		return uint64(k.n)
	case copiedTexts, contents:
		return uint64(h) | textLen(k.n)<<32
	}
	return uint64(h) | uint64(t.checkOf(k, h))<<32
}

// textLen returns n, or what stands for it in 32 bits.
func textLen(n uintptr) uint64 { return min(uint64(n), math.MaxUint32) }

// checkOf returns the sixteen bits that a slot has of its key: of a string the length, and
// where a comparison must look elsewhere, more of the hash. Looking at a referent during marking
// keeps it for a cycle, so only those whose hash is the same so far are looked at: otherwise a key
// in steady use could keep a dead binding with the same tag forever.
func (t *table) checkOf(k key, h uint32) uint16 {
	switch t.keys.class {
	case words, pointers:
		return 0
	case texts:
		return uint16(min(k.n, longText))
	}
	return uint16(h >> 8)
}

// refOf returns what the record of k is to refer to.
func (t *table) refOf(k key, value unsafe.Pointer) unsafe.Pointer {
	switch t.keys.class {
	case words, copies, copiedTexts, contents:
		return nil
	case texts:
		if k.n >= longText {
			s := k.text()
			return unsafe.Pointer(&s)
		}
	case boxes:
		return t.keys.keep(k.at)
	case objects, alikes:
		return value
	}
	return k.at
}

// slotOf returns the binding of a record as its slot has it.
func (t *table) slotOf(word, ref unsafe.Pointer, bits uint64, pos uint32) row.Binding {
	switch t.keys.class {
	case words:
		return row.Binding{Word: word, Key: uintptr(bits), Pos: pos}
	case copiedTexts, contents:
		return row.Binding{Word: word, Key: uintptr(bits >> 32), Check: uint16(bits >> 8), Pos: pos}
	}
	return row.Binding{Word: word, Key: uintptr(ref), Check: uint16(bits >> 32), Pos: pos}
}

// textOf returns the text at a referent of class copiedTexts or contents. Of the latter n must be
// the length.
func (ks *keying) textOf(referent unsafe.Pointer, n uintptr) string {
	if ks.class == contents {
		return unsafe.String((*byte)(referent), n)
	}
	return *(*string)(referent)
}

// A verdict is what a look at a slot says.
type verdict uint8

const (
	other     verdict = iota // it is another key's
	alive                    // it is the key's, and the referent lives
	dead                     // it is the key's, and the referent is dead. If the referent has the key, that cannot be known: then it is lost.
	lost                     // the referent is dead, and its hash was the key's, as far as slots have it
	torn                     // the slot changed while it was read
	alike                    // its hash is the key's, and the referent lives: the Hasher must say whether it is the key's
	deadAlike                // its hash is the key's, and the referent, of which the Hasher would have to say that, is dead
)

// A bound is what a key is bound to.
type bound struct {
	referent unsafe.Pointer
	value    unsafe.Pointer // of a KeyMap
}

// match looks whether slot s of b, whose version was read before its tags were, is bound to k.
// Nothing that the slot names is looked at before the version was read again: what was read
// may be one binding's length and another's address.
func (t *table) match(b *row.Bucket, head *row.Head, s uintptr, version uint32, k key, h uint32) (word unsafe.Pointer, found bound, is verdict) {
	switch t.keys.class {
	case words:
		if b.Key(s) != k.n {
			return nil, found, other
		}
	case pointers:
		if b.Key(s) != uintptr(k.at) {
			return nil, found, other
		}
	case copiedTexts, contents:
		if b.Key(s) != uintptr(textLen(k.n)) || head.Check(s) != uint16(h>>8) {
			return nil, found, other
		}
	default:
		if head.Check(s) != t.checkOf(k, h) {
			return nil, found, other
		}
		found.value = b.KeyAt(s)
	}
	seam.Interleave("slot half read")
	word = seam.Strong(b.Word(s))
	seam.Interleave("slot read")
	if head.Version() != version {
		return nil, bound{}, torn
	}
	switch t.keys.class {
	case texts:
		if k.n >= longText {
			if *(*string)(found.value) != k.text() {
				return nil, bound{}, other
			}
		} else if unsafe.String((*byte)(found.value), k.n) != k.text() {
			return nil, bound{}, other
		}
	case boxes:
		if !t.keys.equalKept(found.value, escape.Hide(k.at)) {
			return nil, bound{}, other
		}
	}
	if t.keys.class == alikes && t.values {
		// The word of the slot may be that of the key before or after.
		word = t.slotWord(seam.Strong(*(*unsafe.Pointer)(unsafe.Add(found.value, t.keys.wordAt))))
	}
	found.referent = t.referent(word)
	switch t.keys.class {
	case alikes:
		if found.referent == nil {
			return word, found, deadAlike
		}
		return word, found, alike
	case objects:
		if found.referent == nil || found.referent != k.at {
			return nil, bound{}, other
		}
		return word, found, alive
	case copies:
		found.value = nil
		if found.referent == nil {
			return word, bound{}, lost
		}
		if !t.keys.equal(found.referent, escape.Hide(k.at)) {
			return nil, bound{}, other
		}
		return word, found, alive
	case copiedTexts, contents:
		found.value = nil
		if found.referent == nil {
			return word, bound{}, lost
		}
		if t.keys.textOf(found.referent, k.n) != k.text() {
			return nil, bound{}, other
		}
		return word, found, alive
	}
	found.value = nil
	if found.referent == nil {
		return word, found, dead
	}
	return word, found, alive
}
