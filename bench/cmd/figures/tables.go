package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

const ours = peer.Ours

const (
	seconds    = "sec/op"
	cpuSeconds = "cpu-sec/op"
	peak       = "B-peak"
)

// A row is a line of a table about one cell.
type row struct{ label, cell, unit string }

// tables are all tables of the documents, and what stands within sentences.
var tables = map[string]func(*results) (string, error){
	"summary":    summary,
	"maps":       maps,
	"identity":   identity,
	"canonical":  canonical,
	"retained":   retained,
	"finalizers": finalizers,
	"types":      types,
	"caches":     caches,
	"turns":      turns,
	"places":     places,
	"versions":   versions,
	"cachehit":   cacheHit,
	"onelock":    oneLock,
}

// What the cells that were measured with two versions of Go begin with.
const (
	usual  = "go1.26/"
	newest = "go1.27/"
)

// weakMaps are the weak maps as people write them.
var weakMaps = []string{"syncmap", "rwmutex", "sharded", "xsync3", "xsync4"}

// canonicals are what others make canonical values with.
var canonicals = []string{"unique", "syncmap"}

// named says how a participant is called where readers may not know the benchmark.
var named = map[string]string{
	"syncmap": "`sync.Map`", "rwmutex": "one lock", "sharded": "64 locks", "xsync3": "xsync v3", "xsync4": "xsync v4", "unique": "`unique`",
	"strong-xsync4": "xsync v4 with plain pointers",
}

// A table is Markdown under way.
type table struct{ strings.Builder }

// begin writes the head. The first column is text, as are those whose name ends in a space.
func (t *table) begin(columns ...string) {
	t.row(columns...)
	for i, c := range columns {
		if i == 0 || strings.HasSuffix(c, " ") {
			t.WriteString("|---")
		} else {
			t.WriteString("|---:")
		}
	}
	t.WriteString("|\n")
}

func (t *table) row(columns ...string) {
	for _, c := range columns {
		t.WriteString("| " + strings.TrimSpace(c) + " ")
	}
	t.WriteString("|\n")
}

// summary is the table of the README: the best rival in each of a dozen cells.
func summary(r *results) (string, error) {
	rows := []struct {
		row
		rivals []string
	}{
		{row{"`Store` of new values, two writers", "Insert/key=string/n=500000/writers=max", seconds}, weakMaps},
		{row{"`Store` under new keys all the time, 100,000 held", "Churn/key=string/live=100000/writers=max", seconds}, weakMaps},
		{row{"CPU of a collection, a million entries", "Collection/key=string/size=1000000", "cpu-sec/collection"}, weakMaps},
		{row{"memory of an entry, besides key and value", "Footprint/key=string/size=1000000", "B/entry"}, weakMaps},
		{row{"`Intern` of new strings all the time, 100,000 held", "InternUnbounded/key=string/live=100000/writers=1", seconds}, canonicals},
		{row{"`Interner.Intern`, 100,000 structs", "InternStructHit/key=struct/size=100000", seconds}, canonicals},
		{row{"`KeyMap.Load`, 100,000 objects of 64 bytes", "KeyLoadHit/object=64B/size=100000", seconds}, weakMaps},
		{row{"nine loads and a store, 100,000 string keys", "Mixed/key=string/size=100000", seconds}, weakMaps},
		{row{"`Map.Load`, 100,000 integer keys", "LoadHit/key=uint64/size=100000", seconds}, weakMaps},
		{row{"`Map.Load`, 100,000 string keys", "LoadHit/key=string/size=100000", seconds}, weakMaps},
		{row{"`Map.Load`, 1,000,000 string keys", "LoadHit/key=string/size=1000000", seconds}, weakMaps},
		{row{"`Map.Load`, 1,000 string keys", "LoadHit/key=string/size=1000", seconds}, weakMaps},
		{row{"`Map.Load`, 100,000 struct keys", "LoadHit/key=struct/size=100000", seconds}, weakMaps},
		{row{"`Map.Load` of a missing key, 1,000 string keys", "LoadMiss/key=string/size=1000", seconds}, weakMaps},
		{row{"`Map.All`, each of 1,000 bindings", "Iterate/key=string/size=1000", seconds}, weakMaps},
	}
	var all []row
	for _, l := range rows {
		all = append(all, l.row)
	}
	var t table
	t.begin(fmt.Sprintf("medians of %d samples", r.fewest(all)), "weakmap", "best rival", " ", "rival / weakmap")
	for _, l := range rows {
		own := r.median(l.cell, l.unit, ours)
		best, impl := r.best(l.cell, l.unit, l.rivals...)
		t.row(l.label, format(own, l.unit), format(best, l.unit), named[impl], coarse(best/own))
	}
	e, n := r.report.Environments[0], r.report.Tally
	fmt.Fprintf(&t, "\nOf %d figures with rivals, this library is first in %d, second in %d and worse in %d; a rival's lead that may be chance (p ≥ 0.05) is not counted. Commit %.7s, %s with %s processors and %s, by the command in [core.txt](bench/results/core.txt).\n",
		n.First+n.Second+n.Worse, n.First, n.Second, n.Worse, r.report.Newest(), e.Get("cpu"), e.Get("gomaxprocs"), e.Get("go"))
	return t.String(), r.err()
}

