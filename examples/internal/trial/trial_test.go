package trial

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// TestMain makes the test binary a child for TestRun. What the child does is in its plan.
func TestMain(m *testing.M) {
	if !IsChild() {
		os.Exit(m.Run())
	}
	os.Exit(Status("child", Serve(obey), os.Stderr))
}

func obey(plan string, done *atomic.Int64) (string, error) {
	switch plan {
	case "fail":
		return "", errors.New("failed as planned")
	case "die":
		os.Exit(7)
	}
	done.Add(1)
	return strings.ToUpper(plan), nil
}

func TestRun(t *testing.T) {
	for _, test := range []struct{ plan, want, wantErr string }{
		{"work", "WORK", ""},
		{"fail", "", "the name: failed as planned"},
		{"die", "", "exit status 7"},
	} {
		got, err := Run[string, string](test.plan, "the name", 1, t.Output())
		if got != test.want || !strings.Contains(fmt.Sprint(err), test.wantErr) || (err != nil) != (test.wantErr != "") {
			t.Errorf("%s: %q, %v; want %q, %q", test.plan, got, err, test.want, test.wantErr)
		}
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	err := Table(&out, []string{"name", "n"}, [][]string{{"→", Count(1234567)}, {"longer", Count(-1)}})
	const want = "" +
		"name            n\n" +
		"------  ---------\n" +
		"→       1,234,567\n" +
		"longer         -1\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out.String(), want)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 123456: "123,456", -100: "-100", -1000: "-1,000"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(
		os.MkdirAll(filepath.Join(dir, "d", "e"), 0o777),
		os.WriteFile(filepath.Join(dir, "d", "e", "file"), []byte("1234"), 0o666),
		os.WriteFile(filepath.Join(dir, "unwanted"), []byte("1234"), 0o666),
		os.Symlink("d", filepath.Join(dir, "directory")),
		os.Symlink("nowhere", filepath.Join(dir, "dangling")),
		os.Symlink("d/e/file", filepath.Join(dir, "link")),
	)
	if err != nil {
		t.Fatal(err)
	}
	wanted := func(path string) bool { return filepath.Base(path) != "unwanted" }
	paths, err := Files(dir, 8, wanted)
	for i, path := range paths {
		rel, _ := filepath.Rel(dir, path)
		paths[i] = filepath.ToSlash(rel)
	}
	if want := []string{"d/e/file", "dangling", "link"}; err != nil || !slices.Equal(paths, want) {
		t.Errorf("Files: %q, %v; want %q", paths, err, want)
	}
	if _, err := Files(dir, 7, wanted); Status("test", err, t.Output()) != 2 {
		t.Errorf("Files within less than the files hold: %v, want a UsageError", err)
	}
}

func TestStatus(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{flag.ErrHelp, 0},
		{errors.New("any"), 1},
		{Usagef("wrong"), 2},
		{fmt.Errorf("wrapped: %w", Usagef("wrong")), 2},
	} {
		if got := Status("test", test.err, t.Output()); got != test.want {
			t.Errorf("Status(%v) = %d, want %d", test.err, got, test.want)
		}
	}
}

func TestDrain(t *testing.T) {
	for _, test := range []struct {
		counts []int
		want   int
	}{
		{[]int{0}, 0},
		{[]int{3, 3, 3, 2, 2, 0}, 0}, // slow, but it gets there
		{[]int{5, 4}, 4},             // and stays there
	} {
		left := Drain(func() int {
			n := test.counts[0]
			if len(test.counts) > 1 {
				test.counts = test.counts[1:]
			}
			return n
		})
		if left != test.want {
			t.Errorf("Drain = %d, want %d", left, test.want)
		}
	}
}

func TestMemory(t *testing.T) {
	const size = 64 << 20
	before := HeldMemory()
	block := make([]byte, size)
	for i := range block {
		block[i] = 1
	}
	if grown := HeldMemory() - before; grown < size-size/8 || grown > size+size/8 {
		t.Errorf("HeldMemory grew by %d, want about %d", grown, size)
	}
	if peak := PeakMemory(); peak != 0 && peak < size {
		t.Errorf("PeakMemory = %d with %d in use", peak, size)
	}
	clear(block)
}
