// Package weaktiny refers weakly to objects that may never be reported dead.
package weaktiny

import (
	"runtime"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

type empty struct{}

type small struct{ a, b int32 }

type nested struct {
	empty
	small
	n [1]uint16
}

type pointed struct{ p *int }

type large struct{ a, b int64 }

var (
	locks    weakmap.Map[string, sync.Mutex] // want `this Map refers weakly to objects of type sync\.Mutex, which may never be reported dead: it has 8 bytes and no pointers`
	zero     weakmap.Set[empty]              // want `this Set refers weakly to objects of type empty, which may never be reported dead: it has size zero`
	smalls   weakmap.KeyMap[small, string]   // want `this KeyMap refers weakly to objects of type small`
	nesteds  weakmap.Set[nested]             // want `nested, which may never be reported dead: it has 12 bytes`
	emptied  weakmap.Map[string, [0]*int]    // want `it has size zero`
	embedded struct{ weakmap.Set[bool] }     // want `this Set refers weakly to objects of type bool`
)

type alias = small

var aliased weakmap.Map[int, alias] // want `this Map refers weakly to objects of type alias`

var (
	pointers weakmap.Map[string, pointed]
	larges   weakmap.Map[string, large]
	strings  weakmap.Set[string]
	keys     weakmap.KeyMap[large, small]
	interned weakmap.Interner[small]
	anything weakmap.KeyMap[weakmap.Object, string]
)

type generic[V any] struct {
	values weakmap.Map[string, V]
	arrays weakmap.Set[[4]V]
}

func f(int) {}

func bad() weak.Pointer[int] {
	runtime.AddCleanup(new(small), f, 0)            // want `runtime\.AddCleanup is given a small that may never be reported dead: it has 8 bytes`
	runtime.SetFinalizer(&empty{}, func(*empty) {}) // want `runtime\.SetFinalizer is given a empty that may never be reported dead: it has size zero`
	weakmap.Finalize(new(sync.Mutex), f, 0)         // want `weakmap\.Finalize is given a sync\.Mutex`
	n := new(int)
	defer runtime.KeepAlive(n)
	var local uint16
	runtime.AddCleanup(&local, f, 0) // want `runtime\.AddCleanup is given a uint16`
	return weak.Make(n)              // want `weak\.Make is given a int that may never be reported dead`
}

type server struct {
	mu   sync.Mutex
	name string
}

func good(s *server, unknown *int, all []small) {
	weak.Make(&s.mu) // a part of a larger object
	weak.Make(unknown)
	weak.Make(&all[1])
	runtime.AddCleanup(new(large), f, 0)
	runtime.AddCleanup(&pointed{}, f, 0)
}

// sentinel takes the finalizer away again, which is no fault of its own.
func sentinel(done func()) func() {
	called := new(bool)
	runtime.SetFinalizer(called, func(*bool) { done() }) // want `runtime\.SetFinalizer is given a bool that may never be reported dead`
	return func() { runtime.SetFinalizer(called, nil) }
}

func parameter[T any]() {
	runtime.AddCleanup(new(T), f, 0)
}
