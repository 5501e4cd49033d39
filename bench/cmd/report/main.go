// Report turns result files of cmd/bench into report.md, report.html, a page that needs nothing
// else, and its first chart as images. From files of two commits it also shows what changed from
// the first to the second.
//
// Usage, in a folder of this module or of a workspace that has it:
//
//	go run ./bench/cmd/report [-o FOLDER] FILE...
//
// The exit status is 2 if the flags, the folder or a file are wrong.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/go-weak/weakmap/bench/internal/chart"
	"github.com/go-weak/weakmap/bench/internal/report"
)

const exitUsage = 2

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("report", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // errors are printed once, below
	folder := flags.String("o", "", "write report.md, report.html and the overview as images into this `folder`; by default, beside the first file")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stderr, "usage: go run ./bench/cmd/report [-o FOLDER] FILE...")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return 0
	case err == nil && flags.NArg() == 0:
		err = errors.New("which files? Name at least one that cmd/bench wrote")
	case err == nil:
		err = write(*folder, flags.Args(), stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "report: %v\n", err)
		return exitUsage
	}
	return 0
}

// write makes the report of some files.
func write(folder string, names []string, stdout io.Writer) error {
	if folder == "" {
		folder = filepath.Dir(names[0])
	}
	var inputs []report.Input
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return err
		}
		defer file.Close()
		inputs = append(inputs, report.Input{Name: name, Text: file})
	}
	data, err := report.Read(inputs)
	if err != nil {
		return err
	}
	document, err := report.New(data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return fmt.Errorf("cannot write: %w", err)
	}
	type rendering struct {
		name  string
		write func(io.Writer) error
	}
	renderings := []rendering{{"report.md", document.WriteMarkdown}, {"report.html", document.WriteHTML}}
	if len(document.Overview.Rows) > 0 { // This library may be alone.
		for _, t := range []chart.Theme{chart.Light, chart.Dark} {
			renderings = append(renderings, rendering{"overview-" + t.Name + ".svg", func(w io.Writer) error { return document.WriteOverview(w, t) }})
		}
	}
	for _, rendering := range renderings {
		path := filepath.Join(folder, rendering.name)
		if err := writeFile(path, rendering.write); err != nil {
			return fmt.Errorf("cannot write: %w", err)
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}
