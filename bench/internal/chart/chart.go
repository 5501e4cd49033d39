// Package chart draws the charts of the report as SVG, in the colors of a [Theme]. A participant
// has one color everywhere. Charts have no title and no legend: the page around them has.
package chart

import (
	"bytes"
	"errors"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A Width is that of a chart.
type Width vg.Length

const (
	Narrow Width = 279 // 372 pixels, a narrow telephone, so that text has its size everywhere
	Wide   Width = 480 // 640 pixels
)

const (
	lineHeight  = 190 * vg.Length(1)
	barHeight   = 16 * vg.Length(1)
	axisHeight  = 46 * vg.Length(1) // of ticks and label below bars
	textSize    = 8.5 * vg.Length(1)
	strokeWidth = 1.4 * vg.Length(1)
)

// A Point is one value of a series, with its confidence interval, which is infinite or NaN where
// samples are too few for one.
type Point struct {
	X      float64
	Y      float64
	Lo, Hi float64
}

// hasInterval reports whether the samples sufficed for a confidence interval.
func (p Point) hasInterval() bool { return interval(p.Lo, p.Hi) }

func interval(low, high float64) bool {
	return !math.IsInf(low, 0) && !math.IsInf(high, 0) && !math.IsNaN(low) && !math.IsNaN(high)
}

// A Series is one participant's line.
type Series struct {
	Name   string
	Points []Point
}

// An Axis says what is drawn along it.
type Axis struct {
	Label string
	Log   bool
	Text  func(float64) string // of a tick
	Names []string             // of the values 0, 1, 2 ..., instead of ticks
}

var errNothing = errors.New("nothing to draw")

// newPlot returns an empty plot without background.
func newPlot(t Theme) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color = t.ink
		axis.Label.TextStyle.Color = t.ink
		axis.Label.TextStyle.Font = sans()
		axis.Tick.Color = t.ink
		axis.Tick.Label.Color = t.ink
		axis.Tick.Label.Font = sans()
		axis.Tick.Length = 3
		axis.Padding = 0
	}
	return p
}

func sans() font.Font { return font.Font{Typeface: "Liberation", Variant: "Sans", Size: textSize} }

// apply sets up one axis of a plot for values between low and high.
func (a Axis) apply(axis *plot.Axis, low, high float64) {
	axis.Label.Text = a.Label
	switch {
	case a.Names != nil:
		axis.Min, axis.Max = low-0.2, high+0.2
		var ticks []plot.Tick
		for i, name := range a.Names {
			ticks = append(ticks, plot.Tick{Value: float64(i), Label: name})
		}
		axis.Tick.Marker = plot.ConstantTicks(ticks)
	case a.Log:
		axis.Min, axis.Max = widen(low, high)
		axis.Scale = plot.LogScale{}
		axis.Tick.Marker = logTicks{a.Text}
	default:
		axis.Min, axis.Max = 0, high*1.08
		axis.Tick.Marker = linearTicks{a.Text}
	}
}

// Lines draws a line for each series, a dot for each point, and a whisker for each interval.
// Points that a logarithmic axis cannot show are left out.
func Lines(t Theme, x, y Axis, series []Series) ([]byte, error) {
	p := newPlot(t)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = nil, t.grid
	grid.Horizontal.Width = 0.6
	p.Add(grid)
	lowX, highX, lowY, highY := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, s := range series {
		var xys plotter.XYs
		var whiskers intervals
		for _, point := range s.Points {
			if y.Log && point.Y <= 0 {
				continue
			}
			xys = append(xys, plotter.XY{X: point.X, Y: point.Y})
			lowX, highX = min(lowX, point.X), max(highX, point.X)
			lowY, highY = min(lowY, point.Y), max(highY, point.Y)
			if point.hasInterval() && (!y.Log || point.Lo > 0) {
				whiskers = append(whiskers, point)
				lowY, highY = min(lowY, point.Lo), max(highY, point.Hi)
			}
		}
		if len(xys) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(xys)
		if err != nil {
			return nil, err
		}
		line.Color, dots.Color = t.Color(s.Name), t.Color(s.Name)
		line.Width = strokeWidth
		if Strong(s.Name) {
			line.Dashes = []vg.Length{3, 2}
		}
		dots.Shape, dots.Radius = draw.CircleGlyph{}, 1.6
		p.Add(line, dots)
		if len(whiskers) > 0 {
			bars, err := plotter.NewYErrorBars(whiskers)
			if err != nil {
				return nil, err
			}
			bars.Color, bars.Width, bars.CapWidth = t.Color(s.Name), 0.7, 3
			p.Add(bars)
		}
	}
	if math.IsInf(lowX, 0) {
		return nil, errNothing
	}
	x.apply(&p.X, lowX, highX)
	y.apply(&p.Y, lowY, highY)
	return render(p, Narrow, lineHeight)
}

// intervals are points with whiskers.
type intervals []Point

func (s intervals) Len() int                         { return len(s) }
func (s intervals) XY(i int) (x, y float64)          { return s[i].X, s[i].Y }
func (s intervals) YError(i int) (low, high float64) { return s[i].Y - s[i].Lo, s[i].Hi - s[i].Y }

// render returns the plot as an SVG element.
func render(p *plot.Plot, width Width, height vg.Length) ([]byte, error) {
	canvas := vgsvg.New(vg.Length(width), height)
	p.Draw(draw.Crop(draw.New(canvas), 1, -6, 1, -3))
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return nil, err
	}
	_, element, found := bytes.Cut(text.Bytes(), []byte("<svg"))
	if !found {
		return nil, errors.New("the plot is no SVG")
	}
	return append([]byte("<svg"), element...), nil
}
