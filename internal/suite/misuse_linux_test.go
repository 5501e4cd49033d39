package suite

import (
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// TestFinalizeOnForeignMemory: on memory that Go did not allocate it panics and says so, whatever
// the size of the type and whatever fn captured. It accuses no closure, and reads nothing but it.
func TestFinalizeOnForeignMemory(t *testing.T) {
	memory, err := syscall.Mmap(-1, 0, 1<<16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skip(err)
	}
	defer syscall.Munmap(memory)
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	foreign := unsafe.Pointer(&memory[64])
	other := new(thing)
	for range 10 {
		for name, f := range map[string]func(){
			"byte":       func() { weakmap.Finalize((*byte)(foreign), func(int) { other.small = 1 }, 0) },
			"int32":      func() { weakmap.Finalize((*int32)(foreign), func(int) { other.small = 1 }, 0) },
			"int64":      func() { weakmap.Finalize((*int64)(foreign), func(int) { other.small = 1 }, 0) },
			"no closure": func() { weakmap.Finalize((*int32)(foreign), ignore[int], 0) },
			"a closure over it": func() {
				p := (*int32)(foreign)
				weakmap.Finalize(p, func(int) { *p = 1 }, 0)
			},
			"a large type": func() { weakmap.Finalize((*[64]byte)(foreign), func(int) { other.small = 1 }, 0) },
		} {
			got := gctest.PanicText(f)
			if !strings.HasPrefix(got, "weakmap: Finalize: ") || !strings.Contains(got, "not in allocated block") {
				t.Fatalf("%s: panic %q, want one that says that it is no memory of Go's", name, got)
			}
		}
	}
}
