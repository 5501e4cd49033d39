package weakmap

import (
	"reflect"
	"strings"
	"sync"
	"unsafe"
)

// A cloner copies values of type T with strings of their own.
type cloner[T any] struct {
	once    sync.Once
	strings []uintptr // where in a T strings stand. Written by once.
}

// box returns a pointer to a copy of value, with strings of their own, in an
// object of its own.
func (c *cloner[T]) box(value T) *T {
	c.once.Do(func() { c.strings = stringsIn(nil, reflect.TypeFor[T](), 0) })
	if len(c.strings) == 1 && unsafe.Sizeof(value) == unsafe.Sizeof("") {
		if s := boxString(*(*string)(unsafe.Pointer(&value))); s != nil {
			return (*T)(unsafe.Pointer(s))
		}
	}
	for _, offset := range c.strings {
		s := (*string)(unsafe.Add(unsafe.Pointer(&value), offset))
		*s = strings.Clone(*s)
	}
	return box(value)
}

// boxString returns a pointer to a copy of s that stands in one object with its
// bytes, or nil if s is too long for that to be worth its while. It takes one
// allocation instead of two, and less memory; above all, larger objects have
// fewer neighbors: to make a weak pointer the runtime walks a list of those that
// have one, which among string headers alone takes longer than all else that
// Intern does.
func boxString(s string) *string {
	switch (len(s) + 15) / 16 {
	case 1:
		return boxBytes[[16]byte](s)
	case 2:
		return boxBytes[[32]byte](s)
	case 3:
		return boxBytes[[48]byte](s)
	case 4:
		return boxBytes[[64]byte](s)
	case 5:
		return boxBytes[[80]byte](s)
	case 6:
		return boxBytes[[96]byte](s)
	case 7:
		return boxBytes[[112]byte](s)
	}
	return nil
}

// boxBytes is boxString for strings for which an array of type B has room.
func boxBytes[B any](s string) *string {
	b := new(struct {
		header string
		bytes  B
	})
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&b.bytes)), unsafe.Sizeof(b.bytes))
	b.header = unsafe.String(&bytes[0], copy(bytes, s))
	return &b.header
}

// stringsIn appends the offsets of the strings in a t that stands at base.
func stringsIn(offsets []uintptr, t reflect.Type, base uintptr) []uintptr {
	switch t.Kind() {
	case reflect.String:
		return append(offsets, base)
	case reflect.Array:
		for i := range t.Len() {
			offsets = stringsIn(offsets, t.Elem(), base+uintptr(i)*t.Elem().Size())
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			offsets = stringsIn(offsets, f.Type, base+f.Offset)
		}
	}
	return offsets
}

// tinySize is the size up to which the runtime puts several pointer-free objects
// into one block, where one keeps all alive.
const tinySize = 16

// box returns a pointer to a copy of value in an object of its own.
func box[T any](value T) *T {
	if unsafe.Sizeof(value) >= tinySize {
		return &value
	}
	// An object with a pointer in it is not tiny.
	b := new(struct {
		value T
		_     *byte
	})
	b.value = value
	return &b.value
}

// stringView returns the bytes of b as a string without copying them. It must
// not be kept.
func stringView(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
