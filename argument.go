package weakmap

import (
	"reflect"
	"sync"
	"unsafe"
)

// What tells that an argument refers to an object. It is looked for in the argument
// itself, in the structs, arrays and interfaces there, and behind one pointer or
// slice. What is in the argument belongs to the call. What is behind a pointer
// others may be changing, so there single words are read and compared, and
// nothing is followed.

// looks is how many words at most one call looks at, so that it takes no longer
// for a large argument.
const looks = 64

// An awaited is the object that a callback is to wait for.
type awaited struct {
	at     unsafe.Pointer
	size   uintptr
	typ    reflect.Type // of the pointer to it
	caller string       // for what to panic with
	left   int          // looks
}

func objectAt[T any](caller string, ptr *T) awaited {
	return awaited{unsafe.Pointer(ptr), unsafe.Sizeof(*ptr), reflect.TypeFor[*T](), caller, looks}
}

// kind identifies the type of o.
func (o *awaited) kind() uintptr {
	return uintptr((*[2]unsafe.Pointer)(unsafe.Pointer(&o.typ))[1])
}

// has reports whether address is one of o's.
func (o *awaited) has(address uintptr) bool { return address-uintptr(o.at) < o.size }

func (o *awaited) panics() {
	panic("weakmap: " + o.caller + ": arg refers to ptr, so it would never be collected")
}

// vetArg panics if arg refers to *ptr where that can be seen.
func vetArg[T, A any](caller string, ptr *T, arg A) {
	t := reflect.TypeFor[A]()
	switch t.Kind() { // Most arguments are let go here, at little cost.
	case reflect.Pointer, reflect.UnsafePointer, reflect.Func, reflect.Slice, reflect.Interface, reflect.Struct, reflect.Array:
	default:
		return
	}
	o := objectAt(caller, ptr)
	switch t.Kind() {
	case reflect.Interface:
		o.value(reflect.ValueOf(any(arg)))
	case reflect.Struct, reflect.Array:
		if s := shapeOf(t); s != nil {
			boxed := new(A)
			*boxed = arg
			o.parts(unsafe.Pointer(boxed), s)
		}
	default:
		o.part(unsafe.Pointer(&arg), t)
	}
}

// A shape says where values of a type have what may refer to an object: the first
// ones, as many as are looked at.
type shape struct {
	parts []part
	words []uintptr // the offset of the pointer in each part
}

// A part is a pointer, function, slice or interface somewhere in structs and arrays.
type part struct {
	offset uintptr
	typ    reflect.Type
}

var shapes sync.Map // of reflect.Type to *shape

// shapeOf returns the shape of t, or nil if nothing there can refer to an object.
func shapeOf(t reflect.Type) *shape {
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Func, reflect.Slice, reflect.Interface, reflect.Struct, reflect.Array:
	default:
		return nil
	}
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := new(shape)
	if s.add(t, 0); len(s.parts) == 0 {
		s = nil
	}
	shapes.Store(t, s)
	return s
}

// add adds the parts of a t that stands at base.
func (s *shape) add(t reflect.Type, base uintptr) {
	if len(s.parts) == looks {
		return
	}
	word := base
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Func, reflect.Slice:
	case reflect.Interface:
		word += uintptr(ptrSize) // after the type
	case reflect.Array:
		if elem := t.Elem(); shapeOf(elem) != nil {
			for i := range min(t.Len(), looks) {
				s.add(elem, base+uintptr(i)*elem.Size())
			}
		}
		return
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			s.add(f.Type, base+f.Offset)
		}
		return
	default:
		return
	}
	s.parts = append(s.parts, part{base, t})
	s.words = append(s.words, word)
}

// parts panics if a value of shape s at p refers to o. It must not change meanwhile.
func (o *awaited) parts(p unsafe.Pointer, s *shape) {
	for _, part := range s.parts {
		at := unsafe.Add(p, part.offset)
		if part.typ.Kind() == reflect.Interface {
			o.value(reflect.NewAt(part.typ, at).Elem().Elem())
		} else {
			o.part(at, part.typ)
		}
	}
}

// part panics if a pointer, function or slice at p refers to o. It must not change
// meanwhile.
func (o *awaited) part(p unsafe.Pointer, t reflect.Type) {
	to := *(*unsafe.Pointer)(p)
	if o.left--; to == nil || o.left < 0 {
		return
	}
	switch t.Kind() {
	case reflect.UnsafePointer:
		o.span(to, 1)
	case reflect.Func:
		o.function("arg", to)
	case reflect.Pointer:
		elem := t.Elem()
		if o.size == 0 && t == o.typ && to == o.at {
			o.panics() // Objects of size zero share one address: only the type says that the same is meant.
		}
		o.span(to, elem.Size())
		o.words(to, 1, elem)
	case reflect.Slice:
		header, elem := *(*[]struct{})(p), t.Elem() // Of the header, the type of the elements is no part.
		o.span(to, uintptr(cap(header))*elem.Size())
		o.words(to, len(header), elem)
	}
}

// value is part for what an interface holds.
func (o *awaited) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Func:
		held := v.Interface()
		o.part(unsafe.Pointer(&(*[2]unsafe.Pointer)(unsafe.Pointer(&held))[1]), v.Type())
	case reflect.Slice, reflect.Struct, reflect.Array:
		if s := shapeOf(v.Type()); s != nil {
			boxed := reflect.New(v.Type())
			boxed.Elem().Set(v)
			o.parts(boxed.UnsafePointer(), s)
		}
	}
}

// span panics if the object of size bytes at p is o, or a part of it, or o a part of that.
func (o *awaited) span(p unsafe.Pointer, size uintptr) {
	from, at := uintptr(p), uintptr(o.at)
	if from < at+o.size && at < from+max(size, 1) {
		o.panics()
	}
}

// words panics if one of n values of type t at p has a pointer into o.
func (o *awaited) words(p unsafe.Pointer, n int, t reflect.Type) {
	s := shapeOf(t)
	if s == nil {
		return
	}
	for i := 0; i < n && o.left > 0; i++ {
		for _, offset := range s.words {
			if o.left--; o.left < 0 {
				return
			}
			if o.has(loadWord(unsafe.Add(p, uintptr(i)*t.Size()+offset))) {
				o.panics()
			}
		}
	}
}

// loadWord reads a word that others may be writing. The value may be an old one;
// what it points to is not touched.
//
//go:norace
func loadWord(p unsafe.Pointer) uintptr { return *(*uintptr)(p) }
