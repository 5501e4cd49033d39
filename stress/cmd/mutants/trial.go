package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// A laboratory is a copy of the repository, in which mutants are made.
type laboratory struct {
	folder  string
	limit   time.Duration // of one command
	stress  time.Duration // for the scenarios of a suite
	program string        // where the stress command is built
	tests   string        // where the library's tests are
}

// newLaboratory copies the repository into a temporary folder.
func newLaboratory(repository string, limit, stress time.Duration) (*laboratory, error) {
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	l := &laboratory{folder, limit, stress, filepath.Join(folder, "stress.exe"), filepath.Join(folder, "tests.exe")}
	if err := copyTree(repository, folder); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *laboratory) close() { _ = os.RemoveAll(l.folder) }

// copyTree copies what a build needs, and leaves out hidden folders and results.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && relative != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "out"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, relative), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, relative), text, 0o644)
	})
}

// apply returns the text with the mutant's fault in it.
func (m mutant) apply(text string) (string, error) {
	if n := strings.Count(text, m.old); n != 1 {
		return "", fmt.Errorf("mutant %s: %d places in %s read %q, want one: the table is to be brought up to date", m.name, n, m.file, m.old)
	}
	return strings.Replace(text, m.old, m.new, 1), nil
}

// A result is the result of a trial.
type result struct {
	killer  string        // the scenario or test that failed; "" = none
	detail  string        // what it said
	elapsed time.Duration // while the suite ran, without what building it took
}

// try makes a mutant, has its suite try to kill it, and undoes it.
func (l *laboratory) try(ctx context.Context, m mutant) (result, error) {
	file := filepath.Join(l.folder, m.file)
	sound, err := os.ReadFile(file)
	if err != nil {
		return result{}, err
	}
	faulty, err := m.apply(string(sound))
	if err != nil {
		return result{}, err
	}
	if err := os.WriteFile(file, []byte(faulty), 0o644); err != nil {
		return result{}, err
	}
	r, err := l.examine(ctx, m.suite)
	return r, errors.Join(err, os.WriteFile(file, sound, 0o644))
}

// examine runs a suite on the copy as it is.
func (l *laboratory) examine(ctx context.Context, s suite) (r result, err error) {
	run := func(program string, args ...string) (string, error) {
		begun := time.Now()
		defer func() { r.elapsed += time.Since(begun) }()
		return l.command(ctx, program, args...)
	}
	if s.scenarios != "" {
		if output, err := l.command(ctx, "go", "build", "-o", l.program, "./stress/cmd/stress"); err != nil {
			return r, fmt.Errorf("it does not compile, and so is no mutant: %w\n%s", err, output)
		}
		output, err := run(l.program, "-failfast", "-seed", "1", "-run", s.scenarios,
			"-duration", l.stress.String(), "-patience", (l.stress / 2).String())
		if err != nil {
			return r.verdict(ctx, output, err, s.scenarios)
		}
	}
	if s.schedules != "" {
		s.schedules = "^TestSchedules$/(" + s.schedules + ")"
	}
	for _, tests := range []struct{ folder, tags, pattern string }{
		{".", "", s.tests}, {"./internal/suite", "", s.promises},
		{"./internal/row", "", s.parts}, {"./internal/journal", "", s.parts}, {"./internal/pack", "", s.parts},
		{".", "weakmapsched", s.schedules}, {".", "weakmapsched", s.moments},
	} {
		if tests.pattern == "" {
			continue
		}
		if output, err := l.command(ctx, "go", "test", "-c", "-tags", tests.tags, "-o", l.tests, tests.folder); err != nil {
			return r, fmt.Errorf("it does not compile, and so is no mutant: %w\n%s", err, output)
		}
		output, err := run(l.tests, "-test.short", "-test.failfast", "-test.run", tests.pattern)
		if err != nil {
			return r.verdict(ctx, output, err, tests.pattern)
		}
	}
	return r, nil
}

// command runs a program in the copy, and returns what it printed.
func (l *laboratory) command(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, l.limit)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = l.folder
	output, err := c.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(output), err
}

var (
	failure = regexp.MustCompile(`(?m)^(?:FAIL  |stress: |\s*--- FAIL: )([\w/-]+)`)
	details = regexp.MustCompile(`(?m)(?:VIOLATION|VACUOUS): (.*)$|^(panic: .*|fatal error: .*)$|^\s+\w+_test\.go:\d+: (.*)$`)
)

// verdict completes a result by what a suite that failed has found, as its output says.
func (r result) verdict(ctx context.Context, output string, err error, suite string) (result, error) {
	if ctx.Err() != nil {
		return r, ctx.Err() // Interrupted.
	}
	r.killer, r.detail = strings.Trim(suite, "^$"), err.Error()
	if m := failure.FindStringSubmatch(output); m != nil {
		r.killer = m[1]
	}
	if m := details.FindStringSubmatch(output); m != nil {
		r.detail = m[1] + m[2] + m[3]
	}
	return r, nil
}
