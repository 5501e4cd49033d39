// Command gosrc interns every identifier of a tree of Go sources, by default those of the standard
// library, with many goroutines, and sets weakmap.Interner and weakmap.Strings beside plain strings,
// unique.Make, with its handles and without, and a sync.Map of weak pointers.
//
// It keeps one handle for each identifier of each file, as a program would that keeps syntax trees.
// Then it drops every second package, and in the end all of them, and counts the entries that are
// left. Sources are scanned before the clock starts: the times are those of interning alone.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

const program = "gosrc"

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
	Dir        string
	Goroutines int
	LimitMiB   int // the most that the tree may hold
}

func parse(args []string, stdout io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.StringVar(&s.Dir, "dir", "", "scan the Go files below this `directory` (default the Go standard library's sources)")
	flags.IntVar(&s.Goroutines, "goroutines", 16, "intern with `n` goroutines")
	flags.IntVar(&s.LimitMiB, "limit", 1024, "refuse a tree of more than `n` MiB, because plain strings take more than that")
	if err := trial.Parse(flags, args, stdout); err != nil {
		return s, err
	}
	return s, cmp.Or(
		trial.InRange("goroutines", s.Goroutines, 1, 10_000),
		trial.InRange("limit", s.LimitMiB, 1, maxSource>>20),
	)
}

// run measures every variant and prints the table.
func run(args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if s.Dir == "" {
		if s.Dir, err = trial.GoSource(); err != nil {
			return err
		}
	}
	paths, err := trial.Files(s.Dir, int64(s.LimitMiB)<<20, isGo)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return trial.Usagef("no Go files in %s", s.Dir)
	}
	if !slices.ContainsFunc(paths, readable) {
		return trial.Usagef("no readable Go files in %s", s.Dir)
	}

	p := plan{Paths: paths, Goroutines: s.Goroutines}
	var r result
	var rows [][]string
	for _, v := range variants {
		p.Variant = v.name
		// Each file is scanned, and then interned.
		if r, err = trial.Run[plan, result](p, v.name, 2*len(paths), stderr); err != nil {
			return err
		}
		rows = append(rows, []string{
			v.name,
			r.Elapsed.Round(time.Millisecond).String(),
			trial.Peak(r.Peak),
			trial.MiB(r.Memory),
			entries(r.Entries),
			trial.MiB(r.HalfMemory),
			entries(r.HalfEntries),
			entries(r.NoneEntries),
		})
	}

	fmt.Fprintf(stdout, "%s: %s Go files in %s directories, %s skipped\n",
		s.Dir, trial.Count(len(paths)), trial.Count(packages(paths)), trial.Count(r.Skipped))
	fmt.Fprintf(stdout, "%s identifiers, %s distinct, %s in every second directory; %d goroutines\n",
		trial.Count(r.Tokens), trial.Count(r.Distinct), trial.Count(r.HalfDistinct), s.Goroutines)
	fmt.Fprint(stdout, "half: after every second directory was dropped; none: after all were\n\n")
	return trial.Table(stdout, []string{
		"identifiers", "time", "peak memory", "memory", "entries", "half: memory", "half: entries", "none: entries",
	}, rows)
}

func isGo(path string) bool { return filepath.Ext(path) == ".go" }

// readable says whether a file can be opened, which is cheap to ask before work begins.
func readable(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// entries writes a number of entries, or a dash if the variant cannot tell.
func entries(n int) string {
	if n < 0 {
		return "-"
	}
	return trial.Count(n)
}
