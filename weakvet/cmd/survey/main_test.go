package main

import (
	"strings"
	"testing"
)

// The seeded programs are a module of their own with a dependency, this library: what is found in them
// stands in weakvet's README.
func TestSurveyOfTheSeededPrograms(t *testing.T) {
	t.Setenv("GOWORK", "off")
	t.Setenv("GOPROXY", "off")
	var out strings.Builder
	if err := run([]string{"-dir", "../../testdata", "./seeded/..."}, &out); err != nil {
		t.Fatal(err)
	}
	if want := "40 of 40 units, 30 findings\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("the survey prints\n%s\nwant at the end %s", out.String(), want)
	}
	if n := strings.Count(out.String(), ": weakcycle: "); n != 5 {
		t.Errorf("%d findings are of weakcycle, want 5", n)
	}
}

func TestWhatCannotBeLoadedIsAnError(t *testing.T) {
	var out strings.Builder
	if err := run([]string{"-dir", "/nowhere", "./..."}, &out); err == nil {
		t.Errorf("no error, and %q", out.String())
	}
	if err := run([]string{"-no-such-flag"}, &out); err == nil {
		t.Error("no error for a flag that there is not")
	}
}
