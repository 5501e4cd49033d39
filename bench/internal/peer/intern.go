package peer

import (
	"strings"
	"sync"
	"unique"

	"github.com/go-weak/weakmap"
)

// An Interner gives equal values one canonical form, a pointer or a handle, which stays the
// same as long as something holds it. Both fields are safe for concurrent use.
type Interner[T comparable] struct {
	Intern func(value T) any
	Value  func(canonical any) T
}

// Interners returns the participants that make values canonical.
func Interners[T comparable]() []Participant[Interner[T]] {
	return []Participant[Interner[T]]{
		{"weakmap", Weak, libraryInterner[T](weakmap.PerCycle)},
		{"weakmap-pervalue", Weak, libraryInterner[T](weakmap.PerValue)},
		{"unique", Weak, uniqueInterner[T]},
		{"syncmap", Weak, syncInterner[T]},
		{"strong-syncmap", Strong, strongInterner[T]},
		{"none", Nothing, noInterner[T]},
	}
}

func libraryInterner[T comparable](reclaim weakmap.Reclaim) func(int) Interner[T] {
	return func(int) Interner[T] {
		in := &weakmap.Interner[T]{Config: weakmap.Config{Reclaim: reclaim}}
		return Interner[T]{
			Intern: func(value T) any { return in.Intern(value) },
			Value:  pointed[T],
		}
	}
}

// uniqueInterner uses the one table that the standard library has for the whole process.
func uniqueInterner[T comparable](int) Interner[T] {
	return Interner[T]{
		Intern: func(value T) any { return unique.Make(value) },
		Value:  func(canonical any) T { return canonical.(unique.Handle[T]).Value() },
	}
}

// syncInterner is the weak cache that is written by hand, keyed by the value itself. Its keys
// share the bytes of the canonical value.
func syncInterner[T comparable](int) Interner[T] {
	c := newSyncCache[T, T]()
	return Interner[T]{
		Intern: func(value T) any {
			return c.loadOrMake(value, func() (T, *T) {
				made := new(T)
				*made = cloned(value)
				return *made, made
			})
		},
		Value: pointed[T],
	}
}

func strongInterner[T comparable](int) Interner[T] {
	var m sync.Map
	return Interner[T]{
		Intern: func(value T) any {
			if canonical, ok := m.Load(value); ok {
				return canonical
			}
			made := new(T)
			*made = cloned(value)
			canonical, _ := m.LoadOrStore(*made, made)
			return canonical
		},
		Value: pointed[T],
	}
}

// noInterner copies: nothing is canonical.
func noInterner[T comparable](int) Interner[T] {
	return Interner[T]{
		Intern: func(value T) any {
			made := new(T)
			*made = cloned(value)
			return made
		},
		Value: pointed[T],
	}
}

func pointed[T comparable](canonical any) T { return *canonical.(*T) }

// cloned returns a value that does not share the bytes of a string with what it was cut from.
func cloned[T comparable](value T) T {
	if s, ok := any(value).(string); ok {
		return any(strings.Clone(s)).(T)
	}
	return value
}
