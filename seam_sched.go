//go:build weakmapsched

package weakmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// The seam with the build tag weakmapsched. While a schedule is installed, one of
// its goroutines runs at a time, and it decides at each moment marked by
// interleave, before each lock is taken, and where a goroutine has to wait, who
// goes on. It also decides when objects die. While none is installed, everything
// is as without the tag.

// schedule is the schedule that is installed, or nil. Written only while no other
// goroutine uses the engine; a schedule has the engine for itself.
var schedule scheduler

type scheduler interface {
	// yield lets others run, and returns when ready, if that is not nil, says so.
	yield(at string, ready func() bool)
	// refer returns the life of the object at p.
	refer(p unsafe.Pointer) life
	// submit has f run by one more goroutine of the schedule.
	submit(f func())
}

// A life is that of an object from its making to its death. Afterwards its address
// may be another object's, which has a life of its own.
type life interface {
	// address is where the object is, or nil when it is dead. Who has looked at
	// it while it lived holds it, unless he came to toAsk last.
	address() unsafe.Pointer
	// atDeath has f run when the object has died, unless it was stopped.
	atDeath(f func()) cleanup
}

type reference[P any] = interface{ Value() *P }

// A mortal is a reference within a schedule. Those to one object turn nil together.
type mortal[P any] struct{ life }

func (m mortal[P]) Value() *P { return (*P)(m.address()) }

func refer[P any](p *P) reference[P] {
	if schedule == nil {
		return weak.Make(p)
	}
	return mortal[P]{schedule.refer(unsafe.Pointer(p))}
}

type cleanup = interface{ Stop() }

func addCleanup[P, T any](p *P, f func(T), arg T) cleanup {
	if schedule == nil {
		return runtime.AddCleanup(p, f, arg)
	}
	return schedule.refer(unsafe.Pointer(p)).atDeath(func() { f(arg) })
}

// whenGone does nothing in a schedule: its tables outlive it.
func whenGone[T, A any](t *T, f func(A), arg A) {
	if schedule == nil {
		runtime.AddCleanup(t, f, arg)
	}
}

// A mutex gives way to the others of its schedule while it is held.
type mutex struct{ real sync.Mutex }

func (m *mutex) Lock() {
	if schedule == nil {
		m.real.Lock()
		return
	}
	schedule.yield("lock", m.isFree)
	m.real.Lock()
}

func (m *mutex) TryLock() bool {
	interleave("try to lock")
	return m.real.TryLock()
}

func (m *mutex) Unlock() { m.real.Unlock() }

func (m *mutex) isFree() bool {
	free := m.real.TryLock()
	if free {
		m.real.Unlock()
	}
	return free
}

func await(done <-chan struct{}) { awaitEither(done, nil) }

func awaitEither(done, leaves <-chan struct{}) {
	if schedule != nil {
		schedule.yield("await", func() bool {
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

func spawn(f func()) {
	if schedule == nil {
		go f()
		return
	}
	schedule.submit(f)
}

func submit(f func()) {
	if schedule == nil {
		callbacks.chore(f)
		return
	}
	schedule.submit(f)
}

func interleave(at string) {
	if schedule != nil {
		schedule.yield(at, nil)
	}
}

func strong[P any](p *P) *P {
	if schedule != nil && p != nil {
		schedule.refer(unsafe.Pointer(p)).address()
	}
	return p
}

// collections counts its calls while a schedule is installed: objects may have died
// since the last one, and nobody has announced it.
func collections() uint64 {
	if schedule != nil {
		return calls.Add(1)
	}
	return collectionsEnded()
}

var calls atomic.Uint64