// maps has each weak map in each cell of maps.
func maps(r *results) (string, error) {
	rows := []row{
		{"", "LoadHit/key=string/size=1000", seconds},
		{"", "LoadHit/key=uint64/size=1000", seconds},
		{"", "LoadHit/key=string/size=100000", seconds},
		{"", "LoadHit/key=uint64/size=100000", seconds},
		{"", "LoadHit/key=struct/size=100000", seconds},
		{"", "LoadHit/key=string/size=1000000", seconds},
		{"", "LoadHit/key=uint64/size=1000000", seconds},
		{"", "LoadMiss/key=string/size=1000", seconds},
		{"", "LoadMiss/key=string/size=100000", seconds},
		{"", "Mixed/key=string/size=100000", seconds},
		{"", "Zipf/key=string/size=100000", seconds},
		{"", "Iterate/key=string/size=1000", seconds},
		{"", "Iterate/key=string/size=100000", seconds},
		{"", "Insert/key=string/n=500000/writers=1", seconds},
		{"", "Insert/key=uint64/n=500000/writers=1", seconds},
		{"", "Insert/key=string/n=500000/writers=max", seconds},
		{"", "Insert/key=uint64/n=500000/writers=max", seconds},
		{"", "Churn/key=string/live=100000/writers=max", seconds},
		{" at its peak", "Churn/key=string/live=100000/writers=max", peak},
		{" p99.9", "Latency/key=string/size=100000", "p99.9-sec"},
		{"", "Growth/key=string/n=1000000", seconds},
		{" p99.9", "Growth/key=string/n=1000000", "p99.9-sec"},
		{" until all are gone", "MassDeath/key=string/dead=1000000", "sec-gone"},
		{" p99.9 of lookups until then", "MassDeath/key=string/dead=1000000", "p99.9-sec"},
		{" p99.9 of lookups in the first second", "MassDeath/key=string/dead=1000000", "p99.9-1s-sec"},
		{"", "ComputeStorm/goroutines=64", seconds},
		{" processor time", "Collection/key=string/size=1000000", "cpu-sec/collection"},
		{" an entry", "Footprint/key=string/size=1000000", "B/entry"},
		{" a map", "SmallMaps/entries=10/maps=100000", "B/map"},
	}
	var t table
	t.begin(append([]string{"cell", "weakmap"}, code(weakMaps)...)...)
	product, hits := 0.0, 0
	for _, l := range rows {
		own := r.median(l.cell, l.unit, ours)
		columns := []string{"`" + l.cell + "`" + l.label, format(own, l.unit)}
		for _, impl := range weakMaps {
			if len(r.samples[figure{l.cell, l.unit, impl}]) == 0 {
				columns = append(columns, "–")
				continue
			}
			columns = append(columns, fine(r.median(l.cell, l.unit, impl)/own))
		}
		t.row(columns...)
		if strings.HasPrefix(l.cell, "LoadHit/") {
			best, _ := r.best(l.cell, l.unit, weakMaps...)
			product += math.Log(best / own)
			hits++
		}
	}
	fmt.Fprintf(&t, "\nThe geometric mean of the best rival's time over this library's in the cells of `LoadHit`: %s.\n", fine(math.Exp(product/float64(hits))))
	return t.String(), r.err()
}

