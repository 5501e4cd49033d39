package verdict

import (
	"math"
	"strings"
	"testing"
)

const text = `goos: linux
pkg: example

BenchmarkLoad/impl=weakmap/size=10-2 	 100	 10 ns/op	 0 B/op
BenchmarkLoad/impl=syncmap/size=10-2 	 100	 30 ns/op	 0 B/op
BenchmarkLoad/impl=xsync4/size=10-2 	 100	 20 ns/op	 0 B/op
BenchmarkLoad/impl=strong-xsync4/size=10-2 	 100	 1 ns/op	 0 B/op
BenchmarkLoad/impl=weakmap-pervalue/size=10-2 	 100	 1 ns/op	 0 B/op
BenchmarkLoad/impl=floor/size=10-2 	 100	 5 ns/op	 0 B/op
BenchmarkLoad/impl=weakmap/size=10-2 	 100	 12 ns/op	 0 B/op
BenchmarkLoad/impl=syncmap/size=10-2 	 100	 30 ns/op	 0 B/op
BenchmarkLoad/impl=xsync4/size=10-2 	 100	 24 ns/op	 0 B/op
BenchmarkChurn/impl=weakmap/live=10-2 	 1	 7 B-peak
BenchmarkUsed/impl=weakmap-2 	 1	 7 B-turn02	 1 misses/op
BenchmarkUsed/impl=syncmap-2 	 1	 8 B-turn02	 1 misses/op
BenchmarkOnlyOurs/impl=weakmap-2 	 1	 7 B-peak
`

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Abs(b) }

func TestReadComparesMediansWithTheBestHandWrittenWeakMap(t *testing.T) {
	entries, err := Read(strings.NewReader(text), "text")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Fatalf("%d entries %v, want the one cell that has rivals", len(entries), entries)
	}
	e := entries[0]
	if e.Cell != "Load/size=10" || e.Unit != "sec/op" || e.BestImpl != "xsync4" || e.Samples != 2 {
		t.Errorf("got %+v, want cell Load/size=10, unit sec/op, best xsync4, 2 samples", e)
	}
	if !near(e.Ours, 11e-9) || !near(e.Best, 22e-9) || !near(e.Floor, 5e-9) || !near(e.Ratio(), 2) {
		t.Errorf("ours %v, best %v, floor %v, ratio %v; want 11n, 22n, 5n, 2", e.Ours, e.Best, e.Floor, e.Ratio())
	}
}

func TestPrintEndsWithTheGeometricMean(t *testing.T) {
	var out strings.Builder
	entries := []Entry{
		{Cell: "Load/size=1", Unit: "sec/op", Ours: 1, Best: 2, BestImpl: "a", Floor: math.NaN()},
		{Cell: "Load/size=2", Unit: "sec/op", Ours: 1, Best: 8, BestImpl: "b", Floor: 0.5},
	}
	if err := Print(&out, entries); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := strings.Fields(lines[len(lines)-1])
	if want := "Load sec/op geometric mean 4.00"; strings.Join(last, " ") != want {
		t.Errorf("last line is %q, want %q", last, want)
	}
	if len(lines) != 4 || strings.Contains(out.String(), "NaN") {
		t.Errorf("want a header, two cells without NaN, a mean; got\n%s", &out)
	}
}

func TestReadRefusesWhatItCannotJudge(t *testing.T) {
	for _, bad := range []string{
		"",
		"goos: linux\n",
		"BenchmarkLoad/size=1-2 1 5 ns/op\n",
		"BenchmarkLoad/impl=weakmap 1 five ns/op\n",
	} {
		if entries, err := Read(strings.NewReader(bad), "bad"); err == nil {
			t.Errorf("Read(%q) = %v, want an error", bad, entries)
		}
	}
}
