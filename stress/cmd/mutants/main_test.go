package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The engine changes; a mutant whose text is not found any more tests nothing.
func TestEveryMutantApplies(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range mutants {
		text, err := os.ReadFile(filepath.Join("..", "..", "..", m.file))
		if err != nil {
			t.Errorf("mutant %s: %v", m.name, err)
			continue
		}
		faulty, err := m.apply(string(text))
		if err != nil {
			t.Error(err)
		} else if faulty == string(text) {
			t.Errorf("mutant %s changes nothing", m.name)
		}
		if seen[m.name] || m.fault == "" || m.suite == (suite{}) {
			t.Errorf("mutant %s lacks a name of its own, a fault or a suite", m.name)
		}
		seen[m.name] = true
	}
	if len(mutants) < 15 {
		t.Errorf("%d mutants, want 15 at least", len(mutants))
	}
}

func TestASnippetMustStandOnce(t *testing.T) {
	m := mutant{name: "m", file: "f.go", old: "b", new: "x"}
	for text, want := range map[string]string{"abc": "axc", "": "0 places", "bb": "2 places"} {
		got, err := m.apply(text)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("apply(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct{ output, killer, detail string }{
		{"seed 1\nok    owner/set  1 ops\nFAIL  owner/map-int            3 ops\n    VIOLATION: Load = 0\n", "owner/map-int", "Load = 0"},
		{"goroutine 1\nstress: fault/panic: VIOLATION: hangs\nreplay: x\n", "fault/panic", "hangs"},
		{"panic: runtime error: index out of range\n\ngoroutine 5\n", "suite", "panic: runtime error: index out of range"},
		{"--- FAIL: TestShrinks (0.10s)\n    map_test.go:12: Capacity = 9\nFAIL\n", "TestShrinks", "Capacity = 9"},
	} {
		r, err := result{}.verdict(t.Context(), c.output, errors.New("exit status 1"), "^suite$")
		if err != nil || r.killer != c.killer || r.detail != c.detail {
			t.Errorf("verdict(%q) = %+v, %v; want %q, %q", c.output, r, err, c.killer, c.detail)
		}
	}
}

func TestTheTableIsLeftAsMarkdown(t *testing.T) {
	tried := table{Platform: "here"}
	for i, killer := range []string{"owner/set", "", "owner/map-int", "TestShrinks"} {
		m := mutant{name: fmt.Sprint("m", i), fault: "a fault"}
		tried.Trials = append(tried.Trials, trial{m, result{killer: killer, elapsed: time.Duration(i) * time.Second}})
	}
	folder := filepath.Join(t.TempDir(), "new")
	if err := tried.write(folder); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "mutants.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"here. 3 of 4 killed; median 2.0 s, maximum 3.0 s.\n\n| mutant | fault | killed by | seconds |\n|---|---|---|--:|\n",
		"\n| m0 | a fault | owner/set | 0.0 |\n",
		"\n| m1 | a fault | nothing | 1.0 |\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if s := tried.survivors(); len(s) != 1 || s[0] != "m1" {
		t.Errorf("survivors %q, want m1", s)
	}
	if s := (table{}).Summary(); s != "0 of 0 killed" {
		t.Errorf("of no trial: %q", s)
	}
}

func TestBadFlagsExitWithStatus2(t *testing.T) {
	for args, says := range map[string]string{
		"-run nobody": `no mutant matches "nobody"`,
		"-run (":      "missing closing )",
		"-limit 0s":   "must be positive",
		"nobody":      `what does "nobody" mean?`,
		"-nonsense":   "flag provided but not defined",
	} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), strings.Fields(args), &stdout, &stderr); status != exitUsage || !strings.Contains(stderr.String(), says) {
			t.Errorf("%s: status %d, stderr %q; want %d and %q", args, status, &stderr, exitUsage, says)
		}
	}
}

func TestListNamesEveryMutant(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), []string{"-list"}, &stdout, &stderr); status != 0 || strings.Count(stdout.String(), "\n") != len(mutants) {
		t.Errorf("status %d, %d lines for %d mutants", status, strings.Count(stdout.String(), "\n"), len(mutants))
	}
}

// TestSuitesNameTests: a pattern that matches no test kills nothing.
func TestSuitesNameTests(t *testing.T) {
	names := func(folders ...string) string {
		var all strings.Builder
		for _, folder := range folders {
			files, err := filepath.Glob(filepath.Join("../../..", folder, "*_test.go"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%s has %d tests: %v", folder, len(files), err)
			}
			for _, file := range files {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
					fmt.Fprintf(&all, "%s\n", found[1])
				}
			}
		}
		return all.String()
	}
	root, promises, parts := names("."), names("internal/suite"), names("internal/row", "internal/journal", "internal/pack")
	for _, m := range mutants {
		for pattern, tests := range map[string]string{m.suite.tests: root, m.suite.promises: promises, m.suite.parts: parts, m.suite.moments: root} {
			if pattern != "" && !regexp.MustCompile("(?m)"+pattern).MatchString(tests) {
				t.Errorf("mutant %s: no test is named as %q wants", m.name, pattern)
			}
		}
	}
}

func TestSuitesAreRegexps(t *testing.T) {
	all := together(mutants)
	for _, pattern := range []string{all.scenarios, all.tests, all.promises, all.parts, all.schedules, all.moments} {
		if _, err := regexp.Compile(pattern); err != nil || pattern == "" {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}
