// Mutants measures what the scenarios and tests are worth: it puts deliberate faults into copies
// of the library, one at a time, and sees whether they are found.
//
// Usage, in a folder of this module or of a workspace that has it:
//
//	go run ./stress/cmd/mutants [flags]
//
// The exit status is 1 if a fault was not found, 2 if the flags are wrong, 130 after an interrupt.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
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
	pattern       string
	folder        string // where to leave the table; "" = nowhere
	list          bool
	limit, stress time.Duration
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fail := func(status int, format string, arguments ...any) int {
		fmt.Fprintf(stderr, "mutants: "+format+"\n", arguments...)
		return status
	}
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return fail(exitUsage, "%v", err)
	}
	selected, err := matching(o.pattern)
	if err != nil {
		return fail(exitUsage, "-run: %v", err)
	}
	if o.list {
		for _, m := range selected {
			fmt.Fprintf(stdout, "%-22s %s\n", m.name, m.fault)
		}
		return 0
	}
	repository, err := rootFolder(ctx)
	if err != nil {
		return fail(exitUsage, "%v", err)
	}
	l, err := newLaboratory(repository, o.limit, o.stress)
	if err != nil {
		return fail(exitFailed, "%v", err)
	}
	defer l.close()
	switch err := tryAll(ctx, l, selected, o.folder, stdout); {
	case ctx.Err() != nil:
		return fail(exitInterrupted, "interrupted")
	case err != nil:
		return fail(exitFailed, "%v", err)
	}
	return 0
}

// tryAll tries the library as it is, which must survive, and then the mutants, which must not.
func tryAll(ctx context.Context, l *laboratory, selected []mutant, folder string, stdout io.Writer) error {
	const row = "%-22s %-8s %5s  %-24s %s\n"
	fmt.Fprintf(stdout, row, "mutant", "", "sec", "killed by", "which said")
	sound, err := l.examine(ctx, together(selected))
	if err != nil {
		return err
	}
	if sound.killer != "" {
		return fmt.Errorf("the library without any fault fails %s: %s", sound.killer, sound.detail)
	}
	fmt.Fprintf(stdout, row, "none", "survives", seconds(sound.elapsed), "", "")
	tried := table{Platform: platform()}
	for _, m := range selected {
		r, err := l.try(ctx, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		state := "killed"
		if r.killer == "" {
			state = "SURVIVES"
		}
		fmt.Fprintf(stdout, row, m.name, state, seconds(r.elapsed), r.killer, r.detail)
		tried.Trials = append(tried.Trials, trial{m, r})
	}
	fmt.Fprintln(stdout, tried.Summary())
	if folder != "" {
		if err := tried.write(folder); err != nil {
			return fmt.Errorf("the table cannot be written: %w", err)
		}
	}
	if survivors := tried.survivors(); len(survivors) > 0 {
		return fmt.Errorf("survivors: %s", strings.Join(survivors, ", "))
	}
	return nil
}

// together returns the suite of all mutants, for the library without a fault.
func together(selected []mutant) (all suite) {
	join := func(part func(suite) string) string {
		var patterns []string
		for _, m := range selected {
			if pattern := part(m.suite); pattern != "" {
				patterns = append(patterns, pattern)
			}
		}
		return strings.Join(patterns, "|")
	}
	return suite{
		scenarios: join(func(s suite) string { return s.scenarios }),
		tests:     join(func(s suite) string { return s.tests }),
		promises:  join(func(s suite) string { return s.promises }),
		parts:     join(func(s suite) string { return s.parts }),
		schedules: join(func(s suite) string { return s.schedules }),
		moments:   join(func(s suite) string { return s.moments }),
	}
}

func matching(pattern string) ([]mutant, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	selected := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool { return !re.MatchString(m.name) })
	if len(selected) == 0 {
		return nil, fmt.Errorf("no mutant matches %q", pattern)
	}
	return selected, nil
}

// rootFolder returns the folder of the library.
func rootFolder(ctx context.Context) (string, error) {
	output, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/go-weak/weakmap").Output()
	if err != nil {
		return "", fmt.Errorf("the library is not found from this folder: %w", err)
	}
	return strings.TrimSpace(string(output)), nil
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are returned, and printed once
	flags.StringVar(&o.pattern, "run", "", "try only mutants whose name matches this `regexp`")
	flags.StringVar(&o.folder, "o", "", "leave the table as mutants.md in this `folder`")
	flags.BoolVar(&o.list, "list", false, "list the mutants and their faults, and exit")
	flags.DurationVar(&o.limit, "limit", 3*time.Minute, "`time` that one command may take; one that takes longer is killed, and so is the mutant")
	flags.DurationVar(&o.stress, "stress", 20*time.Second, "`time` that the scenarios of a mutant run")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(stderr, "usage: go run ./stress/cmd/mutants [flags]")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return o, err
	} else if err != nil {
		return o, fmt.Errorf("%w; -help lists the flags", err)
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("what does %q mean? All arguments are flags: see -help", strings.Join(flags.Args(), " "))
	case o.limit <= 0 || o.stress <= 0:
		return o, fmt.Errorf("-limit %v and -stress %v: must be positive", o.limit, o.stress)
	}
	return o, nil
}
