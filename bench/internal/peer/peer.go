// Package peer holds the participants of the benchmarks: this library, what people write by
// hand instead of it, and the limits that no weak map can pass.
//
// Every participant is a struct of closures. One operation is therefore one call through a
// function value for all of them, and none is inlined into a benchmark's loop while another
// is not.
package peer

import (
	"iter"
	"slices"
	"strings"

	"github.com/go-weak/weakmap"
)

// A Value is what the maps point to: 64 bytes without pointers, large enough to have a block
// of its own, small enough that the runtime's bookkeeping for weak pointers shows.
type Value struct {
	ID uint64
	_  [7]uint64
}

// A Map has weak values, or weak keys where K is a pointer. All fields are safe for concurrent use.
type Map[K comparable] struct {
	Load  func(key K) *Value // nil when the key is unbound or its value has died
	Store func(key K, value *Value)
	Len   func() int // may count dead values that are not reclaimed yet

	// Within reports whether at most n entries are left. It exists because [sync.Map] must
	// walk to count: there it stops after n+1.
	Within func(n int) bool

	// All yields what is bound to a value that lives, in any order. It is nil where keys are weak.
	All iter.Seq2[K, *Value]
}

// A Kind says what a participant may be compared with.
type Kind uint8

const (
	Weak        Kind = iota // does the same work as this library, or is this library
	Strong                  // the same with strong pointers, by the map that is best at it
	OtherStrong             // by the other maps: measured in one cell of lookups
	LookupFloor             // hash and weak.Pointer.Value alone: nothing is searched, no key compared
	InsertFloor             // weak.Make alone: nothing is stored
	Nothing                 // neither: the cost of keys, values and the loop
)

// A Participant is a named way of making what a workload uses: a [Map], an [Interner], a
// [Computer] or an [Attacher].
type Participant[S any] struct {
	Name string
	Kind Kind
	New  func(capacity int) S // capacity is for the floors and the caches only; all else grows on demand
}

// Ours begins the names under which this library takes part.
const Ours = "weakmap"

// Maps returns the participants with weak values, in the order in which they take turns.
func Maps[K comparable]() []Participant[Map[K]] {
	return []Participant[Map[K]]{
		{Ours, Weak, library[K](weakmap.Config{})},
		{Ours + "-pervalue", Weak, library[K](weakmap.Config{Reclaim: weakmap.PerValue})},
		{"syncmap", Weak, weakSync[K]},
		{"rwmutex", Weak, weakLocked[K]},
		{"sharded", Weak, weakSharded[K]},
		{"xsync3", Weak, weakXsync3[K]},
		{"xsync4", Weak, weakXsync4[K]},
		{"strong-syncmap", OtherStrong, strongSync[K]},
		{"strong-rwmutex", OtherStrong, strongLocked[K]},
		{"strong-sharded", OtherStrong, strongSharded[K]},
		{"strong-xsync3", OtherStrong, strongXsync3[K]},
		{"strong-xsync4", Strong, strongXsync4[K]},
		{"floor", LookupFloor, lookupFloor[K]},
		{"floor", InsertFloor, insertFloor[K]},
		{"none", Nothing, nothing[K]},
	}
}

// Retain2 is the name of this library with Config.Retain 2.
const Retain2 = Ours + "-retain2"

// RetainingMaps returns this library with values that it holds, with those that it does not, and the best
// map with strong pointers.
func RetainingMaps[K comparable]() []Participant[Map[K]] {
	return []Participant[Map[K]]{
		{Retain2, Weak, library[K](weakmap.Config{Retain: 2})},
		{Ours, Weak, library[K](weakmap.Config{})},
		{"strong-xsync4", Strong, strongXsync4[K]},
	}
}

// Rivals returns the names of those that do the work of this library by other means.
func Rivals() []string {
	return namesOf(func(name string, kind Kind) bool {
		return kind == Weak && !strings.HasPrefix(name, Ours)
	})
}

// Limits returns the names of those that are there to compare with, not to win against: strong
// pointers, and nothing at all.
func Limits() []string {
	return namesOf(func(_ string, kind Kind) bool {
		return kind == Strong || kind == OtherStrong || kind == Nothing
	})
}

// Names returns the names of all participants.
func Names() []string {
	return namesOf(func(string, Kind) bool { return true })
}

// namesOf returns the names of the participants that keep wants, each once.
func namesOf(keep func(name string, kind Kind) bool) []string {
	var names []string
	visit := func(name string, kind Kind) {
		if keep(name, kind) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	each(Maps[string](), visit)
	each(RetainingMaps[string](), visit)
	each(KeyMaps[int](), visit)
	each(Interners[string](), visit)
	each(Computers(), visit)
	each(Attachers[int](), visit)
	each(Caches[int](), visit)
	return names
}

func each[S any](participants []Participant[S], visit func(name string, kind Kind)) {
	for _, p := range participants {
		visit(p.Name, p.Kind)
	}
}

// library makes this repository's map. Were it inlined where it is called, the compiler would call
// Load in a copy of the function below, where all programs have it inlined.
//
//go:noinline
func library[K comparable](config weakmap.Config) func(int) Map[K] {
	return func(int) Map[K] {
		m := &weakmap.Map[K, Value]{Config: config}
		return Map[K]{
			Load: func(key K) *Value {
				value, _ := m.Load(key)
				return value
			},
			Store:  m.Store,
			Len:    m.Len,
			Within: func(n int) bool { return m.Len() <= n },
			All:    m.All(),
		}
	}
}
