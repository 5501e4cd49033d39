package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsageErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string // in the message
	}{
		{[]string{"-bogus"}, "-bogus"},
		{[]string{"stray"}, "stray"},
		{[]string{"-count", "0"}, "at least 1"},
		{[]string{"-count", "x"}, "count"},
		{[]string{"-benchtime", "-1s"}, "positive"},
		{[]string{"-run", "("}, "-run"},
		{[]string{"-run", "NoSuchCell"}, "-list"},
		{[]string{"-impl", "("}, "-impl"},
		{[]string{"-impl", "nobody"}, "-list"},
		{[]string{"-run", "^InternHit", "-impl", "xsync4"}, "no participant of these cells"},
		{[]string{"-quick", "-o", filepath.Join(file, "below")}, "cannot write"},
		{[]string{"-quick", "-against", "no-such-revision"}, "no such revision"},
		{[]string{"-quick", "-against", "-x"}, "no such revision"},
	} {
		var stdout, stderr strings.Builder
		if status := run(context.Background(), c.args, &stdout, &stderr); status != exitUsage {
			t.Errorf("bench %v: exit status %d, want %d", c.args, status, exitUsage)
		}
		message := stderr.String()
		if !strings.Contains(message, c.want) || strings.Count(message, "\n") != 1 {
			t.Errorf("bench %v says %q, want one line with %q", c.args, message, c.want)
		}
	}
}

func TestHelpIsNoError(t *testing.T) {
	var stdout, stderr strings.Builder
	if status := run(context.Background(), []string{"-help"}, &stdout, &stderr); status != 0 {
		t.Errorf("exit status %d, want 0", status)
	}
	if !strings.Contains(stderr.String(), "-quick") {
		t.Errorf("-help says %q, want the flags", stderr.String())
	}
}

func TestList(t *testing.T) {
	var stdout, stderr strings.Builder
	args := []string{"-list", "-quick", "-run", "^Flood/key=crafted", "-impl", "weakmap|xsync4"}
	if status := run(context.Background(), args, &stdout, &stderr); status != 0 {
		t.Fatalf("exit status %d: %s", status, &stderr)
	}
	want := "Flood/key=crafted/n=16384\n\tweakmap xsync4\n1 cells, 4 sample(s) of each participant, 8 in all: about 8s\n"
	if stdout.String() != want {
		t.Errorf("got %q, want %q", stdout.String(), want)
	}
}

func TestQuickLeavesOutTheLimits(t *testing.T) {
	p, err := newPlan(options{quick: true, count: 1, benchtime: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.cells {
		for _, impl := range c.Impls {
			if impl == "none" || strings.HasPrefix(impl, "strong-") {
				t.Errorf("%v: %s takes part in a quick run", c, impl)
			}
		}
	}
}

func TestResultsFile(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new")
	out, err := create("", folder, "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	out.environment = []string{"commit: 123", "go: go1"}
	for _, text := range []string{
		"goos: linux\ncpu: X\nBenchmarkA/impl=a-2 \t1\t2 ns/op\nPASS\n",
		"goos: linux\ncpu: X\nBenchmarkA/impl=b-2 \t1\t3 ns/op\nPASS\n",
	} {
		if err := out.add([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := "goos: linux\ncpu: X\ncommit: 123\ngo: go1\n\nBenchmarkA/impl=a-2 \t1\t2 ns/op\nBenchmarkA/impl=b-2 \t1\t3 ns/op\n"
	if string(got) != want {
		t.Errorf("the file holds\n%s\nwant\n%s", got, want)
	}
}

func TestFailingSamplesAreReportedByName(t *testing.T) {
	out, err := create("", t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p, err := newPlan(options{quick: true, cells: "Flood/key=crafted", impls: "weakmap|xsync4", count: 1, benchtime: 1})
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	done, err := p.execute(context.Background(), []side{{filepath.Join(t.TempDir(), "missing"), out}}, newProgress(&stderr, p))
	if done != 0 || err == nil {
		t.Fatalf("done %d, error %v; want nothing done and an error", done, err)
	}
	for _, impl := range []string{"weakmap", "xsync4"} {
		if name := "Flood/impl=" + impl + "/key=crafted"; !strings.Contains(err.Error(), name) {
			t.Errorf("error %q does not name %s", err, name)
		}
	}
}
