package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/go-weak/weakmap/bench/internal/report"
	"github.com/go-weak/weakmap/bench/internal/verdict"
)

// A figure is what one participant took in one cell, in one unit.
type figure struct{ cell, unit, impl string }

// results are all figures of some files, in seconds and bytes. missing collects those that were
// asked for and are not there.
type results struct {
	samples map[figure][]float64
	report  *report.Document // of the full run
	missing []string
}

func readAll(root string) (*results, error) {
	r := &results{samples: make(map[figure][]float64)}
	for _, file := range recorded {
		if err := r.read(filepath.Join(root, filepath.FromSlash(file.path)), file.prefix); err != nil {
			return nil, err
		}
	}
	return r, r.readReport(filepath.Join(root, filepath.FromSlash(recorded[0].path)))
}

func (r *results) readReport(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	data, err := report.Read([]report.Input{{Name: filepath.Base(path), Text: file}})
	if err != nil {
		return err
	}
	r.report, err = report.New(data)
	return err
}

func (r *results) read(path, prefix string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	reader := benchfmt.NewReader(file, path)
	for reader.Scan() {
		switch record := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			return record
		case *benchfmt.Result:
			var at figure
			at.cell, at.impl = verdict.Split(record.Name)
			at.cell = prefix + at.cell
			for _, value := range record.Values {
				at.unit = value.Unit
				r.samples[at] = append(r.samples[at], value.Value)
			}
		}
	}
	return reader.Err()
}

// median returns the median of the samples. If there are none, err says so at the end.
func (r *results) median(cell, unit, impl string) float64 {
	samples := r.samples[figure{cell, unit, impl}]
	if len(samples) == 0 {
		r.missing = append(r.missing, fmt.Sprintf("%s of %s in %s", unit, impl, cell))
		return 0
	}
	return verdict.Median(samples)
}

// best returns the least median of some participants, and whose it is. Those that took no part are
// passed over.
func (r *results) best(cell, unit string, impls ...string) (least float64, impl string) {
	for _, candidate := range impls {
		if len(r.samples[figure{cell, unit, candidate}]) == 0 {
			continue
		}
		if m := r.median(cell, unit, candidate); impl == "" || m < least {
			least, impl = m, candidate
		}
	}
	if impl == "" {
		r.missing = append(r.missing, fmt.Sprintf("%s of any of %s in %s", unit, strings.Join(impls, ", "), cell))
	}
	return least, impl
}

// fewest returns the least number of samples of a figure of this library.
func (r *results) fewest(rows []row) int {
	n := 0
	for _, row := range rows {
		if k := len(r.samples[figure{row.cell, row.unit, ours}]); n == 0 || k < n {
			n = k
		}
	}
	return n
}

// err returns what was asked for and is not there, once.
func (r *results) err() error {
	if len(r.missing) == 0 {
		return nil
	}
	err := errors.New("not measured: " + strings.Join(r.missing, "; "))
	r.missing = nil
	return err
}
