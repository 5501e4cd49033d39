// Command turns measures lookups of all participants in one process, in turns: what differs
// between processes, such as where memory lies, is the same for all. Keys are made just before
// they are looked up, as programs have them, and are other objects than those that were stored.
//
//	go run ./bench/cmd/turns -cell LoadHit/string/100000
//
// For each cell it prints the median of each participant, in nanoseconds for a lookup, and how
// the best of the others compares with this library. With -format bench it prints each turn, as
// a benchmark does.
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
	"github.com/go-weak/weakmap/bench/internal/verdict"
)

// A cell is one measurement.
type cell struct {
	workload, key string
	size          int
	run           func(rounds int) []result
}

func (c cell) String() string { return fmt.Sprintf("%s/%s/%d", c.workload, c.key, c.size) }

// A result is what one participant took for a lookup, in nanoseconds, in each of its turns.
type result struct {
	name  string
	turns []float64
}

func main() {
	pattern := flag.String("cell", ".", "measure the cells that match this `regexp`")
	peers := flag.String("peers", ".", "measure the participants that match this `regexp`")
	rounds := flag.Int("rounds", 21, "how many turns each participant has")
	format := flag.String("format", "table", "print a `table`, or the text of a benchmark: bench")
	flag.Parse()
	wanted, err := regexp.Compile(*pattern)
	those, peersErr := regexp.Compile(*peers)
	show, ok := map[string]func(cell, []result){"table": compare, "bench": list}[*format]
	if err != nil || peersErr != nil || flag.NArg() > 0 || *rounds < 1 || !ok {
		fmt.Fprintln(os.Stderr, "turns: -cell and -peers take a regexp, -rounds a positive number, -format table or bench, and there are no arguments")
		os.Exit(2)
	}
	var cells []cell
	for _, n := range []int{1_000, 90_000, 100_000, 1_000_000} { // This library grows at 93,000.
		cells = append(cells,
			cell{"LoadHit", "string", n, func(rounds int) []result { return lookups(texts, n, n, rounds, those) }},
			cell{"LoadHit", "uint64", n, func(rounds int) []result { return lookups(numbers, n, n, rounds, those) }},
			cell{"LoadMiss", "string", n, func(rounds int) []result { return lookups(texts, n, 0, rounds, those) }})
	}
	for _, c := range cells {
		if wanted.MatchString(c.String()) {
			show(c, c.run(*rounds))
		}
	}
}

// compare prints a cell as a line, the fastest participant first.
func compare(c cell, results []result) {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.median(), b.median()) })
	var ours, best float64
	var line strings.Builder
	for _, r := range results {
		fmt.Fprintf(&line, "  %s %.1f", r.name, r.median())
		switch {
		case r.name == peer.Ours:
			ours = r.median()
		case best == 0 && !strings.HasPrefix(r.name, peer.Ours):
			best = r.median()
		}
	}
	fmt.Printf("%-24s best other / ours %.2f:%s\n", c, best/ours, line.String())
}

func (r result) median() float64 { return verdict.Median(r.turns) }

// list prints all turns of a cell.
func list(c cell, results []result) {
	for _, r := range results {
		for _, ns := range r.turns {
			fmt.Printf("BenchmarkInTurns/%s/impl=%s/key=%s/size=%d \t%d\t%.4g ns/op\n", c.workload, r.name, c.key, c.size, stretches(c.size)*stretch, ns)
		}
	}
}

// stretch is how many keys are made and then looked up: few enough to stay in the cache.
const stretch = 512

// warmMax is how many lookups come before those that are timed, at most: then the map's memory is
// where it is when a program uses one map much.
const warmMax = 200_000

// stretches returns how many stretches of a turn are timed, in a map of n bindings.
func stretches(n int) int { return max(min(n, warmMax)/stretch, 64) }

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
	type participant struct {
		result
		m      peer.Map[K]
		values []*peer.Value // Its own: the runtime looks through all that is attached to an object and its neighbors.
	}
	var all []*participant
	for _, p := range peer.Maps[K]() {
		if p.Kind == peer.Weak && those.MatchString(p.Name) {
			all = append(all, &participant{result{name: p.Name}, p.New(n), make([]*peer.Value, n)})
		}
	}
	order := rand.Perm(n)
	one := make([]K, 1)
	for _, p := range all {
		for _, id := range order {
			keys(one, []int{id}, true)
			p.values[id] = new(peer.Value)
			p.m.Store(one[0], p.values[id])
		}
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
