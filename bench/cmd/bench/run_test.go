package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// fakeBinary makes a program that prints one result, which names the side.
func fakeBinary(t *testing.T, side string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), side)
	script := "#!/bin/sh\necho goos: plan9\necho 'Benchmark" + side + "/impl=weakmap-2 1 5 ns/op'\n"
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// twoSides returns sides that print Before and Now, and the files they write.
func twoSides(t *testing.T) (sides []side) {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"Now", "Before"} {
		out, err := create("", folder, "-"+name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { out.Close() })
		sides = append(sides, side{fakeBinary(t, name), out})
	}
	return sides
}

// cancelling is a writer that calls cancel when it is asked to write for the n'th time.
type cancelling struct {
	n      int
	cancel func()
}

func (c *cancelling) Write(p []byte) (int, error) {
	if c.n--; c.n == 0 {
		c.cancel()
	}
	return len(p), nil
}

func threeCells(t *testing.T) *plan {
	t.Helper()
	p, err := newPlan(options{cells: "^LoadHit/key=string", impls: "weakmap", against: "HEAD", count: 2, benchtime: 1})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.cells) != 3 || p.samples() != 12 {
		t.Fatalf("%d cells, %d samples; want 3 and 12", len(p.cells), p.samples())
	}
	return p
}

func written(t *testing.T, s side) string {
	t.Helper()
	text, err := os.ReadFile(s.out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What comes first in each round, or always after the same one, is not compared fairly.
func TestEachSampleComesAtEveryPlaceSometimes(t *testing.T) {
	const n, rounds = 4, 100
	var times [n][n]int // by sample, by place
	for round := range rounds {
		turns := order(round, n)
		if !slices.Equal(turns, order(round, n)) {
			t.Errorf("round %d differs from run to run", round)
		}
		for place, turn := range turns {
			times[turn][place]++
		}
	}
	for turn := range n {
		for place := range n {
			if got := times[turn][place]; got < rounds/n/2 || got > rounds/n*2 {
				t.Errorf("sample %d comes at place %d in %d of %d rounds", turn, place, got, rounds)
			}
		}
	}
	if first := order(0, n); !slices.IsSorted(first) || len(first) != n {
		t.Errorf("the first round is %v, want the order of the table", first)
	}
}

func TestSidesWriteTheirOwnFiles(t *testing.T) {
	p, sides := threeCells(t), twoSides(t)
	done, err := p.execute(context.Background(), sides, newProgress(&strings.Builder{}, p))
	if done != 12 || err != nil {
		t.Fatalf("done %d, error %v; want 12 samples", done, err)
	}
	for i, name := range []string{"Now", "Before"} {
		text := written(t, sides[i])
		if got := strings.Count(text, "Benchmark"+name); got != 6 || strings.Count(text, "Benchmark") != got {
			t.Errorf("the file of %s holds\n%s\nwant 6 results of it and nothing else", name, text)
		}
	}
}

func TestInterruptionKeepsWhatIsDone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p, sides := threeCells(t), twoSides(t)
	// Progress is written once for each cell: the second time, two samples are there.
	done, err := p.execute(ctx, sides, newProgress(&cancelling{2, cancel}, p))
	if done != 2 || err != nil {
		t.Fatalf("done %d, error %v; want the two samples before the interrupt, and no failure", done, err)
	}
	for _, s := range sides {
		if got := strings.Count(written(t, s), "Benchmark"); got != 1 {
			t.Errorf("%s holds %d results, want 1", s.out.Name(), got)
		}
	}
}

func TestInterruptedBeforeTheFirstSample(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	folder := filepath.Join(t.TempDir(), "out")
	var stdout, stderr strings.Builder
	if status := run(ctx, []string{"-quick", "-o", folder}, &stdout, &stderr); status != exitInterrupted {
		t.Errorf("exit status %d, want %d", status, exitInterrupted)
	}
	if !strings.Contains(stderr.String(), "nothing was written") {
		t.Errorf("it says %q, want that nothing was written", stderr.String())
	}
	if left, _ := filepath.Glob(filepath.Join(folder, "*")); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}

func TestAgainstRunsThisLibraryOnBothSides(t *testing.T) {
	p, err := newPlan(options{quick: true, against: "HEAD", count: 1, benchtime: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.cells {
		for _, impl := range c.Impls {
			if !strings.HasPrefix(impl, "weakmap") {
				t.Errorf("%v: %s takes part", c, impl)
			}
		}
	}
	if !strings.Contains(p.String(), "two revisions") {
		t.Errorf("the plan says %q, want that it runs two revisions", p)
	}
}

func TestRunsThatNameCellsFindThoseThatFullRunsLeaveOut(t *testing.T) {
	const cell = "MassDeath/key=uint64/dead=1000000"
	has := func(cells string) bool {
		p, err := newPlan(options{cells: cells, count: 1, benchtime: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range p.cells {
			if c.String() == cell {
				return true
			}
		}
		return false
	}
	if has("") || !has("^MassDeath") {
		t.Errorf("%s is in a full run: %v, in one of ^MassDeath: %v; want false, true", cell, has(""), has("^MassDeath"))
	}
}
