// Stress runs the scenarios that try to break this library: hard use beside the collector, each
// with an oracle. It prints what each has seen, and fails if anything was not as it must be, or
// if a scenario has seen nothing.
//
// Usage, in a folder of this module or of a workspace that has it:
//
//	go run ./stress/cmd/stress [flags]
//
// The exit status is 1 if a scenario failed, 2 if the flags are wrong, 3 if none failed but some
// legs cannot run on this machine, 130 after an interrupt.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/go-weak/weakmap/stress/internal/scenario"
)

const (
	exitFailed      = 1
	exitUsage       = 2
	exitSkipped     = 3
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, scenario.All(), os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// options are the flags as given.
type options struct {
	scenario.Budget // Duration is that of all scenarios together
	pattern         string
	failFast        bool
	list            bool
	legs            bool
	leg             string // which legs; "" = all
}

func run(ctx context.Context, table []scenario.Scenario, args []string, stdout, stderr io.Writer) int {
	fail := func(status int, format string, arguments ...any) int {
		fmt.Fprintf(stderr, "stress: "+format+"\n", arguments...)
		return status
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return fail(exitUsage, "%v", err)
	}
	selected, err := scenario.Matching(table, o.pattern)
	if err != nil {
		return fail(exitUsage, "-run: %v", err)
	}
	selectedLegs, err := legsMatching(o.leg)
	if err != nil {
		return fail(exitUsage, "-leg: %v", err)
	}
	switch {
	case o.list && o.legs:
		for _, l := range selectedLegs {
			fmt.Fprintf(stdout, "%-16s %-30s %s\n", l.name, l.settings(), l.why)
		}
		return 0
	case o.list:
		for _, s := range selected {
			fmt.Fprintf(stdout, "%-26s %s\n", s.Name, s.Catches)
		}
		return 0
	}
	fmt.Fprintf(stdout, "seed %d, %s\n", o.Seed, platform())
	if o.legs {
		err = runLegs(ctx, selectedLegs, selected, o, stdout, stderr)
	} else {
		err = play(ctx, selected, o, stdout)
	}
	switch {
	case errors.Is(err, errSkipped):
		return fail(exitSkipped, "%v", err)
	case err != nil:
		return fail(exitFailed, "%v", err)
	case ctx.Err() != nil:
		return fail(exitInterrupted, "interrupted")
	}
	return 0
}

// platform says on what the scenarios run.
func platform() string {
	return fmt.Sprintf("%s, %s/%s, GOMAXPROCS %d", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
}

// play runs scenarios one after the other, each for its share of the time.
func play(ctx context.Context, selected []scenario.Scenario, o options, stdout io.Writer) error {
	b := o.Budget
	b.Duration /= time.Duration(len(selected))
	var total scenario.Report
	leaks := leakTable{Command: o.command(), Platform: platform()}
	played, failed := 0, 0
	for _, s := range selected {
		if ctx.Err() != nil || failed > 0 && o.failFast {
			break
		}
		r := s.Play(ctx, b)
		played++
		verdict := "ok  "
		if r.Failed() {
			verdict = "FAIL"
			failed++
			r.Notes = append(r.Notes, "replay: "+scenario.Replay(s.Name, b))
		}
		fmt.Fprintf(stdout, "%s  %-24s %v\n", verdict, s.Name, r)
		if len(r.Slopes) > 0 {
			leaks.Leaks = append(leaks.Leaks, leak{s.Name, r.Slopes, r.Failed()})
		}
		total.Ops += r.Ops
		total.Hits += r.Hits
		total.Deaths += r.Deaths
		total.Collections += r.Collections
		total.Violated += r.Violated
		total.Elapsed += r.Elapsed
	}
	fmt.Fprintf(stdout, "total %-24s %v\n", fmt.Sprintf("%d scenarios, %d failed", played, failed), total)
	if o.Folder != "" && len(leaks.Leaks) > 0 {
		if err := leaks.write(o.Folder); err != nil {
			return fmt.Errorf("the table of leaks cannot be written: %w", err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d scenarios failed; seed %d", failed, played, b.Seed)
	}
	return nil
}

// command is the command line, as far as it decides what the scenarios do.
func (o options) command() string {
	return fmt.Sprintf("go run ./stress/cmd/stress -run '%s' -seed %d -duration %v", o.pattern, o.Seed, o.Duration)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("stress", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are returned, and printed once
	flags.DurationVar(&o.Duration, "duration", 2*time.Minute, "`time` for all scenarios together")
	flags.Int64Var(&o.Ops, "ops", 0, "let each scenario end after this `number` of operations; 0 means any number")
	flags.Uint64Var(&o.Seed, "seed", 0, "`number` that random choices follow from; 0 means another one each time")
	flags.DurationVar(&o.Patience, "patience", 30*time.Second, "`time` that what must happen may take")
	flags.StringVar(&o.pattern, "run", "", "run only scenarios whose name matches this `regexp`")
	flags.StringVar(&o.Folder, "o", "", "leave failing histories, pictures and samples in this `folder`")
	flags.BoolVar(&o.failFast, "failfast", false, "run no more scenarios after one that failed")
	flags.BoolVar(&o.list, "list", false, "list the scenarios that would run and what they can catch, and exit")
	flags.BoolVar(&o.legs, "legs", false, "run the scenarios in a process for each of several settings of the runtime and ways to build; with -list, list those")
	flags.StringVar(&o.leg, "leg", "", "as -legs, but only those whose name matches this `regexp`")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stderr, "usage: go run ./stress/cmd/stress [flags]")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return o, err
	} else if err != nil {
		return o, fmt.Errorf("%w; -help lists the flags", err)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("what does %q mean? All arguments are flags: see -help", strings.Join(flags.Args(), " "))
	case o.Duration <= 0:
		return o, fmt.Errorf("-duration %v: must be positive", o.Duration)
	case o.Patience <= 0:
		return o, fmt.Errorf("-patience %v: must be positive", o.Patience)
	case o.Ops < 0:
		return o, fmt.Errorf("-ops %d: must not be negative", o.Ops)
	}
	o.legs = o.legs || o.leg != ""
	if o.Seed == 0 {
		o.Seed = uint64(rand.Uint32())
	}
	return o, nil
}
