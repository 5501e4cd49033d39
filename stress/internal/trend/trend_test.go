package trend

import (
	"math"
	"math/rand/v2"
	"testing"
)

// measure returns n points of a line with noise.
func measure(n int, slope, noise float64) (x, y []float64) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		x = append(x, float64(i))
		y = append(y, 1000+slope*float64(i)+noise*rng.NormFloat64())
	}
	return x, y
}

func TestFitKnowsSlopeAndNoise(t *testing.T) {
	for _, c := range []struct {
		name         string
		slope, noise float64
		rises        bool
	}{
		{"flat", 0, 0, false},
		{"rising", 3, 0, true},
		{"noise", 0, 100, false},
		{"rising in noise", 30, 100, true},
		{"falling", -30, 10, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := Fit(measure(50, c.slope, c.noise))
			if math.Abs(l.Slope-c.slope) > l.Margin+1e-9 {
				t.Errorf("slope %v, want %v", l, c.slope)
			}
			if l.Rises(1) != c.rises {
				t.Errorf("%v rises by more than 1: %t, want %t", l, l.Rises(1), c.rises)
			}
		})
	}
}
