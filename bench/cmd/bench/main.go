// Bench runs the benchmarks of this module, one sample of every participant after the other and
// then the next round, so that whatever drifts on the machine hits all of them alike. It writes
// standard benchmark text, which benchstat reads.
//
// Usage, in a folder of this module or of a workspace that has it:
//
//	go run ./bench/cmd/bench [flags]
//
// The exit status is 1 if a benchmark failed, 2 if the flags or the folder are wrong, 130 after
// an interrupt. What was measured until then is kept.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-weak/weakmap/bench/internal/provenance"
	"github.com/go-weak/weakmap/bench/internal/verdict"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

const nothingTaken = "interrupted before the first sample; nothing was written"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the flags as given.
type options struct {
	quick     bool
	list      bool
	cells     string
	impls     string
	against   string
	folder    string
	count     int
	benchtime time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fail := func(status int, format string, arguments ...any) int {
		if ctx.Err() != nil && status != exitInterrupted {
			status, format, arguments = exitInterrupted, nothingTaken, nil
		}
		fmt.Fprintf(stderr, "bench: "+format+"\n", arguments...)
		return status
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return fail(exitUsage, "%v", err)
	}
	p, err := newPlan(o)
	if err != nil {
		return fail(exitUsage, "%v", err)
	}
	if o.list {
		p.list(stdout)
		return 0
	}
	home, err := moduleFolder(ctx)
	if err != nil {
		return fail(exitUsage, "%v", err)
	}
	commit := ""
	if o.against != "" {
		if commit, err = resolve(ctx, home, o.against); err != nil {
			return fail(exitUsage, "%v", err)
		}
	}
	out, err := create(home, o.folder, "")
	if err != nil {
		return fail(exitUsage, "cannot write results: %v", err)
	}
	defer out.Close()
	out.describe(provenance.Commit(ctx, home), p, args)
	files := []*results{out}
	if commit != "" {
		before, err := create(home, o.folder, "-"+commit)
		if err != nil {
			out.discard()
			return fail(exitUsage, "cannot write results: %v", err)
		}
		defer before.Close()
		before.describe(commit, p, args)
		files = append(files, before)
	}

	fmt.Fprintln(stderr, p)
	sides, remove, err := buildSides(ctx, home, commit, files)
	defer remove()
	if err != nil {
		discard(files)
		return fail(exitFailed, "%v", err)
	}
	done, err := p.execute(ctx, sides, newProgress(stderr, p))
	switch {
	case ctx.Err() != nil && done == 0:
		discard(files)
		return fail(exitInterrupted, nothingTaken)
	case ctx.Err() != nil:
		return fail(exitInterrupted, "interrupted; the %d of %d samples taken are in %s", done, p.samples(), nameAll(files))
	case err != nil:
		return fail(exitFailed, "%v\nThe %d of %d samples taken are in %s", err, done, p.samples(), nameAll(files))
	}
	if commit != "" {
		verdict, err := benchstat(ctx, home, commit, files[1], out)
		if err != nil {
			return fail(exitFailed, "%v", err)
		}
		fmt.Fprintf(stdout, "%s\n\nresults: %s\n", verdict, nameAll(files))
		return 0
	}
	if err := judge(stdout, out.Name()); err != nil {
		return fail(exitFailed, "%v", err)
	}
	fmt.Fprintf(stdout, "results: %s\ncompare: go tool benchstat -col /impl %[1]s\nreport:  go run ./bench/cmd/report %[1]s\n", out.Name())
	return 0
}

// buildSides builds what files are for: the working tree first, then commit, if there are two.
// remove deletes the binaries; it may be called after an error.
func buildSides(ctx context.Context, home, commit string, files []*results) (sides []side, remove func(), err error) {
	place, err := os.MkdirTemp("", "weakmap-bench-")
	if err != nil {
		return nil, func() {}, err
	}
	remove = func() { _ = os.RemoveAll(place) }
	now, err := build(ctx, home, place, nil)
	if err != nil {
		return nil, remove, err
	}
	sides = []side{{now, files[0]}}
	if commit == "" {
		return sides, remove, nil
	}
	elsewhere := filepath.Join(place, commit)
	if err := os.Mkdir(elsewhere, 0o777); err != nil {
		return nil, remove, err
	}
	before, err := buildAgainst(ctx, home, elsewhere, commit)
	return append(sides, side{before, files[len(files)-1]}), remove, err
}

func discard(files []*results) {
	for _, file := range files {
		file.discard()
	}
}

func nameAll(files []*results) string {
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
	}
	return strings.Join(names, " and ")
}

// judge prints how this library compares with the best peer, where both took part.
func judge(w io.Writer, fileName string) error {
	file, err := os.Open(fileName)
	if err != nil {
		return err
	}
	defer file.Close()
	entries, err := verdict.Read(file, fileName)
	if err != nil || len(entries) == 0 {
		return err
	}
	return verdict.Print(w, entries)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are returned, and printed once
	flags.BoolVar(&o.quick, "quick", false, "small sizes of the main cells, and rivals only: about three minutes")
	flags.BoolVar(&o.list, "list", false, "list the cells and participants that would run, and exit")
	flags.StringVar(&o.cells, "run", "", "run only cells whose name matches this `regexp`, such as LoadHit/key=string/size=1000$; also those that a full run leaves out")
	flags.StringVar(&o.impls, "impl", "", "run only participants whose whole name matches this `regexp`")
	flags.StringVar(&o.against, "against", "", "run this library, as it is and as it was at a `revision`, side by side, and print benchstat's verdict")
	flags.StringVar(&o.folder, "o", "", "write the results into this `folder` (default: out, in the module's folder)")
	flags.IntVar(&o.count, "count", 0, "samples per cell and participant (default 10, with -quick 4)")
	flags.DurationVar(&o.benchtime, "benchtime", 0, "time per sample of one operation (default 200ms, with -quick 50ms)")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stderr, "usage: go run ./bench/cmd/bench [flags]")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return o, err
	} else if err != nil {
		return o, fmt.Errorf("%w; -help lists the flags", err)
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("what does %q mean? All arguments are flags: see -help", strings.Join(flags.Args(), " "))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["count"] {
		o.count = 10
		if o.quick {
			o.count = quickSamples
		}
	}
	if !given["benchtime"] {
		o.benchtime = 200 * time.Millisecond
		if o.quick {
			o.benchtime = 50 * time.Millisecond
		}
	}
	if o.count < 1 {
		return o, fmt.Errorf("-count %d: at least 1 sample is needed", o.count)
	}
	if o.benchtime <= 0 {
		return o, fmt.Errorf("-benchtime %v: must be positive", o.benchtime)
	}
	return o, nil
}
