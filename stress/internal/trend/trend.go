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

// A Line is a least-squares fit. Its slope lies within Margin of Slope with the confidence of
// Confidence, if what deviates from the line is independent noise.
type Line struct {
	Slope, Margin float64
	Points        int
}

// Fit fits a line to y measured at x. It takes three points at least, not all at one x.
func Fit(x, y []float64) Line {
	n := float64(len(x))
	intercept, slope := stat.LinearRegression(x, y, nil, false)
	residual := 0.0
	for i := range x {
		residual += math.Pow(y[i]-intercept-slope*x[i], 2)
	}
	deviation := math.Sqrt(residual / (n - 2) / ((n - 1) * stat.Variance(x, nil)))
	quantile := distuv.StudentsT{Sigma: 1, Nu: n - 2}.Quantile(1 - (1-Confidence)/2)
	return Line{slope, quantile * deviation, len(x)}
}

// Rises reports whether the slope is more than tolerance, with confidence.
func (l Line) Rises(tolerance float64) bool { return l.Slope-l.Margin > tolerance }

func (l Line) String() string { return fmt.Sprintf("%+.1f ± %.1f", l.Slope, l.Margin) }
