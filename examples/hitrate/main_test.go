package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap/examples/internal/trial/trialtest"
)

func TestMain(m *testing.M) { trialtest.Main(m, main) }

func TestEachCacheIsMeasured(t *testing.T) {
	const files, reads = 50, 2000
	dir := t.TempDir()
	tree := map[string]string{"other.txt": "text", "dangling.go": "→nowhere"}
	for i := range files {
		tree[fmt.Sprintf("dir%d/file%d.go", i%3, i)] = strings.Repeat("x", 100*i)
	}
	trialtest.WriteTree(t, dir, tree)
	rows, above := trialtest.Table(t, "-dir", dir, "-reads="+strconv.Itoa(reads), "-goroutines=3")
	if !strings.Contains(above, "50 Go files") {
		t.Errorf("%q does not say 50 Go files", above)
	}
	if len(rows) != len(variants) {
		t.Errorf("%d rows, want %d", len(rows), len(variants))
	}
	for name, row := range rows {
		loads, err := strconv.Atoi(strings.ReplaceAll(row["read from disk"], ",", ""))
		if err != nil || loads < 1 || loads > reads {
			t.Errorf("%s: %q read from disk, want 1 to %d", name, row["read from disk"], reads)
		}
		if want := fmt.Sprintf("%.1f %%", 100*float64(reads-loads)/reads); row["hit rate"] != want {
			t.Errorf("%s: hit rate %s with %d loads, want %s", name, row["hit rate"], loads, want)
		}
	}
}

func TestPopularFilesAreReadMost(t *testing.T) {
	count := make([]int, 1000)
	for _, i := range zipf(len(count), 100_000) {
		count[i]++
	}
	var most, drawn int
	for _, n := range count {
		most = max(most, n)
		if n > 0 {
			drawn++
		}
	}
	if most < 10_000 || drawn < 900 {
		t.Errorf("the most popular of 1000 was drawn %d times in 100000, and %d were drawn at all", most, drawn)
	}
}

func TestNoticesABadCache(t *testing.T) {
	p := plan{Paths: []string{"a", "b"}, Settings: settings{Goroutines: 2, Window: 1, Reads: 100}}
	var done atomic.Int64
	_, err := p.measure(func(string) (*file, error) { return &file{path: "a"}, nil }, new(disk), &done)
	if err == nil || !strings.Contains(err.Error(), "asked for b, got a") {
		t.Errorf("error %v, want one about the wrong file", err)
	}
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, map[string]string{"nogo/file": "text", "broken/dangling.go": "→nowhere"})
	for _, test := range []struct {
		args []string
		want string // in the message
	}{
		{[]string{"-dir", filepath.Join(dir, "missing")}, "cannot open directory"},
		{[]string{"-dir", filepath.Join(dir, "nogo")}, "no readable Go files"},
		{[]string{"-dir", filepath.Join(dir, "broken")}, "no readable Go files"},
		{[]string{"-unknown"}, "-unknown"},
		{[]string{"-reads=many"}, "-reads"},
		{[]string{"-reads=0"}, "-reads 0"},
		{[]string{"-window=0"}, "-window 0"},
		{[]string{"-goroutines=0"}, "-goroutines 0"},
		{[]string{"-limit=0"}, "-limit 0"},
		{[]string{"argument"}, `"argument"`},
	} {
		stdout, stderr, status := trialtest.Run(t, test.args...)
		if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "hitrate: ") || !strings.Contains(stderr, test.want) {
			t.Errorf("%q: exit status %d, stdout %q, stderr %q; want status 2 and %q", test.args, status, stdout, stderr, test.want)
		}
	}
}
