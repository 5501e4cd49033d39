// Command hitrate shows what weakmap's Config.Retain is for: it reads the files of a directory tree
// through caches, some files much more often than others, and tells how often each cache had the
// file that was asked for.
//
//   - weakmap, weak only: a file stays while somebody uses it, and until the next collection;
//   - weakmap, Retain 1, 2 and 4: it stays until so many collections have passed without a use;
//   - otter: a cache of fixed size, limited to as many bytes of files as the row above it held on
//     average once it was full. It takes more than that with what it needs beside them: the column
//     "held on average" says how much.
//
// Which file is asked for next follows Zipf's law: the second most popular one is wanted about half
// as often as the first, the third a third as often, and so on. Each goroutine splits what it gets
// into lines, which leaves garbage, and keeps the last few files in use. All caches are asked for
// the same files in the same order. By default the tree is the Go standard library.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
	Dir        string
	Goroutines int
	Window     int // files that each goroutine keeps in use
	Reads      int
	LimitMiB   int // the most that the tree may hold
}

func parse(args []string, stdout io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.StringVar(&s.Dir, "dir", "", "read the Go files below this `directory` (default the Go standard library's sources)")
	flags.IntVar(&s.Goroutines, "goroutines", 8, "read with `n` goroutines")
	flags.IntVar(&s.Window, "window", 4, "each goroutine keeps its last `n` files in use")
	flags.IntVar(&s.Reads, "reads", 300_000, "ask each cache for `n` files")
	flags.IntVar(&s.LimitMiB, "limit", 1024, "refuse a tree of more than `n` MiB")
	if err := trial.Parse(flags, args, stdout); err != nil {
		return s, err
	}
	return s, cmp.Or(
		trial.InRange("goroutines", s.Goroutines, 1, 10_000),
		trial.InRange("window", s.Window, 1, 100_000),
		trial.InRange("reads", s.Reads, 1, 100_000_000),
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
	paths, err := trial.Files(s.Dir, int64(s.LimitMiB)<<20, func(path string) bool { return filepath.Ext(path) == ".go" })
	if err != nil {
		return err
	}
	if paths = readable(paths); len(paths) == 0 {
		return trial.Usagef("no readable Go files in %s", s.Dir)
	}
	var rows [][]string
	var held uint64 // by the variant before
	var lines int   // that it was given
	for i, v := range variants {
		p := plan{Variant: i, Paths: paths, Settings: s, Budget: held}
		r, err := trial.Run[plan, result](p, v.name, s.Reads, stderr)
		if err != nil {
			return err
		}
		if i > 0 && r.Lines != lines {
			return fmt.Errorf("%s: %d lines were read, %d with the caches before", v.name, r.Lines, lines)
		}
		held, lines = r.Held, r.Lines
		rows = append(rows, []string{
			v.name,
			fmt.Sprintf("%.1f %%", 100*float64(s.Reads-r.Loads)/float64(s.Reads)),
			trial.Count(r.Loads),
			trial.MiB(r.Held),
			trial.Peak(r.Peak),
			trial.Count(r.Collections),
			r.Elapsed.Round(time.Millisecond).String(),
		})
	}
	fmt.Fprintf(stdout, "%s: %s Go files\n", s.Dir, trial.Count(len(paths)))
	fmt.Fprintf(stdout, "%s reads by Zipf's law, %d goroutines with %d files in use each\n\n",
		trial.Count(s.Reads), s.Goroutines, s.Window)
	header := []string{"cache", "hit rate", "read from disk", "held on average", "peak memory", "collections", "time"}
	return trial.Table(stdout, header, rows)
}

// readable returns the paths of files that can be read. Reading them leaves them in the system's page
// cache, so that the first variant is not the only one to wait for the disk.
func readable(paths []string) (found []string) {
	for _, path := range paths {
		if _, err := os.ReadFile(path); err == nil {
			found = append(found, path)
		}
	}
	return found
}
