package weakmap

import (
	"hash/maphash"
	"sync"
	"unsafe"

	"github.com/go-weak/weakmap/internal/escape"
	"github.com/go-weak/weakmap/internal/seam"
)

// A Hasher says which values are the same. [maphash.Hasher] of Go 1.27 has the
// same methods, so its implementations can be used.
//
// Equal reports whether x and y are the same. It must be an equivalence relation.
// Hash writes to the hash what values that are the same have in common, and the more
// of it, the better: two values with equal hashes have to be compared. What Hash
// writes, and what Equal says, must not change while a value is in a container.
//
// A container calls both on the caller's goroutine, at any time, concurrently, with
// no lock held, and only for objects that are reachable. They may panic: the panic
// goes to the caller and leaves the container as it was. They may use any container;
// if they change the one that calls them, it may call them again. They must keep
// neither the hash nor the values, nor, while they run, convert the values to an
// interface, as calls of fmt and encoding/json do: those of a lookup may be on the stack
// of its caller, and what is on the heap must not refer to that.
type Hasher[T any] interface {
	Hash(*maphash.Hash, T)
	Equal(x, y T) bool
}

// ByValue returns a Hasher of pointers that applies h to what they point to. It
// panics if h is nil.
func ByValue[T any](h Hasher[T]) Hasher[*T] {
	if h == nil {
		panic("weakmap: ByValue: nil Hasher")
	}
	return byValue[T]{h}
}

type byValue[T any] struct{ of Hasher[T] }

func (b byValue[T]) Hash(h *maphash.Hash, p *T) { b.of.Hash(h, *p) }
func (b byValue[T]) Equal(x, y *T) bool         { return b.of.Equal(*x, *y) }

// Comparable returns a Hasher by which pointers are the same if what they point to
// is equal by ==. It hashes with [maphash.WriteComparable], and like that panics if a
// value holds an interface whose dynamic type is not comparable. A value that is not
// equal to itself, such as a NaN, is not the same as any.
func Comparable[T comparable]() Hasher[*T] { return comparableBy[T]{} }

type comparableBy[T comparable] struct{}

func (comparableBy[T]) Hash(h *maphash.Hash, p *T) { maphash.WriteComparable(h, *p) }
func (comparableBy[T]) Equal(x, y *T) bool         { return *x == *y }

// keyingBy returns the keying of objects that h compares, or that are compared by identity if h
// is nil.
func keyingBy[T any](h Hasher[*T]) keying {
	if h == nil {
		return keying{class: objects, keyFunctions: &noFunctions}
	}
	return keying{class: alikes, keyFunctions: &keyFunctions{
		hash:  func(at unsafe.Pointer, s maphash.Seed) uint64 { return hashBy(h, (*T)(at), s) },
		equal: func(a, b unsafe.Pointer) bool { return h.Equal((*T)(a), (*T)(b)) },
	}}
}

// hashStates pools *maphash.Hash. A Hasher's methods are called through an interface, so what they
// get is on the heap.
var hashStates = sync.Pool{New: func() any { return new(maphash.Hash) }}

// hashBy returns the hash of x. If h panics, the state is not used again: it may be kept.
func hashBy[T any](h Hasher[*T], x *T, seed maphash.Seed) uint64 {
	state := hashStates.Get().(*maphash.Hash)
	state.SetSeed(seed)
	h.Hash(state, x)
	sum := state.Sum64()
	hashStates.Put(state)
	return sum
}

// A paired value is one of a KeyMap with a Hasher. It has the word of its key beside it, since a
// replacement may change both: readers reach both through one address, and so see them together.
type paired[V any] struct {
	value V              // first: the address of one is that of the other
	word  unsafe.Pointer // Safety: all values of a KeyMap with a Hasher are made by newPaired, so this one stands wordAfter bytes further.
}

// newPaired returns the address of a new paired value. prepare adds the word.
func newPaired[V any](value V) *V { return &(&paired[V]{value: value}).value }

func wordAfter[V any]() uintptr { return unsafe.Offsetof(paired[V]{}.word) }

// verdicts are what a Hasher has said of the objects that a writer met. It is asked before a lock
// is taken, and cannot be asked under it.
type verdicts struct {
	same   unsafe.Pointer              // an object that is the same as the writer's
	others map[unsafe.Pointer]struct{} // those that are not. They are all held, so that no other object can have the address of one.
}

// of returns the verdict on an object: alive if it is the same, or alike if there is none.
func (v *verdicts) of(object unsafe.Pointer) verdict {
	if object == v.same {
		return alive
	}
	if _, ok := v.others[object]; ok {
		return other
	}
	return alike
}

func (v *verdicts) note(object unsafe.Pointer, same bool) {
	if same {
		v.same = object
		return
	}
	if v.others == nil {
		v.others = make(map[unsafe.Pointer]struct{})
	}
	v.others[object] = struct{}{}
}

// same reports whether a live object is the same as k, which is of class alikes. With v it asks
// only if v does not know, and notes what it was told. Must be called with no lock held.
func (t *table) same(object unsafe.Pointer, k key, v *verdicts) bool {
	if v != nil {
		if is := v.of(object); is != alike {
			return is == alive
		}
	}
	same := t.keys.equal(object, escape.Hide(k.at))
	if v != nil {
		v.note(object, same)
	}
	return same
}

// judge asks the Hasher about all that is alike to k in l, as far as v does not know. It reports
// false if it must be asked again. n is what was prepared, or nil: it is undone if the Hasher
// panics. Must be called with no lock held.
func (t *table) judge(l *layout, h uint32, k key, v *verdicts, n *fresh) bool {
	asked := false
	defer func() {
		if !asked && n != nil {
			t.release(n)
		}
	}()
	_, is := t.probe(l, h, k, v)
	asked = true
	seam.Interleave("judged")
	return is != torn
}
