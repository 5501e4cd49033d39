package weakvet_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/go-weak/weakmap/weakvet"
)

// byName returns an analyzer.
func byName(t *testing.T, name string) *analysis.Analyzer {
	t.Helper()
	for _, list := range [][]*analysis.Analyzer{weakvet.Analyzers, weakvet.Optional} {
		for _, a := range list {
			if a.Name == name {
				return a
			}
		}
	}
	t.Fatalf("no analyzer %s", name)
	return nil
}

// testdata is a module of its own, which has the library.
func testdata(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// set sets a flag of an analyzer for a test.
func set(t *testing.T, a *analysis.Analyzer, name string) {
	t.Helper()
	if err := a.Flags.Set(name, "true"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Flags.Set(name, "false") })
}

// together returns an analyzer that runs several, each on the packages for which
// wants returns true. So the packages are loaded once for all.
func together(analyzers []*analysis.Analyzer, wants func(a *analysis.Analyzer, pkg string) bool) *analysis.Analyzer {
	all := &analysis.Analyzer{Name: "all", Doc: "runs several analyzers"}
	for _, a := range analyzers {
		for _, required := range a.Requires {
			if !slices.Contains(all.Requires, required) {
				all.Requires = append(all.Requires, required)
			}
		}
	}
	all.Run = func(pass *analysis.Pass) (any, error) {
		for _, a := range analyzers {
			if !wants(a, pass.Pkg.Name()) {
				continue
			}
			own := *pass
			own.Analyzer = a
			if _, err := a.Run(&own); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	return all
}

// Each analyzer has packages whose names begin with its own.
func TestAnalyzers(t *testing.T) {
	patterns := []string{"./weakunheldretain", "./weakunheldretainmax", "./weakunheldretainfor", "./weakunheldconfig", "./weakunheldshards", "./weakunheldignore"}
	for _, a := range weakvet.Analyzers {
		patterns = append(patterns, "./"+a.Name)
	}
	analysistest.Run(t, testdata(t), together(weakvet.Analyzers, func(a *analysis.Analyzer, pkg string) bool {
		return strings.HasPrefix(pkg, a.Name)
	}), patterns...)
}

func TestFlags(t *testing.T) {
	for name, flag := range map[string]string{"weakcycle": "soft", "weakunheld": "unique"} {
		t.Run(name, func(t *testing.T) {
			a := byName(t, name)
			set(t, a, flag)
			analysistest.Run(t, testdata(t), a, "./"+name+flag)
		})
	}
}

func TestFixes(t *testing.T) {
	analysistest.RunWithSuggestedFixes(t, testdata(t), byName(t, "weakhand"), "./weakhand")
}
