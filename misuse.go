package weakmap

import (
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
)

// What tells that a callback or its argument keeps alive what it waits for.
// Nobody can tell that in general. What can be told is whether an argument is a
// pointer into the object, and, since Go 1.26, whether a closure captured one:
// runtime.AddCleanup looks. It looks at its own function only, which is never
// the user's, so the user's is shown to it in a trial that is undone at once.

// vetArg panics if arg is a pointer into *ptr or holds one that can be found:
// a pointer, an interface or a slice.
func vetArg[T, A any](caller string, ptr *T, arg A) {
	switch t := reflect.TypeFor[A](); t.Kind() { // Most arguments are let go here, at little cost.
	case reflect.Pointer:
		from, object := *(*uintptr)(unsafe.Pointer(&arg)), uintptr(unsafe.Pointer(ptr))
		if from < object && object-from >= t.Elem().Size() || from > object && from-object >= unsafe.Sizeof(*ptr) {
			return // What vetReference would find too, in four times the time.
		}
		vetReference(caller, ptr, any(arg))
	case reflect.UnsafePointer, reflect.Interface, reflect.Slice:
		vetReference(caller, ptr, any(arg))
	case reflect.Func:
		if !reflect.ValueOf(arg).IsNil() {
			vetFunc(caller, "arg", ptr, arg)
		}
	}
}

func vetReference[T any](caller string, ptr *T, arg any) {
	v := reflect.ValueOf(arg)
	var size uintptr // how much of what arg points to is known to be one object
	switch v.Kind() {
	case reflect.Pointer:
		size = v.Type().Elem().Size()
	case reflect.UnsafePointer:
		size = 1
	case reflect.Slice:
		size = uintptr(v.Cap()) * v.Type().Elem().Size()
	default:
		return
	}
	same, _ := arg.(*T)
	from, object := v.Pointer(), uintptr(unsafe.Pointer(ptr))
	// Objects of size zero share one address, so only a pointer of the same type
	// says that the same is meant.
	if same == ptr || from < object+unsafe.Sizeof(*ptr) && object < from+size {
		panic("weakmap: " + caller + ": arg refers to ptr, so it would never be collected")
	}
}

// vetFunc panics if fn, which must be a function that is not nil, is a closure
// that captured a pointer into *ptr.
func vetFunc[T, F any](caller, name string, ptr *T, fn F) {
	code := **(**uintptr)(unsafe.Pointer(&fn)) // A function value points to the address of its code, then what it captured.
	if shouldTry(code, uintptr(unsafe.Pointer(ptr))) && captures(ptr, *(*func(*byte))(unsafe.Pointer(&fn))) {
		panic("weakmap: " + caller + ": " + name + " is a closure over ptr, so it would never be collected")
	}
}

// captures reports whether fn is a closure that captured a pointer into *ptr,
// by the runtime's judgement. fn need not be of the type it is passed as: since
// ptr is held until the cleanup is stopped, it is never called.
func captures[T any](ptr *T, fn func(*byte)) (captured bool) {
	defer runtime.KeepAlive(ptr)
	defer func() {
		if recover() != nil {
			captured = unsafe.Sizeof(*ptr) >= tinyBlock || capturesTiny(uintptr(unsafe.Pointer(ptr)), fn)
		}
	}()
	runtime.AddCleanup(ptr, fn, nil).Stop()
	return false
}

// tinyBlock is the size of the blocks in which the runtime keeps several small
// pointer-free objects.
const tinyBlock = 16

// capturesTiny tells the object at ptr from others in its tiny block, where
// captures has found that fn captured one of them. Hence the search has an end
// inside the closure.
func capturesTiny(ptr uintptr, fn func(*byte)) bool {
	block := ptr &^ (tinyBlock - 1)
	for word := *(*unsafe.Pointer)(unsafe.Pointer(&fn)); ; {
		word = unsafe.Add(word, unsafe.Sizeof(ptr))
		if captured := *(*uintptr)(word); captured >= block && captured < block+tinyBlock {
			return captured == ptr
		}
	}
}

// runtimeSeesClosures reports whether this runtime looks at closures at all.
var runtimeSeesClosures = sync.OnceValue(func() bool {
	ptr := new([tinyBlock]*byte)
	return captures(ptr, func(*byte) { ptr[0] = nil })
})

// trials are the functions that were tried of late, by the address of their
// code. A trial costs more than all the rest of Finalize, and what one closure
// captures the next one from the same line does too: so the first few are
// tried, and then one in trialEvery.
var trials [256]struct {
	code  atomic.Uintptr // Read and written without lock, as is count: losing a race costs a trial.
	count atomic.Uint32
}

const (
	trialsFirst = 64  // enough that a test of a program meets them; no evidence beyond that
	trialEvery  = 256 // makes a trial of 0.4 µs cost 2 ns per call
)

// shouldTry reports whether the function with this code is worth a trial on the
// object at ptr.
func shouldTry(code, ptr uintptr) bool {
	t := &trials[scatter(code)%uint64(len(trials))]
	if t.code.Load() != code {
		t.code.Store(code)
		t.count.Store(0)
	}
	if n := t.count.Load(); n < trialsFirst {
		t.count.Store(n + 1)
	} else if scatter(ptr)%trialEvery != 0 {
		return false
	}
	return runtimeSeesClosures()
}

// scatter spreads addresses over the low bits of its result.
func scatter(address uintptr) uint64 {
	return uint64(address) * 0x9e3779b97f4a7c15 >> 40
}
