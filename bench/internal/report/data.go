// Package report turns benchmark text into figures, charts and two documents that show them.
package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

const (
	confidence = 0.95
	ours       = peer.Ours
)

// environmentKeys are the configuration lines that a file must have: without them it is unknown
// what was measured, and on what machine.
var environmentKeys = []string{"goos", "goarch", "cpu", "commit", "go"}

// sameKeys must be the same in all files: figures of different machines do not compare.
var sameKeys = []string{"goos", "goarch", "cpu"}

// An Environment is what one file says of itself.
type Environment struct {
	File   string
	Values []Setting
}

// A Setting is one configuration line.
type Setting struct{ Key, Value string }

// Get returns the value of a configuration line, or "".
func (e Environment) Get(key string) string {
	for _, s := range e.Values {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}

// Data are the figures of some files.
type Data struct {
	Environments []Environment
	Commits      []string // one or two, in the order of the files
	Figures      []*Figure
}

// Newest is the commit whose figures are shown.
func (d *Data) Newest() string { return d.Commits[len(d.Commits)-1] }

// A Figure is what one cell has in one unit, in base units (seconds, bytes), by commit and
// participant.
type Figure struct {
	Cell  string // the name of the benchmark without its participant
	Unit  string
	Impls []string // in the order in which they appear
	by    map[source]*benchmath.Sample
}

type source struct{ commit, impl string }

// Workload returns the first part of the cell's name.
func (f *Figure) Workload() string {
	name, _, _ := strings.Cut(f.Cell, "/")
	return name
}

// Param returns a parameter of the cell, "" if it has none of that name.
func (f *Figure) Param(key string) string {
	for part := range strings.SplitSeq(f.Cell, "/") {
		if value, ok := strings.CutPrefix(part, key+"="); ok {
			return value
		}
	}
	return ""
}

// sample returns the samples of a participant at a commit, nil if there are none.
func (f *Figure) sample(commit, impl string) *benchmath.Sample { return f.by[source{commit, impl}] }

// Summary returns median and confidence interval of a participant at a commit.
func (f *Figure) Summary(commit, impl string) (summary benchmath.Summary, ok bool) {
	s := f.sample(commit, impl)
	if s == nil {
		return summary, false
	}
	return benchmath.AssumeNothing.Summary(s, confidence), true
}

// A reader collects the values of all files before they become samples, which are sorted.
type reader struct {
	data   *Data
	impl   *benchproc.Projection
	procs  *benchproc.Projection
	cell   *benchproc.Projection
	unit   *benchproc.Field
	index  map[figureKey]*Figure
	values map[*Figure]map[source][]float64
}

type figureKey struct{ cell, procs benchproc.Key }

// Input is a file to read.
type Input struct {
	Name string
	Text io.Reader
}

// Read reads benchmark text. It refuses files without environment lines, files of different
// machines, benchmarks that name no participant, and more than two commits.
func Read(inputs []Input) (*Data, error) {
	r := &reader{data: new(Data), index: map[figureKey]*Figure{}, values: map[*Figure]map[source][]float64{}}
	if err := r.project(); err != nil {
		return nil, err
	}
	for _, input := range inputs {
		if err := r.read(input); err != nil {
			return nil, err
		}
	}
	if n := len(r.data.Commits); n > 2 {
		return nil, fmt.Errorf("%d commits (%s): a report shows one, or compares two", n, strings.Join(r.data.Commits, ", "))
	}
	first := r.data.Environments[0]
	for _, other := range r.data.Environments[1:] {
		for _, key := range sameKeys {
			if a, b := first.Get(key), other.Get(key); a != b {
				return nil, fmt.Errorf("%s has %s: %s, %s has %s: %s; figures of different machines do not compare",
					first.File, key, a, other.File, key, b)
			}
		}
	}
	r.tellProcsApart()
	for figure, by := range r.values {
		figure.by = map[source]*benchmath.Sample{}
		for from, values := range by {
			figure.by[from] = benchmath.NewSample(values, &benchmath.DefaultThresholds)
		}
	}
	return r.data, nil
}

// project sets up how benchproc takes names apart.
func (r *reader) project() error {
	filter, err := benchproc.NewFilter("*")
	if err != nil {
		return err
	}
	var parser benchproc.ProjectionParser
	if r.impl, err = parser.Parse("/impl", filter); err != nil {
		return err
	}
	if r.procs, err = parser.Parse("/gomaxprocs", filter); err != nil {
		return err
	}
	r.cell, r.unit, err = parser.ParseWithUnit(".fullname", filter)
	return err
}

// tellProcsApart adds the number of processors to the names of cells, if it is not the same in all.
func (r *reader) tellProcsApart() {
	various := map[benchproc.Key]bool{}
	for key := range r.index {
		various[key.procs] = true
	}
	if len(various) == 1 {
		return
	}
	for key, figure := range r.index {
		figure.Cell += "/procs=" + key.procs.StringValues()
	}
}

func (r *reader) read(input Input) error {
	text := benchfmt.NewReader(input.Text, input.Name)
	results := 0
	for text.Scan() {
		switch record := text.Result().(type) {
		case *benchfmt.SyntaxError:
			return record
		case *benchfmt.Result:
			if results++; results == 1 {
				if err := r.addEnvironment(input.Name, record); err != nil {
					return err
				}
			}
			if err := r.add(input.Name, record); err != nil {
				return err
			}
		}
	}
	if err := text.Err(); err != nil {
		return err
	}
	if results == 0 {
		return fmt.Errorf("%s: no benchmark results", input.Name)
	}
	return nil
}

func (r *reader) addEnvironment(file string, result *benchfmt.Result) error {
	var missing []string
	for _, key := range environmentKeys {
		if result.GetConfig(key) == "" {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s does not say its %s: these lines are needed, as cmd/bench writes them", file, strings.Join(missing, ", "))
	}
	e := Environment{File: file}
	for _, config := range result.Config {
		if config.File {
			e.Values = append(e.Values, Setting{config.Key, string(config.Value)})
		}
	}
	r.data.Environments = append(r.data.Environments, e)
	return nil
}

func (r *reader) add(file string, result *benchfmt.Result) error {
	from := source{commit: result.GetConfig("commit"), impl: r.impl.Project(result).StringValues()}
	if from.impl == "" {
		return fmt.Errorf("%s: benchmark %s names no /impl=", file, result.Name)
	}
	if !slices.Contains(r.data.Commits, from.commit) {
		r.data.Commits = append(r.data.Commits, from.commit)
	}
	fullName := r.cell.Fields()[0]
	procs := r.procs.Project(result)
	for i, key := range r.cell.ProjectValues(result) {
		figure := r.index[figureKey{key, procs}]
		if figure == nil {
			figure = &Figure{Cell: key.Get(fullName), Unit: key.Get(r.unit)}
			r.index[figureKey{key, procs}] = figure
			r.values[figure] = map[source][]float64{}
			r.data.Figures = append(r.data.Figures, figure)
		}
		if !slices.Contains(figure.Impls, from.impl) {
			figure.Impls = append(figure.Impls, from.impl)
		}
		r.values[figure][from] = append(r.values[figure][from], result.Values[i].Value)
	}
	return nil
}

// fewest returns the least number of samples of any figure at a commit.
func (d *Data) fewest(commit string) int {
	n := 0
	for _, f := range d.Figures {
		for _, impl := range f.Impls {
			if s := f.sample(commit, impl); s != nil && (n == 0 || len(s.Values) < n) {
				n = len(s.Values)
			}
		}
	}
	return n
}

// workloads returns the names of the workloads, in the order in which they appear.
func (d *Data) workloads() []string {
	var names []string
	for _, f := range d.Figures {
		if name := f.Workload(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// inTurn sorts participants into the order in which they take turns: this library, its rivals,
// the limits, and those that are unknown.
func inTurn(impls []string) []string {
	order := peer.Names()
	rank := func(name string) int {
		at := slices.Index(order, name)
		switch {
		case at < 0:
			return 2 * len(order)
		case competes(name):
			return at
		}
		return len(order) + at
	}
	return slices.SortedStableFunc(slices.Values(impls), func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
}
