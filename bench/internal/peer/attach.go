package peer

import (
	"runtime"
	"sync/atomic"

	"github.com/go-weak/weakmap"
)

// An Attacher has a function called when an object is gone. Both fields are safe for concurrent
// use.
type Attacher[T any] struct {
	Attach func(object *T)
	Called func() int // how many objects' functions have been called
}

// Attachers returns the participants that call back. The two functions of the runtime give less:
// they cannot be called early, asked, or run at exit.
func Attachers[T any]() []Participant[Attacher[T]] {
	return []Participant[Attacher[T]]{
		{"weakmap", Weak, counting(func(object *T, calls *atomic.Int64) {
			weakmap.Finalize(object, count, calls)
		})},
		{"addcleanup", Weak, counting(func(object *T, calls *atomic.Int64) {
			runtime.AddCleanup(object, count, calls)
		})},
		{"setfinalizer", Weak, counting(func(object *T, calls *atomic.Int64) {
			runtime.SetFinalizer(object, func(*T) { calls.Add(1) })
		})},
	}
}

func count(calls *atomic.Int64) { calls.Add(1) }

func counting[T any](attach func(*T, *atomic.Int64)) func(int) Attacher[T] {
	return func(int) Attacher[T] {
		calls := new(atomic.Int64)
		return Attacher[T]{
			Attach: func(object *T) { attach(object, calls) },
			Called: func() int { return int(calls.Load()) },
		}
	}
}
