package stress

import (
	"regexp"
	"testing"
	"time"

	"github.com/go-weak/weakmap/stress/internal/scenario"
)

// brief is how long each scenario runs here.
func brief() time.Duration {
	if raceEnabled {
		return 2 * time.Second
	}
	return 600 * time.Millisecond
}

// Every scenario, briefly: it must find nothing, and see what it needs to.
func TestScenarios(t *testing.T) {
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			b := scenario.Budget{Seed: 1, Duration: brief(), Patience: 30 * time.Second, Folder: artifacts(t)}
			r := s.Play(t.Context(), b)
			if t.Log(r); r.Failed() {
				t.Errorf("replay: %s", scenario.Replay(s.Name, b))
			}
		})
	}
}

func TestEveryScenarioSaysWhatItCatches(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenario.All() {
		if !regexp.MustCompile(`^[a-z]+/[a-z-]+$`).MatchString(s.Name) || s.Catches == "" || seen[s.Name] {
			t.Errorf("scenario %q catches %q; a name of its own and a purpose are needed", s.Name, s.Catches)
		}
		seen[s.Name] = true
	}
}
