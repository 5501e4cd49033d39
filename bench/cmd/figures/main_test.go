package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../../.."

func TestTheDocumentsSayWhatWasMeasured(t *testing.T) {
	r, err := readAll(root)
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, name := range documents {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := renew(string(text), r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		shown += len(place.FindAllString(want, -1))
		old, now := strings.Split(string(text), "\n"), strings.Split(want, "\n")
		for i := range min(len(old), len(now)) {
			if old[i] != now[i] {
				t.Fatalf("%s:%d says\n%s\nand the results\n%s\ngo run ./bench/cmd/figures writes all tables again", name, i+1, old[i], now[i])
			}
		}
		if len(old) != len(now) {
			t.Errorf("%s has tables of another length than the results: run go run ./bench/cmd/figures", name)
		}
	}
	for name, write := range rendered {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			continue
		}
		var want strings.Builder
		if err := write(r.report, &want); err != nil || string(text) != want.String() {
			t.Errorf("%s is not what the results make (%v): run go run ./bench/cmd/figures", name, err)
		}
	}
	if shown != len(tables) {
		t.Errorf("the documents show %d tables and figures, want each of %d once", shown, len(tables))
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	r := &results{samples: map[figure][]float64{{"Build/types=10", "B/type", ours}: {3, 1, 2}}}
	if got := r.median("Build/types=10", "B/type", ours); got != 2 {
		t.Errorf("the median of 1, 2 and 3 is %v", got)
	}
	for document, want := range map[string]string{
		"<!-- figures: types -->\n<!-- end -->":                         "not measured: B/type of syncmap",
		"<!-- figures: nothing -->\n<!-- end -->":                       `nothing is called "nothing"`,
		"<!-- figures: types -->\n<!-- figures: maps -->\n<!-- end -->": "types has no end",
	} {
		if text, err := renew(document, r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("renew(%q) = %q, %v, want an error with %q", document, text, err, want)
		}
	}
}

func TestFormat(t *testing.T) {
	for want, got := range map[string]string{
		"12.3 ns": format(12.34e-9, seconds), "890 ns": format(890.2e-9, seconds), "1.18 µs": format(1.179e-6, seconds),
		"92.4 ms": format(92.4e-3, seconds), "141 MB": format(141.2e6, peak), "25,040 B": format(25040, "B/type"), "110 B": format(110, "B/entry"),
		"**0.85**": fine(0.851), "1.00": fine(0.997), "**0.9**": coarse(0.94), "**0.96**": coarse(0.96), "1.0": coarse(1.04), "172.9": fine(172.88), "3": three(3.2)[:1],
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
