package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-weak/weakmap/stress/internal/scenario"
)

// A leg is another way to run the scenarios: settings that bring to light what is otherwise
// hidden, or another build.
type leg struct {
	name        string
	why         string
	environment []string // of the run, and of the build if there is one
	builds      bool     // whether it takes a program of its own
	flags       []string // of go build
	mute        string   // how lines on stderr begin that say nothing
}

// legs is the table. The settings of GOGC and of the memory limit are there because they last:
// fault/knobs changes them all the time.
var legs = []leg{
	{name: "clobberfree", environment: []string{"GODEBUG=clobberfree=1"},
		why: "memory that was freed is overwritten: what reads it fails"},
	{name: "gccheckmark", environment: []string{"GODEBUG=gccheckmark=1"},
		why: "each collection marks again with the world stopped, and throws if it finds more"},
	{name: "gcstoptheworld", environment: []string{"GODEBUG=gcstoptheworld=1"},
		why: "collections do not run beside the program"},
	{name: "asyncpreemptoff", environment: []string{"GODEBUG=asyncpreemptoff=1"},
		why: "goroutines are preempted at calls only"},
	{name: "checkfinalizers", environment: []string{"GODEBUG=checkfinalizers=1"}, mute: "checkfinalizers: queue:",
		why: "each collection marks from every cleanup and finalizer, and throws if one keeps its object or has a tiny one"},
	{name: "gogc-1", environment: []string{"GOGC=1"},
		why: "one collection begins when another has ended"},
	{name: "memory-limit", environment: []string{"GOGC=off", "GOMEMLIMIT=32MiB"},
		why: "nothing but a limit near the live heap makes the runtime collect"},
	{name: "race", builds: true, flags: []string{"-race"},
		why: "the race detector watches"},
	{name: "asan", builds: true, flags: []string{"-asan"},
		why: "the address sanitizer watches what pointer arithmetic reads and writes"},
	{name: "386", builds: true, environment: []string{"GOARCH=386", "CGO_ENABLED=0"},
		why: "pointers have 32 bits, and 64-bit fields another alignment"},
	{name: "oldest-go", builds: true, environment: []string{"GOTOOLCHAIN=go1.25.14"},
		why: "the oldest supported Go, whose runtime does not count cleanups"},
	{name: "newest-go", builds: true, environment: []string{"GOTOOLCHAIN=go1.27.4"},
		why: "the newest Go"},
}

// settings is what distinguishes a leg from an ordinary run.
func (l leg) settings() string { return strings.Join(slices.Concat(l.flags, l.environment), " ") }

// legsMatching returns the legs whose name matches the pattern.
func legsMatching(pattern string) ([]leg, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	selected := slices.DeleteFunc(slices.Clone(legs), func(l leg) bool { return !re.MatchString(l.name) })
	if len(selected) == 0 {
		return nil, fmt.Errorf("no leg matches %q", pattern)
	}
	return selected, nil
}

// errSkipped says that a leg cannot run on this machine.
var errSkipped = errors.New("skipped")

// runLegs runs the selected scenarios in a process for each leg. First it builds what must be
// built; the legs that can run share the time. If none failed but some cannot run here, its error
// is errSkipped.
func runLegs(ctx context.Context, selected []leg, scenarios []scenario.Scenario, o options, stdout, stderr io.Writer) error {
	w, err := newWorkshop(ctx)
	if err != nil {
		return err
	}
	defer w.close()
	programs, verdicts := make([]string, len(selected)), make([]error, len(selected))
	ready := 0
	for i, l := range selected {
		if l.builds {
			fmt.Fprintf(stdout, "=== %s (%s) is built\n", l.name, l.settings())
		}
		if programs[i], verdicts[i] = w.program(ctx, l); verdicts[i] == nil {
			ready++
		}
	}
	for i, l := range selected {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(stdout, "\n=== %s (%s): %s\n", l.name, l.settings(), l.why)
		if verdicts[i] == nil {
			share := o
			share.Duration /= time.Duration(ready)
			verdicts[i] = l.run(ctx, programs[i], scenarios, share, stdout, stderr)
		}
		if verdicts[i] != nil {
			fmt.Fprintf(stdout, "=== %s: %v\n", l.name, verdicts[i])
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return summary(selected, verdicts, stdout)
}

// run runs the scenarios in a process of the program.
func (l leg) run(ctx context.Context, program string, scenarios []scenario.Scenario, o options, stdout, stderr io.Writer) error {
	names := make([]string, len(scenarios))
	for i, s := range scenarios {
		names[i] = s.Name
	}
	if o.Folder != "" {
		o.Folder = filepath.Join(o.Folder, l.name)
	}
	child := exec.CommandContext(ctx, program, "-run", "^("+strings.Join(names, "|")+")$", "-o", o.Folder,
		"-seed", fmt.Sprint(o.Seed), "-ops", fmt.Sprint(o.Ops), "-duration", fmt.Sprint(o.Duration),
		"-patience", fmt.Sprint(o.Patience), fmt.Sprintf("-failfast=%t", o.failFast))
	child.Env = append(os.Environ(), l.environment...)
	child.Stdout, child.Stderr = stdout, stderr
	if l.mute != "" {
		child.Stderr = &muted{to: stderr, prefix: l.mute}
	}
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
	if err := child.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("FAILED: %w; run it alone with -leg '^%s$'", err, l.name)
	}
	return nil
}

// summary says how many legs did what, and which.
func summary(selected []leg, verdicts []error, stdout io.Writer) error {
	var failed, skipped []string
	for i, l := range selected {
		switch {
		case errors.Is(verdicts[i], errSkipped):
			skipped = append(skipped, l.name)
		case verdicts[i] != nil:
			failed = append(failed, l.name)
		}
	}
	passed := len(selected) - len(failed) - len(skipped)
	fmt.Fprintf(stdout, "\n=== %d legs: %d passed, %d failed, %d skipped\n", len(selected), passed, len(failed), len(skipped))
	switch {
	case len(failed) > 0:
		return fmt.Errorf("%d of %d legs failed: %s", len(failed), len(selected), strings.Join(failed, ", "))
	case len(skipped) > 0:
		return fmt.Errorf("%d of %d legs %w: %s", len(skipped), len(selected), errSkipped, strings.Join(skipped, ", "))
	}
	return nil
}

// A muted writer passes on whole lines, but not those with the prefix. What comes after the last
// line break is not passed on.
type muted struct {
	to     io.Writer
	prefix string
	line   []byte // so far
}

func (m *muted) Write(p []byte) (int, error) {
	m.line = append(m.line, p...)
	for {
		end := bytes.IndexByte(m.line, '\n') + 1
		if end == 0 {
			return len(p), nil
		}
		if !bytes.HasPrefix(m.line, []byte(m.prefix)) {
			if _, err := m.to.Write(m.line[:end]); err != nil {
				return 0, err
			}
		}
		m.line = m.line[end:]
	}
}
