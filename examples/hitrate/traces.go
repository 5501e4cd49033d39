package main

import (
	"math"
	"math/rand/v2"
	"os"
	"sort"
)

// A trace is a sequence of requests for keys, which are numbers from 0 on.
type trace struct {
	name string
	keys int                                 // of which sizes of caches are percentages
	at   func(capacity int) (order []uint32) // what is asked for, from a cache of that size
}

// same is for a trace that is the same whatever the size of the cache.
func same(order []uint32) func(int) []uint32 { return func(int) []uint32 { return order } }

// traces returns all traces: those that are generated, over the given number of keys, and those of the files.
func traces(s settings, paths, names []string) []trace {
	var all []trace
	for _, skew := range []float64{0.7, 0.8, 0.9, 1.0, 1.1} {
		all = append(all, trace{"zipf " + point(skew), s.keys, same(zipfian(s.seed, skew, s.keys, s.requests))})
	}
	source, distinct := occurrences(paths, s.requests)
	return append(all,
		trace{"scan", s.keys, same(scanned(zipfian(s.seed, 0.9, s.keys, s.requests), s.keys))},
		trace{"loop", s.keys, func(capacity int) []uint32 { return loop(capacity, s.requests) }},
		trace{"files", len(paths), same(zipf(len(paths), min(s.reads, s.requests)))},
		trace{"identifiers", len(names), same(zipf(len(names), s.requests))},
		trace{"source", distinct, same(source)},
	)
}

// zipfian draws keys below n by Zipf's law with any exponent, also below 1, where zipf cannot. How
// popular a key is says nothing about its number.
func zipfian(seed uint64, exponent float64, n, draws int) []uint32 {
	random := rand.New(rand.NewPCG(seed, 0))
	place := random.Perm(n)
	upTo := make([]float64, n) // the weights of the ranks up to each
	var sum float64
	for rank := range upTo {
		sum += math.Pow(float64(rank+1), -exponent)
		upTo[rank] = sum
	}
	order := make([]uint32, draws)
	for i := range order {
		rank := sort.SearchFloat64s(upTo, random.Float64()*sum)
		order[i] = uint32(place[min(rank, n-1)])
	}
	return order
}

// scanned puts a scan after every fifth of n requests: a twentieth of n other keys, one after the other. The next scan
// goes on where the last one ended, and over n keys in all.
func scanned(order []uint32, n int) []uint32 {
	every, long := max(n/5, 1), max(n/20, 1)
	var mixed []uint32
	next := 0
	for i, key := range order {
		mixed = append(mixed, key)
		if (i+1)%every == 0 {
			for range long {
				mixed = append(mixed, uint32(n+next))
				next = (next + 1) % n
			}
		}
	}
	return mixed
}

// loop asks for a tenth more keys than capacity, one after the other, again and again.
func loop(capacity, requests int) []uint32 {
	n := capacity + max(capacity/10, 1)
	order := make([]uint32, requests)
	for i := range order {
		order[i] = uint32(i % n)
	}
	return order
}

// occurrences returns the identifiers in the order in which the files have them, up to a number.
func occurrences(paths []string, most int) (order []uint32, distinct int) {
	number := make(map[string]uint32)
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for name := range identifiersOf(src) {
			if len(order) == most {
				return order, len(number)
			}
			if _, ok := number[name]; !ok {
				number[name] = uint32(len(number))
			}
			order = append(order, number[name])
		}
	}
	return order, len(number)
}

// optimum returns how many of the requests find their key in a cache that knows what comes, and keeps
// what is asked for again first (Belady). It need not keep what it was just asked for, so no
// policy finds more.
func optimum(order []uint32, capacity int) (found int) {
	next := make([]int, len(order)) // when the key of each request is asked for again
	seen := make(map[uint32]int)
	for i := len(order) - 1; i >= 0; i-- {
		next[i] = len(order)
		if later, ok := seen[order[i]]; ok {
			next[i] = later
		}
		seen[order[i]] = i
	}
	kept := make(map[uint32]int) // when each is asked for again
	var queue farthest           // with what is out of date, as kept tells
	for i, key := range order {
		if _, ok := kept[key]; ok {
			found++
			delete(kept, key)
		}
		if next[i] == len(order) {
			continue
		}
		kept[key] = next[i]
		queue.push(request{key, next[i]})
		for len(kept) > capacity {
			if r := queue.pop(); kept[r.key] == r.at {
				delete(kept, r.key)
			}
		}
	}
	return found
}

// A request is for a key, at an index of a trace.
type request struct {
	key uint32
	at  int
}
