package report

import (
	"fmt"
	"html/template"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/go-weak/weakmap/bench/internal/chart"
)

// A Chart is one chart of the report, drawn for light and for dark pages.
type Chart struct {
	Title string
	Note  string // what to know when reading it
	Light template.HTML
	Dark  template.HTML
}

// A Section is one workload of the report.
type Section struct {
	Name   string
	Impls  []string // those that take part
	Charts []Chart
	Table  Table
}

// draw calls f for both themes.
func draw(title, note string, f func(chart.Theme) ([]byte, error)) (Chart, error) {
	c := Chart{Title: title, Note: note}
	for theme, svg := range map[*chart.Theme]*template.HTML{&chart.Light: &c.Light, &chart.Dark: &c.Dark} {
		element, err := f(*theme)
		if err != nil {
			return c, fmt.Errorf("%s: %w", title, err)
		}
		*svg = template.HTML(element)
	}
	return c, nil
}

var (
	quantileUnit = regexp.MustCompile(`^p([0-9.]+)((?:-1s)?)-sec$`)
	turnUnit     = regexp.MustCompile(`^B-turn([0-9]+)$`)
)

// what says in words what a unit counts.
func what(unit string) string {
	words := map[string]string{
		"sec/op": "time per operation", "cold-sec/op": "time per operation, first round",
		"cpu-sec/op": "processor time per operation", "B-peak": "peak memory of the process",
		"sec-gone": "time until the dead are gone", "p99.9-sec": "99.9th percentile", "cpu-sec/collection": "processor time per collection",
		"insert-sec/op": "time per insertion", "load-sec/op": "time per lookup",
		"B/entry": "memory per entry", "B/map": "memory per map", "B/object": "memory per object",
	}
	if text, ok := words[unit]; ok {
		return text
	}
	return unit
}

func ticks(unit string) func(float64) string {
	return func(v float64) string { return chart.Format(v, unit) }
}

// charts returns the charts of one workload.
func (d *Data) charts(workload string) ([]Chart, error) {
	var figures []*Figure
	for _, f := range d.Figures {
		if f.Workload() == workload {
			figures = append(figures, f)
		}
	}
	var all []Chart
	for _, f := range []func([]*Figure) ([]Chart, error){d.bySize, d.distributions, d.memory, d.ratios} {
		charts, err := f(figures)
		if err != nil {
			return nil, err
		}
		all = append(all, charts...)
	}
	return all, nil
}

// point returns the figure of a participant as a point of a line.
func (d *Data) point(f *Figure, impl string, x float64) (chart.Point, bool) {
	s, ok := f.Summary(d.Newest(), impl)
	return chart.Point{X: x, Y: s.Center, Lo: s.Lo, Hi: s.Hi}, ok
}

// lines makes a series of each participant, from figures that have an x each.
func (d *Data) lines(figures []*Figure, x func(*Figure) float64) []chart.Series {
	byImpl := map[string][]chart.Point{}
	var impls []string
	for _, f := range figures {
		for _, impl := range f.Impls {
			if point, ok := d.point(f, impl, x(f)); ok {
				if byImpl[impl] == nil {
					impls = append(impls, impl)
				}
				byImpl[impl] = append(byImpl[impl], point)
			}
		}
	}
	var series []chart.Series
	for _, impl := range inTurn(impls) {
		series = append(series, chart.Series{Name: impl, Points: byImpl[impl]})
	}
	return series
}

// group sorts figures into groups of one key each, in the order of appearance; figures whose key
// is "" are left out.
func group(figures []*Figure, key func(*Figure) string) (keys []string, groups map[string][]*Figure) {
	groups = map[string][]*Figure{}
	for _, f := range figures {
		k := key(f)
		if k == "" {
			continue
		}
		if groups[k] == nil {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], f)
	}
	return keys, groups
}

// sizeParam is the parameter that is a number of entries, or a size of objects.
var sizeParam = regexp.MustCompile(`/(size|object)=([0-9]+)(B?)`)

