// Command hitrate shows what weakmap's Config.Retain is for, and where a cache that holds nothing does
// as well. It asks caches for the files of a directory tree and for the identifiers in them, some
// much more often than others, and tells how often each had what was asked for:
//
//   - weakmap: a Map of files, an Interner of identifiers. What they hold stays while it is used,
//     and until the next collection;
//   - weakmap, Retain 1 and 4: it stays until that many collections have passed without a use;
//   - unique: handles made by unique.Make, which go with the last of them, like the first;
//   - otter: a cache of fixed size, in as much memory as the cache that it is set beside.
//
// What is asked for next follows Zipf's law: the second most popular is wanted about half as often
// as the first, the third a third as often, and so on. Each goroutine keeps the last few that it got
// in use, and leaves garbage: the lines of each file, the words of a line of source around each
// identifier. All caches are asked for the same in the same order. By default the tree is the Go standard library.
//
// # Equal memory
//
// "held on average" is what the collector found in use beyond what was there before the first
// request: the cache with all that it needs, and what the goroutines use. It is looked at throughout
// the second half of the work; caches fill in the first. Otter is told how many bytes of files, or
// how many identifiers, it may keep, not how much memory it may take. So its work is repeated with
// other limits, found by interpolation, until it holds on average what its neighbor did, give or take
// 3 %, or until there is no smaller limit, or six times at most. The table has the nearest of these
// runs; "difference" says by how much it held more or less. Peak memory is that of the process,
// garbage included.
//
// A hit is a file that was not read from disk, and an identifier whose bytes stand where they stood
// when it was last asked for: unique.Make does not tell, and so all are judged alike.
//
// # Equal numbers
//
// With -traces it replays traces with caches that hold at most 1, 5 and 10 % of the keys of each: a Map with
// Config.RetainMax, otter v2, an LRU (hashicorp/golang-lru v2), and the optimum, which knows what
// comes. In all of them one goroutine asks for one key after the other and puts in what is missing. The traces:
//
//   - zipf 0.7 to 1.1: by Zipf's law with that exponent, below 1 less skewed;
//   - scan: zipf 0.9, and scans of other keys through it, a twentieth of all at a time;
//   - loop: a tenth more keys than the cache holds, one after the other, again and again;
//   - files, identifiers: those that are asked for without -traces, in the same way;
//   - source: identifiers in the order in which the files have them.
//
// A Map also finds what it has evicted until that is collected. So there are two figures: found, and
// held, which counts only what RetainMax held when it was asked for. The latter is to be compared with other
// caches, which find nothing else.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

const program = "hitrate"

func main() {
	var err error
	if trial.IsChild() {
		err = trial.Serve(measure)
	} else {
		err = run(os.Args[1:], os.Stdout, os.Stderr)
	}
	os.Exit(trial.Status(program, err, os.Stderr))
}

// settings are what the flags say.
type settings struct {
	dir        string
	goroutines int
	reads      int // of files
	window     int // files that each goroutine keeps in use
	lookups    int // of identifiers
	scope      int // identifiers that each goroutine keeps in use
	limitMiB   int // the most that the tree may hold

	traces   bool // replay traces with caches of equal numbers
	format   string
	keys     int // of a generated trace
	requests int // of a trace
	seed     uint64
}

func parse(args []string, stdout io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.StringVar(&s.dir, "dir", "", "read the Go files below this `directory` (default the Go standard library's sources)")
	flags.IntVar(&s.goroutines, "goroutines", 8, "ask with `n` goroutines")
	flags.IntVar(&s.reads, "reads", 100_000, "ask each cache for `n` files")
	flags.IntVar(&s.window, "window", 4, "each goroutine keeps its last `n` files in use")
	flags.IntVar(&s.lookups, "lookups", 1_500_000, "ask each cache for `n` identifiers")
	flags.IntVar(&s.scope, "scope", 10_000, "each goroutine keeps its last `n` identifiers in use")
	flags.IntVar(&s.limitMiB, "limit", 1024, "refuse a tree of more than `n` MiB")
	flags.BoolVar(&s.traces, "traces", false, "replay traces, with caches that hold equal numbers of values")
	flags.StringVar(&s.format, "format", "text", "with -traces: print text, or csv")
	flags.IntVar(&s.keys, "keys", 100_000, "with -traces: generated ones ask for `n` keys")
	flags.IntVar(&s.requests, "requests", 500_000, "with -traces: replay `n` requests of each")
	flags.Uint64Var(&s.seed, "seed", 1, "with -traces: generate them from this `number`")
	if err := trial.Parse(flags, args, stdout); err != nil {
		return s, err
	}
	return s, cmp.Or(
		trial.InRange("goroutines", s.goroutines, 1, 10_000),
		trial.InRange("reads", s.reads, 1, 100_000_000),
		trial.InRange("window", s.window, 1, 100_000),
		trial.InRange("lookups", s.lookups, 1, 100_000_000),
		trial.InRange("scope", s.scope, 1, 10_000_000),
		trial.InRange("limit", s.limitMiB, 1, 1<<20),
		trial.InRange("keys", s.keys, 1, 10_000_000),
		trial.InRange("requests", s.requests, 1, 100_000_000),
		oneOf("format", s.format, "text", "csv"),
	)
}

