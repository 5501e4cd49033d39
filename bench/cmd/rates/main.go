// Command rates draws hit rates. It reads what examples/hitrate prints of its traces, and writes a
// chart for a light and one for a dark background:
//
//	go run ./examples/hitrate -traces -format=csv | go run ./bench/cmd/rates -o examples/hitrate
//
// It shows the caches that hold 5 % of the keys, or as many as -percent says. What a Map finds
// although it does not hold it is not counted.
package main

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-weak/weakmap/bench/internal/chart"
)

const exitUsage = 2

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("rates", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, below
	folder := flags.String("o", ".", "write rates-light.svg and rates-dark.svg into this `folder`")
	percent := flags.String("percent", "5", "how many of the keys a cache holds, in `percent`")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stderr, "usage: go run ./examples/hitrate -traces -format=csv | go run ./bench/cmd/rates [-o FOLDER] [-percent N]")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return 0
	case err == nil && flags.NArg() > 0:
		err = errors.New("there are no arguments: the figures are read from standard input")
	case err == nil:
		err = write(*folder, *percent, stdin, stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "rates: %v\n", err)
		return exitUsage
	}
	return 0
}

// caches are those that are drawn, by their names in the chart's colors.
var caches = map[string]string{"RetainMax": "weakmap", "otter": "otter", "LRU": "lru", "optimum": "floor"}

// anyPace is the GOGC of a cache that does not depend on collections, and usualPace that of those lines
// that are drawn of one that does.
const anyPace, usualPace = "", "100"

// write draws the lines for one size.
func write(folder, percent string, stdin io.Reader, stdout io.Writer) error {
	traces, series, err := read(stdin, percent)
	if err != nil {
		return err
	}
	x := chart.Axis{Names: traces}
	y := chart.Axis{Label: "held, " + percent + " % of the keys in the cache", Text: func(v float64) string { return chart.Format(v, "") + " %" }}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fmt.Errorf("cannot write: %w", err)
	}
	for _, t := range []chart.Theme{chart.Light, chart.Dark} {
		svg, err := chart.Lines(t, x, y, series)
		if err != nil {
			return err
		}
		path := filepath.Join(folder, "rates-"+t.Name+".svg")
		if err := os.WriteFile(path, svg, 0o666); err != nil {
			return fmt.Errorf("cannot write: %w", err)
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
}

// read returns the traces, shortened, and a series for each cache, in the order of the input.
func read(input io.Reader, percent string) (traces []string, series []chart.Series, err error) {
	lines, err := csv.NewReader(input).ReadAll()
	if err != nil {
		return nil, nil, fmt.Errorf("the figures cannot be read: %w", err)
	}
	if len(lines) == 0 || !slices.Equal(lines[0], []string{"trace", "percent", "capacity", "requests", "cache", "gogc", "found", "held"}) {
		return nil, nil, errors.New("these are not figures of examples/hitrate -traces -format=csv")
	}
	for _, l := range lines[1:] {
		name, drawn := caches[l[4]]
		if l[1] != percent || !drawn || l[5] != anyPace && l[5] != usualPace {
			continue
		}
		requests, err := strconv.ParseFloat(l[3], 64)
		if err != nil {
			return nil, nil, err
		}
		held, err := strconv.ParseFloat(l[7], 64)
		if err != nil {
			return nil, nil, err
		}
		trace := strings.Replace(strings.TrimPrefix(l[0], "zipf "), "identifiers", "ident.", 1)
		at := slices.Index(traces, trace)
		if at < 0 {
			at = len(traces)
			traces = append(traces, trace)
		}
		i := slices.IndexFunc(series, func(s chart.Series) bool { return s.Name == name })
		if i < 0 {
			i = len(series)
			series = append(series, chart.Series{Name: name})
		}
		rate := 100 * held / requests
		series[i].Points = append(series[i].Points, chart.Point{X: float64(at), Y: rate, Lo: rate, Hi: rate})
	}
	if len(series) == 0 {
		return nil, nil, fmt.Errorf("no cache holds %s %% of the keys", percent)
	}
	return traces, series, nil
}
