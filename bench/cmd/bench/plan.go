package main

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
	"github.com/go-weak/weakmap/bench/internal/workload"
)

// A plan is what to run: every cell with its participants, count times, with each of the sides.
type plan struct {
	cells     []workload.Cell // with the Impls that take part
	count     int
	sides     int // states of the library: two if it is compared with another revision
	benchtime time.Duration
}

const (
	// quickCells are those of a quick run that is told of none.
	quickCells = "^(LoadHit|KeyLoadHit|InternHit|Mixed|Churn|MassDeath|Footprint)/|^Insert/.*/writers=max$"

	// quickSamples are as few as can show that two participants differ: that all of one are below all of
	// the other comes by chance in one case of 35, and with three of each in one of ten.
	quickSamples = 4
)

func newPlan(o options) (*plan, error) {
	if o.quick && o.cells == "" {
		o.cells = quickCells
	}
	cells, err := regexp.Compile(o.cells)
	if err != nil {
		return nil, fmt.Errorf("-run: %w", err)
	}
	impls, err := regexp.Compile("^(?:" + o.impls + ")$")
	if err != nil {
		return nil, fmt.Errorf("-impl: %w", err)
	}
	set := workload.Full
	switch {
	case o.quick:
		set = workload.Quick
	case o.cells != "":
		set |= workload.Extra
	}
	takesPart := func(impl string) bool {
		switch {
		case o.impls != "":
			return impls.MatchString(impl)
		case o.against != "":
			return strings.HasPrefix(impl, peer.Ours)
		}
		return !o.quick || !slices.Contains(peer.Limits(), impl) && impl != peer.Ours+"-pervalue"
	}
	p := &plan{count: o.count, sides: 1, benchtime: o.benchtime}
	if o.against != "" {
		p.sides = 2
	}
	matched := false
	for _, c := range workload.Cells() {
		if c.Sets&set == 0 || !cells.MatchString(c.String()) {
			continue
		}
		matched = true
		c.Impls = slices.DeleteFunc(c.Impls, func(impl string) bool { return !takesPart(impl) })
		if len(c.Impls) > 0 {
			p.cells = append(p.cells, c)
		}
	}
	switch {
	case !matched:
		return nil, fmt.Errorf("-run %s: no cell of this run has such a name; -list shows those there are", o.cells)
	case len(p.cells) == 0:
		return nil, fmt.Errorf("-impl %s: no participant of these cells has such a name; -list shows those there are", o.impls)
	}
	return p, nil
}

// samples returns how many samples the plan consists of.
func (p *plan) samples() int {
	n := 0
	for _, c := range p.cells {
		n += p.repeats(c)
	}
	return n
}

// repeats returns how many samples of c the plan has.
func (p *plan) repeats(c workload.Cell) int { return len(c.Impls) * p.count * p.sides }

// total returns how long the plan is expected to take.
func (p *plan) total() (total time.Duration) {
	for _, c := range p.cells {
		total += p.estimate(c) * time.Duration(p.repeats(c))
	}
	return total
}

// estimate returns a rough idea of how long one sample of c takes. The testing package feels
// its way to the number of iterations, which costs about half of the time again.
func (p *plan) estimate(c workload.Cell) time.Duration {
	if c.OwnProcess() {
		return c.Cost
	}
	return c.Cost + p.benchtime*3/2
}

// String says what the plan will take.
func (p *plan) String() string {
	twice := ""
	if p.sides == 2 {
		twice = " with each of two revisions"
	}
	return fmt.Sprintf("%d cells, %d sample(s) of each participant%s, %d in all: about %v",
		len(p.cells), p.count, twice, p.samples(), rounded(p.total()))
}

func (p *plan) list(w io.Writer) {
	for _, c := range p.cells {
		fmt.Fprintf(w, "%s\n\t%s\n", c, strings.Join(c.Impls, " "))
	}
	fmt.Fprintln(w, p)
}

// rounded leaves off what a rough figure does not know.
func rounded(d time.Duration) time.Duration {
	if d < 2*time.Minute {
		return d.Round(time.Second)
	}
	return d.Round(time.Minute)
}
