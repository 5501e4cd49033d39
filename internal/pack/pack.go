// Package pack has keys of several strings and numbers as bytes that lie together, in memory in which the
// collector finds no pointer. A comparison with one reads a line or two, where it would read those of the key
// first, and then those of each of its strings.
package pack

import (
	"reflect"
	"sync"
	"unsafe"
)

// Max is how many bytes a packed key has at most. The strings of longer ones are better shared than copied.
const Max = 128

// leastSize is that of an object that shares its memory with no other, and whose address is even.
const leastSize = 16

// A Layout says where a type has its parts. It is immutable.
type Layout struct {
	of    reflect.Type
	parts []part
}

// A part is a string of a key, or some numbers that follow each other without a gap.
type part struct{ offset, size uint32 } // size is 0 for a string

// layouts has the results of Of, by the type.
var layouts sync.Map

// Of returns the layout of a struct or an array in which are strings, and else only integers and booleans: two
// are equal if their bytes are. For any other type it returns nil.
func Of(t reflect.Type) *Layout {
	known, ok := layouts.Load(t)
	if !ok {
		known, _ = layouts.LoadOrStore(t, layoutOf(t))
	}
	return known.(*Layout)
}

func layoutOf(t reflect.Type) *Layout {
	l := &Layout{of: t}
	if !l.add(t, 0) {
		return nil
	}
	least := 1
	strings := false
	for _, p := range l.parts {
		least += 1 + int(p.size)
		strings = strings || p.size == 0
	}
	if !strings || least > Max {
		return nil
	}
	return l
}

// add adds the parts of a t at offset, and reports whether it knows them all.
func (l *Layout) add(t reflect.Type, offset uintptr) bool {
	switch t.Kind() {
	case reflect.String:
		l.parts = append(l.parts, part{offset: uint32(offset)})
		return len(l.parts) < Max
	case reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		size := uint32(t.Size())
		if n := len(l.parts); n > 0 && l.parts[n-1].size != 0 && l.parts[n-1].offset+l.parts[n-1].size == uint32(offset) {
			l.parts[n-1].size += size
			return l.parts[n-1].size < Max
		}
		l.parts = append(l.parts, part{uint32(offset), size})
		return len(l.parts) < Max
	case reflect.Array:
		for i := range t.Len() {
			if !l.add(t.Elem(), offset+uintptr(i)*t.Elem().Size()) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name == "_" || !l.add(f.Type, offset+f.Offset) { // A comparison passes over what has no name.
				return false
			}
		}
		return true
	}
	return false
}

// text returns what a key has in p. Safety: the key is of the layout's type, and is kept.
func (p part) text(key unsafe.Pointer) string {
	at := unsafe.Add(key, p.offset)
	if p.size == 0 {
		return *(*string)(at)
	}
	return unsafe.String((*byte)(at), p.size)
}

// Pack returns a copy of a key, or nil if that takes more than Max bytes: of each part the length and the bytes.
func (l *Layout) Pack(key unsafe.Pointer) unsafe.Pointer {
	size := 1 // So that no address is past the end, not even that of an empty part.
	for _, p := range l.parts {
		if size += 1 + len(p.text(key)); size > Max {
			return nil
		}
	}
	packed := make([]byte, max(size, leastSize))
	at := packed
	for _, p := range l.parts {
		s := p.text(key)
		at[0] = byte(len(s))
		at = at[1+copy(at[1:], s):]
	}
	return unsafe.Pointer(unsafe.SliceData(packed))
}

// Equal reports whether the packed key is equal to key. It keeps nothing of key.
func (l *Layout) Equal(packed, key unsafe.Pointer) bool {
	for _, p := range l.parts {
		s, n := p.text(key), *(*byte)(packed)
		if int(n) != len(s) || !Same(unsafe.Add(packed, 1), s) {
			return false
		}
		packed = unsafe.Add(packed, 1+uintptr(n))
	}
	return true
}

// Unpack makes the key at an address, which must be a zero value, equal to the packed one. Its strings are in
// the memory of that.
func (l *Layout) Unpack(packed, key unsafe.Pointer) {
	for _, p := range l.parts {
		s := unsafe.String((*byte)(unsafe.Add(packed, 1)), *(*byte)(packed))
		switch at := unsafe.Add(key, p.offset); {
		case p.size != 0:
			copy(unsafe.Slice((*byte)(at), p.size), s)
		case s != "":
			*(*string)(at) = s
		}
		packed = unsafe.Add(packed, 1+len(s))
	}
}

// Unpacked returns the address of a new key that is equal to the packed one.
func (l *Layout) Unpacked(packed unsafe.Pointer) unsafe.Pointer {
	key := reflect.New(l.of).UnsafePointer()
	l.Unpack(packed, key)
	return key
}

// Same reports whether the len(s) bytes at p are those of s. For the lengths that keys mostly
// have it is inlined.
func Same(p unsafe.Pointer, s string) bool {
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
