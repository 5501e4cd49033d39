package weakmap

import (
	"iter"
	"math"
	"strings"
	"unsafe"

	"github.com/go-weak/weakmap/internal/canon"
)

// Strings gives equal strings the same bytes, so that they take memory once. It is like an
// [Interner] of strings, but without a pointer that must be held: an entry lives as long as
// any string that shares its bytes, even a substring. When none is held any more, the entry
// goes.
//
// The zero Strings is empty and ready to use. It must not be copied after first use. All methods
// may be called by any number of goroutines at once; Intern, InternBytes and Lookup of a string
// that is there take no lock and allocate nothing. In the terminology of the Go memory model, the
// call that makes a string synchronizes before any call that returns it.
//
// A string takes as much memory as it has bytes, and at least 16. The empty string is returned as
// it is and has no entry; a string of 4 GiB or more is copied each time.
//
// Set Config before the first use, never after.
type Strings struct {
	Config Config

	core core
}

func (s *Strings) open() *table {
	return s.core.open(func() options { return options{config: s.Config, keys: keyingOf[string](contents, nil)} })
}

// find returns the interned string that equals v, if there is one.
func (s *Strings) find(v string) (interned string, ok bool) {
	p := s.core.load(unsafe.Pointer(&v), s.Config.Stats, keysOf[string]{})
	if p == nil {
		return "", false
	}
	return unsafe.String((*byte)(p), len(v)), true
}

// Intern returns the interned string that equals v. If there is none, it interns a copy of v; v
// itself is never kept.
func (s *Strings) Intern(v string) string {
	if v == "" || uint64(len(v)) > math.MaxUint32 {
		return strings.Clone(v)
	}
	if interned, ok := s.find(v); ok {
		return interned
	}
	return s.insert(v)
}

// InternBytes is Intern(string(b)). It allocates nothing if the string is there already, and
// keeps nothing of b.
func (s *Strings) InternBytes(b []byte) string { return s.Intern(canon.View(b)) }

// insert publishes a copy of v, or returns an equal string that was published first.
func (s *Strings) insert(v string) string {
	p := canon.Bytes(v)
	k := key{at: p, n: uintptr(len(v))}
	if old, inserted := s.open().insert(k, bound{referent: p}, ifAbsent); !inserted {
		p = old.referent
	}
	return unsafe.String((*byte)(p), len(v))
}

// Lookup returns the interned string that equals v, if there is one. It does not make one. The
// empty string is always there.
func (s *Strings) Lookup(v string) (interned string, ok bool) {
	if v == "" {
		return "", true
	}
	return s.find(v)
}

// All returns an iterator over the strings, in no particular order. No lock is held while it
// yields, and the body may use the Strings. No string comes twice.
func (s *Strings) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		s.core.all(func(e listed) bool { return yield(unsafe.String((*byte)(e.referent), e.bits>>32)) })
	}
}

// Clear forgets all strings. Those that are still held stay as they are, but equal ones get
// other bytes from then on.
func (s *Strings) Clear() { s.core.clear() }

// Len returns the number of entries. It may include some whose string has died but that are not
// removed yet.
func (s *Strings) Len() int { return s.core.length() }

// Reap removes the entries of strings found dead by the collections so far, and returns how many
// it removed. It runs no collection.
func (s *Strings) Reap() (removed int) { return s.core.reap() }

// Stats returns the counts of the Strings.
func (s *Strings) Stats() Stats { return s.core.stats() }
