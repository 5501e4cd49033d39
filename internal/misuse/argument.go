package misuse

import (
	"reflect"
	"sync"
	"unsafe"

	"github.com/go-weak/weakmap/internal/escape"
)

// This file finds out whether an argument refers to an object. It looks in the
// argument itself, in the structs, arrays and interfaces there, and behind one
// pointer or slice. What is in the argument belongs to the call. Other goroutines
// may be changing what is behind a pointer, so there single words are read and
// compared, and nothing is followed.

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

func awaitedAt[T any](caller string, ptr *T) awaited {
	return awaited{unsafe.Pointer(ptr), unsafe.Sizeof(*ptr), reflect.TypeFor[*T](), caller, looks}
}

// has reports whether address is one of o's.
func (o *awaited) has(address uintptr) bool { return address-uintptr(o.at) < o.size }

// Arg panics if arg refers to *ptr where that can be seen.
func Arg[T, A any](caller string, ptr *T, arg A) {
	if t := reflect.TypeFor[A](); mayRefer(t) { // Most arguments are let go here, at little cost.
		o := awaitedAt(caller, ptr)
		o.argument(t, escape.Hide(unsafe.Pointer(&arg)))
	}
}

// argument panics if the argument of type t at p refers to o. Nothing of it is kept.
func (o *awaited) argument(t reflect.Type, p unsafe.Pointer) {
	if t.Kind() == reflect.Interface {
		o.dynamic(reflect.NewAt(t, p).Elem().Elem())
		return
	}
	s := shapeOf(t)
	o.parts(p, s)
	if len(s.interfaces) > 0 {
		boxed := reflect.New(t)
		boxed.Elem().Set(reflect.NewAt(t, p).Elem())
		o.interfaces(boxed.UnsafePointer(), s)
	}
}

// mayRefer reports whether values of a type may refer to an object where this file
// looks for it.
func mayRefer(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Func, reflect.Slice, reflect.Interface, reflect.Struct, reflect.Array:
		return true
	}
	return false
}

// A shape says where values of a type have what may refer to an object: the first
// ones, as many as are looked at. It is immutable once it is made.
type shape struct {
	plain      []part
	interfaces []part
	words      []uintptr // the offset of the pointer in each of both
}

// A part is a pointer, function, slice or interface somewhere in structs and arrays.
type part struct {
	offset uintptr
	typ    reflect.Type
	kind   reflect.Kind
	size   uintptr   // of what a pointer or the elements of a slice are
	behind []uintptr // the offsets of the pointers there
}

var shapes sync.Map // of reflect.Type to *shape

func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := new(shape)
	s.add(t, 0, true)
	shapes.Store(t, s)
	return s
}

// add adds what is in a t at offset base, all of it or words only.
func (s *shape) add(t reflect.Type, base uintptr, all bool) {
	if len(s.words) == looks || !mayRefer(t) {
		return
	}
	p := part{offset: base, typ: t, kind: t.Kind(), size: 1}
	word := base
	switch p.kind {
	case reflect.Array:
		for i, n := 0, len(s.words); i < t.Len(); i++ {
			if s.add(t.Elem(), base+uintptr(i)*t.Elem().Size(), all); len(s.words) == n || len(s.words) == looks {
				return // There is nothing in an element, or enough.
			}
		}
		return
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			s.add(f.Type, base+f.Offset, all)
		}
		return
	case reflect.Pointer, reflect.Slice:
		if all {
			var behind shape
			behind.add(t.Elem(), 0, false)
			p.size, p.behind = t.Elem().Size(), behind.words
		}
	case reflect.Interface:
		word += unsafe.Sizeof(word) // after the type
	}
	s.words = append(s.words, word)
	switch {
	case !all:
	case p.kind == reflect.Interface:
		s.interfaces = append(s.interfaces, p)
	default:
		s.plain = append(s.plain, p)
	}
}

// parts panics if something in a value of shape s at p refers to o, except what
// is in interfaces. The value must not change during the call.
func (o *awaited) parts(p unsafe.Pointer, s *shape) {
	for i := range s.plain {
		part := &s.plain[i]
		at := unsafe.Add(p, part.offset)
		to := *(*unsafe.Pointer)(at)
		if o.left--; to == nil || o.left < 0 {
			continue
		}
		switch part.kind {
		case reflect.Func:
			o.function("arg", to)
		case reflect.Slice:
			header := *(*[]struct{})(at) // whatever the type of the elements
			o.span(to, uintptr(cap(header))*part.size)
			o.words(to, len(header), part)
		default:
			// Objects of size zero share one address: only the type tells whether it is the same one.
			if o.size == 0 && to == o.at && part.typ == o.typ {
				o.refuse()
			}
			o.span(to, part.size)
			o.words(to, 1, part)
		}
	}
}

// interfaces is parts for what is in interfaces.
func (o *awaited) interfaces(p unsafe.Pointer, s *shape) {
	for _, part := range s.interfaces {
		if o.left--; o.left < 0 {
			return
		}
		o.dynamic(reflect.NewAt(part.typ, unsafe.Add(p, part.offset)).Elem().Elem())
	}
}

// dynamic panics if v, which is in an interface, refers to o.
func (o *awaited) dynamic(v reflect.Value) {
	if !v.IsValid() || !mayRefer(v.Type()) {
		return
	}
	s := shapeOf(v.Type())
	switch v.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Func: // These are stored in the interface itself.
		held := v.Interface()
		o.parts(unsafe.Pointer(&(*[2]unsafe.Pointer)(unsafe.Pointer(&held))[1]), s)
	default:
		if len(s.words) > 0 {
			boxed := reflect.New(v.Type())
			boxed.Elem().Set(v)
			o.parts(boxed.UnsafePointer(), s)
			o.interfaces(boxed.UnsafePointer(), s)
		}
	}
}

// span panics if the object of size bytes at p is o, or a part of it, or o a part of that.
func (o *awaited) span(p unsafe.Pointer, size uintptr) {
	from, at := uintptr(p), uintptr(o.at)
	if from < at+o.size && at < from+max(size, 1) {
		o.refuse()
	}
}

// words panics if one of n values at p, of the type behind the part, has a pointer into o.
func (o *awaited) words(p unsafe.Pointer, n int, behind *part) {
	for i := 0; i < n && len(behind.behind) > 0; i++ {
		for _, offset := range behind.behind {
			if o.left--; o.left < 0 {
				return
			}
			if o.has(loadWord(unsafe.Add(p, uintptr(i)*behind.size+offset))) {
				o.refuse()
			}
		}
	}
}

// refuse panics.
func (o *awaited) refuse() {
	panic("weakmap: " + o.caller + ": arg refers to ptr, so it would never be collected")
}

// loadWord reads a word that others may be writing. The value may be an old one;
// what it points to is not touched.
//
//go:norace
func loadWord(p unsafe.Pointer) uintptr { return *(*uintptr)(p) }
