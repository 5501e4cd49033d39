package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-weak/weakmap/examples/internal/trial/trialtest"
)

func TestMain(m *testing.M) { trialtest.Main(m, main) }

// sources have 12 identifiers, of which alpha, a, b, F, x, beta, c, G and y are distinct. Without
// directory b, every second one, alpha, a, b, F and x are left. What comments, strings and
// keywords say does not count.
var sources = map[string]string{
	"a/one.go":    "package alpha\n\n// comment\nvar a, b = \"string\", 1\n",
	"a/two.go":    "package alpha\n\nfunc F(x b) { return }\n",
	"b/three.go":  "package beta\n\nfunc G(y a) { if c { } }\n",
	"b/other.txt": "package ignored\n",
}

func TestCountsIdentifiers(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, sources)
	rows, above := trialtest.Table(t, "-dir", dir, "-goroutines=3")
	for _, want := range []string{
		"3 Go files in 2 directories, 0 skipped",
		"12 identifiers, 9 distinct, 5 in every second directory",
	} {
		if !strings.Contains(above, want) {
			t.Errorf("%q does not say %q", above, want)
		}
	}
	counts := []string{"entries", "half: entries", "none: entries"}
	for name, want := range map[string][]string{
		"weakmap Intern":         {"9", "5", "0"},
		"weakmap InternBytes":    {"9", "5", "0"},
		"weakmap Strings":        {"9", "5", "0"},
		"weakmap Strings, bytes": {"9", "5", "0"},
		"sync.Map by hand":       {"9", "5", "0"},
		"unique.Make":            {"-", "-", "-"},
		"unique.Make.Value":      {"-", "-", "-"},
		"plain strings":          {"-", "-", "-"},
	} {
		for i, column := range counts {
			if got := rows[name][column]; got != want[i] {
				t.Errorf("%s, %s: %s, want %s", name, column, got, want[i])
			}
		}
	}
	if len(rows) != 8 {
		t.Errorf("%d rows, want 8", len(rows))
	}
}

func TestUnreadableFilesAreSkipped(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, sources)
	trialtest.WriteTree(t, dir, map[string]string{"a/dangling.go": "→nowhere.go", "c/dangling": "→nowhere"})
	_, above := trialtest.Table(t, "-dir", dir)
	for _, want := range []string{"4 Go files in 2 directories, 1 skipped", "12 identifiers, 9 distinct"} {
		if !strings.Contains(above, want) {
			t.Errorf("%q does not say %q", above, want)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, map[string]string{
		"big/file.go":        strings.Repeat("x", 1<<20+1),
		"broken/dangling.go": "→nowhere",
		"nogo/file":          "package p",
	})
	for _, test := range []struct {
		args []string
		want string // in the message
	}{
		{[]string{"-dir", filepath.Join(dir, "missing")}, "cannot open directory"},
		{[]string{"-dir", filepath.Join(dir, "big/file.go")}, "is not a directory"},
		{[]string{"-dir", filepath.Join(dir, "nogo")}, "no Go files"},
		{[]string{"-dir", filepath.Join(dir, "broken")}, "no readable Go files"},
		{[]string{"-dir", filepath.Join(dir, "big"), "-limit=1"}, "more than 1 MiB"},
		{[]string{"-unknown"}, "-unknown"},
		{[]string{"-goroutines=x"}, "-goroutines"},
		{[]string{"-goroutines=0"}, "-goroutines 0"},
		{[]string{"-limit=4096"}, "-limit 4096"},
		{[]string{"argument"}, `"argument"`},
	} {
		stdout, stderr, status := trialtest.Run(t, test.args...)
		if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "gosrc: ") || !strings.Contains(stderr, test.want) {
			t.Errorf("%q: exit status %d, stdout %q, stderr %q; want status 2 and %q", test.args, status, stdout, stderr, test.want)
		}
	}
}

func TestNoticesABadInterner(t *testing.T) {
	source := []source[string]{{names: "abab", ends: []uint32{1, 2, 3, 4}}} // a, b, a, b
	a, b, a2 := "a", "b", "a"
	h := how[string, *string]{name: deref}
	for _, test := range []struct {
		name    string
		handles []*string
		want    string // in the error
	}{
		{"right", []*string{&a, &b, &a, &b}, ""},
		{"swapped", []*string{&a, &b, &b, &a}, "is that of"},
		{"not canonical", []*string{&a, &b, &a2, &b}, "two handles"},
	} {
		var r result
		err := check(&r, source, [][]*string{test.handles}, h)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
}
