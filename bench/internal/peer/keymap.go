package peer

import (
	"runtime"
	"sync"
	"weak"

	xsync4 "github.com/puzpuzpuz/xsync/v4"

	"github.com/go-weak/weakmap"
)

// KeyMaps returns the participants that hold their keys weakly and find them by identity. By
// hand that is a map keyed by weak.Pointer: each lookup must make one, or find the one there is.
func KeyMaps[T any]() []Participant[Map[*T]] {
	return []Participant[Map[*T]]{
		{"weakmap", Weak, libraryKeyMap[T]},
		{"weakmap-set", Weak, librarySet[T]},
		{"syncmap", Weak, keySync[T]},
		{"xsync4", Weak, keyXsync4[T]},
		{"strong-syncmap", OtherStrong, strongSync[*T]},
		{"strong-xsync4", Strong, strongXsync4[*T]},
	}
}

func libraryKeyMap[T any](int) Map[*T] {
	m := new(weakmap.KeyMap[T, *Value])
	return Map[*T]{
		Load: func(key *T) *Value {
			value, _ := m.Load(key)
			return value
		},
		Store:  m.Store,
		Len:    m.Len,
		Within: func(n int) bool { return m.Len() <= n },
	}
}

// librarySet keeps no values: what it contains is bound to one that all share.
func librarySet[T any](int) Map[*T] {
	s := new(weakmap.Set[T])
	contained := new(Value)
	return Map[*T]{
		Load: func(key *T) *Value {
			if s.Contains(key) {
				return contained
			}
			return nil
		},
		Store:  func(key *T, _ *Value) { s.Add(key) },
		Len:    s.Len,
		Within: func(n int) bool { return s.Len() <= n },
	}
}

// The cleanup of a key deletes by its handle, which no other key will ever have.

func keySync[T any](int) Map[*T] {
	var m sync.Map
	remove := func(h weak.Pointer[T]) { m.Delete(h) }
	return Map[*T]{
		Load: func(key *T) *Value {
			value, ok := m.Load(weak.Make(key))
			if !ok {
				return nil
			}
			return value.(*Value)
		},
		Store: func(key *T, value *Value) {
			h := weak.Make(key)
			if _, loaded := m.Swap(h, value); !loaded {
				runtime.AddCleanup(key, remove, h)
			}
		},
		Len:    func() int { return countSync(&m, -1) },
		Within: func(n int) bool { return countSync(&m, n) <= n },
	}
}

func keyXsync4[T any](int) Map[*T] {
	m := xsync4.NewMap[weak.Pointer[T], *Value]()
	remove := func(h weak.Pointer[T]) { m.Delete(h) }
	return Map[*T]{
		Load: func(key *T) *Value {
			value, _ := m.Load(weak.Make(key))
			return value
		},
		Store: func(key *T, value *Value) {
			h := weak.Make(key)
			if _, loaded := m.LoadAndStore(h, value); !loaded {
				runtime.AddCleanup(key, remove, h)
			}
		},
		Len:    m.Size,
		Within: func(n int) bool { return m.Size() <= n },
	}
}
