package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"golang.org/x/perf/benchmath"

	"github.com/go-weak/weakmap/bench/internal/chart"
	"github.com/go-weak/weakmap/bench/internal/peer"
	"github.com/go-weak/weakmap/bench/internal/verdict"
)

// alpha is how likely a difference may be by chance and still count.
const alpha = 0.05

// Enough is how many samples of each participant it takes to say something: with fewer there is
// no confidence interval of the median at 95 %.
const Enough = 6

// A Place is where this library stands among those that do the same by other means. One that is
// ahead or behind by what may be chance is neither.
type Place struct {
	Figure *Figure
	Ahead  int // rivals that are better
	Best   string
	Ratio  float64 // median of the best rival / our median
	Few    bool    // samples are too few to say

	Distinct bool // whether the difference from the best rival is more than chance
}

// String says the place in words.
func (p Place) String() string {
	switch {
	case p.Few:
		return "too few samples"
	case p.Ahead == 0:
		return "first"
	case p.Ahead == 1:
		return "second"
	}
	return fmt.Sprintf("place %d", p.Ahead+1)
}

// competes reports whether a participant is this library or does its work by other means.
func competes(impl string) bool {
	return strings.HasPrefix(impl, ours) || slices.Contains(peer.Rivals(), impl)
}

// judged reports whether less of a unit is better in itself.
func judged(unit string) bool { return !verdict.Background(unit) }

// Places returns where this library stands in each figure in which it has rivals.
func (d *Data) Places() []Place {
	var places []Place
	for _, f := range d.Figures {
		our := f.sample(d.Newest(), ours)
		if our == nil || !judged(f.Unit) {
			continue
		}
		center := benchmath.AssumeNothing.Summary(our, confidence).Center
		p := Place{Figure: f, Ratio: math.Inf(1), Few: len(our.Values) < Enough}
		for _, rival := range peer.Rivals() {
			theirs := f.sample(d.Newest(), rival)
			if theirs == nil {
				continue
			}
			p.Few = p.Few || len(theirs.Values) < Enough
			other := benchmath.AssumeNothing.Summary(theirs, confidence).Center
			if other < center && benchmath.AssumeNothing.Compare(our, theirs).P < alpha {
				p.Ahead++
			}
			if ratio := other / center; ratio < p.Ratio {
				p.Ratio, p.Best = ratio, rival
				p.Distinct = benchmath.AssumeNothing.Compare(our, theirs).P < alpha
			}
		}
		if p.Best != "" {
			places = append(places, p)
		}
	}
	return places
}

// A Tally counts places.
type Tally struct{ First, Second, Worse, Few int }

func tally(places []Place) (t Tally) {
	for _, p := range places {
		switch {
		case p.Few:
			t.Few++
		case p.Ahead == 0:
			t.First++
		case p.Ahead == 1:
			t.Second++
		default:
			t.Worse++
		}
	}
	return t
}

// A Change is what happened to one figure of one participant from the first commit to the second.
type Change struct {
	Figure  *Figure
	Impl    string
	Before  benchmath.Summary
	After   benchmath.Summary
	Verdict chart.Verdict
	Text    string // as benchstat says it: the difference or ~, p and n
}

// Changes returns what changed between the two commits, nothing if there is one only.
func (d *Data) Changes() []Change {
	if len(d.Commits) < 2 {
		return nil
	}
	var changes []Change
	for _, f := range d.Figures {
		if !judged(f.Unit) {
			continue
		}
		for _, impl := range inTurn(f.Impls) {
			old, now := f.sample(d.Commits[0], impl), f.sample(d.Commits[1], impl)
			if old == nil || now == nil {
				continue
			}
			c := Change{Figure: f, Impl: impl, Verdict: chart.Undecided}
			c.Before, _ = f.Summary(d.Commits[0], impl)
			c.After, _ = f.Summary(d.Commits[1], impl)
			test := benchmath.AssumeNothing.Compare(old, now)
			switch {
			case min(len(old.Values), len(now.Values)) < Enough:
				c.Text = fmt.Sprintf("too few samples (%v)", test)
			default:
				c.Text = fmt.Sprintf("%s (%v)", test.FormatDelta(c.Before.Center, c.After.Center), test)
				if test.P < alpha && c.After.Center < c.Before.Center {
					c.Verdict = chart.Better
				} else if test.P < alpha {
					c.Verdict = chart.Worse
				}
			}
			changes = append(changes, c)
		}
	}
	return changes
}

// ratio returns a / b with the widest interval that the two intervals allow.
func ratio(a, b benchmath.Summary) (center, low, high float64) {
	return a.Center / b.Center, a.Lo / b.Hi, a.Hi / b.Lo
}
