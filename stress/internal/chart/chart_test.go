package chart

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDrawWritesSVGWithEveryName(t *testing.T) {
	var a, b Series
	a.Name, b.Name = "first line", "second line"
	for i := range 10 {
		a.Add(float64(i), float64(i*i))
		b.Add(float64(i), 20)
	}
	file := filepath.Join(t.TempDir(), "chart.svg")
	if err := Draw(file, "Title", "seconds", "MiB", a, b); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, new(struct{})); err != nil {
		t.Errorf("not XML: %v", err)
	}
	for _, want := range []string{"<svg", "Title", "first line", "second line", "seconds", "MiB"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in the picture", want)
		}
	}
}

func TestDrawReportsWhatCannotBeWritten(t *testing.T) {
	if err := Draw(filepath.Join(t.TempDir(), "no", "such", "folder.svg"), "", "", ""); err == nil {
		t.Error("Draw into a folder that does not exist reports nothing")
	}
}
