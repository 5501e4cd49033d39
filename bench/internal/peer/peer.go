// Package peer holds the participants of the benchmarks: this library, what people write by
// hand instead of it, and the limits that no weak map can pass.
//
// Every participant is a [Map] of closures. One operation is therefore one call through a
// function value for all of them, and nobody is inlined into a benchmark's loop while another
// is not.
package peer

import "github.com/go-weak/weakmap"

// A Value is what the maps point to: 64 bytes without pointers, large enough to have a block
// of its own, small enough that the runtime's bookkeeping for weak pointers shows.
type Value struct {
	ID uint64
	_  [7]uint64
}

// A Map is one participant. All fields are safe for concurrent use.
type Map[K comparable] struct {
	Load  func(key K) *Value // nil when the key is unbound or its value has died
	Store func(key K, value *Value)
	Len   func() int // may count dead values that are not reclaimed yet

	// Within reports whether at most n entries are left. It exists because [sync.Map] must
	// walk to count: there it stops after n+1.
	Within func(n int) bool
}

// A Kind says what a participant may be compared with.
type Kind uint8

const (
	Weak        Kind = iota // a correct weak map
	Strong                  // the same map with strong pointers
	LookupFloor             // hash and weak.Pointer.Value alone: nothing is searched, no key compared
	InsertFloor             // weak.Make alone: nothing is stored
	Nothing                 // neither: the cost of keys, values and the loop
)

// A Participant is a named way of making a Map.
type Participant[K comparable] struct {
	Name string
	Kind Kind
	New  func(capacity int) Map[K] // capacity is for the floors only; maps grow on demand
}

// All returns every participant, in the order in which they take turns.
func All[K comparable]() []Participant[K] {
	return []Participant[K]{
		{"weakmap", Weak, library[K](weakmap.PerCycle)},
		{"weakmap-pervalue", Weak, library[K](weakmap.PerValue)},
		{"syncmap", Weak, weakSync[K]},
		{"rwmutex", Weak, weakLocked[K]},
		{"sharded", Weak, weakSharded[K]},
		{"xsync3", Weak, weakXsync3[K]},
		{"xsync4", Weak, weakXsync4[K]},
		{"strong-syncmap", Strong, strongSync[K]},
		{"strong-rwmutex", Strong, strongLocked[K]},
		{"strong-sharded", Strong, strongSharded[K]},
		{"strong-xsync3", Strong, strongXsync3[K]},
		{"strong-xsync4", Strong, strongXsync4[K]},
		{"floor", LookupFloor, lookupFloor[K]},
		{"floor", InsertFloor, insertFloor[K]},
		{"none", Nothing, nothing[K]},
	}
}

// library makes this repository's map.
func library[K comparable](reclaim weakmap.Reclaim) func(int) Map[K] {
	return func(int) Map[K] {
		m := &weakmap.Map[K, Value]{Config: weakmap.Config{Reclaim: reclaim}}
		return Map[K]{
			Load: func(key K) *Value {
				value, _ := m.Load(key)
				return value
			},
			Store:  m.Store,
			Len:    m.Len,
			Within: func(n int) bool { return m.Len() <= n },
		}
	}
}
