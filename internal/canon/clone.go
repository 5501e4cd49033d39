// Package canon makes canonical values: copies in objects of their own.
package canon

import (
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"github.com/go-weak/weakmap/internal/escape"
)

// A Cloner makes canonical values of type T.
type Cloner[T comparable] struct {
	once    sync.Once
	strings []uintptr  // the offsets of strings in a T. Written by once.
	stocks  *sync.Pool // of T, or of roomy[T] where that is tiny. Written by once. Apart from the cloner, because the runtime keeps pools.
}

func (c *Cloner[T]) prepare() {
	c.once.Do(func() {
		c.strings = stringsIn(nil, reflect.TypeFor[T](), 0)
		c.stocks = new(sync.Pool)
	})
}

// Clone returns a pointer to a copy of value, with strings of their own, in an
// object of its own.
func (c *Cloner[T]) Clone(value T) *T {
	c.prepare()
	// Safety: a T of the size of a string with a string in it is a string, or one in a struct or an array.
	if len(c.strings) == 1 && unsafe.Sizeof(value) == unsafe.Sizeof("") {
		if s := boxString(*(*string)(unsafe.Pointer(&value))); s != nil {
			return (*T)(unsafe.Pointer(s))
		}
	}
	return c.Box(c.Own(value))
}

// Own returns value with strings of its own. To the compiler, nothing of the argument is in
// the result except what is not a string: the strings of value may be on the caller's stack.
func (c *Cloner[T]) Own(value T) T {
	c.prepare()
	escape.RevealAddresses(value) // All but the strings is kept.
	own := *(*T)(escape.Hide(unsafe.Pointer(&value)))
	for _, offset := range c.strings {
		s := (*string)(unsafe.Add(unsafe.Pointer(&own), offset))
		*s = strings.Clone(*s)
	}
	return own
}

// Box returns a pointer to value in an object of its own.
func (c *Cloner[T]) Box(value T) *T {
	c.prepare()
	if unsafe.Sizeof(value) < tinySize {
		b := fromStock[roomy[T]](c.stocks)
		b.value = value
		return &b.value
	}
	b := fromStock[T](c.stocks)
	*b = value
	return b
}

// stringsIn appends the offsets of the strings in a t at offset base.
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

// View returns the bytes of b as a string without copying them. It must
// not be kept.
func View(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