// places says where this library stands in the full run.
func places(r *results) (string, error) {
	n := r.report.Tally
	return fmt.Sprintf("In %d figures this library has rivals: it is first in %d, second in %d, and worse in %d. A rival that is ahead by what may be chance (p ≥ 0.05) counts as behind.\n", n.First+n.Second+n.Worse, n.First, n.Second, n.Worse), nil
}

// turns has the lookups that were measured in one process as well as in one for each participant.
func turns(r *results) (string, error) {
	var t table
	t.begin("cell", "weakmap", "best rival in turns ", "rival / weakmap", "in processes of their own")
	for _, cell := range []string{
		"LoadHit/key=string/size=1000", "LoadHit/key=uint64/size=1000",
		"LoadHit/key=string/size=100000", "LoadHit/key=uint64/size=100000",
		"LoadHit/key=string/size=1000000", "LoadHit/key=uint64/size=1000000",
		"LoadHit/key=struct/size=100000",
		"LoadMiss/key=string/size=1000", "LoadMiss/key=string/size=100000",
		"KeyLoadHit/object=16B/size=100000", "KeyLoadHit/object=64B/size=100000", "KeyLoadHit/object=256B/size=100000",
		"KeyLoadMiss/object=64B/size=100000",
		"InternHit/key=string/size=1000", "InternHit/key=string/size=100000", "InternStructHit/key=struct/size=100000",
		"RetainHit/key=string/size=1000", "RetainHit/key=uint64/size=1000",
		"RetainHit/key=string/size=100000", "RetainHit/key=uint64/size=100000",
	} {
		us, rivals := ours, weakMaps
		switch workload, _, _ := strings.Cut(cell, "/"); workload {
		case "InternHit", "InternStructHit":
			rivals = canonicals
		case "RetainHit":
			us, rivals = peer.Retain2, []string{"strong-xsync4"}
		}
		inTurns := "InTurns/" + cell
		own := r.median(inTurns, seconds, us)
		best, impl := r.best(inTurns, seconds, rivals...)
		apart, _ := r.best(cell, seconds, rivals...)
		t.row("`"+cell+"`", format(own, seconds), named[impl], fine(best/own), fine(apart/r.median(cell, seconds, us)))
	}
	return t.String(), r.err()
}

// versions has the main cells with both versions of Go.
func versions(r *results) (string, error) {
	rows := []struct {
		cell   string
		rivals []string
	}{
		{"LoadHit/key=string/size=1000", weakMaps},
		{"LoadHit/key=uint64/size=1000", weakMaps},
		{"LoadHit/key=string/size=100000", weakMaps},
		{"LoadHit/key=uint64/size=100000", weakMaps},
		{"LoadMiss/key=string/size=100000", weakMaps},
		{"KeyLoadHit/object=64B/size=100000", weakMaps},
		{"InternHit/key=string/size=100000", canonicals},
		{"Mixed/key=string/size=100000", weakMaps},
		{"Insert/key=string/n=500000/writers=max", weakMaps},
		{"Churn/key=string/live=100000/writers=max", weakMaps},
	}
	var t table
	t.begin("cell", "Go 1.26: weakmap", "best rival / weakmap", "Go 1.27: weakmap", "best rival / weakmap")
	for _, l := range rows {
		columns := []string{"`" + l.cell + "`"}
		for _, prefix := range []string{usual, newest} {
			own := r.median(prefix+l.cell, seconds, ours)
			best, impl := r.best(prefix+l.cell, seconds, l.rivals...)
			columns = append(columns, format(own, seconds), fine(best/own)+" (`"+impl+"`)")
		}
		t.row(columns...)
	}
	return t.String(), r.err()
}

