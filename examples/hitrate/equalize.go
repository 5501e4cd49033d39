package main

import (
	"fmt"
	"math"
)

const (
	// tolerance is the difference in memory at which a run counts as equal. Two runs with one limit
	// differ by as much now and then, so less could not be had.
	tolerance = 0.03

	// attempts is how many budgets are tried. It takes two to five, if there is a suitable one.
	attempts = 6
)

// equalize measures a cache of fixed size with one budget after the other until it holds target
// bytes, within the tolerance, and returns the result that came nearest.
func equalize(target uint64, measure func(budget uint64) (result, error)) (nearest result, err error) {
	s := search{target: float64(target)}
	for budget := float64(target); len(s.tried) < attempts; budget = s.next() {
		r, err := measure(uint64(max(budget, least)))
		if err != nil {
			return r, err
		}
		if len(s.tried) == 0 || difference(r.Held, target) < difference(nearest.Held, target) {
			nearest = r
		}
		if difference(r.Held, target) <= tolerance || budget <= least && r.Held > target {
			break
		}
		s.tried = append(s.tried, attempt{budget, float64(r.Held)})
	}
	return nearest, nil
}

// least is the smallest budget. A cache that holds too much with this one does so with any.
const least = 1

// A search is for the budget with which a cache holds target bytes.
type search struct {
	target float64
	tried  []attempt
}

type attempt struct{ budget, held float64 }

// next returns the budget to try next. Memory grows with the budget almost in a straight line; this
// goes through the nearest attempts on either side of the target, or through the last one or two.
func (s *search) next() float64 {
	less, more := attempt{held: math.Inf(-1)}, attempt{held: math.Inf(1)}
	for _, a := range s.tried {
		if a.held <= s.target && a.held > less.held {
			less = a
		}
		if a.held > s.target && a.held < more.held {
			more = a
		}
	}
	if !math.IsInf(less.held, 0) && !math.IsInf(more.held, 0) {
		return less.at(s.target, more)
	}
	last, before := s.tried[len(s.tried)-1], attempt{} // With no budget at all, a cache would hold nothing.
	// Near the target, chance has too great a part in the difference of two attempts.
	if n := len(s.tried); n > 1 && s.tried[n-2].rises(last) && math.Abs(last.held-s.target) > s.target/4 {
		before = s.tried[n-2]
	}
	return max(min(before.at(s.target, last), 2*last.budget), least)
}

// at returns the budget with which held is reached on the line from a to b.
func (a attempt) at(held float64, b attempt) float64 {
	return a.budget + (held-a.held)/(b.held-a.held)*(b.budget-a.budget)
}

// rises reports whether the line from a to b does, as it must where chance has no great part in it.
func (a attempt) rises(b attempt) bool { return (b.held-a.held)*(b.budget-a.budget) > 0 }

// difference returns by which part of target held is off, 0 where there is nothing to hold.
func difference(held, target uint64) float64 {
	if target == 0 {
		return 0
	}
	return math.Abs(float64(held)/float64(target) - 1)
}

// percent writes by how much held is more or less than target, or a dash where that was nothing.
func percent(held, target uint64) string {
	if target == 0 {
		return "-"
	}
	return fmt.Sprintf("%+.1f %%", 100*(float64(held)/float64(target)-1))
}
