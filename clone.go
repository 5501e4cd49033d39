package weakmap

import (
	"hash/maphash"
	"reflect"
	"strings"
	"sync"
	"unsafe"
)

// A cloner makes canonical values of type T.
type cloner[T comparable] struct {
	once    sync.Once
	strings []uintptr  // where in a T strings stand. Written by once.
	stocks  *sync.Pool // of T, or of roomy[T] where that is tiny. Written by once. Apart from the cloner, because the runtime keeps pools.
}

func (c *cloner[T]) prepare() {
	c.once.Do(func() {
		c.strings = stringsIn(nil, reflect.TypeFor[T](), 0)
		c.stocks = new(sync.Pool)
	})
}

// clone returns a pointer to a copy of value, with strings of their own, in an
// object of its own.
func (c *cloner[T]) clone(value T) *T {
	c.prepare()
	if len(c.strings) == 1 && unsafe.Sizeof(value) == unsafe.Sizeof("") {
		if s := boxString(*(*string)(unsafe.Pointer(&value))); s != nil {
			return (*T)(unsafe.Pointer(s))
		}
	}
	return c.box(c.own(value))
}

// own returns value with strings of its own. To the compiler nothing of the argument is
// in the result but what is no string: that of value may be on the caller's stack.
func (c *cloner[T]) own(value T) T {
	c.prepare()
	if reveal {
		// This puts on the heap what value refers to, strings excepted: an address on
		// a stack has no hash.
		maphash.Comparable(comparableSeed, value)
	}
	own := *(*T)(hidden(unsafe.Pointer(&value)))
	for _, offset := range c.strings {
		s := (*string)(unsafe.Add(unsafe.Pointer(&own), offset))
		*s = strings.Clone(*s)
	}
	return own
}

// reveal is false, and the compiler does not know.
var reveal bool

// box returns a pointer to value in an object of its own.
func (c *cloner[T]) box(value T) *T {
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

// stringView returns the bytes of b as a string without copying them. It must
// not be kept.
func stringView(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}
