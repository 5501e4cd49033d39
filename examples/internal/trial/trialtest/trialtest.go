// Package trialtest runs the programs of package trial in tests, whole and in processes of their
// own: exit statuses and streams are then those that a user meets.
package trialtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

// programEnv, in a test binary's environment, makes it be the program that it tests.
const programEnv = "TRIALTEST_PROGRAM"

// Main is for TestMain: it runs the program's main in processes that Run or trial.Run started, and
// the tests in any other.
func Main(m *testing.M, program func()) {
	if trial.IsChild() || os.Getenv(programEnv) != "" {
		program()
		return
	}
	os.Exit(m.Run())
}

// Run runs the program with args, no terminal in sight.
func Run(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	program := exec.Command(self, args...)
	// The race detector makes processes wait for a second at their end, for late reports.
	program.Env = append(os.Environ(), programEnv+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	program.Stdout, program.Stderr = &out, &errs
	err = program.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), errs.String(), program.ProcessState.ExitCode()
}

// Table runs the program, which must succeed in silence, and returns its table: by the first cell
// of a row and the header of a column. It also returns the lines above the table.
func Table(t *testing.T, args ...string) (rows map[string]map[string]string, above string) {
	t.Helper()
	stdout, stderr, status := Run(t, args...)
	if status != 0 || stderr != "" {
		t.Fatalf("exit status %d, stderr %q", status, stderr)
	}
	above, table, ok := strings.Cut(stdout, "\n\n")
	if !ok {
		t.Fatalf("no table in %q", stdout)
	}
	lines := strings.Split(strings.TrimSuffix(table, "\n"), "\n")
	gap := regexp.MustCompile(`  +`)
	header := gap.Split(lines[0], -1)
	rows = make(map[string]map[string]string)
	for _, line := range lines[2:] { // below the header and its rule
		cells := gap.Split(line, -1)
		if len(cells) != len(header) {
			t.Fatalf("row %q does not fit header %q", line, lines[0])
		}
		row := make(map[string]string)
		for i, cell := range cells {
			row[header[i]] = cell
		}
		rows[cells[0]] = row
	}
	return rows, above
}

// WriteTree writes files, given by path below dir, with their contents. A content that begins
// with "→" makes a symbolic link to what follows.
func WriteTree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for path, content := range files {
		path = filepath.Join(dir, path)
		err := os.MkdirAll(filepath.Dir(path), 0o777)
		if err == nil {
			if target, ok := strings.CutPrefix(content, "→"); ok {
				err = os.Symlink(target, path)
			} else {
				err = os.WriteFile(path, []byte(content), 0o666)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
