package report

import (
	"io"
	"strings"

	"github.com/go-weak/weakmap/bench/internal/chart"
)

// An Overview compares this library with the best of its rivals, a line for each cell.
type Overview struct {
	Chart Chart
	Rows  []OverviewRow
}

// An OverviewRow is a cell and its foremost figures.
type OverviewRow struct {
	Cell, Unit  string
	Ours, Rival string // medians with intervals
	Impl        string // the best rival
	Ratio       string // best rival / weakmap
	Place       string // of weakmap, in words
}

// foremost reports whether a unit is among those that say the most of a cell.
func foremost(unit string) bool {
	return !quantileUnit.MatchString(unit) && unit != "cold-sec/op" && unit != "cpu-sec/op" || unit == "p99.9-sec"
}

// overview is empty if there is nothing to compare.
func (d *Data) overview(places []Place) (o Overview, err error) {
	var bars []chart.Bar
	for _, p := range places {
		f := p.Figure
		if !foremost(f.Unit) {
			continue
		}
		our, _ := f.Summary(d.Newest(), ours)
		best, _ := f.Summary(d.Newest(), p.Best)
		_, params, _ := strings.Cut(f.Cell, "/")
		bar := chart.Bar{Name: f.Workload() + " " + shorten(params), Verdict: chart.Undecided}
		if f.Unit != "sec/op" {
			bar.Name += ", " + what(f.Unit)
		}
		bar.Ratio, bar.Lo, bar.Hi = ratio(best, our)
		switch {
		case p.Ahead > 0:
			bar.Verdict = chart.Worse
		case p.Distinct:
			bar.Verdict = chart.Better
		}
		bars = append(bars, bar)
		o.Rows = append(o.Rows, OverviewRow{f.Cell, f.Unit, withInterval(our, f.Unit), withInterval(best, f.Unit), p.Best, times(p.Ratio), p.String()})
	}
	if len(bars) == 0 {
		return o, nil
	}
	o.Chart, err = draw("weakmap and the best of its rivals", "Green: weakmap is ahead; red: it is not; gray: it may be chance (p ≥ 0.05).",
		func(t chart.Theme) ([]byte, error) {
			return chart.Ratios(t, chart.Wide, "best rival / weakmap (more: weakmap needs less)", bars)
		})
	return o, err
}

// WriteOverview writes the chart of the overview, if it is not empty, as an image of its own.
func (doc *Document) WriteOverview(w io.Writer, t chart.Theme) error {
	svg := doc.Overview.Chart.Light
	if t == chart.Dark {
		svg = doc.Overview.Chart.Dark
	}
	_, err := io.WriteString(w, string(svg))
	return err
}
