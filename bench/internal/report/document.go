package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	text "text/template"

	"golang.org/x/perf/benchmath"

	"github.com/go-weak/weakmap/bench/internal/chart"
)

// A Document is all that the two renderings of a report show.
type Document struct {
	*Data
	Tally    Tally
	Behind   []Place // where this library is not first
	Few      int     // the least number of samples, if too few; else 0
	Enough   int
	Before   []Chart // before and after, if there are two commits
	Overview Overview
	Sections []Section
	Colors   template.CSS
}

// New draws the charts and fills the tables of a report.
func New(d *Data) (*Document, error) {
	doc := &Document{Data: d, Enough: Enough}
	if n := d.fewest(d.Newest()); n < Enough {
		doc.Few = n
	}
	places := d.Places()
	doc.Tally = tally(places)
	for _, p := range places {
		if !p.Few && p.Ahead > 0 {
			doc.Behind = append(doc.Behind, p)
		}
	}
	var err error
	if doc.Overview, err = d.overview(places); err != nil {
		return nil, err
	}
	if doc.Before, err = d.changeCharts(); err != nil {
		return nil, err
	}
	for _, workload := range d.workloads() {
		s := Section{Name: workload}
		if s.Charts, err = d.charts(workload); err != nil {
			return nil, err
		}
		s.Table = d.table(workload)
		s.Impls = s.Table.Impls
		doc.Sections = append(doc.Sections, s)
	}
	doc.Colors = colors(doc.Sections)
	return doc, nil
}

// A Table has a row for each figure of a workload and a column for each participant.
type Table struct {
	Impls []string
	Rows  []Row
}

// A Row is one figure.
type Row struct {
	Cell, Unit string
	Values     []Value // one for each participant, empty if it took no part
}

// A Value is a median as text.
type Value struct {
	Text string
	Best bool // the least of those that do the same
}

// table makes the table of a workload.
func (d *Data) table(workload string) (t Table) {
	var impls []string
	for _, f := range d.Figures {
		if f.Workload() == workload {
			for _, impl := range f.Impls {
				if !slices.Contains(impls, impl) {
					impls = append(impls, impl)
				}
			}
		}
	}
	t.Impls = inTurn(impls)
	for _, f := range d.Figures {
		if f.Workload() != workload || turnUnit.MatchString(f.Unit) {
			continue
		}
		row := Row{Cell: f.Cell, Unit: f.Unit}
		best := d.best(f)
		for _, impl := range t.Impls {
			var v Value
			if s, ok := f.Summary(d.Newest(), impl); ok {
				v = Value{withInterval(s, f.Unit), impl == best}
			}
			row.Values = append(row.Values, v)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// withInterval writes a median and half of its confidence interval, as benchstat does.
func withInterval(s benchmath.Summary, unit string) string {
	return chart.Format(s.Center, unit) + " ± " + s.PctRangeString()
}

// best returns the participant with the least median among this library and its rivals, "" for
// units of which less is not better.
func (d *Data) best(f *Figure) (name string) {
	if !judged(f.Unit) {
		return ""
	}
	least := math.Inf(1)
	for _, impl := range f.Impls {
		if s, ok := f.Summary(d.Newest(), impl); ok && competes(impl) && s.Center < least {
			least, name = s.Center, impl
		}
	}
	return name
}

// colors are the CSS variables of the participants, for light and for dark pages.
func colors(sections []Section) template.CSS {
	var all []string
	for _, s := range sections {
		for _, impl := range s.Impls {
			if !slices.Contains(all, impl) {
				all = append(all, impl)
			}
		}
	}
	rules := func(t chart.Theme) string {
		var b strings.Builder
		for _, impl := range inTurn(all) {
			fmt.Fprintf(&b, ".p-%s{--c:%s}", impl, t.Hex(impl))
		}
		return b.String()
	}
	return template.CSS(rules(chart.Light) + "@media(prefers-color-scheme:dark){" + rules(chart.Dark) + "}")
}

//go:embed page.html
var pageText string

//go:embed page.md
var markdownText string

var (
	functions = map[string]any{"strong": chart.Strong, "times": times, "cell": inCell}
	page      = template.Must(template.New("page.html").Funcs(functions).Parse(pageText))
	markdown  = text.Must(text.New("page.md").Funcs(functions).Parse(markdownText))
)

// inCell returns text as it stands in a table of Markdown.
func inCell(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "|", `\|`) }

func times(ratio float64) string { return fmt.Sprintf("%.2f", ratio) }

// WriteHTML writes the report as one page that needs nothing else.
func (doc *Document) WriteHTML(w io.Writer) error { return page.Execute(w, doc) }

// WriteMarkdown writes the report without its charts.
func (doc *Document) WriteMarkdown(w io.Writer) error { return markdown.Execute(w, doc) }
