// Package scenario is the table of what the stress command runs: programs that use the
// containers hard beside the collector, each with an oracle that says what must be true
// whatever the schedule was.
package scenario

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Scenario is one line of the table.
type Scenario struct {
	Name    string // family/subject
	Catches string // the faults that it can see
	needs   need
	play    func(*Run)
}

// A need is what a run must have seen beside operations, or it has shown nothing.
type need uint8

const (
	needHits        need = 1 << iota // lookups that found what they had to find
	needDeaths                       // entries or objects that went because the collector found them dead
	needCollections                  // collections
	needAll         = needHits | needDeaths | needCollections
)

// All returns the table, in the order in which it runs.
func All() []Scenario {
	return slices.Concat(owners, replacements, caches, loads, accounts, iterations, populations,
		identities, finalizers, linearizations, faults, retentions, leaks, soaks)
}

// Matching returns the scenarios whose name matches the pattern.
func Matching(table []Scenario, pattern string) ([]Scenario, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	matching := slices.Clone(table)
	matching = slices.DeleteFunc(matching, func(s Scenario) bool { return !re.MatchString(s.Name) })
	if len(matching) == 0 {
		return nil, fmt.Errorf("no scenario matches %q", pattern)
	}
	return matching, nil
}

// A Budget bounds a run.
type Budget struct {
	Seed     uint64
	Duration time.Duration
	Ops      int64         // 0 = any number
	Patience time.Duration // how long what must happen may take
	Folder   string        // where to leave files; "" = nowhere
}

// A Report is the result of a run.
type Report struct {
	Ops, Hits, Deaths, Collections int64
	Elapsed                        time.Duration
	Violations                     []string // the first ones
	Violated                       int64    // how many there were
	Missing                        []string // what must be seen and was not
	Notes                          []string // what the scenario has to tell beside
	Slopes                         []Slope  // of a leak scenario, one for each measure of memory
}

// Failed reports whether the run showed a fault, or nothing at all.
func (r Report) Failed() bool { return r.Violated > 0 || len(r.Missing) > 0 }

// goesOn is how many times its budget a scenario may take to see what it must: on a busy machine
// a share of half a second may be over before the first collection is.
const goesOn = 20

// Play runs s until its budget is used up or ctx is done. If it has seen too little then, it goes on
// until it has, each time for twice as long, up to goesOn times the budget in all. A run that was
// interrupted is not blamed for what it has not seen.
func (s Scenario) Play(ctx context.Context, b Budget) Report {
	report := s.playOnce(ctx, b)
	left := (goesOn - 1) * b.Duration
	for plays := 1; ctx.Err() == nil && report.Violated == 0; plays++ {
		report.Missing = s.missing(report)
		if len(report.Missing) == 0 || left <= 0 || plays == goesOn {
			break
		}
		b.Duration = min(2*b.Duration, left)
		left -= b.Duration
		more := s.playOnce(ctx, b)
		more.Notes = append(more.Notes, fmt.Sprintf("went on for %v: %s in the %v before",
			more.Elapsed.Round(time.Millisecond), strings.Join(report.Missing, ", "), report.Elapsed.Round(time.Millisecond)))
		report = report.plus(more)
	}
	return report
}

// playOnce runs s until its budget is used up or ctx is done.
func (s Scenario) playOnce(ctx context.Context, b Budget) Report {
	r := newRun(ctx, s.Name, b)
	defer r.cancel()
	hung := time.AfterFunc(b.Duration+2*b.Patience, r.hangs)
	s.play(r)
	hung.Stop()
	return r.report()
}

// plus returns the result of two runs, of which more is the last.
func (r Report) plus(more Report) Report {
	more.Ops += r.Ops
	more.Hits += r.Hits
	more.Deaths += r.Deaths
	more.Collections += r.Collections
	more.Elapsed += r.Elapsed
	return more
}

func (s Scenario) missing(r Report) (missing []string) {
	for _, seen := range []struct {
		what string
		need bool
		n    int64
	}{
		{"operation", true, r.Ops},
		{"hit", s.needs&needHits != 0, r.Hits},
		{"death", s.needs&needDeaths != 0, r.Deaths},
		{"collection", s.needs&needCollections != 0, r.Collections},
	} {
		if seen.need && seen.n == 0 {
			missing = append(missing, "no "+seen.what)
		}
	}
	return missing
}

// Replay is the command that runs a scenario again as it ran.
func Replay(name string, b Budget) string {
	command := fmt.Sprintf("go run ./stress/cmd/stress -run '^%s$' -seed %d -duration %v", name, b.Seed, b.Duration)
	if b.Ops > 0 {
		command += fmt.Sprintf(" -ops %d", b.Ops)
	}
	return command
}

func (r Report) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d ops, %d hits, %d deaths, %d collections, %d violations in %v",
		r.Ops, r.Hits, r.Deaths, r.Collections, r.Violated, r.Elapsed.Round(time.Millisecond))
	for _, v := range r.Violations {
		s.WriteString("\n    VIOLATION: " + v)
	}
	for _, m := range r.Missing {
		s.WriteString("\n    VACUOUS: " + m)
	}
	for _, n := range r.Notes {
		s.WriteString("\n    " + n)
	}
	return s.String()
}
