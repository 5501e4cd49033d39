// Command turns measures lookups of all participants in one process, in turns: what differs
// between processes, such as where memory lies, is the same for all. Keys are made just before
// they are looked up, as programs have them, and are other objects than those that were stored,
// except where objects are told apart by identity.
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
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/go-weak/weakmap/bench/internal/peer"
	"github.com/go-weak/weakmap/bench/internal/provenance"
	"github.com/go-weak/weakmap/bench/internal/verdict"
)

// A cell is one measurement.
type cell struct {
	workload, key string
	size          int
	ours          string // the participant that the others are compared with
	run           func(those *regexp.Regexp, rounds int) []result
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

func (r result) median() float64 { return verdict.Median(r.turns) }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("turns", flag.ContinueOnError)
	flags.SetOutput(stderr)
	pattern := flags.String("cell", ".", "measure the cells that match this `regexp`")
	peers := flags.String("peers", ".", "measure the participants that match this `regexp`")
	rounds := flags.Int("rounds", 21, "how many turns each participant has")
	format := flags.String("format", "table", "print a `table`, or the text of a benchmark: bench")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	wanted, err := regexp.Compile(*pattern)
	those, peersErr := regexp.Compile(*peers)
	show, ok := map[string]func(io.Writer, cell, []result){"table": compare, "bench": list}[*format]
	if err != nil || peersErr != nil || flags.NArg() > 0 || *rounds < 1 || !ok {
		fmt.Fprintln(stderr, "turns: -cell and -peers take a regexp, -rounds a positive number, -format table or bench, and there are no arguments")
		return 2
	}
	if *format == "bench" {
		fmt.Fprintf(stdout, "goos: %s\ngoarch: %s\n", runtime.GOOS, runtime.GOARCH)
		command := strings.Join(append([]string{"go run ./bench/cmd/turns"}, args...), " ")
		for _, line := range provenance.Lines(provenance.Commit(context.Background(), "."), *rounds, command) {
			fmt.Fprintln(stdout, line)
		}
	}
	for _, c := range cells() {
		if wanted.MatchString(c.String()) {
			show(stdout, c, c.run(those, *rounds))
		}
	}
	return 0
}

// compare prints a cell as a line, the fastest participant first.
func compare(w io.Writer, c cell, results []result) {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.median(), b.median()) })
	var ours, best float64
	var line strings.Builder
	for _, r := range results {
		fmt.Fprintf(&line, "  %s %.1f", r.name, r.median())
		switch {
		case r.name == c.ours:
			ours = r.median()
		case best == 0 && !strings.HasPrefix(r.name, peer.Ours):
			best = r.median()
		}
	}
	fmt.Fprintf(w, "%-24s best other / ours %.2f:%s\n", c, best/ours, line.String())
}

// list prints all turns of a cell.
func list(w io.Writer, c cell, results []result) {
	for _, r := range results {
		for _, ns := range r.turns {
			fmt.Fprintf(w, "BenchmarkInTurns/%s/impl=%s/%s/size=%d \t%d\t%.4g ns/op\n", c.workload, r.name, c.key, c.size, stretches(c.size)*stretch, ns)
		}
	}
}
