package weakmap

import (
	"iter"
	"runtime"
	"unsafe"

	"github.com/go-weak/weakmap/internal/escape"
)

// A Set is a concurrent set of objects, compared by identity or by a [Hasher], and
// held weakly: when the garbage collector finds an element dead, it leaves the set.
// Python calls it a WeakSet. With a Hasher it has one of all objects that are the
// same, the first that was added, and [Set.LoadOrAdd] makes objects canonical:
//
//	same := weakmap.Set[Schema]{Hasher: byFields{}}
//	schema, _ = same.LoadOrAdd(schema) // one object of each content, as long as it is held
//
// The zero Set is empty and ready to use. A Set must not be copied after first
// use. All methods may be called by any number of goroutines at once; Contains
// takes no lock and leaves no trace on the element. In the terminology of the Go
// memory model, a call that adds an element synchronizes before any call that
// finds it. What [KeyMap] says of small and global keys, and of lookups by equal
// ones, holds for elements too.
//
// T should not be an interface: the element would be the variable that Add got the
// address of, not what that holds.
//
// Fields are settings: set them before the first use, never after.
type Set[T any] struct {
	Config Config

	// Hasher says which elements are the same. If it is nil, an element is the same
	// only as itself. [ByValue] and [Comparable] compare what elements point to.
	Hasher Hasher[*T] `json:"-" xml:"-"`

	core core
}

func (s *Set[T]) open() *table {
	return s.core.open(func() options { return options{config: s.Config, keys: keyingBy(s.Hasher)} })
}

// Add adds elem, and reports whether it did: if elem, or with a Hasher one that is
// the same, is there already, it returns false. The Set keeps elem alive only if
// Config says so: code that adds an object and then waits must use it afterwards, for
// instance by [runtime.KeepAlive]. To have an element leave at once, such as a
// connection that was closed, call Remove: the collector takes until its next run. A
// nil elem panics.
func (s *Set[T]) Add(elem *T) (added bool) {
	_, found := s.loadOrAdd(elem)
	return !found
}

// LoadOrAdd returns the member that is the same as elem, or else adds elem and
// returns that. loaded tells which. Without a Hasher it returns elem. Hold what it
// returns: the Set keeps it alive only if Config says so. A call that finds a member takes no
// lock and allocates nothing. A nil elem panics.
func (s *Set[T]) LoadOrAdd(elem *T) (member *T, loaded bool) {
	if s.Config.Stats && elem != nil {
		if member, loaded = s.Load(elem); loaded { // It counts, and sees whether one has died.
			return member, true
		}
	}
	return s.loadOrAdd(elem)
}

// loadOrAdd is LoadOrAdd without counting.
func (s *Set[T]) loadOrAdd(elem *T) (member *T, loaded bool) {
	if elem == nil {
		panic("weakmap: nil element")
	}
	t, p := s.open(), unsafe.Pointer(elem)
	k := t.keyOfObject(p)
	if found := t.loadHashedObject(k); found.referent != nil {
		return (*T)(found.referent), true
	}
	if old, added := t.insert(k, bound{referent: p}, ifAbsent); !added {
		return (*T)(old.referent), true
	}
	return elem, false
}

// Load returns the member that is the same as elem, if there is one. Without a
// Hasher that is elem itself. Nil is in no set.
func (s *Set[T]) Load(elem *T) (member *T, ok bool) {
	member = (*T)(s.core.loadObject(escape.Hide(unsafe.Pointer(elem))).referent)
	runtime.KeepAlive(elem)
	if s.Config.Stats {
		s.core.countObject(unsafe.Pointer(elem), member != nil)
	}
	return member, member != nil
}

// Contains reports whether elem, or with a Hasher one that is the same, is in the
// set. Nil is in no set.
func (s *Set[T]) Contains(elem *T) bool {
	found := s.core.loadObject(escape.Hide(unsafe.Pointer(elem))).referent != nil
	runtime.KeepAlive(elem)
	if s.Config.Stats {
		s.core.countObject(unsafe.Pointer(elem), found)
	}
	return found
}

// Remove removes elem, or with a Hasher what is the same, and reports whether it was
// there.
func (s *Set[T]) Remove(elem *T) (removed bool) {
	old, _ := s.core.deleteObject(escape.Hide(unsafe.Pointer(elem)), anyway)
	runtime.KeepAlive(elem)
	return old.referent != nil
}

// AddSeq adds what seq yields, and returns how many were not there before.
func (s *Set[T]) AddSeq(seq iter.Seq[*T]) (added int) {
	for elem := range seq {
		if s.Add(elem) {
			added++
		}
	}
	return added
}

// RemoveSeq removes what seq yields, and returns how many were there.
func (s *Set[T]) RemoveSeq(seq iter.Seq[*T]) (removed int) {
	for elem := range seq {
		if s.Remove(elem) {
			removed++
		}
	}
	return removed
}

