package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// legs are settings of the runtime that bring to light what it otherwise hides.
var legs = []struct{ name, why string }{
	{"clobberfree=1", "memory that was freed is overwritten: whoever reads it fails"},
	{"gccheckmark=1", "each collection marks again with the world stopped, and throws if it finds more"},
	{"gcstoptheworld=1", "collections do not run beside the program"},
	{"asyncpreemptoff=1", "goroutines are preempted at calls only"},
}

// runLegs runs the selected scenarios in a process for each leg, which has its share of the time.
func runLegs(ctx context.Context, o options, stdout, stderr io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("the own program is not known: %w", err)
	}
	failed := 0
	for _, leg := range legs {
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(stdout, "\n=== GODEBUG=%s: %s\n", leg.name, leg.why)
		child := exec.CommandContext(ctx, self,
			"-run", o.pattern, "-o", o.Folder, "-seed", fmt.Sprint(o.Seed), "-ops", fmt.Sprint(o.Ops),
			"-duration", fmt.Sprint(o.Duration/time.Duration(len(legs))), "-patience", fmt.Sprint(o.Patience), fmt.Sprintf("-failfast=%t", o.failFast))
		child.Env = append(os.Environ(), "GODEBUG="+leg.name)
		child.Stdout, child.Stderr = stdout, stderr
		child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
		if err := child.Run(); err != nil && ctx.Err() == nil {
			failed++
			fmt.Fprintf(stdout, "=== FAILED: GODEBUG=%s: %v\n", leg.name, err)
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d legs failed", failed, len(legs))
	}
	return nil
}
