package scenario

import (
	"math"
	"strings"
	"testing"
	"time"
)

// What a soak says of memory that rises by a share of its mean over the second hour, and goes up and down.
func TestASoakJudgesMemory(t *testing.T) {
	const hour = 3600
	for _, c := range []struct {
		name              string
		ran               time.Duration
		resident, offHeap float64 // by how much they rise, as a share of what they are
		want              []string
	}{
		{"steady", 2 * time.Hour, 0, 0, nil},
		{"RSS rises a little", 2 * time.Hour, soakTolerated / 2, 0, nil},
		{"RSS rises", 2 * time.Hour, 2 * soakTolerated, 0, []string{"RSS +"}},
		{"off-heap rises", 2 * time.Hour, 0, 2 * soakTolerated, []string{"off-heap +"}},
		{"both rise", 2 * time.Hour, 2 * soakTolerated, 2 * soakTolerated, []string{"RSS +", "off-heap +"}},
		{"both fall", 2 * time.Hour, -2 * soakTolerated, -2 * soakTolerated, nil},
		{"a short run", residentJudged / 2, 2 * soakTolerated, 2 * soakTolerated, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var samples []sample
			for seconds := 0.0; seconds < 2*hour; seconds += 7.2 {
				second, wave := max(0, seconds/hour-1), math.Sin(seconds)/100
				samples = append(samples, sample{
					seconds:  seconds,
					resident: 200e6 * (1 + c.resident*second + wave),
					offHeap:  20e6 * (1 + c.offHeap*second + wave),
				})
			}
			r := newRun(t.Context(), "soak/mixed", budget)
			r.begun = time.Now().Add(-c.ran)
			r.judgeSoak(samples)
			report := r.report()
			if len(report.Violations) != len(c.want) || len(report.Notes) != 2 {
				t.Fatalf("%v, want violations %q and two notes", report, c.want)
			}
			for i, v := range report.Violations {
				if !strings.HasPrefix(v, c.want[i]) {
					t.Errorf("violation %q, want %q", v, c.want[i])
				}
			}
		})
	}
}
