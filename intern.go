package weakmap

import (
	"iter"
	"reflect"
	"unsafe"

	"github.com/go-weak/weakmap/internal/canon"
)

// An Interner returns one canonical pointer for all equal values, so that they
// take memory once and can be compared by comparing pointers. It holds canonical
// values weakly: when the canonical pointer is no longer held, the value goes. A copy
// of a canonical string may keep it too, since short ones share an object with
// their bytes.
//
// The zero Interner is empty and ready to use. An Interner must not be copied
// after first use. All methods may be called by any number of goroutines at
// once; Intern, InternBytes and Lookup of a value that is there take no lock. In
// the terminology of the Go memory model, the call that makes a canonical value
// synchronizes before any call that returns it, so all callers may read what it
// points to.
//
// What a canonical pointer points to must not be modified. Canonical values of
// every size die, tiny and pointer-free ones too. A value that is not equal to
// itself, such as a NaN, gets a new pointer each time. A value whose dynamic
// type cannot be hashed panics as in a built-in map.
//
// Fields are settings: set them before the first use, never after.
type Interner[T comparable] struct {
	Config Config

	// Hash replaces the built-in hash. It must return the same for values that
	// are equal, and must not keep its argument, whose strings may be on the
	// stack of the caller or, with [InternBytes], be written to later; nor may it
	// convert it to an interface, as [Map.Hash] says.
	Hash func(T) uint64 `json:"-" xml:"-"`

	// Clone makes the canonical value from the first of its kind. If it is nil,
	// strings are cloned wherever they are in T, including named types, fields and
	// array elements, so that a substring does not keep what it was cut from;
	// everything else is copied. A result that is not equal to the argument panics.
	// The argument's strings are copies already, so Clone may keep them.
	Clone func(T) T `json:"-" xml:"-"`

	core   core
	cloner canon.Cloner[T]
}

func (in *Interner[T]) open() *table {
	return in.core.open(func() options { return internerOptions(in.Config, in.Hash) })
}

func internerOptions[T comparable](config Config, hash func(T) uint64) options {
	class := copies
	if reflect.TypeFor[T]().Kind() == reflect.String {
		class = copiedTexts
	}
	return options{config: config, keys: keyingOf(class, hash)}
}

// find returns the canonical pointer of the value at p, which it does not keep, or nil.
func (in *Interner[T]) find(p unsafe.Pointer) *T {
	return (*T)(in.core.load(p, in.Config.Stats, keysOf[T]{}))
}

// Intern returns the canonical pointer of value. As long as the canonical pointer
// of an equal value is held, it returns that one.
func (in *Interner[T]) Intern(value T) *T {
	if canonical := in.find(unsafe.Pointer(&value)); canonical != nil {
		return canonical
	}
	if in.Clone != nil {
		return in.insert(in.cloner.Box(cloned(in.Clone, in.cloner.Own(value))))
	}
	return in.insert(in.cloner.Clone(value))
}

// InternBytes returns the canonical pointer of string(b). It allocates nothing if
// there is one already.
func InternBytes(in *Interner[string], b []byte) *string {
	view := canon.View(b)
	if canonical := in.find(unsafe.Pointer(&view)); canonical != nil {
		return canonical
	}
	if in.Clone != nil {
		return in.insert(in.cloner.Box(cloned(in.Clone, string(b))))
	}
	return in.insert(in.cloner.Clone(canon.View(b)))
}

// cloned returns what clone makes of value.
func cloned[T comparable](clone func(T) T, value T) T {
	c := clone(value)
	if c != value && value == value {
		panic("weakmap: Interner.Clone returned a value that is not equal to its argument")
	}
	return c
}

// insert publishes canonical, or returns an equal value that was published first.
func (in *Interner[T]) insert(canonical *T) *T {
	t := in.open()
	p := unsafe.Pointer(canonical)
	if old, inserted := t.insert(t.keys.at(p), bound{referent: p}, ifAbsent); !inserted {
		return (*T)(old.referent)
	}
	return canonical
}

// Lookup returns the canonical pointer of value if there is one. It does not make one.
func (in *Interner[T]) Lookup(value T) (canonical *T, ok bool) {
	canonical = in.find(unsafe.Pointer(&value))
	return canonical, canonical != nil
}

// All returns an iterator over the canonical pointers, in no particular order. No
// lock is held while it yields, and the body may use the Interner. No pointer comes
// twice.
func (in *Interner[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		in.core.all(func(e listed) bool { return yield((*T)(e.referent)) })
	}
}

// Clear forgets all canonical values. Those that are still held stay as they
// are, but equal values get other pointers from then on.
func (in *Interner[T]) Clear() { in.core.clear() }

// Len returns the number of entries. It may include some whose value has died but
// that are not removed yet.
func (in *Interner[T]) Len() int { return in.core.length() }

// Reap removes the entries of values found dead by the collections so far, and
// returns how many it removed. It runs no collection.
func (in *Interner[T]) Reap() (removed int) { return in.core.reap() }

// Stats returns the counts of the Interner.
func (in *Interner[T]) Stats() Stats { return in.core.stats() }
