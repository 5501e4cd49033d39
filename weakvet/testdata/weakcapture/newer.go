package weakcapture

import "github.com/go-weak/weakmap"

func badObject(f *file, m map[string]int) {
	weakmap.Finalize(weakmap.ObjectOf(f), f.close, 0)                        // want `the function given to weakmap\.Finalize is a method value of f`
	weakmap.Finalize(weakmap.ObjectOf(m), func(int) { clear(m) }, 0)         // want `captures m`
	_ = weakmap.NewRef(weakmap.ObjectOf(f), func() { println(f.fd) })        // want `captures f`
	weakmap.Finalize(f, func(o *weakmap.Object) {}, weakmap.ObjectOf(f))     // want `the argument given to weakmap\.Finalize is f`
	weakmap.Finalize(f, func(o *weakmap.Object) {}, weakmap.ObjectOf(&f.fd)) // want `the argument given to weakmap\.Finalize points into f`

	o := weakmap.ObjectOf(f)
	weakmap.Finalize(o, func(int) { f.closeNow() }, 0) // want `captures f`
	_ = weakmap.NewRef(f, func() { println(o) })       // want `captures o, which is f`
}

func goodObject(f *file) {
	weakmap.Finalize(weakmap.ObjectOf(f), closeFD, f.fd)
	weakmap.Finalize(weakmap.ObjectOf(f), func(*weakmap.Object) {}, weakmap.ObjectOf(f.log))
	log := f.log
	_ = weakmap.NewRef(weakmap.ObjectOf(f), func() { log.reset(0) })
}
