//go:build weakmapsched

package seam

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// The seam with the build tag weakmapsched. While a schedule is installed, one of its
// goroutines runs at a time, and it decides at each moment marked by Interleave, before each
// lock is taken, and where a goroutine has to wait, which one goes on. It also decides when
// objects die. While none is installed, everything is as without the tag.

// Schedule is the schedule that is installed, or nil. Written only while no other goroutine
// uses the engine; a schedule has the engine for itself.
var Schedule Scheduler

// A Scheduler decides in place of the collector and the scheduler of the runtime.
type Scheduler interface {
	// Yield lets others run, and returns when ready, if that is not nil, says so.
	Yield(at string, ready func() bool)
	// Make returns the word of the object at p: where the schedule keeps that object's life, from
	// its making to its death. Afterwards its address may be another object's, which has another
	// word. The lowest bit of a word is 0, and the byte after it belongs to the same life.
	Make(p unsafe.Pointer) unsafe.Pointer
	// Value returns where the object of a word is, or nil when it is dead. The goroutine that has
	// looked at it while it lived holds it, unless it came to ToAsk last.
	Value(word unsafe.Pointer) unsafe.Pointer
	// Strong is told of a pointer, not nil, that the goroutine which runs holds from here on. It
	// may be a word, or the address after one: these hold nothing.
	Strong(p unsafe.Pointer)
	// AddCleanup has f run when the object at p has died, unless it was stopped.
	AddCleanup(p unsafe.Pointer, f func()) Cleanup
	// Submit has f run by one more goroutine of the schedule.
	Submit(f func())
}

func Make(p unsafe.Pointer) unsafe.Pointer {
	if Schedule != nil {
		return Schedule.Make(p)
	}
	w := weak.Make((*byte)(p))
	return *(*unsafe.Pointer)(unsafe.Pointer(&w))
}

func Value(word unsafe.Pointer) unsafe.Pointer {
	switch {
	case word == nil:
		return nil
	case Schedule != nil:
		return Schedule.Value(word)
	}
	return unsafe.Pointer((*(*weak.Pointer[byte])(unsafe.Pointer(&word))).Value())
}

type Cleanup = interface{ Stop() }

func AddCleanup[T any](p unsafe.Pointer, f func(T), arg T) Cleanup {
	if Schedule != nil {
		return Schedule.AddCleanup(p, func() { f(arg) })
	}
	return runtime.AddCleanup((*byte)(p), f, arg)
}

// WhenGone does nothing in a schedule: its tables outlive it.
func WhenGone[T, A any](t *T, f func(A), arg A) {
	if Schedule == nil {
		runtime.AddCleanup(t, f, arg)
	}
}

// A Mutex gives way to the others of its schedule before it is taken.
type Mutex struct{ real sync.Mutex }

func (m *Mutex) Lock() {
	if Schedule != nil {
		Schedule.Yield("lock", m.isFree)
	}
	m.real.Lock()
}

func (m *Mutex) TryLock() bool {
	Interleave("try to lock")
	return m.real.TryLock()
}

func (m *Mutex) Unlock() { m.real.Unlock() }

func (m *Mutex) isFree() bool {
	free := m.real.TryLock()
	if free {
		m.real.Unlock()
	}
	return free
}

func Interleave(at string) {
	if Schedule != nil {
		Schedule.Yield(at, nil)
	}
}

func Strong(p unsafe.Pointer) unsafe.Pointer {
	if Schedule != nil && p != nil {
		Schedule.Strong(p)
	}
	return p
}

const ToAsk = "to ask"

// Controlled says whether schedules are: then each run of one does the same, whatever keys hash to.
const Controlled = true

func Await(done <-chan struct{}) { AwaitEither(done, nil) }

func AwaitEither(done, leaves <-chan struct{}) {
	if Schedule != nil {
		Schedule.Yield("await", func() bool {
			select {
			case <-done:
				return true
			case <-leaves:
				return true
			default:
				return false
			}
		})
	}
	select {
	case <-done:
	case <-leaves:
	}
}

func Spawn(f func()) {
	if Schedule != nil {
		Schedule.Submit(f)
		return
	}
	go f()
}

func Submit(f func(), chore func(func())) {
	if Schedule != nil {
		Schedule.Submit(f)
		return
	}
	chore(f)
}

// Collections counts its calls while a schedule is installed: objects may have died since the
// last one, and have not been announced.
func Collections(ended func() uint64) uint64 {
	if Schedule != nil {
		return calls.Add(1)
	}
	return ended()
}

// calls begins far beyond what a schedule announces.
var calls atomic.Uint64

func init() { calls.Store(1 << 20) }
