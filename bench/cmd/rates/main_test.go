package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const figures = `trace,percent,capacity,requests,cache,gogc,found,held
zipf 0.7,5,10,200,optimum,,100,100
zipf 0.7,5,10,200,RetainMax,25,180,80
zipf 0.7,5,10,200,RetainMax,100,160,80
zipf 0.7,10,20,200,RetainMax,100,170,90
zipf 0.7,5,10,200,otter,,70,70
loop,5,10,100,optimum,,90,90
loop,5,10,100,RetainMax,100,99,85
`

func TestRead(t *testing.T) {
	traces, series, err := read(strings.NewReader(figures), "5")
	if err != nil || strings.Join(traces, ",") != "0.7,loop" || len(series) != 3 {
		t.Fatalf("%v, %v, %v; want the traces 0.7 and loop of three caches", traces, series, err)
	}
	for name, want := range map[string][]float64{"floor": {50, 90}, "weakmap": {40, 85}, "otter": {35}} {
		found := false
		for _, s := range series {
			if s.Name != name {
				continue
			}
			found = true
			if len(s.Points) != len(want) {
				t.Errorf("%s has %d points, want %d", name, len(s.Points), len(want))
				continue
			}
			for i, p := range s.Points {
				if p.X != float64(i) || p.Y != want[i] {
					t.Errorf("%s: point %d is (%v, %v), want (%d, %v)", name, i, p.X, p.Y, i, want[i])
				}
			}
		}
		if !found {
			t.Errorf("there is no series of %s", name)
		}
	}
}

func TestCharts(t *testing.T) {
	dir := t.TempDir()
	var stdout, stderr strings.Builder
	if status := run([]string{"-o", dir}, strings.NewReader(figures), &stdout, &stderr); status != 0 || stderr.Len() > 0 {
		t.Fatalf("exit status %d, %s", status, stderr.String())
	}
	for _, name := range []string{"rates-light.svg", "rates-dark.svg"} {
		svg, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.Contains(string(svg), "<svg") || !strings.Contains(string(svg), "loop") || !strings.Contains(stdout.String(), name) {
			t.Errorf("%s: %v, %d bytes; printed:\n%s", name, err, len(svg), stdout.String())
		}
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		input string
		want  string
	}{
		"nothing":       {nil, "", "these are not figures"},
		"other figures": {nil, "a,b\n1,2\n", "these are not figures"},
		"another size":  {[]string{"-percent", "7"}, figures, "no cache holds 7 %"},
		"an argument":   {[]string{"x"}, figures, "there are no arguments"},
		"no number":     {nil, strings.Replace(figures, "200,optimum", "many,optimum", 1), "many"},
	} {
		var stdout, stderr strings.Builder
		args := append([]string{"-o", t.TempDir()}, c.args...)
		status := run(args, strings.NewReader(c.input), &stdout, &stderr)
		if status != exitUsage || !strings.Contains(stderr.String(), c.want) || stdout.Len() > 0 {
			t.Errorf("%s: exit status %d, %q, %q; want %q", name, status, stderr.String(), stdout.String(), c.want)
		}
	}
}