// RetainFunc removes the elements for which keep returns false, and returns how
// many it removed. It calls keep with no lock held, for what [Set.All] yields.
func (s *Set[T]) RetainFunc(keep func(elem *T) bool) (removed int) {
	if t := s.core.table.Load(); t != nil {
		removed = t.deleteFunc(func(e listed) bool { return !keep((*T)(e.referent)) })
	}
	return removed
}

// IsSubset reports whether every element of s is in other. Both must have the same
// Hasher, or none, as for IsDisjoint.
func (s *Set[T]) IsSubset(other *Set[T]) bool {
	for elem := range s.All() {
		if !other.Contains(elem) {
			return false
		}
	}
	return true
}

// IsDisjoint reports whether no element of s is in other.
func (s *Set[T]) IsDisjoint(other *Set[T]) bool {
	for range Intersection(s, other) {
		return false
	}
	return true
}

// Clear removes all elements.
func (s *Set[T]) Clear() { s.core.clear() }

// All returns an iterator over the elements, in no particular order. No lock is
// held while it yields, and the body may use the Set. No element comes twice.
// One that is there and held throughout is yielded; one that is added or removed
// during the iteration may or may not be.
func (s *Set[T]) All() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		s.core.all(func(e listed) bool { return yield((*T)(e.referent)) })
	}
}

// Len returns the number of elements. It may include some that have died but are
// not removed yet.
func (s *Set[T]) Len() int { return s.core.length() }

// Reap removes the elements found dead by the collections so far, and returns
// how many it removed. It runs no collection.
func (s *Set[T]) Reap() (removed int) { return s.core.reap() }

// Stats returns the counts of the Set.
func (s *Set[T]) Stats() Stats { return s.core.stats() }

// Union returns an iterator over the elements of a and of b, each once. It is
// lazy, as are [Intersection], [Difference] and [SymmetricDifference]: the sets
// are read while it runs, and either may change during that, even in the loop's
// body. Both must have the same Hasher, or none; of elements that are the same, one is
// yielded. Like SymmetricDifference it remembers, weakly, what it has yielded from a:
// with a Hasher, an element may follow that is the same as one that has died since.
func Union[T any](a, b *Set[T]) iter.Seq[*T] {
	everything := func(*T) bool { return true }
	return inTurn(a, everything, b, everything)
}

// Intersection returns an iterator over the elements of a that are in b. Both must have
// the same Hasher, or none.
func Intersection[T any](a, b *Set[T]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for elem := range a.All() {
			if b.Contains(elem) && !yield(elem) {
				return
			}
		}
	}
}

// Difference returns an iterator over the elements of a that are not in b. Both must have
// the same Hasher, or none.
func Difference[T any](a, b *Set[T]) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for elem := range a.All() {
			if !b.Contains(elem) && !yield(elem) {
				return
			}
		}
	}
}

// SymmetricDifference returns an iterator over the elements that are in one of a
// and b but not in the other. Both must have the same Hasher, or none.
func SymmetricDifference[T any](a, b *Set[T]) iter.Seq[*T] {
	return inTurn(a, func(elem *T) bool { return !b.Contains(elem) },
		b, func(elem *T) bool { return !a.Contains(elem) })
}

// inTurn yields the wanted elements of a and then those of b, none twice even if
// it moves from one set to the other during the iteration.
func inTurn[T any](a *Set[T], fromA func(*T) bool, b *Set[T], fromB func(*T) bool) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		yielded := newSeen(a.Hasher)
		stopped := false
		a.core.all(func(e listed) bool {
			elem := (*T)(e.referent)
			if fromA(elem) {
				yielded.add(e)
				stopped = !yield(elem)
			}
			return !stopped
		})
		if stopped {
			return
		}
		b.core.all(func(e listed) bool {
			elem := (*T)(e.referent)
			return yielded.has(e) || !fromB(elem) || yield(elem)
		})
	}
}

// seen is what an iteration over two sets has yielded of the first.
type seen[T any] struct {
	words  map[unsafe.Pointer]struct{} // of weak pointers; nil with a Hasher
	alikes Set[T]                      // with a Hasher
}

func newSeen[T any](h Hasher[*T]) *seen[T] {
	if h == nil {
		return &seen[T]{words: make(map[unsafe.Pointer]struct{})}
	}
	return &seen[T]{alikes: Set[T]{Hasher: h}}
}

func (s *seen[T]) add(e listed) {
	if s.words != nil {
		s.words[e.word] = struct{}{}
		return
	}
	s.alikes.Add((*T)(e.referent))
}

func (s *seen[T]) has(e listed) (again bool) {
	if s.words != nil {
		_, again = s.words[e.word]
		return again
	}
	return s.alikes.Contains((*T)(e.referent))
}
