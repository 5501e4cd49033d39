// Command filecache reads a directory tree with many goroutines through a cache that lets go of
// files when they are no longer used, and compares it with two caches made by hand:
//
//   - weakmap: weakmap.Map and its LoadOrCompute;
//   - sync.Map: strong references, so a file once read stays;
//   - sync.Map+weak: sync.Map of weak pointers, with a runtime cleanup per file.
//
// The work is that of a tool with many workers, such as a linter or an indexer: each goroutine
// goes through the tree, keeps the last few files in use, and comes back to files that it or
// others saw a moment ago. All variants are asked for the same files in the same order, and each
// content they give is checked against the file. By default the tree is the Go standard library.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

const program = "filecache"

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
	Window     int // files that each goroutine keeps in use
	Revisits   int // files looked at again after each new one
	Rounds     int // times through the whole tree
	LimitMiB   int // the most that the tree may hold
}

func parse(args []string, stdout io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.StringVar(&s.Dir, "dir", "", "read the files below this `directory` (default the Go standard library's sources)")
	flags.IntVar(&s.Goroutines, "goroutines", 16, "read with `n` goroutines")
	flags.IntVar(&s.Window, "window", 32, "each goroutine keeps its last `n` files in use")
	flags.IntVar(&s.Revisits, "revisits", 3, "each goroutine looks at `n` recent files again after each new one")
	flags.IntVar(&s.Rounds, "rounds", 3, "go through the tree `n` times")
	flags.IntVar(&s.LimitMiB, "limit", 1024, "refuse a tree of more than `n` MiB, because sync.Map will hold all of it")
	err := trial.Parse(flags, args, stdout)
	if err != nil {
		return s, err
	}
	return s, cmp.Or(
		trial.InRange("goroutines", s.Goroutines, 1, 10_000),
		trial.InRange("window", s.Window, 1, 100_000),
		trial.InRange("revisits", s.Revisits, 0, 1000),
		trial.InRange("rounds", s.Rounds, 1, 1000),
		trial.InRange("limit", s.LimitMiB, 1, 1<<20),
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
	files, err := survey(s.Dir, int64(s.LimitMiB)<<20, stderr)
	if err != nil {
		return err
	}
	var rows [][]string
	var total int64
	for _, f := range files {
		total += f.Size
	}
	var failures []error
	for _, v := range variants {
		p := plan{Variant: v.name, Files: files, Settings: s}
		r, err := trial.Run[plan, result](p, v.name, p.tasks(), stderr)
		if err != nil {
			return err
		}
		rows = append(rows, []string{
			v.name,
			trial.Count(r.Reads),
			trial.Count(r.Hits),
			trial.Count(r.Skipped),
			trial.Peak(r.Peak),
			trial.Count(r.Left),
			r.Elapsed.Round(time.Millisecond).String(),
		})
		if v.weak && r.Left > 0 {
			failures = append(failures, fmt.Errorf("%s: %d entries left after every file was released", v.name, r.Left))
		}
	}

	fmt.Fprintf(stdout, "%s: %s files, %s\n", s.Dir, trial.Count(len(files)), trial.MiB(uint64(total)))
	fmt.Fprintf(stdout, "%d goroutines with %d files in use each, %d revisits per file, %d rounds\n"+
		"Less is better except for hits. sync.Map reads each file once, because it keeps them all.\n\n",
		s.Goroutines, s.Window, s.Revisits, s.Rounds)
	header := []string{"cache", "read from disk", "hits", "skipped files", "peak memory", "entries left", "time"}
	if err := trial.Table(stdout, header, rows); err != nil {
		return err
	}
	return errors.Join(failures...)
}
