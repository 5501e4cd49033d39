package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap/examples/internal/trial/trialtest"
)

func TestMain(m *testing.M) { trialtest.Main(m, main) }

func TestEachCacheIsMeasured(t *testing.T) {
	const files, reads, lookups = 50, 2000, 5000
	dir := t.TempDir()
	tree := map[string]string{"other.txt": "text", "dangling.go": "→nowhere"}
	for i := range files {
		tree[fmt.Sprintf("dir%d/file%d.go", i%3, i)] = strings.Repeat(fmt.Sprintf("x%d + y + \"string\"\n", i), 10*i)
	}
	trialtest.WriteTree(t, dir, tree)
	rows, above := trialtest.Table(t, "-dir", dir, "-reads="+strconv.Itoa(reads), "-lookups="+strconv.Itoa(lookups), "-goroutines=3")
	if want := "50 Go files, 50 distinct identifiers"; !strings.Contains(above, want) { // y, and no x0
		t.Errorf("%q does not say %q", above, want)
	}
	var want int
	for workload, variants := range workloads {
		requests := map[string]int{"files": reads, "identifiers": lookups}[workload]
		want += len(variants)
		for _, v := range variants {
			row := rows[workload+": "+v.name]
			misses, err := strconv.Atoi(strings.ReplaceAll(row["misses"], ",", ""))
			if err != nil || misses < 1 || misses > requests {
				t.Errorf("%s: %s: %q misses, want 1 to %d", workload, v.name, row["misses"], requests)
			}
			if rate := fmt.Sprintf("%.1f %%", 100*float64(requests-misses)/float64(requests)); row["hit rate"] != rate {
				t.Errorf("%s: %s: hit rate %s with %d misses, want %s", workload, v.name, row["hit rate"], misses, rate)
			}
			if v.like == "" && row["difference"] != "-" {
				t.Errorf("%s: %s: difference %s to no other", workload, v.name, row["difference"])
			}
		}
	}
	if len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
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
	p := plan{Items: []string{"a", "b"}, Goroutines: 2, InUse: 1, Requests: 1000}
	var done atomic.Int64
	for workload, measure := range map[string]func() (result, error){
		"files": func() (result, error) {
			always := func(string) (*file, error) { return &file{path: "a"}, nil }
			return measureCache(p, &done, cacheOfFiles(p.Items, new(disk), always))
		},
		"identifiers": func() (result, error) {
			always := func(string) string { return "a" }
			return measureCache(p, &done, cacheOfIdentifiers(p.Items, always, strings.Clone))
		},
	} {
		if _, err := measure(); err == nil || !strings.Contains(err.Error(), "asked for b, got a") {
			t.Errorf("%s: error %v, want one about the wrong item", workload, err)
		}
	}
}

// A cache that forgets everything now and then counts its misses itself.
func TestTheWitnessSeesEveryMiss(t *testing.T) {
	names := []string{"a", "bb", "ccc"}
	var made, asked int
	kept := make(map[string]string)
	var all []string // so that no bytes are freed and used again
	intern := func(text string) string {
		if asked++; asked%7 == 0 {
			clear(kept)
		}
		if _, ok := kept[text]; !ok {
			made++
			kept[text] = strings.Clone(text)
			all = append(all, kept[text])
		}
		return kept[text]
	}
	var done atomic.Int64
	p := plan{Items: names, Goroutines: 1, InUse: 1, Requests: 1000}
	r, err := measureCache(p, &done, cacheOfIdentifiers(names, intern, func(name string) string { return name }))
	if err != nil || r.Misses != made || made < 1000/7 || asked != 1000 {
		t.Errorf("%d misses of %d requests, error %v; want %d of 1000", r.Misses, asked, err, made)
	}
	runtime.KeepAlive(all)
}

