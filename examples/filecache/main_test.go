package main

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-weak/weakmap/examples/internal/trial"
	"github.com/go-weak/weakmap/examples/internal/trial/trialtest"
)

func TestMain(m *testing.M) { trialtest.Main(m, main) }

// A row is a row of the table, as numbers.
type row struct{ reads, hits, skipped, left int }

// table runs the program and returns the rows of its table.
func table(t *testing.T, args ...string) map[string]row {
	t.Helper()
	cells, _ := trialtest.Table(t, args...)
	rows := make(map[string]row)
	for _, v := range variants {
		number := func(column string) int {
			n, err := strconv.Atoi(strings.ReplaceAll(cells[v.name][column], ",", ""))
			if err != nil {
				t.Fatalf("%s, %s: %v", v.name, column, err)
			}
			return n
		}
		rows[v.name] = row{number("read from disk"), number("hits"), number("skipped files"), number("entries left")}
	}
	if len(rows) != len(cells) {
		t.Fatalf("%d rows, want %d", len(cells), len(rows))
	}
	return rows
}

// tree returns the contents of n files in several directories.
func tree(n int) map[string]string {
	files := make(map[string]string)
	for i := range n {
		files[fmt.Sprintf("dir%d/file%02d", i%5, i)] = strings.Repeat(strconv.Itoa(i), i)
	}
	return files
}

func TestEveryVisitIsReadOrHit(t *testing.T) {
	const files, rounds, revisits = 40, 3, 2
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, tree(files))

	visits := 0
	for task := range files * rounds {
		visits += 1 + min(revisits, task)
	}
	rows := table(t, "-dir", dir, "-goroutines=4", "-window=4",
		"-rounds="+strconv.Itoa(rounds), "-revisits="+strconv.Itoa(revisits))
	for name, r := range rows {
		if r.reads+r.hits != visits || r.reads < files || r.skipped != 0 {
			t.Errorf("%s: %+v with %d files and %d visits", name, r, files, visits)
		}
	}
	if want := (row{files, visits - files, 0, files}); rows["sync.Map"] != want {
		t.Errorf("sync.Map: %+v, want %+v", rows["sync.Map"], want)
	}
	for _, weak := range []string{"weakmap", "sync.Map+weak"} {
		if left := rows[weak].left; left != 0 {
			t.Errorf("%s: %d entries left", weak, left)
		}
	}
}

func TestUnreadableFilesAreSkipped(t *testing.T) {
	dir := t.TempDir()
	files := tree(10)
	files["dangling"] = "→nowhere"
	files["dir0/loop"] = "→loop"
	trialtest.WriteTree(t, dir, files)
	for name, r := range table(t, "-dir", dir) {
		if r.skipped != 2 || r.reads < 10 {
			t.Errorf("%s: %+v, want 2 skipped and the rest read", name, r)
		}
	}
}

func TestFollowsNoDirectoryLinkButTheFirst(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, map[string]string{
		"tree/file":   "content",
		"tree/again":  "→file",
		"tree/parent": "→..",
		"link":        "→tree",
	})
	for name, r := range table(t, "-dir", filepath.Join(dir, "link"), "-rounds=1") {
		if r.reads+r.hits != 3 { // two files, and the second one's revisit
			t.Errorf("%s: %+v, want 3 visits", name, r)
		}
	}
}

func TestWeakCachesNeedLessMemory(t *testing.T) {
	if trial.PeakMemory() == 0 {
		t.Skip("this system does not tell how much memory a process used")
	}
	dir := t.TempDir()
	files := make(map[string]string)
	for i := range 160 {
		files[strconv.Itoa(i)] = strings.Repeat(string(rune('a'+i%26)), 1<<20)
	}
	trialtest.WriteTree(t, dir, files)
	cells, _ := trialtest.Table(t, "-dir", dir, "-goroutines=2", "-window=2", "-rounds=2")
	peak := func(variant string) float64 {
		mib, err := strconv.ParseFloat(strings.TrimSuffix(cells[variant]["peak memory"], " MiB"), 64)
		if err != nil {
			t.Fatal(err)
		}
		return mib
	}
	for _, weak := range []string{"weakmap", "sync.Map+weak"} {
		if got, strong := peak(weak), peak("sync.Map"); got > 0.6*strong {
			t.Errorf("%s: peak of %.1f MiB, sync.Map %.1f", weak, got, strong)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, map[string]string{
		"big/file":        strings.Repeat("x", 1<<20+1),
		"broken/dangling": "→nowhere",
		"empty/dir/link":  "→..",
	})
	for _, test := range []struct {
		args []string
		want string // in the message
	}{
		{[]string{"-dir", filepath.Join(dir, "missing")}, "cannot open directory"},
		{[]string{"-dir", filepath.Join(dir, "big/file")}, "is not a directory"},
		{[]string{"-dir", filepath.Join(dir, "empty")}, "no readable files"},
		{[]string{"-dir", filepath.Join(dir, "broken")}, "no readable files"},
		{[]string{"-dir", filepath.Join(dir, "big"), "-limit=1"}, "more than 1 MiB"},
		{[]string{"-unknown"}, "-unknown"},
		{[]string{"-window=many"}, "-window"},
		{[]string{"-goroutines=0"}, "-goroutines 0"},
		{[]string{"-window=0"}, "-window 0"},
		{[]string{"-revisits=-1"}, "-revisits -1"},
		{[]string{"-rounds=0"}, "-rounds 0"},
		{[]string{"-limit=0"}, "-limit 0"},
		{[]string{"argument"}, `"argument"`},
	} {
		stdout, stderr, status := trialtest.Run(t, test.args...)
		if status != 2 || stdout != "" || !strings.HasPrefix(stderr, "filecache: ") || !strings.Contains(stderr, test.want) {
			t.Errorf("%q: exit status %d, stdout %q, stderr %q; want status 2 and %q", test.args, status, stdout, stderr, test.want)
		}
	}
}

func TestHelp(t *testing.T) {
	stdout, stderr, status := trialtest.Run(t, "-h")
	if status != 0 || stderr != "" || !strings.Contains(stdout, "-goroutines") {
		t.Errorf("exit status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}