func identity(r *results) (string, error) {
	var t table
	t.begin("cell", "KeyMap", "Set", "best rival", "rival / KeyMap", "rival / Set")
	for _, cell := range []string{
		"KeyLoadHit/object=16B/size=100000", "KeyLoadHit/object=64B/size=100000",
		"KeyLoadHit/object=256B/size=100000", "KeyLoadMiss/object=64B/size=100000",
	} {
		own, set := r.median(cell, seconds, ours), r.median(cell, seconds, "weakmap-set")
		best, impl := r.best(cell, seconds, weakMaps...)
		t.row("`"+cell+"`", format(own, seconds), format(set, seconds), format(best, seconds)+" (`"+impl+"`)", fine(best/own), fine(best/set))
	}
	return t.String(), r.err()
}

func canonical(r *results) (string, error) {
	rows := []row{
		{"", "InternHit/key=string/size=1000", seconds},
		{"", "InternHit/key=string/size=100000", seconds},
		{"", "InternStructHit/key=struct/size=100000", seconds},
		{"", "InternUnbounded/key=string/live=100000/writers=1", seconds},
		{" at its peak", "InternUnbounded/key=string/live=100000/writers=1", peak},
		{"", "InternIdentifiers/source=std/writers=2", seconds},
	}
	var t table
	t.begin("cell", "weakmap", "`unique`", "`sync.Map`", "`unique` / weakmap", "`sync.Map` / weakmap")
	for _, l := range rows {
		own, unique, other := r.median(l.cell, l.unit, ours), r.median(l.cell, l.unit, "unique"), r.median(l.cell, l.unit, "syncmap")
		t.row("`"+l.cell+"`"+l.label, format(own, l.unit), format(unique, l.unit), format(other, l.unit), fine(unique/own), fine(other/own))
	}
	return t.String(), r.err()
}

func retained(r *results) (string, error) {
	var t table
	t.begin("cell", "retained", "weak", "plain", "weak / retained", "plain / retained")
	for _, cell := range []string{
		"RetainHit/key=string/size=1000", "RetainHit/key=uint64/size=1000",
		"RetainHit/key=string/size=100000", "RetainHit/key=uint64/size=100000",
	} {
		own, weak, plain := r.median(cell, seconds, peer.Retain2), r.median(cell, seconds, ours), r.median(cell, seconds, "strong-xsync4")
		t.row("`"+cell+"`", format(own, seconds), format(weak, seconds), format(plain, seconds), fine(weak/own), fine(plain/own))
	}
	return t.String(), r.err()
}

func finalizers(r *results) (string, error) {
	var t table
	t.begin("cell", "Finalize", "AddCleanup", "SetFinalizer", "Finalize / AddCleanup", "bytes")
	for _, cell := range []string{"Finalize/object=16B/n=200000", "Finalize/object=64B/n=200000", "Finalize/object=256B/n=200000"} {
		var times [3]float64
		var bytes [3]string
		for i, impl := range []string{ours, "addcleanup", "setfinalizer"} {
			times[i] = r.median(cell, seconds, impl)
			bytes[i] = fmt.Sprintf("%.0f", r.median(cell, "B/object", impl))
		}
		t.row("`"+cell+"`", format(times[0], seconds), format(times[1], seconds), format(times[2], seconds),
			fmt.Sprintf("%.2f", times[0]/times[1]), strings.Join(bytes[:], ", "))
	}
	return t.String(), r.err()
}

