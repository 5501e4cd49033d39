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
	"context"
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
	"github.com/go-weak/weakmap/bench/internal/provenance"
	"github.com/go-weak/weakmap/bench/internal/verdict"
)

// A cell is one measurement.
type cell struct {
	workload, key string
	size          int
	run           func(rounds int) []result
}

func (c cell) String() string {
	_, key, _ := strings.Cut(c.key, "=")
	return fmt.Sprintf("%s/%s/%d", c.workload, key, c.size)
}

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
			cell{"LoadHit", "key=string", n, func(rounds int) []result { return lookups(maps[string](those, true), texts, n, 0, rounds) }},
			cell{"LoadHit", "key=uint64", n, func(rounds int) []result { return lookups(maps[uint64](those, true), numbers, n, 0, rounds) }},
			cell{"LoadMiss", "key=string", n, func(rounds int) []result { return lookups(maps[string](those, false), texts, n, n, rounds) }})
	}
	const n = 100_000
	cells = append(cells,
		cell{"LoadHit", "key=struct", n, func(rounds int) []result { return lookups(maps[names](those, true), fullNames, n, 0, rounds) }})
	for _, n := range []int{1_000, n} {
		cells = append(cells,
			cell{"InternHit", "key=string", n, func(rounds int) []result { return lookups(interners(those), texts, n, 0, rounds) }})
	}
	if *format == "bench" {
		fmt.Printf("goos: %s\ngoarch: %s\n", runtime.GOOS, runtime.GOARCH)
		command := strings.Join(append([]string{"go run ./bench/cmd/turns"}, os.Args[1:]...), " ")
		for _, line := range provenance.Lines(provenance.Commit(context.Background(), "."), *rounds, command) {
			fmt.Println(line)
		}
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
			fmt.Printf("BenchmarkInTurns/%s/impl=%s/%s/size=%d \t%d\t%.4g ns/op\n", c.workload, r.name, c.key, c.size, stretches(c.size)*stretch, ns)
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

var buffer [2 * stretch * textLen]byte

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

// names is a key of two strings.
type names struct{ first, last string }

// fullNames makes a pair of strings for each of the given numbers, valid as those of texts.
func fullNames(to []names, ids []int, keep bool) {
	all, both := make([]int, 2*len(ids)), make([]string, 2*len(ids))
	for i, id := range ids {
		all[2*i], all[2*i+1] = id, id+1<<30
	}
	texts(both, all, keep)
	for i := range ids {
		to[i] = names{both[2*i], both[2*i+1]}
	}
}

// A contender is a participant in a cell.
type contender[K any] struct {
	name string
	open func(n int) (store func(key K), found func(key K) bool) // what store has made is held
}

// maps returns those that find what is bound, or, if hits is false, do not find what is not.
func maps[K comparable](those *regexp.Regexp, hits bool) []contender[K] {
	return contenders(peer.Maps[K](), those, func(m peer.Map[K]) (func(K), func(K) bool) {
		var values []*peer.Value // Its own: the runtime looks through all that is attached to an object and its neighbors.
		return func(key K) {
				values = append(values, new(peer.Value))
				m.Store(key, values[len(values)-1])
			}, func(key K) bool {
				return (m.Load(key) != nil) == hits && values != nil
			}
	})
}

func interners(those *regexp.Regexp) []contender[string] {
	return contenders(peer.Interners[string](), those, func(in peer.Interner[string]) (func(string), func(string) bool) {
		var held []any
		return func(key string) { held = append(held, in.Intern(key)) }, func(key string) bool { return in.Intern(key) != nil && held != nil }
	})
}

func contenders[S, K any](all []peer.Participant[S], those *regexp.Regexp, open func(S) (func(K), func(K) bool)) (some []contender[K]) {
	for _, p := range all {
		if p.Kind == peer.Weak && those.MatchString(p.Name) {
			some = append(some, contender[K]{p.Name, func(n int) (func(K), func(K) bool) { return open(p.New(n)) }})
		}
	}
	return some
}

// lookups measures lookups where n keys are bound, those of the first n numbers: of n keys, the first
// of which has number first.
func lookups[K any](contenders []contender[K], keys func(to []K, ids []int, keep bool), n, first, rounds int) []result {
	type participant struct {
		result
		found func(key K) bool
	}
	var all []*participant
	order := rand.Perm(n)
	one := make([]K, 1)
	for _, c := range contenders {
		store, found := c.open(n)
		for _, id := range order {
			keys(one, []int{id}, true)
			store(one[0])
		}
		all = append(all, &participant{result{name: c.name}, found})
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
				keys(ready, ids, false)
				start := time.Now()
				for _, key := range ready {
					if !p.found(key) {
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
