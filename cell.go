package weakmap

import (
	"context"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/seam"
)

// A Cell holds one value weakly: a [Map] with one key, in 24 bytes at most. It is for
// something that can be made again at some cost, such as a sorted copy, an index
// or an encoded document, and that stays only as long as it is in use.
//
// The zero Cell is empty and ready to use. A Cell must not be copied after first use.
// All methods may be called by any number of goroutines at once; Load takes no lock. In
// the terminology of the Go memory model, a call that stores a value synchronizes before
// any call that returns it.
//
// A dead value is never returned. To keep a value, hold the pointer that a method
// returned. While nothing is being computed, a Cell has only the runtime's weak
// pointer on the heap.
type Cell[T any] struct {
	word    unsafe.Pointer // of the weak pointer: see package seam. Accessed atomically; written by storeIfAbsent with flights.mu held.
	flights flights
}

// Load returns the value. It misses only if, at some moment during the call, the Cell was
// empty or its value was unreachable. It allocates nothing.
func (c *Cell[T]) Load() (value *T, ok bool) {
	value, _ = c.read()
	return value, value != nil
}

// read returns the value, or nil, and the word in which it found that.
func (c *Cell[T]) read() (value *T, word unsafe.Pointer) {
	for {
		word := atomic.LoadPointer(&c.word)
		seam.Interleave("word read")
		if value := seam.Value(word); value != nil {
			return (*T)(value), word
		}
		// Dead, but if it was replaced by a live value since it was read, this is no miss.
		// The word of a dead value is never that of another one.
		if atomic.LoadPointer(&c.word) == word {
			return nil, word
		}
	}
}

// Store puts value in the Cell. A nil value panics.
func (c *Cell[T]) Store(value *T) {
	mustBeValue(unsafe.Pointer(value))
	atomic.StorePointer(&c.word, seam.Make(unsafe.Pointer(value)))
	runtime.KeepAlive(value)
}

// LoadOrCompute returns the value, or else calls compute and stores what it returns. At
// most one computation runs at a time: other callers wait for it and get the same
// pointer. Of those that get one, loaded is false only for the one whose value was
// stored.
//
// No lock is held while compute runs, and it may use the Cell. But calling LoadOrCompute
// of the Cell from inside its own compute waits forever, as do loads that wait for each
// other in a cycle; with the build tag weakmapcheck that panics. In a bubble of
// testing/synctest, a call does not wait for a computation in another bubble: it computes
// itself, and what is stored first wins.
//
// An error of compute is returned to its caller and to those that waited, and nothing is
// stored. If it returns nil and no error, that error is [ErrNilValue]. A panic or
// [runtime.Goexit] in compute goes to its caller, and one of those that waited computes
// instead. A value that another call stores while compute runs wins, even over an error,
// and all callers get it.
//
// [Cell.Clear] cuts off a computation that is running. What it returns goes to its caller,
// with loaded false, and to those that were waiting, with loaded true, whatever is stored
// later; it is not stored itself. Calls that begin after Clear has returned start a
// computation of their own.
func (c *Cell[T]) LoadOrCompute(compute func() (*T, error)) (actual *T, loaded bool, err error) {
	if actual, loaded = c.Load(); loaded {
		return actual, true, nil
	}
	p, loaded, err := c.flights.do(struct{}{}, request{
		lookup: func() (unsafe.Pointer, bool) {
			v, ok := c.Load()
			return unsafe.Pointer(v), ok
		},
		compute: func(context.Context) (unsafe.Pointer, error) {
			v, err := compute()
			return unsafe.Pointer(v), err
		},
		store: c.storeIfAbsent,
	})
	return (*T)(p), loaded, err
}

// storeIfAbsent stores value if there is none and unless is not set, and returns what is
// there, or value. It does so under the lock that guards setting unless, so that what Clear
// has cut off is not stored after it: see flights.
func (c *Cell[T]) storeIfAbsent(value unsafe.Pointer, unless *atomic.Bool) (actual unsafe.Pointer, loaded bool) {
	defer runtime.KeepAlive(value)
	fresh := seam.Make(value)
	c.flights.mu.Lock()
	defer c.flights.mu.Unlock()
	for !unless.Load() {
		bound, word := c.read()
		if bound != nil {
			return unsafe.Pointer(bound), true
		}
		if atomic.CompareAndSwapPointer(&c.word, word, fresh) {
			break
		}
	}
	return value, false
}

// Clear empties the Cell. It cuts off a computation, as [Cell.LoadOrCompute] says.
func (c *Cell[T]) Clear() {
	c.flights.cutOffAll()
	seam.Interleave("cut off")
	atomic.StorePointer(&c.word, nil)
}

// GobEncode encodes nothing. With [Cell.GobDecode] it lets [encoding/gob] encode and
// decode a struct that has a Cell in an exported field. A struct that embeds a Cell and
// encodes other fields by gob needs methods of its own, or these are promoted to it.
func (c *Cell[T]) GobEncode() ([]byte, error) { return nil, nil }

// GobDecode leaves the Cell as it is.
func (c *Cell[T]) GobDecode([]byte) error { return nil }
