// Package weakcapture gives cleanups the object that they wait for.
package weakcapture

import (
	"runtime"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

type file struct {
	fd    int
	buf   [64]byte
	inner inner
	next  *file
	log   *inner
}

type inner struct{ n int }

func (i *inner) reset(int) {}

func (f *file) close(int)   {}
func (f *file) closeNow()   {}
func (f *file) open() *file { return f }
func (f file) show(int)     {}

type closing struct {
	file *file
	fd   int
}

func closeFD(int)           {}
func closeIt(closing)       {}
func closeAt(*closing)      {}
func closeByte(*byte)       {}
func closeBytes([]byte)     {}
func closeAny(any)          {}
func closeFunc(func())      {}
func closeAll([]*file)      {}
func closeU(uintptr)        {}
func closeP(unsafe.Pointer) {}

func bad(f *file) {
	runtime.AddCleanup(f, func(int) { closeFD(f.fd) }, 0)       // want `the function given to runtime\.AddCleanup captures f: the object is never collected`
	runtime.AddCleanup(f, f.close, 0)                           // want `the function given to runtime\.AddCleanup is a method value of f`
	runtime.AddCleanup(f, f.inner.reset, 0)                     // want `is a method value of f`
	runtime.AddCleanup(f, closeIt, closing{file: f})            // want `the argument given to runtime\.AddCleanup holds f`
	runtime.AddCleanup(f, closeAt, &closing{f, 1})              // want `the argument given to runtime\.AddCleanup holds f`
	runtime.AddCleanup(f, closeByte, &f.buf[1])                 // want `the argument given to runtime\.AddCleanup points into f`
	runtime.AddCleanup(f, closeBytes, f.buf[:])                 // want `points into f`
	runtime.AddCleanup(f, closeAny, any(f))                     // want `is f`
	runtime.AddCleanup(f, closeP, unsafe.Pointer(f))            // want `is f`
	runtime.AddCleanup(f, closeAll, []*file{f})                 // want `holds f`
	runtime.AddCleanup(f, closeFunc, func() { f.closeNow() })   // want `the argument given to runtime\.AddCleanup captures f`
	runtime.AddCleanup(f, closeFunc, f.closeNow)                // want `is a method value of f`
	runtime.AddCleanup(&f.inner, func(int) { f.closeNow() }, 0) // want `captures f`
	runtime.SetFinalizer(f, func(*file) { f.closeNow() })       // want `the function given to runtime\.SetFinalizer captures f`
	weakmap.Finalize(f, f.close, 0)                             // want `the function given to weakmap\.Finalize is a method value of f`
	weakmap.Finalize(f, closeIt, closing{f, 1})                 // want `the argument given to weakmap\.Finalize holds f`
	_ = weakmap.NewRef(f, f.closeNow)                           // want `the function given to weakmap\.NewRef is a method value of f`
	_ = weakmap.NewRef(f, func() { println(f.fd) })             // want `captures f`
	_ = weakmap.Bind(f, func(*file, int) { f.closeNow() })      // want `the function given to weakmap\.Bind captures f`
}

func throughVariables(f *file) {
	cleanup := func(int) { f.closeNow() }
	runtime.AddCleanup(f, cleanup, 0) // want `the function given to runtime\.AddCleanup holds f`

	again := f
	runtime.AddCleanup(f, func(int) { again.closeNow() }, 0) // want `captures again, which is f`

	runtime.AddCleanup(again, func(int) { f.closeNow() }, 0) // want `captures f, which holds again|captures again|captures f`

	args := closing{file: f}
	runtime.AddCleanup(f, closeIt, args) // want `the argument given to runtime\.AddCleanup holds f`

	var value file
	pointer := &value
	runtime.AddCleanup(pointer, func(int) { println(value.fd) }, 0) // want `captures value`
	runtime.AddCleanup(&value, func(int) { pointer.closeNow() }, 0) // want `captures pointer, which points into value`
}

// Generics, aliases and embedded fields.

type box[T any] struct{ value T }

func (b *box[T]) drop(int) {}

func newBox[T any](v T) *box[T] {
	b := &box[T]{v}
	runtime.AddCleanup(b, b.drop, 0)                    // want `is a method value of b`
	runtime.AddCleanup(b, func(int) { _ = b.value }, 0) // want `captures b`
	return b
}

type alias = file

func throughAlias(f *alias) {
	runtime.AddCleanup(f, func(int) { f.closeNow() }, 0) // want `captures f`
}

type embedding struct{ file }

type pointing struct{ *file }

func embedded(e *embedding, p *pointing) {
	runtime.AddCleanup(e, e.close, 0)       // want `is a method value of e`
	runtime.AddCleanup(&e.file, e.close, 0) // want `is a method value of e`
	runtime.AddCleanup(p, p.close, 0)       // holds what p points to, not p
}

func good(f *file) {
	runtime.AddCleanup(f, closeFD, f.fd)
	runtime.AddCleanup(f, func(fd int) { closeFD(fd) }, f.fd)
	fd := f.fd
	runtime.AddCleanup(f, func(int) { closeFD(fd) }, 0)
	runtime.AddCleanup(f, f.show, 0) // a copy
	runtime.AddCleanup(f, f.log.reset, 0)
	runtime.AddCleanup(f, closeU, uintptr(unsafe.Pointer(f)))
	runtime.AddCleanup(f, closeU, unsafe.Sizeof(*f))
	runtime.AddCleanup(f, func(int) { println(unsafe.Sizeof(*f)) }, 0)
	runtime.AddCleanup(f.next, func(int) { f.closeNow() }, 0) // f.next may be another one by then
	w := weak.Make(f)
	runtime.AddCleanup(f, func(int) { println(w.Value() == nil) }, 0)
	runtime.AddCleanup(f, func(w weak.Pointer[file]) {}, w)
	runtime.SetFinalizer(f, func(f *file) { f.closeNow() })
	runtime.SetFinalizer(f, (*file).closeNow)
	runtime.SetFinalizer(f, nil)
	_ = weakmap.Bind(f, (*file).close)
	weakmap.Finalize(f, closeFD, f.fd)

	let := &file{}
	runtime.AddCleanup(let, func(int) { println(let == nil) }, 0)
	let = nil

	runtime.AddCleanup(f, func(int) {
		f := &file{}
		f.closeNow()
	}, 0)
}
