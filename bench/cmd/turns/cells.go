package main

import (
	"regexp"
	"slices"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// cells returns all cells, those of the most interest first.
func cells() []cell {
	var all []cell
	for _, n := range []int{1_000, 90_000, 100_000, 1_000_000} { // This library grows at 93,000.
		all = append(all,
			loads(peer.Maps[string](), "key=string", n, texts, true),
			loads(peer.Maps[uint64](), "key=uint64", n, numbers, true),
			loads(peer.Maps[string](), "key=string", n, texts, false))
	}
	const n = 100_000
	for _, n := range []int{1_000, n} {
		all = append(all,
			loads(peer.Maps[names](), "key=struct", n, fullNames, true),
			interns("InternHit", "key=string", n, texts),
			retains("key=string", n, texts),
			retains("key=uint64", n, numbers))
	}
	return append(all,
		interns("InternStructHit", "key=struct", n, fullNames),
		keyLoads[[2]uint64]("object=16B", n, true),
		keyLoads[[8]uint64]("object=64B", n, true),
		keyLoads[[32]uint64]("object=256B", n, true),
		keyLoads[[8]uint64]("object=64B", n, false))
}

// A contender is a participant in a cell.
type contender[K any] struct {
	name string
	open func(n int) opened[K]
}

// An opened contender has what a cell needs of it, and keys of its own: what others attach to an object
// must not slow its lookups.
type opened[K any] struct {
	keys  maker[K]
	store func(key K)      // What it makes, or is given, is held.
	right func(key K) bool // looks key up, and reports whether the answer is right
}

// weak returns the participants that do the work of this library.
func weak[S any](all []peer.Participant[S]) []peer.Participant[S] {
	return slices.DeleteFunc(all, func(p peer.Participant[S]) bool { return p.Kind != peer.Weak })
}

// contenders returns the participants whose names match.
func contenders[S, K any](all []peer.Participant[S], those *regexp.Regexp, open func(s S, n int) opened[K]) []contender[K] {
	var some []contender[K]
	for _, p := range all {
		if those.MatchString(p.Name) {
			some = append(some, contender[K]{p.Name, func(n int) opened[K] { return open(p.New(n), n) }})
		}
	}
	return some
}

// loads looks up what is bound, or, if hits is false, what is not.
func loads[K comparable](all []peer.Participant[peer.Map[K]], key string, n int, keys maker[K], hits bool) cell {
	return mapCell(named("Load", hits), key, n, weak(all), func(int) maker[K] { return keys }, hits)
}

// keyLoads is loads by identity.
func keyLoads[T any](key string, n int, hits bool) cell {
	return mapCell(named("KeyLoad", hits), key, n, weak(peer.KeyMaps[T]()), objects[T], hits)
}

func named(workload string, hits bool) string {
	if hits {
		return workload + "Hit"
	}
	return workload + "Miss"
}

// retains looks up what is retained. Strong pointers are the rival.
func retains[K comparable](key string, n int, keys maker[K]) cell {
	c := mapCell("RetainHit", key, n, peer.RetainingMaps[K](), func(int) maker[K] { return keys }, true)
	c.ours = peer.Retain2
	return c
}

func mapCell[K comparable](workload, key string, n int, all []peer.Participant[peer.Map[K]], keys func(n int) maker[K], hits bool) cell {
	first := 0
	if !hits {
		first = n
	}
	return cell{workload, key, n, peer.Ours, func(those *regexp.Regexp, rounds int) []result {
		return lookups(contenders(all, those, func(m peer.Map[K], n int) opened[K] {
			var values []*peer.Value // Its own: the runtime looks through all that is attached to an object and its neighbors.
			return opened[K]{keys(n), func(key K) {
				values = append(values, new(peer.Value))
				m.Store(key, values[len(values)-1])
			}, func(key K) bool {
				return (m.Load(key) != nil) == hits && values != nil
			}}
		}), n, first, rounds)
	}}
}

// interns makes canonical what is so already.
func interns[T comparable](workload, key string, n int, keys maker[T]) cell {
	return cell{workload, key, n, peer.Ours, func(those *regexp.Regexp, rounds int) []result {
		return lookups(contenders(weak(peer.Interners[T]()), those, func(in peer.Interner[T], _ int) opened[T] {
			var held []any
			return opened[T]{keys, func(value T) { held = append(held, in.Intern(value)) }, func(value T) bool {
				return in.Intern(value) != nil && held != nil
			}}
		}), n, 0, rounds)
	}}
}
