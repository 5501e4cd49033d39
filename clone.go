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

func (c *cloner[T]) clone(value T) T {
	c.once.Do(func() { c.strings = stringsIn(nil, reflect.TypeFor[T](), 0) })
	for _, offset := range c.strings {
		s := (*string)(unsafe.Add(unsafe.Pointer(&value), offset))
		*s = strings.Clone(*s)
	}
	return value
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
