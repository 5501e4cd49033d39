package chart

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Bar is a ratio with its confidence interval, which is infinite or NaN where samples are too
// few for one. It is drawn in the color of its participant, or of its verdict if it has one.
type Bar struct {
	Name    string // below which it stands: a participant, unless Verdict is set
	Ratio   float64
	Lo, Hi  float64
	Verdict Verdict
}

// A Verdict says what a change of revision did.
type Verdict uint8

const (
	None Verdict = iota // no change is judged
	Better
	Worse
	Undecided
)

// Ratios draws horizontal bars from 1 to each ratio, on a logarithmic axis, the first on top.
func Ratios(t Theme, width Width, label string, bars []Bar) ([]byte, error) {
	p := newPlot(t)
	p.Add(&plotter.Grid{Vertical: draw.LineStyle{Color: t.grid, Width: 0.6}})
	low, high := 1.0, 1.0
	var names []plot.Tick
	for i, bar := range bars {
		at := float64(len(bars) - 1 - i)
		names = append(names, plot.Tick{Value: at, Label: bar.Name})
		if bar.Ratio <= 0 || math.IsInf(bar.Ratio, 0) || math.IsNaN(bar.Ratio) {
			continue
		}
		low, high = min(low, bar.Ratio), max(high, bar.Ratio)
		body, err := plotter.NewLine(plotter.XYs{{X: 1, Y: at}, {X: bar.Ratio, Y: at}})
		if err != nil {
			return nil, err
		}
		body.Color, body.Width = t.Color(bar.Name), barHeight*0.5
		if bar.Verdict != None {
			body.Color = rgb(verdictColors[bar.Verdict][t.peer])
		}
		if Strong(bar.Name) {
			body.Dashes = []vg.Length{3, 2}
		}
		p.Add(body)
		if interval(bar.Lo, bar.Hi) && bar.Lo > 0 {
			low, high = min(low, bar.Lo), max(high, bar.Hi)
			whisker, err := plotter.NewXErrorBars(ratioInterval{bar, at})
			if err != nil {
				return nil, err
			}
			whisker.Color, whisker.Width, whisker.CapWidth = t.ink, 0.8, 4
			p.Add(whisker)
		}
	}
	if len(bars) == 0 {
		return nil, errNothing
	}
	one, err := plotter.NewLine(plotter.XYs{{X: 1, Y: -0.6}, {X: 1, Y: float64(len(bars)) - 0.4}})
	if err != nil {
		return nil, err
	}
	one.Color, one.Width = t.ink, 0.8
	p.Add(one)
	Axis{Label: label, Log: true, Text: func(v float64) string { return significant(v, 3) + "×" }}.apply(&p.X, low, high)
	p.Y.Min, p.Y.Max = -0.6, float64(len(bars))-0.4
	p.Y.Tick.Marker = plot.ConstantTicks(names)
	p.Y.Tick.Length, p.Y.Width = 0, 0
	return render(p, width, axisHeight+barHeight*vg.Length(len(bars)))
}

// ratioInterval is the whisker of a bar.
type ratioInterval struct {
	bar Bar
	at  float64
}

func (r ratioInterval) Len() int              { return 1 }
func (r ratioInterval) XY(int) (x, y float64) { return r.bar.Ratio, r.at }
func (r ratioInterval) XError(int) (low, high float64) {
	return r.bar.Ratio - r.bar.Lo, r.bar.Hi - r.bar.Ratio
}
