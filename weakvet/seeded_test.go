package weakvet_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/go-weak/weakmap/weakvet"
)

// seeded are small programs in testdata/seeded, and the analyzer that finds what is
// wrong with each. Where that is empty, the fault is one that weakvet does not see, or
// the program, whose name begins with clean, has none.
var seeded = map[string]string{
	"cycle_direct":     "weakcycle",   // a value that is its own key
	"cycle_session":    "weakcycle",   // a session that names its connection, in a map keyed by connections
	"cycle_byhand":     "weakcycle",   // the same with a map of weak pointers
	"cycle_mapkey":     "weakcycle",   // a Map whose key holds its value
	"cycle_generic":    "weakcycle",   // a generic entry that holds its key
	"cycle_closure":    "",            // a value that is a closure over its key
	"cycle_interface":  "",            // a value that holds its key in an interface
	"local_slice":      "weaklocal",   // a slice header in place of the bytes
	"local_interface":  "weaklocal",   // a weak pointer to a parameter of interface type
	"local_pointer":    "weaklocal",   // a pointer to a pointer
	"local_loop":       "weaklocal",   // the copy that a loop makes
	"local_copy":       "weaklocal",   // a copy of what a caller passes
	"local_field":      "weaklocal",   // a field of a local variable that nothing else has
	"unheld_store":     "weakunheld",  // a new value that is only stored
	"unheld_variable":  "weakunheld",  // a new value in a variable that is only stored
	"unheld_intern":    "weakunheld",  // an interned value that is thrown away
	"unheld_weak":      "weakunheld",  // a weak pointer to nothing
	"unheld_function":  "",            // a new value that comes out of a function
	"tiny_mutex":       "weaktiny",    // a lock for each key
	"tiny_empty":       "weaktiny",    // a set of tokens of size zero
	"tiny_cleanup":     "weaktiny",    // a cleanup on a counter
	"tiny_parameter":   "",            // a small object whose allocation stands elsewhere
	"blind_delete":     "weakblind",   // a cleanup that deletes by name
	"blind_syncmap":    "weakblind",   // a sync.Map whose cleanup does not compare
	"blind_finalizer":  "weakblind",   // a finalizer that deletes by the key in the object
	"blind_address":    "weakblind",   // a table by address
	"blind_onreap":     "weakblind",   // an OnReap that deletes what was stored since
	"blind_plain":      "",            // a plain map beside the weak one
	"capture_closure":  "weakcapture", // a cleanup that uses its object
	"capture_method":   "weakcapture", // a method value as the cleanup
	"capture_argument": "weakcapture", // the object in a struct that is the argument
	"capture_variable": "weakcapture", // a closure in a variable
	"capture_owner":    "",            // an argument whose type leads back to the object
	"dropped_call":     "weakdropped", // a callback that cancels itself
	"dropped_blank":    "weakdropped", // the same, assigned to nothing
	"settle_callback":  "weaksettle",  // a callback that waits for itself
	"settle_helper":    "",            // a callback that calls a function that waits
	"clean_cache":      "",            // a cache as it should be
	"clean_byhand":     "",            // a weak map by hand that compares
	"clean_cleanup":    "",            // a cleanup of a descriptor
}

// findings runs the analyzers over packages of testdata, and returns the names of
// those that find something, by the last element of a package's path.
func findings(t *testing.T, pattern string) map[string][]string {
	t.Helper()
	initial, err := packages.Load(&packages.Config{
		Mode: packages.LoadSyntax | packages.NeedModule, Tests: true, Dir: testdata(t), Env: append(os.Environ(), "GOWORK=off", "GOPROXY=off"),
	}, pattern)
	if err != nil {
		t.Fatal(err)
	}
	if packages.PrintErrors(initial) > 0 {
		t.Fatal("the programs do not compile")
	}
	graph, err := checker.Analyze(weakvet.Analyzers, initial, nil)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string][]string)
	for _, act := range graph.Roots {
		if strings.HasSuffix(act.Package.PkgPath, ".test") {
			continue // its main package, which is generated
		}
		program := filepath.Base(act.Package.PkgPath)
		if act.Err != nil {
			t.Errorf("%s: %v", program, act.Err)
		}
		names := found[program]
		if len(act.Diagnostics) > 0 && !slices.Contains(names, act.Analyzer.Name) {
			names = append(names, act.Analyzer.Name)
		}
		found[program] = names
	}
	return found
}

func compare(t *testing.T, found map[string][]string, want map[string]string) {
	t.Helper()
	for program, names := range found {
		if wanted, ok := want[program]; !ok {
			t.Errorf("%s stands in no table", program)
		} else if got := strings.Join(names, " "); got != wanted {
			t.Errorf("%s: found %q, want %q", program, got, wanted)
		}
	}
	if len(found) != len(want) {
		t.Errorf("%d programs, want %d", len(found), len(want))
	}
}

func TestSeededFaults(t *testing.T) {
	compare(t, findings(t, "./seeded/..."), seeded)
	faults, seen := 0, 0
	for program, want := range seeded {
		if !strings.HasPrefix(program, "clean") {
			faults++
		}
		if want != "" {
			seen++
		}
	}
	t.Logf("%d programs, %d faults, of which %d are found", len(seeded), faults, seen)
}

// reports are programs in testdata/reports, written after faults that people have
// reported: README.md says which.
var reports = map[string]string{
	"addcleanup": "weakcapture",
	"argument":   "weakcapture",
	"ephemeron":  "weakcycle",
	"fifo":       "weaktiny",
	"interner":   "weakunheld",
	"leaktest":   "weaksettle",
	"reload":     "weakblind",
	"variable":   "weaklocal",
	"watcher":    "weakdropped",
}

func TestReportedFaults(t *testing.T) {
	set(t, byName(t, "weakunheld"), "unique")
	compare(t, findings(t, "./reports/..."), reports)
}
