package workload

import (
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
)

func TestMain(m *testing.M) {
	ServeChild()
	os.Exit(m.Run())
}

func TestCellsAreWellFormed(t *testing.T) {
	seen := map[string]bool{}
	var sets Set
	for _, c := range Cells() {
		if seen[c.String()] {
			t.Errorf("two cells are called %v", c)
		}
		seen[c.String()] = true
		sets |= c.Sets
		if (c.start == nil) == (c.measure == nil) {
			t.Errorf("%v: want exactly one of start and measure", c)
		}
		if c.Sets&Smoke != 0 && c.Sets != Smoke {
			t.Errorf("%v: a cell of the smoke set is in no other", c)
		}
		if c.Cost <= 0 || c.Params == "" {
			t.Errorf("%v: cost %v, params %q", c, c.Cost, c.Params)
		}
		for i, impl := range c.Impls {
			if slices.Contains(c.Impls[:i], impl) {
				t.Errorf("%v: %s takes part twice", c, impl)
			}
		}
		if !slices.Contains(c.Impls, "weakmap") {
			t.Errorf("%v: this library takes no part", c)
		}
	}
	if want := Full | Quick | Extra | Smoke; sets != want {
		t.Errorf("the cells are in sets %b, want all of %b", sets, want)
	}
}

func TestEachWorkloadHasASmokeCell(t *testing.T) {
	smoke := map[string]bool{}
	for _, c := range Cells() {
		smoke[c.Workload] = smoke[c.Workload] || c.Sets == Smoke
	}
	for workload, has := range smoke {
		if !has {
			t.Errorf("%s cannot be run with -short", workload)
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	const n = 16_384
	testKeysDiffer(t, stringKeys, n)
	testKeysDiffer(t, uint64Keys, n)
	testKeysDiffer(t, structKeys, n)
	testKeysDiffer(t, objects16, n)
	testKeysDiffer(t, craftedKeys, n)
	testKeysDiffer(t, randomKeys, n)
}

func testKeysDiffer[K comparable](t *testing.T, kind keyKind[K], n int) {
	seen := make(map[K]bool, n)
	for _, key := range kind.some(0, n) {
		if seen[key] {
			t.Fatalf("%s: key %v comes twice", kind.name, key)
		}
		seen[key] = true
	}
}

func TestLengthOfStringKeys(t *testing.T) {
	for _, c := range []struct {
		kind keyKind[string]
		want int
	}{{stringKeys, 21}, {craftedKeys, 256}, {randomKeys, 256}} {
		if got := len(c.kind.make(7)); got != c.want {
			t.Errorf("%s keys have %d bytes, want %d", c.kind.name, got, c.want)
		}
	}
}

func TestShuffledHasEachKeyEquallyOften(t *testing.T) {
	keys := uint64Keys.some(0, 10)
	stream := shuffled(keys, 95)
	if len(stream) != 100 {
		t.Fatalf("%d keys, want 100", len(stream))
	}
	count := map[uint64]int{}
	for _, key := range stream {
		count[key]++
	}
	for _, key := range keys {
		if count[key] != 10 {
			t.Errorf("key %d comes %d times, want 10", key, count[key])
		}
	}
	if slices.Equal(stream[:10], keys) && slices.Equal(stream[10:20], keys) {
		t.Error("the order is that of the keys")
	}
}

func TestSpreadCoversEachIndexOnce(t *testing.T) {
	for _, writers := range []int{1, 3, maxWriters} {
		var hits [10]atomic.Int32
		spread(writers, len(hits), func(first, last int) {
			for i := first; i < last; i++ {
				hits[i].Add(1)
			}
		})
		for i := range hits {
			if got := hits[i].Load(); got != 1 {
				t.Errorf("%d writers: index %d is visited %d times", writers, i, got)
			}
		}
	}
}

func TestMeasureNamed(t *testing.T) {
	figures, err := measureNamed("Footprint/impl=floor/key=string/size=1000")
	if err != nil {
		t.Fatal(err)
	}
	if figures["B-resident"] <= 0 {
		t.Errorf("figures %v, want B-resident above 0", figures)
	}
	for _, bad := range []string{"", "Footprint/impl=nobody/key=string/size=1000", "LoadHit/impl=weakmap/key=string/size=100"} {
		if _, err := measureNamed(bad); err == nil {
			t.Errorf("measureNamed(%q) succeeds, want an error", bad)
		}
	}
}

func TestFiguresOfSmokeCells(t *testing.T) {
	want := map[string][]string{
		"Insert":            {"ns/op", "cold-ns/op", "cpu-ns/op"},
		"Churn":             {"ns/op", "cpu-ns/op", "B-peak", "entries", "B-turn02", "B-turn20"},
		"InternUnbounded":   {"ns/op", "cpu-ns/op", "B-peak", "B-turn02", "B-turn20"},
		"InternIdentifiers": {"ns/op", "cpu-ns/op", "identifiers"},
		"Finalize":          {"ns/op", "cpu-ns/op", "B/object"},
		"MassDeath":         {"ns-gone", "collections", "p50-ns", "p99-ns", "p99.9-ns", "p99.9-1s-ns"},
		"Latency":           {"collections", "p50-ns", "p99-ns", "p99.9-ns", "p99.99-ns", "p100-ns"},
		"Growth":            {"ns/op", "p50-ns", "p99-ns", "p99.9-ns"},
		"Collection":        {"cpu-ns/collection"},
		"Footprint":         {"B/entry", "B-resident"},
		"SmallMaps":         {"B/map"},
		"Flood":             {"insert-ns/op", "load-ns/op"},
		"Build":             {"B-binary", "B/type"},
	}
	done := map[string]bool{}
	for _, c := range Cells() {
		if c.Sets != Smoke || !c.OwnProcess() || done[c.Workload] {
			continue
		}
		done[c.Workload] = true
		figures, err := runChild(c.Name("weakmap"))
		if err != nil {
			t.Errorf("%v: %v", c, err)
			continue
		}
		for _, unit := range want[c.Workload] {
			if figures[unit] <= 0 {
				t.Errorf("%v: %s is %v, want more than 0; all figures: %v", c, unit, figures[unit], fmt.Sprint(figures))
			}
		}
	}
	if len(done) != len(want) {
		t.Errorf("workloads %v were run, want %v", done, want)
	}
}

func TestIdentifiersOfGoSource(t *testing.T) {
	got := appendIdentifiers(nil, []byte("package p // no\nvar x, µ = \"no\", len(y)"))
	if want := []string{"p", "x", "µ", "len", "y"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if names, err := scan("errors"); err != nil || !slices.Contains(names, "Is") || slices.Contains(names, "TestIs") {
		t.Errorf("identifiers of package errors: %q, error %v; want Is, not TestIs", names, err)
	}
}

func TestFullRunsHaveEachWorkload(t *testing.T) {
	inRuns := map[string]bool{}
	for _, c := range Cells() {
		inRuns[c.Workload] = inRuns[c.Workload] || c.Sets&Full != 0
	}
	for workload, runs := range inRuns {
		if !runs {
			t.Errorf("a full run leaves out all of %s", workload)
		}
	}
}
