package weakmap

import (
	"fmt"
	"reflect"
	"runtime"
)

// An Object stands for an object of any type: [ObjectOf] returns an *Object for a
// pointer, map or channel. It is for a [KeyMap] or [Set] that has keys or elements of
// several types, and for [NewRef] and [Finalize] where the type is not known:
//
//	var labels weakmap.KeyMap[weakmap.Object, string] // of any objects
//	labels.Store(weakmap.ObjectOf(x), "a label")
//
// An *Object holds its object, as every pointer to it does. It is the object's address and
// nothing else: pointers to one address give the same *Object, whatever their types. So a
// struct and its first field are one object, as are an array and its first element; to tell
// them apart, give the struct another field in front. Neither an *Object nor what is stored
// under it tells the type that it was made from.
//
// Objects of size zero may all be one object, and never die. Pointer-free ones of less
// than 16 bytes are distinct, but share memory with others and may live on for them. The
// object of a map or channel is what the runtime has allocated for it: it dies when the last
// copy of the map or channel value is gone.
type Object struct {
	_ byte // so that it has an address of its own and fits into every object
}

// ObjectOf returns the object that a pointer, a map, a channel or an [unsafe.Pointer]
// refers to. It allocates nothing. It panics for nil, for a nil pointer, map or channel of
// any type, and for any other kind of value: a function, slice or string has no identity.
// It panics too for a [reflect.Type] and a [runtime.Func], most of which no collection finds.
func ObjectOf(pointer any) *Object {
	switch pointer.(type) {
	case reflect.Type, *runtime.Func:
		panic(fmt.Sprintf("weakmap: ObjectOf: %T is no object of the heap", pointer))
	}
	v := reflect.ValueOf(pointer)
	switch v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.UnsafePointer:
		if p := v.UnsafePointer(); p != nil {
			return (*Object)(p)
		}
		panic("weakmap: ObjectOf: nil " + v.Type().String())
	case reflect.Invalid:
		panic("weakmap: ObjectOf: nil")
	}
	panic("weakmap: ObjectOf: " + v.Type().String() + " is no pointer, map, channel or unsafe.Pointer")
}
