// Package trend fits a line to measurements, and says how sure its slope is.
package trend

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Confidence is that of the interval around a slope.
const Confidence = 0.99

// minWorth is how many independent points a line has at least: with two there is no margin.
const minWorth = 3

// A Line is a least-squares fit. Its slope lies within Margin of Slope with the confidence of
// Confidence, if the noise around the line lasts as Fit assumes.
type Line struct {
	Slope, Margin float64
	Points        int
}

// Fit fits a line to y measured at x, in order and at equal distances. It takes three points at
// least.
//
// The noise of a point may last to the next ones, as it does in memory that a process has
// borrowed: then n points say less than n. If r is the correlation of the deviations from the line
// with the ones before them, they are worth n(1-r)/(1+r) independent ones (Santer et al.,
// Statistical significance of trends and trend differences in layer-average atmospheric
// temperature time series, Journal of Geophysical Research 105, 2000).
func Fit(x, y []float64) Line {
	intercept, slope := stat.LinearRegression(x, y, nil, false)
	squares, products, last := 0.0, 0.0, 0.0
	for i := range x {
		deviation := y[i] - intercept - slope*x[i]
		squares += deviation * deviation
		products += deviation * last
		last = deviation
	}
	n := float64(len(x))
	worth := n
	if products > 0 {
		r := products / squares
		worth = max(minWorth, n*(1-r)/(1+r))
	}
	deviation := math.Sqrt(squares / (worth - 2) / ((n - 1) * stat.Variance(x, nil)))
	quantile := distuv.StudentsT{Sigma: 1, Nu: worth - 2}.Quantile(1 - (1-Confidence)/2)
	return Line{slope, quantile * deviation, len(x)}
}

// Rises reports whether the slope is more than tolerance, with confidence.
func (l Line) Rises(tolerance float64) bool { return l.Slope-l.Margin > tolerance }

func (l Line) String() string { return fmt.Sprintf("%+.1f ± %.1f", l.Slope, l.Margin) }
