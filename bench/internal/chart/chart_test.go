package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func TestEachParticipantHasAColorOfItsOwn(t *testing.T) {
	for _, theme := range []Theme{Light, Dark} {
		owner := map[string]string{}
		for _, name := range peer.Names() {
			hex := theme.Hex(name)
			if hex == theme.Hex("somebody unknown") {
				t.Errorf("%s: %s has no color", theme.Name, name)
			}
			base := strings.TrimPrefix(name, "strong-")
			if other, taken := owner[hex]; taken && other != base {
				t.Errorf("%s: %s and %s have one color", theme.Name, base, other)
			}
			owner[hex] = base
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		value float64
		unit  string
		want  string
	}{
		{17.34e-9, "sec/op", "17.3 ns"},
		{999.9e-9, "sec/op", "1 µs"},
		{20e-9, "sec/op", "20 ns"},
		{1.5e-3, "p99-sec", "1.5 ms"},
		{2, "sec/op", "2 s"},
		{0, "sec/op", "0 s"},
		{117_300_000, "B-peak", "117 MB"},
		{64, "B/entry", "64 B"},
		{1.25, "computes/op", "1.25"},
	} {
		if got := Format(c.value, c.unit); got != c.want {
			t.Errorf("Format(%g, %q) = %q, want %q", c.value, c.unit, got, c.want)
		}
	}
}

func TestTicksLieWithinTheAxisAndAreEnough(t *testing.T) {
	plain := func(v float64) string { return significant(v, 3) }
	for _, bounds := range [][2]float64{{1, 1}, {0.98, 1.07}, {3e-9, 4e-6}, {700, 1e6}} {
		low, high := widen(bounds[0], bounds[1])
		ticks := logTicks{plain}.Ticks(low, high)
		if len(ticks) < 2 || len(ticks) > 10 {
			t.Errorf("%d ticks from %g to %g, want 2 to 10", len(ticks), low, high)
		}
		for _, tick := range ticks {
			if tick.Value < low*0.99 || tick.Value > high*1.01 {
				t.Errorf("a tick at %g between %g and %g", tick.Value, low, high)
			}
		}
	}
	for _, high := range []float64{1, 7, 2e6, 123e6} {
		if n := len(linearTicks{plain}.Ticks(0, high)); n < 3 || n > 6 {
			t.Errorf("%d ticks from 0 to %g, want 3 to 6", n, high)
		}
	}
}

// texts returns what an SVG element says, and fails if it is not well-formed.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var found []string
	inText := false
	for decoder := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("no XML: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			inText = token.Name.Local == "text"
		case xml.EndElement:
			inText = false
		case xml.CharData:
			if inText {
				found = append(found, string(token))
			}
		}
	}
}

func TestLinesSayWhatTheirAxesAre(t *testing.T) {
	series := []Series{
		{"weakmap", []Point{{1e3, 20e-9, 19e-9, 21e-9}, {1e6, 90e-9, 80e-9, 100e-9}}},
		{"strong-xsync4", []Point{{1e3, 10e-9, math.Inf(-1), math.Inf(1)}, {1e6, 0, 0, 0}}},
	}
	seconds := func(v float64) string { return Format(v, "sec") }
	plain := func(v float64) string { return significant(v, 3) }
	svg, err := Lines(Light, Axis{Label: "entries", Log: true, Text: plain}, Axis{Label: "time", Log: true, Text: seconds}, series)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(texts(t, svg), "|")
	for _, want := range []string{"entries", "time", "20 ns", "50 ns"} {
		if !strings.Contains(said, want) {
			t.Errorf("the chart says %q, want %q in it", said, want)
		}
	}
	for _, s := range series {
		if !bytes.Contains(svg, []byte(strings.ToUpper(Light.Hex(s.Name)))) {
			t.Errorf("nothing has the color of %s", s.Name)
		}
	}
}

func TestRatiosNameEachBar(t *testing.T) {
	bars := []Bar{
		{Name: "syncmap", Ratio: 2.5, Lo: 2.4, Hi: 2.6},
		{Name: "xsync4", Ratio: 0.9, Lo: math.NaN(), Hi: math.NaN()},
		{Name: "unknown", Ratio: math.NaN()},
	}
	svg, err := Ratios(Dark, Narrow, "times weakmap", bars)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(texts(t, svg), "|")
	for _, want := range []string{"syncmap", "xsync4", "unknown", "times weakmap", "1×", "2×"} {
		if !strings.Contains(said, want) {
			t.Errorf("the chart says %q, want %q in it", said, want)
		}
	}
}

func TestNothingToDrawIsAnError(t *testing.T) {
	if _, err := Ratios(Light, Narrow, "", nil); !errors.Is(err, errNothing) {
		t.Errorf("no bars: error %v, want %v", err, errNothing)
	}
	if _, err := Lines(Light, Axis{}, Axis{Log: true}, []Series{{"weakmap", []Point{{Y: -1}}}}); !errors.Is(err, errNothing) {
		t.Errorf("no points: error %v, want %v", err, errNothing)
	}
}
