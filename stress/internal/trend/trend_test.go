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

// Noise that lasts makes slopes: more than half of these are outside of a margin for independent
// noise. What is left is because the correlation is estimated too low.
func TestNoiseThatLastsIsNoSlope(t *testing.T) {
	const lines, points, lasts = 1000, 500, 0.9
	rng := rand.New(rand.NewPCG(3, 4))
	outside, found := 0, 0
	for range lines {
		var x, flat, rising []float64
		noise := 0.0
		for i := range points {
			noise = lasts*noise + rng.NormFloat64()
			x, flat, rising = append(x, float64(i)), append(flat, noise), append(rising, noise+0.03*float64(i))
		}
		if l := Fit(x, flat); math.Abs(l.Slope) > l.Margin {
			outside++
		}
		if Fit(x, rising).Rises(0) {
			found++
		}
	}
	if most := 5 * lines / 100; outside > most {
		t.Errorf("%d of %d slopes are outside of their margin, want at most %d", outside, lines, most)
	}
	if least := 9 * lines / 10; found < least {
		t.Errorf("%d of %d slopes are found, want at least %d", found, lines, least)
	}
}
