// Package misuse detects that a callback or its argument keeps alive what it waits for.
// That is not possible in general. It is possible if an argument leads to the object
// in a step or two (argument.go), and, since Go 1.26, if a closure captured a pointer
// to it: runtime.AddCleanup checks that. It checks only the function that it is given,
// which is never the user's, so the user's is given to it in a trial that is undone at
// once.
package misuse

import (
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Func panics if fn, which must be a function that is not nil, is a closure
// that captured a pointer to what ptr points to.
func Func[T, F any](caller, name string, ptr *T, fn F) {
	o := awaitedAt(caller, ptr)
	o.function(name, *(*unsafe.Pointer)(unsafe.Pointer(&fn)))
}

// function panics if fn is a closure that captured a pointer into o. A function
// value points to the address of its code, and then what it captured.
func (o *awaited) function(name string, fn unsafe.Pointer) {
	if shouldTry(fn, o) && o.capturedBy(fn) {
		panic("weakmap: " + o.caller + ": " + name + " is a closure over ptr, so it would never be collected")
	}
}

// How panics of runtime.AddCleanup begin, from Go 1.26 on.
const (
	closesOver = "runtime.AddCleanup: cleanup function closes over ptr"
	withinArg  = "runtime.AddCleanup: ptr is within arg"
	notGos     = "runtime.AddCleanup: ptr not in allocated block"
)

// refusal returns the text of the panic with which runtime.AddCleanup refuses f
// and arg for the object at p; it is empty, and the cleanup stopped, if there was
// none. The caller holds the object.
func refusal[A any](p unsafe.Pointer, f func(A), arg A) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprint(r)
		}
	}()
	runtime.AddCleanup((*byte)(p), f, arg).Stop()
	return ""
}

// capturedBy reports whether fn is a closure that captured a pointer into o, by
// the runtime's judgment. fn need not be of the type it is passed as: since o is
// held until the cleanup is stopped, it is never called. If the runtime refuses the
// object itself, that is not the closure's fault.
func (o *awaited) capturedBy(fn unsafe.Pointer) bool {
	defer runtime.KeepAlive(o.at)
	if !strings.HasPrefix(refusal(o.at, *(*func(*byte))(unsafe.Pointer(&fn)), nil), closesOver) {
		return false
	}
	return o.size >= tinyBlock || !o.isTiny() || o.capturedAsTiny(fn)
}

// tinyBlock is the size of the blocks in which the runtime keeps several small
// pointer-free objects.
const tinyBlock = 16

// isTiny reports whether o may share a block with others, which the runtime does
// not tell from it. It tells them apart in an argument: only there it allows a
// pointer to another place of the block.
func (o *awaited) isTiny() bool {
	besides := unsafe.Add(o.at, 1-2*int(uintptr(o.at)&1)) // in the same word
	return !strings.HasPrefix(refusal(o.at, func(unsafe.Pointer) {}, besides), withinArg)
}

// capturedAsTiny tells o from others in its tiny block, where the runtime has
// found that fn captured one of them. So the search ends inside the closure. If fn
// captured several, the first one counts.
func (o *awaited) capturedAsTiny(fn unsafe.Pointer) bool {
	block := uintptr(o.at) &^ (tinyBlock - 1)
	for word := fn; ; {
		word = unsafe.Add(word, int(unsafe.Sizeof(uintptr(0))))
		if captured := *(*uintptr)(word); captured >= block && captured < block+tinyBlock {
			return o.has(captured)
		}
	}
}

// runtimeSeesClosures reports whether this runtime looks at closures at all.
var runtimeSeesClosures = sync.OnceValue(func() bool {
	ptr := new([tinyBlock]*byte)
	o := awaitedAt("", ptr)
	fn := func(*byte) { ptr[0] = nil }
	return o.capturedBy(*(*unsafe.Pointer)(unsafe.Pointer(&fn)))
})

// lines are those that were tried recently, each a function literal, a method value
// or the like, for objects of one type: what one closure captures, the next one from
// the same line captures too. A trial costs as much as all the rest of Finalize, so
// each is tried the first time, and after that in tests only. If two lines share a
// place, each is tried again after the other has been.
var lines [1 << 12]atomic.Uint64 // Read and written without lock: losing a race costs a trial.

// isNone marks a line whose function is not a closure.
const isNone = 1

// inTest reports whether the program is a test binary. Asking package testing for
// that would make every program larger by a twentieth.
var inTest = isTest(os.Args)

func isTest(args []string) bool {
	for i, arg := range args {
		if i == 0 && strings.HasSuffix(strings.TrimSuffix(arg, ".exe"), ".test") || i > 0 && strings.HasPrefix(arg, "-test.") {
			return true
		}
	}
	return false
}

// shouldTry reports whether fn is to be tried on o, and notes that it is.
func shouldTry(fn unsafe.Pointer, o *awaited) bool {
	if !runtimeSeesClosures() {
		return false
	}
	kind := uint64(uintptr((*[2]unsafe.Pointer)(unsafe.Pointer(&o.typ))[1])) // the address of the type
	line := (bits.RotateLeft64(kind*0x9e3779b97f4a7c15, 32)^uint64(*(*uintptr)(fn)))*0x9e3779b97f4a7c15 | isNone
	place := &lines[line>>(64-12)]
	switch place.Load() {
	case line:
		return false
	case line - isNone:
		return inTest
	}
	if inTest && strings.HasPrefix(refusal(fn, func(int) {}, 0), notGos) { // It is in the program's text.
		place.Store(line)
		return false
	}
	place.Store(line - isNone)
	return true
}
