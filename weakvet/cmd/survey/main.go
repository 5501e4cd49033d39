// Command survey runs all analyzers over the packages of a module and their tests, and prints what
// they find and how much they looked at.
//
//	go run ./weakvet/cmd/survey -dir ../prometheus ./...
//
// It takes the types of dependencies from their source, without the bodies of functions, so nothing
// need be compiled: a module with a thousand dependencies takes a minute or two. It is what the table
// in weakvet/README.md was made with. To look for faults in a program, take weakvet.
package main

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/go-weak/weakmap/weakvet"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "survey:", err)
		}
		os.Exit(2)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("survey", flag.ContinueOnError)
	dir := flags.String("dir", ".", "the `directory` of the module")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	loaded, err := packages.Load(&packages.Config{
		Mode:      packages.LoadAllSyntax | packages.NeedModule | packages.NeedForTest,
		Dir:       root,
		Tests:     true,
		ParseFile: parserFor(root),
	}, flags.Args()...)
	if err != nil {
		return err
	}
	packages.Visit(loaded, nil, func(p *packages.Package) {
		if len(p.Errors) == 0 {
			p.IllTyped = false // Some dependencies are, because they have no bodies.
		}
	})
	units, all := unitsOf(loaded)
	graph, err := checker.Analyze(weakvet.Analyzers, units, nil)
	if err != nil {
		return err
	}
	findings := 0
	for _, act := range graph.Roots {
		if act.Err != nil {
			return fmt.Errorf("%v: %w", act, act.Err)
		}
		for _, d := range act.Diagnostics {
			findings++
			fmt.Fprintf(out, "%v: %s: %s\n", act.Package.Fset.Position(d.Pos), act.Analyzer.Name, d.Message)
		}
	}
	fmt.Fprintf(out, "%d of %d units, %d findings\n", len(units), all, findings)
	return nil
}

// unitsOf returns the units that can be looked at, and how many there are. A unit is a package with its
// tests, or the tests that are a package of their own. Those that do not compile are named.
func unitsOf(loaded []*packages.Package) (units []*packages.Package, all int) {
	tested := make(map[string]bool)
	for _, p := range loaded {
		if p.ForTest == p.PkgPath {
			tested[p.PkgPath] = true
		}
	}
	for _, p := range loaded {
		isEmpty := len(p.Syntax) == 0 && len(p.Errors) == 0 // nothing for this system
		if strings.HasSuffix(p.ID, ".test") || p.ForTest == "" && tested[p.PkgPath] || isEmpty {
			continue
		}
		all++
		if len(p.Errors) > 0 {
			fmt.Fprintln(os.Stderr, "survey: left out:", p.ID, p.Errors)
			continue
		}
		units = append(units, p)
	}
	return units, all
}

// parserFor returns a parser that drops the bodies of functions outside of root.
func parserFor(root string) func(*token.FileSet, string, []byte) (*ast.File, error) {
	return func(files *token.FileSet, name string, src []byte) (*ast.File, error) {
		f, err := parser.ParseFile(files, name, src, parser.ParseComments|parser.SkipObjectResolution)
		isOwn := strings.HasPrefix(name, root+string(filepath.Separator)) || strings.Contains(name, "go-build") // what cgo makes
		if f != nil && !isOwn {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					fn.Body = nil
				}
			}
		}
		return f, err
	}
}
