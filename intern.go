package weakmap

import (
	"iter"
	"runtime"
	"weak"
)

// An Interner gives out one canonical pointer for all equal values, so that they
// take memory once and are compared by comparing pointers. It holds canonical
// values weakly: when no canonical pointer is held any more, the value goes. A copy
// of a canonical string may keep it too, since short ones share an object with
// their bytes.
//
// The zero Interner is empty and ready to use. An Interner must not be copied
// after first use. All methods may be called by any number of goroutines at
// once; for a value that is there they take no lock.
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
	// stack of the caller or, with [InternBytes], be written to later.
	Hash func(T) uint64 `json:"-" xml:"-"`

	// Clone makes the canonical value from the first of its kind. If it is nil,
	// strings are cloned wherever they stand in T, named types, fields and array
	// elements too, so that a substring does not keep what it was cut from;
	// everything else is copied. The result must be equal to the argument. The
	// strings of that are copies already, so Clone may keep them.
	Clone func(T) T `json:"-" xml:"-"`

	core   core[T, T, struct{}]
	cloner cloner[T]
}

func (in *Interner[T]) open() *table[T, T, struct{}] {
	return in.core.open(func() options[T, struct{}] {
		return options[T, struct{}]{config: in.Config, identity: byContent, hash: in.Hash}
	})
}

// Intern returns the canonical pointer of value. As long as any canonical
// pointer of an equal value is held, it returns that one.
func (in *Interner[T]) Intern(value T) *T {
	if _, canonical := in.core.find(value, in.Config.Stats); canonical != nil {
		return canonical
	}
	if in.Clone != nil {
		return in.insert(in.cloner.box(in.Clone(in.cloner.own(value))))
	}
	return in.insert(in.cloner.clone(value))
}

// InternBytes returns the canonical pointer of the string that b holds. It
// allocates nothing if that is there already.
func InternBytes(in *Interner[string], b []byte) *string {
	if _, canonical := in.core.find(stringView(b), in.Config.Stats); canonical != nil {
		return canonical
	}
	if in.Clone != nil {
		return in.insert(in.cloner.box(in.Clone(string(b))))
	}
	return in.insert(in.cloner.clone(stringView(b)))
}

// insert makes canonical what its name says unless an equal one has become so meanwhile.
func (in *Interner[T]) insert(canonical *T) *T {
	value := *canonical
	t := in.open()
	e := t.newEntry(value, canonical, weak.Pointer[T]{}, struct{}{})
	_, bound, inserted := in.core.update(value, e, func(_ *entry[T, struct{}], bound *T) bool { return bound == nil })
	if !inserted {
		t.discard(e)
	}
	runtime.KeepAlive(canonical)
	if inserted {
		return canonical
	}
	return bound
}

// Lookup returns the canonical pointer of value if there is one, and makes none.
func (in *Interner[T]) Lookup(value T) (canonical *T, ok bool) {
	_, canonical = in.core.find(value, in.Config.Stats)
	return canonical, canonical != nil
}

// All returns an iterator over the canonical pointers, in no particular order. No
// lock is held while it yields, and the body may use the Interner. None comes
// twice.
func (in *Interner[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		in.core.all(func(_ *entry[T, struct{}], canonical *T) bool { return yield(canonical) })
	}
}

// Clear forgets all canonical values. Those that are still held stay as they
// are, but equal values get other pointers from now on.
func (in *Interner[T]) Clear() { in.core.clear() }

// Len returns the number of entries. That may include some whose value has died
// and that are not removed yet.
func (in *Interner[T]) Len() int { return in.core.length() }

// Reap removes the entries of values found dead by the collections so far, and
// returns how many it removed. It runs no collection.
func (in *Interner[T]) Reap() (removed int) { return in.core.reap() }

// Stats returns the counts of the Interner.
func (in *Interner[T]) Stats() Stats { return in.core.stats() }