// bySize draws what depends on a size, where there are at least two.
func (d *Data) bySize(figures []*Figure) ([]Chart, error) {
	size := func(f *Figure) float64 {
		n, _ := strconv.ParseFloat(sizeParam.FindStringSubmatch(f.Cell)[2], 64)
		return n
	}
	keys, groups := group(figures, func(f *Figure) string {
		found := sizeParam.FindStringSubmatch(f.Cell)
		if found == nil || !judged(f.Unit) || quantileUnit.MatchString(f.Unit) {
			return ""
		}
		return sizeParam.ReplaceAllString(f.Cell, "/"+found[1]) + " " + f.Unit
	})
	var charts []Chart
	for _, key := range keys {
		same := groups[key]
		slices.SortStableFunc(same, func(a, b *Figure) int { return int(size(a) - size(b)) })
		if size(same[0]) == size(same[len(same)-1]) {
			continue
		}
		x := chart.Axis{Label: "entries", Log: true, Text: ticksOfCount}
		if strings.Contains(same[0].Cell, "/object=") {
			x.Label, x.Text = "size of an object", ticks("B")
		}
		unit := same[0].Unit
		name, _, _ := strings.Cut(key, " ")
		c, err := draw(name+": "+what(unit)+" by size", "", func(t chart.Theme) ([]byte, error) {
			return chart.Lines(t, x, chart.Axis{Label: what(unit), Log: true, Text: ticks(unit)}, d.lines(same, size))
		})
		if err != nil {
			return nil, err
		}
		charts = append(charts, c)
	}
	return charts, nil
}

// distributions draws latency by percentile.
func (d *Data) distributions(figures []*Figure) ([]Chart, error) {
	percentile := func(f *Figure) float64 {
		q, _ := strconv.ParseFloat(quantileUnit.FindStringSubmatch(f.Unit)[1], 64)
		return q
	}
	keys, groups := group(figures, func(f *Figure) string {
		if found := quantileUnit.FindStringSubmatch(f.Unit); found != nil {
			return f.Cell + found[2]
		}
		return ""
	})
	var charts []Chart
	for _, key := range keys {
		same := groups[key]
		slices.SortStableFunc(same, func(a, b *Figure) int { return int(math.Copysign(1, percentile(a)-percentile(b))) })
		var names []string
		for _, f := range same {
			if name := strconv.FormatFloat(percentile(f), 'f', -1, 64); name == "100" {
				names = append(names, "max")
			} else {
				names = append(names, name+" %")
			}
		}
		note := "Each Load is timed, about 40 ns of clock included."
		if strings.HasSuffix(key, "-1s") {
			note += " Until one second after the collection."
		}
		c, err := draw(strings.TrimSuffix(key, "-1s")+": latency of Load", note, func(t chart.Theme) ([]byte, error) {
			rank := func(f *Figure) float64 { return float64(slices.Index(same, f)) }
			return chart.Lines(t, chart.Axis{Label: "percentile", Names: names},
				chart.Axis{Label: "time of a Load", Log: true, Text: ticks("sec")}, d.lines(same, rank))
		})
		if err != nil {
			return nil, err
		}
		charts = append(charts, c)
	}
	return charts, nil
}

// memory draws the memory of the process while things come and go.
func (d *Data) memory(figures []*Figure) ([]Chart, error) {
	keys, groups := group(figures, func(f *Figure) string {
		if turnUnit.MatchString(f.Unit) {
			return f.Cell
		}
		return ""
	})
	var charts []Chart
	for _, key := range keys {
		same := groups[key]
		made := func(f *Figure) float64 {
			turn, _ := strconv.ParseFloat(turnUnit.FindStringSubmatch(f.Unit)[1], 64)
			live, _ := strconv.ParseFloat(f.Param("live"), 64)
			return turn * live
		}
		c, err := draw(key+": memory over time", "Resident memory of the process; the last "+same[0].Param("live")+" are held.",
			func(t chart.Theme) ([]byte, error) {
				return chart.Lines(t, chart.Axis{Label: "values made", Text: ticksOfCount},
					chart.Axis{Label: "resident memory", Text: ticks("B")}, d.lines(same, made))
			})
		if err != nil {
			return nil, err
		}
		charts = append(charts, c)
	}
	return charts, nil
}

