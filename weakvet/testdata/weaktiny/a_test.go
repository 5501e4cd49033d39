package weaktiny

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap"
)

// A loop that ends when one of its objects has died.
func TestSomeDie(t *testing.T) {
	var died atomic.Int32
	for died.Load() == 0 {
		p := new(int)
		runtime.AddCleanup(p, func(int) { died.Add(1) }, 0)
		runtime.AddCleanup(new(int), func(int) { died.Add(1) }, 0)
		runtime.GC()
	}
}

func TestAllDie(t *testing.T) {
	var died atomic.Int32
	for i := 0; i < 10; i++ {
		runtime.AddCleanup(new(int), func(int) { died.Add(1) }, 0) // want `runtime\.AddCleanup is given a int that may never be reported dead`
	}
	for range 10 {
		runtime.SetFinalizer(new(int), func(*int) { died.Add(1) }) // want `runtime\.SetFinalizer is given a int`
	}
	once := new(int)
	for died.Load() < 20 {
		runtime.AddCleanup(once, func(int) { died.Add(1) }, 0) // want `runtime\.AddCleanup is given a int`
		func() {
			runtime.AddCleanup(new(int), func(int) { died.Add(1) }, 0) // want `runtime\.AddCleanup is given a int`
		}()
		runtime.GC()
	}
}

var seen weakmap.Set[int]
