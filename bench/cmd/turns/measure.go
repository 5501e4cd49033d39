package main

import (
	"math/rand/v2"
	"runtime"
	"time"
)

// stretch is how many keys are made and then looked up: few enough to stay in the cache.
const stretch = 512

// warmMax is how many lookups come before those that are timed, at most: then the map's memory is
// where it is when a program uses one map much.
const warmMax = 200_000

// stretches returns how many stretches of a turn are timed, in a map of n bindings.
func stretches(n int) int { return max(min(n, warmMax)/stretch, 64) }

// lookups measures lookups where n keys are stored, those of the first n numbers: of n keys, the first
// of which has number first.
func lookups[K any](contenders []contender[K], n, first, rounds int) []result {
	type participant struct {
		result
		opened[K]
	}
	var all []*participant
	order := rand.Perm(n)
	one := make([]K, 1)
	for _, c := range contenders {
		p := &participant{result{name: c.name}, c.open(n)}
		for _, id := range order {
			p.keys(one, []int{id}, true)
			p.store(one[0])
		}
		all = append(all, p)
	}
	runtime.GC()
	ids, ready := make([]int, stretch), make([]K, stretch)
	warm, timed := min(n, warmMax)/stretch+1, stretches(n)
	for range rounds {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, p := range all {
			var spent time.Duration
			for round := range warm + timed {
				for i := range ids {
					ids[i] = first + rand.IntN(n)
				}
				p.keys(ready, ids, false)
				start := time.Now()
				for _, key := range ready {
					if !p.right(key) {
						panic("turns: " + p.name + " found what is not there, or the reverse")
					}
				}
				if round >= warm {
					spent += time.Since(start)
				}
			}
			p.turns = append(p.turns, float64(spent.Nanoseconds())/float64(timed*stretch))
		}
	}
	runtime.KeepAlive(all)
	results := make([]result, len(all))
	for i, p := range all {
		results[i] = p.result
	}
	return results
}
