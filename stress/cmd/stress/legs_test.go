package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
)

// asCommand is set in the environment of a test binary that is to be the command itself.
const asCommand = "STRESS_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestLegsRunInProcessesWithTheirSettings(t *testing.T) {
	t.Setenv(asCommand, "1")
	folder := t.TempDir()
	status, stdout, stderr := command(t.Context(), "-leg", "^(clobberfree|checkfinalizers)$", "-run", "^leak/cycle$", "-duration", "400ms", "-seed", "7", "-o", folder)
	if status != 0 || !strings.Contains(stdout, "=== clobberfree (GODEBUG=clobberfree=1): ") || strings.Count(stdout, "ok    leak/cycle") != 2 ||
		!strings.HasSuffix(stdout, "=== 2 legs: 2 passed, 0 failed, 0 skipped\n") || strings.Contains(stderr, "checkfinalizers: queue:") {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	for _, leg := range []string{"clobberfree", "checkfinalizers"} {
		if _, err := os.Stat(folder + "/" + leg + "/leaks.md"); err != nil {
			t.Errorf("leg %s leaves nothing in a folder of its own: %v", leg, err)
		}
	}
}

func TestAFailingLegFailsTheRun(t *testing.T) {
	t.Setenv(asCommand, "1")
	status, stdout, stderr := command(t.Context(), "-leg", "^clobberfree$", "-run", "^cache/canonical$", "-duration", "1ns")
	if status != exitFailed || !strings.Contains(stdout, "=== clobberfree: FAILED: exit status 1; run it alone with -leg '^clobberfree$'") ||
		!strings.Contains(stdout, "0 passed, 1 failed, 0 skipped") || !strings.Contains(stderr, "1 of 1 legs failed: clobberfree") {
		t.Errorf("status %d, stdout %q, stderr %q; want status %d", status, stdout, stderr, exitFailed)
	}
}

func TestALegWithoutGoIsSkippedWithAWord(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	status, stdout, stderr := command(t.Context(), "-leg", "^race$", "-duration", "1s")
	if status != exitSkipped || !strings.Contains(stdout, "=== race: skipped: there is no go command") || !strings.Contains(stderr, "1 of 1 legs skipped: race") {
		t.Errorf("status %d, stdout %q, stderr %q; want status %d", status, stdout, stderr, exitSkipped)
	}
}

// A leg is skipped where nothing can be built or run like it, and fails where only the command cannot.
func TestWhatCannotBeBuilt(t *testing.T) {
	w, err := newWorkshop(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	unknown := leg{name: "unknown", builds: true, environment: []string{"GOARCH=unknown"}}
	if _, err := w.program(t.Context(), unknown); !errors.Is(err, errSkipped) || !strings.Contains(err.Error(), "unsupported GOOS/GOARCH") {
		t.Errorf("a leg for an unknown processor: %v, want it skipped with what the go command said", err)
	}
	w.sources = t.TempDir()
	if _, err := w.program(t.Context(), leg{name: "broken", builds: true}); err == nil || errors.Is(err, errSkipped) || !strings.Contains(err.Error(), "FAILED: go build") {
		t.Errorf("a leg whose sources are broken: %v, want it failed", err)
	}
}

func TestEveryLegSaysWhatItIsFor(t *testing.T) {
	seen := map[string]bool{}
	for _, l := range legs {
		if l.name == "" || l.why == "" || l.settings() == "" || seen[l.name] {
			t.Errorf("leg %+v lacks a name of its own, a reason or settings", l)
		}
		seen[l.name] = true
	}
	if status, stdout, _ := command(t.Context(), "-legs", "-list"); status != 0 || strings.Count(stdout, "\n") != len(legs) || !strings.Contains(stdout, "GOTOOLCHAIN=") {
		t.Errorf("-legs -list: status %d, %q", status, stdout)
	}
}

func TestMutedDropsLinesWithItsPrefix(t *testing.T) {
	var out bytes.Buffer
	m := &muted{to: &out, prefix: "noise:"}
	for _, part := range []string{"one\nnoi", "se: a\ntwo", " noise:\nnoise: b\n"} {
		if n, err := m.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if got, want := out.String(), "one\ntwo noise:\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