// oneOf returns a UsageError unless value is one of those that there are.
func oneOf(name, value string, those ...string) error {
	if !slices.Contains(those, value) {
		return trial.Usagef("-%s %s: must be %s", name, value, strings.Join(those, " or "))
	}
	return nil
}

// run measures every cache and prints the table.
func run(args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if s.dir == "" {
		if s.dir, err = trial.GoSource(); err != nil {
			return err
		}
	}
	paths, err := trial.Files(s.dir, int64(s.limitMiB)<<20, func(path string) bool { return filepath.Ext(path) == ".go" })
	if err != nil {
		return err
	}
	paths, names := survey(paths)
	switch {
	case len(paths) == 0:
		return trial.Usagef("no readable Go files in %s", s.dir)
	case len(names) == 0:
		return trial.Usagef("no identifiers in the Go files in %s", s.dir)
	}
	if s.traces {
		return replayAll(s, traces(s, paths, names), stdout)
	}
	var rows [][]string
	for _, p := range []plan{
		{Workload: "files", Items: paths, Requests: s.reads, InUse: s.window, Goroutines: s.goroutines},
		{Workload: "identifiers", Items: names, Requests: s.lookups, InUse: s.scope, Goroutines: s.goroutines},
	} {
		more, err := compare(p, stderr)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	fmt.Fprintf(stdout, "%s: %s Go files, %s distinct identifiers\n", s.dir, trial.Count(len(paths)), trial.Count(len(names)))
	fmt.Fprintf(stdout, "%s files and %s identifiers are asked for by Zipf's law\n", trial.Count(s.reads), trial.Count(s.lookups))
	fmt.Fprintf(stdout, "%d goroutines with %d files or %s identifiers in use each\n\n", s.goroutines, s.window, trial.Count(s.scope))
	header := []string{"cache", "hit rate", "misses", "held on average", "difference", "peak memory", "collections", "time"}
	return trial.Table(stdout, header, rows)
}

// compare measures every cache on one workload and returns their rows of the table.
func compare(p plan, stderr io.Writer) (rows [][]string, err error) {
	held := make(map[string]uint64) // by the name of the cache
	var sum int                     // of what the first cache gave
	for i, v := range workloads[p.Workload] {
		name := p.Workload + ": " + v.name
		measure := func(budget uint64) (result, error) {
			p.Variant, p.Budget = i, budget
			return trial.Run[plan, result](p, name, p.Requests, stderr)
		}
		var r result
		off := "-"
		if v.like == "" {
			r, err = measure(0)
		} else {
			r, err = equalize(held[v.like], measure)
			off = percent(r.Held, held[v.like])
		}
		if err != nil {
			return nil, err
		}
		if i > 0 && r.Sum != sum {
			return nil, fmt.Errorf("%s: what it gave sums up to %d, and to %d with the caches before", name, r.Sum, sum)
		}
		held[v.name], sum = r.Held, r.Sum
		rows = append(rows, []string{
			name,
			fmt.Sprintf("%.1f %%", 100*float64(p.Requests-r.Misses)/float64(p.Requests)),
			trial.Count(r.Misses),
			trial.MiB(r.Held),
			off,
			trial.Peak(r.Peak),
			trial.Count(r.Collections),
			r.Elapsed.Round(time.Millisecond).String(),
		})
	}
	return rows, nil
}
