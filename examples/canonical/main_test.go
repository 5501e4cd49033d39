package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the Set makes of the types of a few packages is what typeutil.Map does, and of lists what
// == would, if lists had it. When nothing is held, nothing is left.
func TestCanonical(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{
		"a.go": `package a; import ("fmt"; "os")`,
		"b.go": `package a; import ("fmt"; "os")`,
		"c.go": `package a; import "fmt"`,
		"d.go": `package a`,
		"e.go": `package a; import ("os"; "fmt")`,
		"f.go": `no package`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := run([]string{"-packages", "go/token", "-dir", dir}, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "disagree about 0\n") || !strings.Contains(out.String(), "imports of 5 Go files, 0 of them wrong") {
		t.Errorf("the containers disagree:\n%s", out.String())
	}
	column := func(prefix string, k int) (found []string) {
		for line := range strings.Lines(out.String()) {
			if cells := strings.Fields(strings.TrimPrefix(line, prefix)); strings.HasPrefix(line, prefix) {
				found = append(found, cells[len(cells)-k])
			}
		}
		return found
	}
	left, distinct := column("weakmap.Set", 1), column("weakmap.Set", 2)
	if len(left) != 3 || left[0] != "0" || left[1] != "0" || left[2] != "0" {
		t.Errorf("left are %v, want none", left)
	}
	if len(distinct) != 3 || distinct[2] != "4" || distinct[0] != column("typeutil.Map", 2)[0] || distinct[1] != "4" {
		t.Errorf("distinct are %v; typeutil.Map has %v, and 4 lists differ", distinct, column("typeutil.Map", 2))
	}
}

func TestNothingToMakeCanonical(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"-packages", "go/token", "-dir", t.TempDir()}, &out); err == nil || !strings.Contains(err.Error(), "no Go files") {
		t.Errorf("an empty directory: %v", err)
	}
	if err := run([]string{"-packages", "no/such/package"}, &out); err == nil {
		t.Error("a package that does not exist is no error")
	}
}
