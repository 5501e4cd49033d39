// Command turns measures lookups of all participants in one process, in turns: what differs
// between processes, such as where memory lies, is the same for all. Keys are made just before
// they are looked up, as programs have them, and are other objects than those that were stored.
//
//	go run ./bench/cmd/turns -cell LoadHit/string/100000
//
// For each cell it prints the median of each participant, in nanoseconds for a lookup, and how
// the best of the others compares with this library.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// A cell is one measurement.
type cell struct {
	name string
	run  func(rounds int) []result
}

// A result is the median of one participant.
type result struct {
	name string
	ns   float64
}

func main() {
	pattern := flag.String("cell", ".", "measure the cells that match this `regexp`")
	peers := flag.String("peers", ".", "measure the participants that match this `regexp`")
	rounds := flag.Int("rounds", 21, "how many turns each participant has")
	flag.Parse()
	wanted, err := regexp.Compile(*pattern)
	those, peersErr := regexp.Compile(*peers)
	if err != nil || peersErr != nil || flag.NArg() > 0 || *rounds < 1 {
		fmt.Fprintln(os.Stderr, "turns: -cell and -peers take a regexp, -rounds a positive number, and there are no arguments")
		os.Exit(2)
	}
	var cells []cell
	for _, n := range []int{1_000, 90_000, 100_000, 1_000_000} { // This library grows at 93,000.
		cells = append(cells,
			cell{fmt.Sprintf("LoadHit/string/%d", n), func(rounds int) []result { return lookups(texts, n, n, rounds, those) }},
			cell{fmt.Sprintf("LoadHit/uint64/%d", n), func(rounds int) []result { return lookups(numbers, n, n, rounds, those) }},
			cell{fmt.Sprintf("LoadMiss/string/%d", n), func(rounds int) []result { return lookups(texts, n, 0, rounds, those) }})
	}
	for _, c := range cells {
		if wanted.MatchString(c.name) {
			report(c.name, c.run(*rounds))
		}
	}
}

// report prints a cell, the fastest participant first.
func report(name string, results []result) {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.ns, b.ns) })
	var ours, best float64
	var line strings.Builder
	for _, r := range results {
		fmt.Fprintf(&line, "  %s %.1f", r.name, r.ns)
		switch {
		case r.name == peer.Ours:
			ours = r.ns
		case best == 0 && !strings.HasPrefix(r.name, peer.Ours):
			best = r.ns
		}
	}
	fmt.Printf("%-24s best other / ours %.2f:%s\n", name, best/ours, line.String())
}

// stretch is how many keys are made and then looked up: few enough to stay in the cache.
const stretch = 512

// textLen is the length of a key that is a string.
const textLen = 21

// texts makes a string for each of the given numbers. They are valid until the next call with
// keep false.
func texts(to []string, ids []int, keep bool) {
	bytes := buffer[:]
	if keep {
		bytes = make([]byte, textLen*len(ids))
	}
	for i, id := range ids {
		b := bytes[i*textLen : (i+1)*textLen]
		copy(b, "key/")
		digits(b[4:12], uint32(id))
		b[12] = '/'
		digits(b[13:], uint32(id)*2654435761)
		to[i] = unsafe.String(&b[0], textLen)
	}
}

var buffer [stretch * textLen]byte

// digits writes the eight hexadecimal digits of n.
func digits(to []byte, n uint32) {
	for i := range 8 {
		to[i] = "0123456789abcdef"[n>>(28-4*i)&15]
	}
}

// numbers makes an integer for each of the given numbers.
func numbers(to []uint64, ids []int, keep bool) {
	for i, id := range ids {
		to[i] = uint64(id) * 0x9e3779b97f4a7c15
	}
}

// lookups measures Load in maps of n bindings: of keys that are bound, the first n numbers, or of
// keys that are not, those from n on, if hits is 0.
func lookups[K comparable](keys func(to []K, ids []int, keep bool), n, hits, rounds int, those *regexp.Regexp) []result {
	values := make([]*peer.Value, n)
	for i := range values {
		values[i] = new(peer.Value)
	}
	type participant struct {
		name string
		m    peer.Map[K]
		ns   []float64
	}
	var all []*participant
	for _, p := range peer.Maps[K]() {
		if p.Kind == peer.Weak && those.MatchString(p.Name) {
			all = append(all, &participant{name: p.Name, m: p.New(n)})
		}
	}
	order := rand.Perm(n)
	one := make([]K, 1)
	for _, p := range all {
		for _, id := range order {
			keys(one, []int{id}, true)
			p.m.Store(one[0], values[id])
		}
	}
	runtime.GC()
	ids, ready := make([]int, stretch), make([]K, stretch)
	// A turn first looks up as many keys as there are, up to warmMax, untimed: then the map's
	// memory is where it is when a program uses one map much.
	const warmMax = 200_000
	warm, stretches := min(n, warmMax)/stretch+1, max(min(n, warmMax)/stretch, 64)
	for range rounds {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, p := range all {
			var spent time.Duration
			for round := range warm + stretches {
				for i := range ids {
					ids[i] = rand.IntN(n)
					if hits == 0 {
						ids[i] += n
					}
				}
				keys(ready, ids, false)
				start := time.Now()
				for _, key := range ready {
					if (p.m.Load(key) != nil) != (hits > 0) {
						panic("turns: " + p.name + " found what is not there, or the reverse")
					}
				}
				if round >= warm {
					spent += time.Since(start)
				}
			}
			p.ns = append(p.ns, float64(spent.Nanoseconds())/float64(stretches*stretch))
		}
	}
	runtime.KeepAlive(values)
	results := make([]result, len(all))
	for i, p := range all {
		slices.Sort(p.ns)
		results[i] = result{p.name, p.ns[len(p.ns)/2]}
	}
	return results
}
