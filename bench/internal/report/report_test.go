package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-weak/weakmap/bench/internal/chart"
)

const environment = "goos: linux\ngoarch: amd64\ncpu: X\ncommit: %s\ngo: go1.26\ncommand: bench -run ^(Load|Churn)\n\n"

// file makes benchmark text of a commit: a line for each name and base value, with a little
// noise from sample to sample.
func file(commit string, samples int, lines ...string) Input {
	var b strings.Builder
	fmt.Fprintf(&b, environment, commit)
	for sample := range samples {
		for _, line := range lines {
			name, values, _ := strings.Cut(line, " ")
			fmt.Fprintf(&b, "Benchmark%s-2 1", name)
			for value := range strings.SplitSeq(values, ",") {
				var base float64
				var unit string
				if _, err := fmt.Sscan(value, &base, &unit); err != nil {
					panic(err)
				}
				fmt.Fprintf(&b, " %g %s", base*(1+float64(sample)/1000), unit)
			}
			b.WriteByte('\n')
		}
	}
	return Input{Name: commit + ".txt", Text: strings.NewReader(b.String())}
}

var lines = []string{
	"LoadHit/impl=weakmap/key=string/size=1000 10 ns/op",
	"LoadHit/impl=xsync4/key=string/size=1000 8 ns/op",
	"LoadHit/impl=strong-xsync4/key=string/size=1000 5 ns/op",
	"LoadHit/impl=weakmap/key=string/size=100000 20 ns/op",
	"LoadHit/impl=xsync4/key=string/size=100000 40 ns/op",
	"Latency/impl=weakmap/key=string/size=1000 50 p50-ns,400 p99-ns,9000 p100-ns,7 collections",
	"Latency/impl=xsync4/key=string/size=1000 50 p50-ns,500 p99-ns,9900 p100-ns,8 collections",
	"Churn/impl=weakmap/live=1000 700 ns/op,9000000 B-turn02,12000000 B-turn04",
}

