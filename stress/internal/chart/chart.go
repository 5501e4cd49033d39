// Package chart draws measurements.
package chart

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// A Series is one line of a chart.
type Series struct {
	Name   string
	points plotter.XYs
}

// Add appends a point.
func (s *Series) Add(x, y float64) { s.points = append(s.points, plotter.XY{X: x, Y: y}) }

// Draw writes a chart into a file, whose name says in which format: .svg, .png, .pdf. The y axis
// begins at 0 and leaves room for the legend above the lines.
func Draw(file, title, x, y string, lines ...Series) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	p.Legend.Top = true
	p.Add(plotter.NewGrid())
	for i, s := range lines {
		line, err := plotter.NewLine(s.points)
		if err != nil {
			return err
		}
		line.Color = plotutil.Color(i)
		p.Add(line)
		p.Legend.Add(s.Name, line)
	}
	p.Y.Min, p.Y.Max = 0, 1.25*p.Y.Max
	return p.Save(24*vg.Centimeter, 12*vg.Centimeter, file)
}
