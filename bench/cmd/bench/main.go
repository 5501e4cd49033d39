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
	"strings"
	"syscall"
	"time"

	"github.com/go-weak/weakmap/bench/internal/verdict"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

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
	folder    string
	count     int
	benchtime time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fail := func(status int, format string, arguments ...any) int {
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
	out, err := create(home, o.folder)
	if err != nil {
		return fail(exitUsage, "cannot write results: %v", err)
	}
	defer out.Close()
	out.describe(ctx, home, p, args)

	fmt.Fprintln(stderr, p)
	binary, remove, err := build(ctx, home)
	if err != nil {
		_ = os.Remove(out.Name())
		return fail(exitFailed, "%v", err)
	}
	defer remove()
	done, err := p.execute(ctx, binary, out, newProgress(stderr, p))
	switch {
	case ctx.Err() != nil && done == 0:
		_ = os.Remove(out.Name())
		return fail(exitInterrupted, "interrupted before the first sample; nothing was written")
	case ctx.Err() != nil:
		return fail(exitInterrupted, "interrupted; the %d of %d samples taken are in %s", done, p.samples(), out.Name())
	case err != nil:
		return fail(exitFailed, "%v\nThe %d of %d samples taken are in %s", err, done, p.samples(), out.Name())
	}
	if err := judge(stdout, out.Name()); err != nil {
		return fail(exitFailed, "%v", err)
	}
	fmt.Fprintf(stdout, "results: %s\ncompare: go tool benchstat -col /impl %[1]s\n", out.Name())
	return 0
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
	flags.BoolVar(&o.quick, "quick", false, "small sizes, one sample, no strong maps: about two minutes")
	flags.BoolVar(&o.list, "list", false, "list the cells and participants that would run, and exit")
	flags.StringVar(&o.cells, "run", "", "run only cells whose name matches this `regexp`, such as LoadHit/key=string/size=1000$")
	flags.StringVar(&o.impls, "impl", "", "run only participants whose whole name matches this `regexp`")
	flags.StringVar(&o.folder, "o", "", "write the results into this `folder` (default: out, in the module's folder)")
	flags.IntVar(&o.count, "count", 0, "samples per cell and participant (default 10, with -quick 1)")
	flags.DurationVar(&o.benchtime, "benchtime", 0, "time per sample of one operation (default 500ms, with -quick 100ms)")
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
			o.count = 1
		}
	}
	if !given["benchtime"] {
		o.benchtime = 500 * time.Millisecond
		if o.quick {
			o.benchtime = 100 * time.Millisecond
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