func TestEqualize(t *testing.T) {
	const target = 1_000_000
	chance := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct {
		name   string
		held   func(budget float64) float64
		within float64 // of the target
		calls  int     // at most
	}{
		{"exact", func(b float64) float64 { return b }, 0, 1},
		{"nearly", func(b float64) float64 { return 1.02 * b }, 0.03, 1},
		{"in proportion", func(b float64) float64 { return 1.5 * b }, 0.03, 2},
		{"too little", func(b float64) float64 { return 0.3 * b }, 0.03, 4},
		{"with an offset", func(b float64) float64 { return 500_000 + b }, 0.03, 5},
		{"in a curve", func(b float64) float64 { return 1300 * math.Sqrt(b) }, 0.03, attempts},
		{"by chance", func(b float64) float64 { return 1.2 * b * (0.99 + 0.02*chance.Float64()) }, 0.03, attempts},
		{"never so little", func(b float64) float64 { return 2_000_000 + b }, 1.01, 3},
		{"never so much", func(b float64) float64 { return min(b, 600_000) }, 0.41, attempts},
		{"nothing", func(float64) float64 { return 0 }, 1, attempts},
	} {
		calls, best := 0, math.Inf(1)
		r, err := equalize(target, func(budget uint64) (result, error) {
			if calls++; budget < least {
				t.Errorf("%s: budget %d", test.name, budget)
			}
			r := result{Held: uint64(test.held(float64(budget)))}
			best = min(best, difference(r.Held, target))
			return r, nil
		})
		off := difference(r.Held, target)
		if err != nil || off > test.within || off > best || calls > test.calls {
			t.Errorf("%s: off by %.3f after %d calls, the best by %.3f, error %v; want %.3f after at most %d",
				test.name, off, calls, best, err, test.within, test.calls)
		}
	}
	calls := 0
	if _, err := equalize(0, func(uint64) (result, error) { calls++; return result{Held: 5}, nil }); err != nil || calls != 1 {
		t.Errorf("nothing to equal: %d calls, error %v; want 1", calls, err)
	}
	broken := errors.New("broken")
	if _, err := equalize(target, func(uint64) (result, error) { return result{}, broken }); err != broken {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestPercent(t *testing.T) {
	for _, test := range []struct {
		held, target uint64
		want         string
	}{{103, 100, "+3.0 %"}, {985, 1000, "-1.5 %"}, {7, 0, "-"}} {
		if got := percent(test.held, test.target); got != test.want {
			t.Errorf("%d instead of %d: %s, want %s", test.held, test.target, got, test.want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, map[string]string{"nogo/file": "text", "broken/dangling.go": "→nowhere", "empty/file.go": "// nothing\n"})
	for _, test := range []struct {
		args []string
		want string // in the message
	}{
		{[]string{"-dir", filepath.Join(dir, "missing")}, "cannot open directory"},
		{[]string{"-dir", filepath.Join(dir, "nogo")}, "no readable Go files"},
		{[]string{"-dir", filepath.Join(dir, "broken")}, "no readable Go files"},
		{[]string{"-dir", filepath.Join(dir, "empty")}, "no identifiers"},
		{[]string{"-unknown"}, "-unknown"},
		{[]string{"-reads=many"}, "-reads"},
		{[]string{"-reads=0"}, "-reads 0"},
		{[]string{"-window=0"}, "-window 0"},
		{[]string{"-lookups=0"}, "-lookups 0"},
		{[]string{"-scope=0"}, "-scope 0"},
		{[]string{"-goroutines=0"}, "-goroutines 0"},
		{[]string{"-limit=0"}, "-limit 0"},
		{[]string{"-keys=0"}, "-keys 0"},
		{[]string{"-requests=0"}, "-requests 0"},
		{[]string{"-format=pdf"}, "-format pdf"},
		{[]string{"argument"}, `"argument"`},
	} {
		stdout, stderr, status := trialtest.Run(t, test.args...)
		if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "hitrate: ") || !strings.Contains(stderr, test.want) {
			t.Errorf("%q: exit status %d, stdout %q, stderr %q; want status 2 and %q", test.args, status, stdout, stderr, test.want)
		}
	}
}
