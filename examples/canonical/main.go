// Command canonical makes objects canonical for which == does not say whether they are the same:
//
// the types of all expressions of the standard library, as go/types gives them, by
// types.Identical, in a weakmap.Set beside typeutil.Map of golang.org/x/tools; and the lists of
// import paths of all Go files of a tree, by content, beside a list for each file. In the end it
// lets go of what is canonical, and counts what the Set has left.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

const program = "canonical"

func main() {
	os.Exit(trial.Status(program, run(os.Args[1:], os.Stdout), os.Stderr))
}

func run(args []string, stdout io.Writer) error {
	var pattern, dir string
	flags := flag.NewFlagSet(program, flag.ContinueOnError)
	flags.StringVar(&pattern, "packages", "std", "take the types of the packages that match `pattern`")
	flags.StringVar(&dir, "dir", "", "take the imports of the Go files below this `directory` (default the Go standard library's sources)")
	if err := trial.Parse(flags, args, stdout); err != nil {
		return err
	}
	if dir == "" {
		var err error
		if dir, err = trial.GoSource(); err != nil {
			return err
		}
	}
	return cmp.Or(reportTypes(stdout, pattern), reportImports(stdout, dir))
}

// A row is the result of one way of making objects canonical.
type row struct {
	name     string
	elapsed  time.Duration
	memory   uint64 // of the container and what it made canonical
	distinct int
	left     int // when nothing is held any more; -1 = it keeps all
}

// rounds is how often each is measured: the shortest time counts, and the last memory, when what
// the preparation left has gone.
const rounds = 3

// measured runs make, which makes a container and returns it, what is canonical by it, and how
// much that is.
func measured[C, H any](name string, make func() (C, H, int)) (r row, container C, held H) {
	for i := range rounds {
		var c C
		var h H
		container, held = c, h
		before := trial.HeldMemory()
		start := time.Now()
		container, held, r.distinct = make()
		if elapsed := time.Since(start); i == 0 || elapsed < r.elapsed {
			r.elapsed = elapsed
		}
		r.memory = max(trial.HeldMemory(), before) - before
	}
	r.name, r.left = name, -1
	return r, container, held
}

func print(stdout io.Writer, what string, rows ...row) error {
	var cells [][]string
	for _, r := range rows {
		left := "-"
		if r.left >= 0 {
			left = strconv.Itoa(r.left)
		}
		cells = append(cells, []string{r.name, r.elapsed.Round(time.Millisecond).String(), trial.MiB(r.memory), trial.Count(r.distinct), left})
	}
	return trial.Table(stdout, []string{what, "time", "memory", "distinct", "left"}, cells)
}

func titled(stdout io.Writer, format string, args ...any) {
	fmt.Fprintf(stdout, format+"\n\n", args...)
}