func types(r *results) (string, error) {
	var t table
	t.begin("`Build`", "`Map[string, V]`", "by hand, on `sync.Map`", "by hand / `Map`")
	compare := func(label, cell, unit string) {
		own, other := r.median(cell, unit, ours), r.median(cell, unit, "syncmap")
		t.row(label, format(own, unit), format(other, unit), fine(other/own))
	}
	compare("what one more type adds to a program", "Build/types=10", "B/type")
	for _, n := range []int{1, 10, 40} {
		compare(fmt.Sprintf("processor time of compiling types, %d of them", n), fmt.Sprintf("Build/types=%d", n), cpuSeconds)
	}
	return t.String(), r.err()
}

// cacheCells returns the cells of a workload, with more and more processors.
func cacheCells(workload string) []string {
	var cells []string
	for _, procs := range []int{1, 2, 16} {
		cells = append(cells, fmt.Sprintf("%s/key=string/procs=%d/size=100000", workload, procs))
	}
	return cells
}

func caches(r *results) (string, error) {
	var t table
	t.begin("otter, LRU", "1 processor", "2", "16 (on two)")
	for _, workload := range []string{"CacheHit", "CacheMiss", "CacheMixed"} {
		columns := []string{"`" + workload + "`"}
		for _, cell := range cacheCells(workload) {
			own := r.median(cell, seconds, ours)
			columns = append(columns, coarse(r.median(cell, seconds, "otter")/own)+", "+coarse(r.median(cell, seconds, "lru")/own))
		}
		t.row(columns...)
	}
	return t.String(), r.err()
}

// cacheHit says in a sentence what caches has of hits.
func cacheHit(r *results) (string, error) {
	most := func(rival string) string {
		most := 0.0
		for _, cell := range cacheCells("CacheHit") {
			most = max(most, r.median(cell, seconds, ours)/r.median(cell, seconds, rival))
		}
		return fmt.Sprintf("%.0f %%", 100*most)
	}
	return "at most " + most("otter") + " of the time of otter v2's, and " + most("lru") + " of an LRU's", r.err()
}

// oneLock says how much of this library's time a map with a lock takes in turns, where it is large.
func oneLock(r *results) (string, error) {
	least, most := math.Inf(1), 0.0
	for _, size := range []int{100_000, 1_000_000} {
		for _, key := range []string{"string", "uint64"} {
			cell := fmt.Sprintf("InTurns/LoadHit/key=%s/size=%d", key, size)
			ratio := r.median(cell, seconds, "rwmutex") / r.median(cell, seconds, ours)
			least, most = min(least, ratio), max(most, ratio)
		}
	}
	return fmt.Sprintf("%.2f to %.2f times", least, most), r.err()
}

func code(names []string) []string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, "`"+name+"`")
	}
	return quoted
}

// fine and coarse write a ratio, and one that is against us in bold.
func fine(ratio float64) string { return bold(ratio, 2) }

func coarse(ratio float64) string {
	if 0.95 <= ratio && ratio < 1 { // One digit would hide it.
		return fine(ratio)
	}
	return bold(ratio, 1)
}

func bold(ratio float64, digits int) string {
	text := strconv.FormatFloat(ratio, 'f', digits, 64)
	switch shown, _ := strconv.ParseFloat(text, 64); {
	case shown < 1:
		return "**" + text + "**"
	case ratio >= 10:
		return strconv.FormatFloat(ratio, 'f', 1, 64)
	}
	return text
}

// format writes a number of seconds or bytes with three digits.
func format(x float64, unit string) string {
	if strings.HasPrefix(unit, "B") {
		if x < 1e6 {
			return thousands(x) + " B"
		}
		return three(x/1e6) + " MB"
	}
	for _, u := range []struct {
		name string
		size float64
	}{{"s", 1}, {"ms", 1e-3}, {"µs", 1e-6}} {
		if x >= u.size {
			return three(x/u.size) + " " + u.name
		}
	}
	return three(x/1e-9) + " ns"
}

func three(x float64) string {
	return strconv.FormatFloat(x, 'f', max(0, 2-int(math.Floor(math.Log10(x)))), 64)
}

// thousands writes a whole number below a million, with a comma.
func thousands(x float64) string {
	n := int(math.Round(x))
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}
