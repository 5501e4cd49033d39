package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-weak/weakmap/stress/internal/scenario"
)

// command runs the command with arguments, and returns its status and output.
func command(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(ctx, scenario.All(), args, &out, &err)
	return status, out.String(), err.String()
}

func TestBadFlagsExitWithStatus2(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"-duration 0s", "-duration 0s: must be positive"},
		{"-duration never", "invalid value"},
		{"-patience -1s", "-patience -1s: must be positive"},
		{"-ops -1", "-ops -1: must not be negative"},
		{"-run no/such/scenario", `no scenario matches "no/such/scenario"`},
		{"-run (", "missing closing )"},
		{"-leg nobody", `no leg matches "nobody"`},
		{"-nonsense", "flag provided but not defined"},
		{"owner", `what does "owner" mean?`},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, stdout, stderr := command(t.Context(), strings.Fields(c.args)...)
			if status != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "stress: ") || !strings.Contains(stderr, c.says) {
				t.Errorf("status %d, stdout %q, stderr %q; want status %d and a stderr with %q", status, stdout, stderr, exitUsage, c.says)
			}
		})
	}
}

func TestHelpAndList(t *testing.T) {
	if status, _, stderr := command(t.Context(), "-help"); status != 0 || !strings.Contains(stderr, "-duration time") {
		t.Errorf("-help: status %d, %q", status, stderr)
	}
	status, stdout, _ := command(t.Context(), "-list", "-run", "^linear/")
	if status != 0 || strings.Count(stdout, "\n") != 7 || !strings.Contains(stdout, "linear/map") {
		t.Errorf("-list: status %d, %q", status, stdout)
	}
}

func TestARunTellsSeedAndCounts(t *testing.T) {
	status, stdout, stderr := command(t.Context(), "-run", "^owner/map-int$", "-duration", "300ms", "-seed", "7")
	if status != 0 || !strings.HasPrefix(stdout, "seed 7,") || !strings.Contains(stdout, "ok    owner/map-int") ||
		!strings.Contains(stdout, "1 scenarios, 0 failed") {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

func TestLeaksAreLeftAsATable(t *testing.T) {
	folder := t.TempDir()
	status, stdout, stderr := command(t.Context(), "-run", "^leak/(cycle|iterators)$", "-duration", "100ms", "-seed", "7", "-o", folder)
	text, err := os.ReadFile(filepath.Join(folder, "leaks.md"))
	if status != 0 || err != nil {
		t.Fatalf("status %d, stdout %q, stderr %q; %v", status, stdout, stderr, err)
	}
	number := `-?\d+\.\d{3} ± \d+\.\d{3}`
	for _, want := range []string{
		`^    go run ./stress/cmd/stress -run '\^leak/\(cycle\|iterators\)\$' -seed 7 -duration 100ms\n\ngo1`,
		`\| leak \| operations in a round \| rounds \| heap \| off-heap \| RSS \| found \|\n\|---\|--:\|--:\|--:\|--:\|--:\|---\|\n`,
		`\n\| leak/cycle \| 2000 \| \d+ \| ` + number + ` \| ` + number + ` \| \(` + number + `\) \| nothing \|\n\| leak/iterators `,
	} {
		if !regexp.MustCompile(want).Match(text) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// The budget is enough to see deaths, without which a run has shown nothing.
func TestOpsBudgetEndsARun(t *testing.T) {
	status, stdout, _ := command(t.Context(), "-run", "^owner/map-int$", "-duration", "1h", "-ops", "3000000")
	if status != 0 || !strings.Contains(stdout, "ok  ") {
		t.Errorf("status %d, stdout %q", status, stdout)
	}
}

// A run too short to see anything has shown nothing.
func TestVacuityFailsAndTellsHowToReplay(t *testing.T) {
	status, stdout, stderr := command(t.Context(), "-run", "^cache/canonical$", "-duration", "1ns", "-seed", "3")
	if status != exitFailed || !strings.Contains(stdout, "VACUOUS: no operation") ||
		!strings.Contains(stdout, "replay: go run ./stress/cmd/stress -run '^cache/canonical$' -seed 3 -duration 1ns") ||
		!strings.Contains(stderr, "1 of 1 scenarios failed; seed 3") {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

func TestInterrupt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status, _, stderr := command(ctx, "-duration", "1h"); status != exitInterrupted || stderr != "stress: interrupted\n" {
		t.Errorf("status %d, stderr %q; want %d", status, stderr, exitInterrupted)
	}
}