func read(t *testing.T, inputs ...Input) *Data {
	t.Helper()
	data, err := Read(inputs)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestReadRefusesWhatCannotBeCompared(t *testing.T) {
	text := func(s string) Input { return Input{"bad.txt", strings.NewReader(s)} }
	result := "BenchmarkLoad/impl=weakmap-2 1 5 ns/op\n"
	for _, c := range []struct {
		inputs []Input
		want   string
	}{
		{[]Input{text("")}, "no benchmark results"},
		{[]Input{text("goos: linux\n\n" + result)}, "goarch, cpu, commit, go"},
		{[]Input{text(strings.Replace(fmt.Sprintf(environment, "c"), "go: go1.26\n", "", 1) + result)}, "does not say its go"},
		{[]Input{text(fmt.Sprintf(environment, "c") + "BenchmarkLoad-2 1 5 ns/op\n")}, "/impl="},
		{[]Input{text(fmt.Sprintf(environment, "c") + "BenchmarkLoad/impl=weakmap-2 1 five ns/op\n")}, "bad.txt"},
		{[]Input{file("a", 1, lines...), text(strings.Replace(fmt.Sprintf(environment, "c"), "cpu: X", "cpu: Y", 1) + result)}, "different machines"},
		{[]Input{file("a", 1, lines...), file("b", 1, lines...), file("c", 1, lines...)}, "3 commits"},
	} {
		if _, err := Read(c.inputs); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

func TestPlaces(t *testing.T) {
	data := read(t, file("a", 10, lines...))
	places := data.Places()
	got := map[string]string{}
	for _, p := range places {
		got[p.Figure.Cell+" "+p.Figure.Unit] = p.String()
	}
	want := map[string]string{
		"LoadHit/key=string/size=1000 sec/op":   "second", // the strong map is no rival
		"LoadHit/key=string/size=100000 sec/op": "first",
		"Latency/key=string/size=1000 p50-sec":  "first", // equal
		"Latency/key=string/size=1000 p99-sec":  "first",
		"Latency/key=string/size=1000 p100-sec": "first",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if got, want := tally(places), (Tally{First: 4, Second: 1}); got != want {
		t.Errorf("tally %+v, want %+v", got, want)
	}
}

func TestFewSamplesDecideNothing(t *testing.T) {
	document := render(t, file("a", Enough-1, lines...))
	if got, want := document.Tally, (Tally{Few: 5}); got != want {
		t.Errorf("tally %+v, want %+v", got, want)
	}
	for name, text := range document.texts(t) {
		if !strings.Contains(text, "too few") {
			t.Errorf("%s does not say that samples are too few", name)
		}
	}
	if enough := render(t, file("a", Enough, lines...)); enough.Few != 0 || enough.Tally.Few != 0 {
		t.Errorf("with %d samples: few %d, undecided %d; want none", Enough, enough.Few, enough.Tally.Few)
	}
}

func TestChangesBetweenTwoCommits(t *testing.T) {
	faster := append([]string{"LoadHit/impl=weakmap/key=string/size=1000 9 ns/op"}, lines[1:]...)
	changes := read(t, file("old", 10, lines...), file("new", 10, faster...)).Changes()
	if len(changes) == 0 {
		t.Fatal("no changes")
	}
	for _, c := range changes {
		want := chart.Undecided
		if c.Impl == ours && c.Figure.Cell == "LoadHit/key=string/size=1000" {
			want = chart.Better
		}
		if c.Verdict != want {
			t.Errorf("%s %s of %s: verdict %d (%s), want %d", c.Figure.Cell, c.Figure.Unit, c.Impl, c.Verdict, c.Text, want)
		}
	}
	if got := changes[0].Text; !strings.HasPrefix(got, "-10.00% (p=0.000 n=10)") {
		t.Errorf("the change is told as %q, want -10.00%%", got)
	}
}

// rendered is a document and how to look at it.
type rendered struct{ *Document }

func render(t *testing.T, inputs ...Input) rendered {
	t.Helper()
	document, err := New(read(t, inputs...))
	if err != nil {
		t.Fatal(err)
	}
	return rendered{document}
}

func (r rendered) texts(t *testing.T) map[string]string {
	t.Helper()
	var html, markdown bytes.Buffer
	if err := r.WriteHTML(&html); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteMarkdown(&markdown); err != nil {
		t.Fatal(err)
	}
	return map[string]string{"html": html.String(), "markdown": markdown.String()}
}

func TestDocumentsShowWhatThereIs(t *testing.T) {
	document := render(t, file("old", 10, lines...), file("new", 10, lines...))
	for name, text := range document.texts(t) {
		for _, want := range []string{
			"linux", "go1.26", "old", "new", "LoadHit/key=string/size=1000", "Where weakmap is not first",
			"Before and after", "10 ns ± ", "strong-xsync4", "p100-sec",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q", name, want)
			}
		}
		if strings.Contains(text, "B-turn") {
			t.Errorf("%s has tables of single readings of memory", name)
		}
	}
	if text := document.texts(t)["markdown"]; !strings.Contains(text, `| bench -run ^(Load\|Churn) |`) {
		t.Error("the table of Markdown has the command in two cells, or nowhere")
	}
	html := document.texts(t)["html"]
	for _, title := range []string{
		"LoadHit/key=string/size: time per operation by size",
		"LoadHit/key=string/size=1000: time per operation",
		"Latency/key=string/size=1000: latency of Load",
		"Churn/live=1000: memory over time",
		"LoadHit: time per operation",
	} {
		if got := strings.Count(html, `aria-label="`+title+`"`); got != 2 {
			t.Errorf("the page has %d charts %q, want one for light and one for dark", got, title)
		}
	}
	for _, foreign := range []string{"src=", "<script", "<link", "@import", "url("} {
		if strings.Contains(html, foreign) {
			t.Errorf("the page has %q: it should need nothing else", foreign)
		}
	}
}

func TestOverviewHasTheBestRivalOfEachCell(t *testing.T) {
	document := render(t, file("a", 10, lines...))
	var got []string
	for _, row := range document.Overview.Rows {
		got = append(got, fmt.Sprint(row.Cell, " ", row.Unit, " ", row.Impl, " ", row.Ratio, " ", row.Place))
	}
	want := []string{
		"LoadHit/key=string/size=1000 sec/op xsync4 0.80 second",
		"LoadHit/key=string/size=100000 sec/op xsync4 2.00 first",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}
	for _, theme := range []chart.Theme{chart.Light, chart.Dark} {
		var image strings.Builder
		if err := document.WriteOverview(&image, theme); err != nil || !strings.HasPrefix(image.String(), "<svg") || !strings.Contains(image.String(), "LoadHit string 100k") {
			t.Errorf("%s image: %v, %.200s", theme.Name, err, image.String())
		}
	}
}

func TestProcessorsAreToldApart(t *testing.T) {
	input := file("a", 1, lines[0])
	var text bytes.Buffer
	if _, err := text.ReadFrom(input.Text); err != nil {
		t.Fatal(err)
	}
	both := text.String() + strings.ReplaceAll(text.String(), "-2 ", "-16 ")
	data := read(t, Input{"a.txt", strings.NewReader(both)})
	if len(data.Figures) != 2 || data.Figures[0].Cell != "LoadHit/key=string/size=1000/procs=2" || data.Figures[1].Param("procs") != "16" {
		t.Errorf("figures %v, want one of 2 and one of 16 processors", data.Figures)
	}
}
