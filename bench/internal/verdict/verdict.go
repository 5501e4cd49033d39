// Package verdict says, for each cell and unit of benchmark text, how this library compares
// with the best of what people use instead of it.
package verdict

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// An Entry is one cell of one unit, in base units (seconds, bytes).
type Entry struct {
	Cell string // the benchmark's name without its participant and processors
	Unit string

	Ours     float64
	Best     float64 // the least median of the rivals
	BestImpl string
	Floor    float64 // NaN where there is none
	Samples  int     // the least number of samples of those compared
}

// Ratio returns how many times our figure goes into the best peer's: above 1, we need less.
func (e Entry) Ratio() float64 { return e.Best / e.Ours }

// Background reports whether a unit explains others: less of it is not better in itself.
func Background(unit string) bool {
	return slices.Contains(background, unit) || strings.HasPrefix(unit, "B-turn")
}

var background = []string{
	"collections", "entries", "identifiers", "misses/op", "computes/op",
	"sec-gone-late", "B-resident", "B/op", "allocs/op",
}

// series are the figures of one cell and unit, by participant.
type series struct {
	cell, unit string
	samples    map[string][]float64
}

// Read judges benchmark text. It returns the entries in the order in which their cells appear
// first. Cells that this library or every peer took no part in are left out.
func Read(r io.Reader, fileName string) ([]Entry, error) {
	var all []*series
	index := map[[2]string]*series{}
	reader := benchfmt.NewReader(r, fileName)
	for reader.Scan() {
		var result *benchfmt.Result
		switch record := reader.Result().(type) {
		case *benchfmt.Result:
			result = record
		case *benchfmt.SyntaxError:
			return nil, record
		default:
			continue
		}
		cell, impl := Split(result.Name)
		if impl == "" {
			return nil, fmt.Errorf("%s: benchmark %s names no /impl=", fileName, result.Name)
		}
		for _, value := range result.Values {
			if Background(value.Unit) {
				continue
			}
			key := [2]string{cell, value.Unit}
			s := index[key]
			if s == nil {
				s = &series{cell, value.Unit, map[string][]float64{}}
				index[key] = s
				all = append(all, s)
			}
			s.samples[impl] = append(s.samples[impl], value.Value)
		}
	}
	if err := reader.Err(); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New(fileName + ": no benchmark results")
	}
	return judge(all), nil
}

// Split takes a benchmark's name apart into the cell and the participant, which is "" if it names none.
func Split(name benchfmt.Name) (cell, impl string) {
	base, parts := name.Parts()
	cell = string(base)
	for _, part := range parts {
		if value, ok := strings.CutPrefix(string(part), "/impl="); ok {
			impl = value
		} else if part[0] == '/' {
			cell += string(part)
		}
	}
	return cell, impl
}

func judge(all []*series) []Entry {
	rivals := peer.Rivals()
	var entries []Entry
	for _, s := range all {
		e := Entry{Cell: s.cell, Unit: s.unit, Best: math.Inf(1), Floor: math.NaN()}
		e.Samples = len(s.samples[peer.Ours])
		for _, rival := range rivals {
			if figures := s.samples[rival]; len(figures) > 0 {
				if m := Median(figures); m < e.Best {
					e.Best, e.BestImpl = m, rival
				}
				e.Samples = min(e.Samples, len(figures))
			}
		}
		if e.Samples == 0 || e.BestImpl == "" {
			continue
		}
		e.Ours = Median(s.samples[peer.Ours])
		if floor := s.samples["floor"]; len(floor) > 0 {
			e.Floor = Median(floor)
		}
		entries = append(entries, e)
	}
	return entries
}

// Median returns the middle of the figures, or the mean of the two in the middle. There must be one.
func Median(figures []float64) float64 {
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Print writes a table of the entries, and the geometric mean of the ratios for each workload
// and unit.
func Print(w io.Writer, entries []Entry) error {
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "cell\tunit\tweakmap\tbest peer\t\tpeer / weakmap\tfloor\tsamples")
	var groups []string
	logs := map[string][]float64{}
	for _, e := range entries {
		class := benchunit.ClassOf(e.Unit)
		floor := ""
		if !math.IsNaN(e.Floor) {
			floor = benchunit.Scale(e.Floor, class)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.2f\t%s\t%d\n", e.Cell, e.Unit,
			benchunit.Scale(e.Ours, class), benchunit.Scale(e.Best, class), e.BestImpl, e.Ratio(), floor, e.Samples)
		workload, _, _ := strings.Cut(e.Cell, "/")
		group := workload + "\t" + e.Unit
		if logs[group] == nil {
			groups = append(groups, group)
		}
		logs[group] = append(logs[group], math.Log(e.Ratio()))
	}
	for _, group := range groups {
		if len(logs[group]) == 1 {
			continue
		}
		sum := 0.0
		for _, log := range logs[group] {
			sum += log
		}
		mean := math.Exp(sum / float64(len(logs[group])))
		fmt.Fprintf(table, "%s\tgeometric mean\t\t\t%.2f\t\t\n", group, mean)
	}
	return table.Flush()
}
