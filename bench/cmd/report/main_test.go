package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const text = `goos: linux
goarch: amd64
cpu: X
commit: c
go: go1.26

BenchmarkLoad/impl=weakmap-2 1 5 ns/op
BenchmarkLoad/impl=syncmap-2 1 9 ns/op
`

func save(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "results.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReportIsWritten(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	var stdout, stderr strings.Builder
	if status := run([]string{"-o", folder, save(t, text)}, &stdout, &stderr); status != 0 {
		t.Fatalf("exit status %d: %s", status, &stderr)
	}
	for _, name := range []string{"report.md", "report.html", "overview-light.svg", "overview-dark.svg"} {
		path := filepath.Join(folder, name)
		if got, err := os.ReadFile(path); err != nil || !strings.Contains(string(got), "Load") {
			t.Errorf("%s: error %v, want a report of Load", name, err)
		}
		if !strings.Contains(stdout.String(), path) {
			t.Errorf("it says %q, want %s in it", stdout.String(), path)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	good := save(t, text)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "which files"},
		{[]string{"-bogus"}, "-bogus"},
		{[]string{"no-such-file"}, "no-such-file"},
		{[]string{save(t, "goos: linux\n\nBenchmarkLoad/impl=weakmap-2 1 5 ns/op\n")}, "does not say"},
		{[]string{"-o", filepath.Join(good, "below"), good}, "cannot write"},
	} {
		var stdout, stderr strings.Builder
		if status := run(c.args, &stdout, &stderr); status != exitUsage {
			t.Errorf("report %v: exit status %d, want %d", c.args, status, exitUsage)
		}
		if message := stderr.String(); !strings.Contains(message, c.want) || strings.Count(message, "\n") != 1 {
			t.Errorf("report %v says %q, want one line with %q", c.args, message, c.want)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	var stdout, stderr strings.Builder
	if status := run([]string{"-help"}, &stdout, &stderr); status != 0 || !strings.Contains(stderr.String(), "FOLDER") {
		t.Errorf("exit status %d, message %q; want 0 and the usage", status, stderr.String())
	}
}
