package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

// sizes are those of the caches, in percent of the keys of a trace.
var sizes = []int{1, 5, 10}

// A cell is what one policy did with one trace at one size.
type cell struct {
	policy policy
	replayed
}

// A line is one trace at one size, with all policies.
type line struct {
	trace    trace
	percent  int
	capacity int
	requests int
	cells    []cell
}

// replayAll replays the traces with all policies, and prints the results.
func replayAll(s settings, all []trace, stdout io.Writer) error {
	var lines []line
	for _, t := range all {
		for _, percent := range sizes {
			lines = append(lines, replayOne(t, percent))
		}
	}
	if s.format == "csv" {
		return writeCSV(stdout, lines)
	}
	fmt.Fprintf(stdout, "seed %d, %s requests at most of each trace, %s keys where it is generated\n", s.seed, trial.Count(s.requests), trial.Count(s.keys))
	for _, l := range summary(lines) {
		fmt.Fprintln(stdout, l)
	}
	fmt.Fprintln(stdout)
	return writeText(stdout, lines)
}

func replayOne(t trace, percent int) line {
	capacity := max(t.keys*percent/100, 1)
	order := t.at(capacity)
	l := line{t, percent, capacity, len(order), nil}
	for _, p := range policies {
		l.cells = append(l.cells, cell{p, p.run(order, capacity)})
	}
	return l
}

// rate is a number of requests in percent of all.
func (l line) rate(n int) float64 { return 100 * float64(n) / float64(l.requests) }

// held returns the rate of what the first policy of that name held.
func (l line) held(name string) float64 {
	for _, c := range l.cells {
		if c.policy.name == name {
			return l.rate(c.held)
		}
	}
	panic("hitrate: no policy " + name)
}

// spread returns by how many points the policy of that name differs over the paces of collections,
// in what was held and in what was found.
func (l line) spread(name string) (held, found float64) {
	var h, f []float64
	for _, c := range l.cells {
		if c.policy.name == name {
			h, f = append(h, l.rate(c.held)), append(f, l.rate(c.found))
		}
	}
	return distance(h), distance(f)
}

// distance returns that of the least from the largest.
func distance(rates []float64) float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, r := range rates {
		low, high = min(low, r), max(high, r)
	}
	return high - low
}

// summary returns what the lines say taken together.
func summary(lines []line) []string {
	var all, others float64
	var n, above, notLoop int
	var held, found float64
	for _, l := range lines {
		d := l.held(oneShard) - l.held(rival)
		all += d
		n++
		if l.trace.name != "loop" {
			others += d
			notLoop++
			if l.held(oneShard) > l.held(classic) {
				above++
			}
		}
		h, f := l.spread(oneShard)
		held, found = max(held, h), max(found, f)
	}
	return []string{
		fmt.Sprintf("RetainMax less otter, in points: %+.2f in the mean, %+.2f without the loop", all/float64(n), others/float64(notLoop)),
		fmt.Sprintf("RetainMax is above the LRU in %d of %d lines without the loop", above, notLoop),
		fmt.Sprintf("with GOGC 25, 100 and 400, what RetainMax holds differs by %.2f points at most, what it finds by %.2f", held, found),
	}
}

func writeText(w io.Writer, lines []line) error {
	header := []string{"trace"}
	for _, p := range policies {
		switch {
		case p.name != oneShard:
			header = append(header, p.name)
		case p.gogc == 100:
			header = append(header, p.name, "found")
		}
	}
	var rows [][]string
	for _, l := range lines {
		row := []string{fmt.Sprintf("%s, %d %%", l.trace.name, l.percent)}
		for _, c := range l.cells {
			switch {
			case c.policy.name != oneShard:
				row = append(row, point(l.rate(c.held)))
			case c.policy.gogc == 100:
				row = append(row, point(l.rate(c.held)), point(l.rate(c.found)))
			}
		}
		rows = append(rows, row)
	}
	return trial.Table(w, header, rows)
}

// point writes a number with one decimal.
func point(n float64) string { return strconv.FormatFloat(n, 'f', 1, 64) }

func writeCSV(w io.Writer, lines []line) error {
	out := csv.NewWriter(w)
	out.Write([]string{"trace", "percent", "capacity", "requests", "cache", "gogc", "found", "held"})
	for _, l := range lines {
		for _, c := range l.cells {
			gogc := ""
			if c.policy.gogc != 0 {
				gogc = strconv.Itoa(c.policy.gogc)
			}
			out.Write([]string{l.trace.name, strconv.Itoa(l.percent), strconv.Itoa(l.capacity), strconv.Itoa(l.requests),
				c.policy.name, gogc, strconv.Itoa(c.found), strconv.Itoa(c.held)})
		}
	}
	out.Flush()
	return out.Error()
}