// ticksOfCount writes 500000 as 500k.
func ticksOfCount(v float64) string {
	return strings.ReplaceAll(strings.TrimSuffix(chart.Format(v, "B"), "B"), " ", "")
}

// ratios draws, for each cell, how many times our figure goes into those of the others.
func (d *Data) ratios(figures []*Figure) ([]Chart, error) {
	var charts []Chart
	for _, f := range figures {
		our, ok := f.Summary(d.Newest(), ours)
		if !ok || our.Center <= 0 || !judged(f.Unit) || quantileUnit.MatchString(f.Unit) {
			continue
		}
		var bars []chart.Bar
		for _, impl := range inTurn(f.Impls) {
			if other, ok := f.Summary(d.Newest(), impl); ok && impl != ours && other.Center > 0 {
				bar := chart.Bar{Name: impl}
				bar.Ratio, bar.Lo, bar.Hi = ratio(other, our)
				bars = append(bars, bar)
			}
		}
		if len(bars) == 0 {
			continue
		}
		note := "weakmap: " + chart.Format(our.Center, f.Unit) + "."
		if n := len(f.sample(d.Newest(), ours).Values); n < Enough {
			note += fmt.Sprintf(" Too few samples for a conclusion: %d, not %d.", n, Enough)
		}
		c, err := draw(f.Cell+": "+what(f.Unit), note, func(t chart.Theme) ([]byte, error) {
			return chart.Ratios(t, chart.Narrow, "times weakmap (more: weakmap needs less)", bars)
		})
		if err != nil {
			return nil, err
		}
		charts = append(charts, c)
	}
	return charts, nil
}

// changeCharts draws before and after of this library, a chart for each workload and unit.
func (d *Data) changeCharts() ([]Chart, error) {
	type key struct{ workload, unit string }
	var keys []key
	bars := map[key][]chart.Bar{}
	for _, c := range d.Changes() {
		if c.Before.Center <= 0 || c.After.Center <= 0 || !strings.HasPrefix(c.Impl, ours) {
			continue
		}
		k := key{c.Figure.Workload(), c.Figure.Unit}
		if bars[k] == nil {
			keys = append(keys, k)
		}
		_, params, _ := strings.Cut(c.Figure.Cell, "/")
		bar := chart.Bar{Name: shorten(params) + strings.Replace(strings.TrimPrefix(c.Impl, ours), "-", " ", 1), Verdict: c.Verdict}
		bar.Ratio, bar.Lo, bar.Hi = ratio(c.After, c.Before)
		bars[k] = append(bars[k], bar)
	}
	var charts []Chart
	for _, k := range keys {
		c, err := draw(k.workload+": "+what(k.unit), "", func(t chart.Theme) ([]byte, error) {
			return chart.Ratios(t, chart.Narrow, "after / before (less: better)", bars[k])
		})
		if err != nil {
			return nil, err
		}
		charts = append(charts, c)
	}
	return charts, nil
}

// shorten leaves the values of parameters only, and writes zeros as k and M.
func shorten(params string) string {
	var values []string
	for part := range strings.SplitSeq(params, "/") {
		if _, value, ok := strings.Cut(part, "="); ok {
			part = value
		}
		if before, ok := strings.CutSuffix(part, "000000"); ok {
			part = before + "M"
		} else if before, ok := strings.CutSuffix(part, "000"); ok {
			part = before + "k"
		}
		values = append(values, part)
	}
	return strings.Join(values, " ")
}
