// Package workload holds what the benchmarks do with the participants of package peer.
//
// A [Cell] is one workload with its parameters. Cells come in two sorts. Those that time a
// single operation run in the process of the test binary, under the testing package's control.
// Those whose figure depends on the state of a process (memory, processor time of collections,
// what happens after one collection) run in a fresh process of the same binary for each sample.
// Both report through testing.B, so both end up as standard benchmark lines.
package workload

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// A Set is a choice of cells.
type Set uint8

const (
	Full  Set = 1 << iota // what a published result consists of: under an hour
	Quick                 // about three minutes for a first look
	Extra                 // run only when asked for by name
	Smoke                 // one iteration each, in seconds, to see that it works
)

// A Cell is one workload with its parameters, which every participant named in Impls can run.
type Cell struct {
	Workload string // the benchmark is BenchmarkWorkload
	Params   string // key=value pairs, separated by slashes
	Sets     Set
	Impls    []string
	Cost     time.Duration // a rough idea of how long one sample takes beside -benchtime

	// Exactly one of the two is set. start makes the body of an in-process benchmark, which
	// may be called for several b.N and prepares itself once. measure runs in a process of
	// its own and returns the figures of one sample.
	start   func(impl string) func(b *testing.B)
	measure func(impl string) (metrics, error)
}

// metrics are figures by unit.
type metrics map[string]float64

// per adds a duration, shared out over n operations, in nanoseconds.
func (m metrics) per(n int, d time.Duration, unit string) {
	m[unit] = float64(d.Nanoseconds()) / float64(n)
}

// A size is a number of entries, and the sets in which it is used.
type size struct {
	n    int
	sets Set
}

// Cells returns every cell, in the order in which they are run.
func Cells() []Cell {
	return slices.Concat(
		loads(), retentions(), caches(), keyLoads(), internHits(), mixes(), iterations(), storms(),
		inserts(), churns(), internings(), attachments(),
		deaths(), latencies(), growths(),
		collections(), footprints(), smallMaps(), floods(), builds(),
	)
}

// String returns the name of the cell without its participant.
func (c Cell) String() string { return c.Workload + "/" + c.Params }

// Name returns the name under which impl runs the cell, without the prefix "Benchmark".
func (c Cell) Name(impl string) string {
	return c.Workload + "/impl=" + impl + "/" + c.Params
}

// OwnProcess reports whether each sample takes a process of its own. Such a cell is run with
// -test.benchtime=1x: one iteration is one sample.
func (c Cell) OwnProcess() bool { return c.measure != nil }

// Run runs the cells of one workload as sub-benchmarks of b; with -short, only the small ones.
func Run(b *testing.B, workload string) {
	ran := false
	for _, c := range Cells() {
		if c.Workload != workload || testing.Short() != (c.Sets == Smoke) {
			continue
		}
		ran = true
		for _, impl := range c.Impls {
			body := c.inOwnProcess(impl)
			if !c.OwnProcess() {
				body = c.start(impl)
			}
			b.Run(strings.TrimPrefix(c.Name(impl), workload+"/"), body)
		}
	}
	if !ran {
		b.Fatalf("no cell of a workload %q", workload)
	}
}

// storing are the kinds that keep entries.
var storing = []peer.Kind{peer.Weak, peer.Strong}

// mapPeer is a participant with weak values.
type mapPeer[K comparable] = peer.Participant[peer.Map[K]]

// mapPeers returns the participants with weak values that are of the given kinds.
func mapPeers[K comparable](kinds ...peer.Kind) []mapPeer[K] {
	return choose(peer.Maps[K](), kinds...)
}

// choose returns the participants of the given kinds, in the order of the table.
func choose[S any](participants []peer.Participant[S], kinds ...peer.Kind) []peer.Participant[S] {
	return slices.DeleteFunc(participants, func(p peer.Participant[S]) bool {
		return !slices.Contains(kinds, p.Kind)
	})
}

func names[S any](participants []peer.Participant[S]) []string {
	var list []string
	for _, p := range participants {
		list = append(list, p.Name)
	}
	return list
}

// find returns the participant of that name, which must be there.
func find[S any](participants []peer.Participant[S], name string) peer.Participant[S] {
	at := slices.IndexFunc(participants, func(p peer.Participant[S]) bool { return p.Name == name })
	if at < 0 {
		panic("workload: no participant " + name)
	}
	return participants[at]
}

// isolated makes a cell each sample of which runs measure in a process of its own.
func isolated[S any](c Cell, participants []peer.Participant[S], measure func(peer.Participant[S]) (metrics, error)) Cell {
	c.Impls = names(participants)
	c.measure = func(impl string) (metrics, error) { return measure(find(participants, impl)) }
	return c
}

// maxWriters stands for as many writers as there are processors.
const maxWriters = 0

func writersParam(writers int) string {
	if writers == maxWriters {
		return "writers=max"
	}
	return fmt.Sprintf("writers=%d", writers)
}

// spread cuts 0..n into as many parts as there are writers and runs f on all parts at once.
func spread(writers, n int, f func(first, last int)) {
	if writers == maxWriters {
		writers = runtime.GOMAXPROCS(0)
	}
	if writers == 1 {
		f(0, n)
		return
	}
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() { f(n*w/writers, n*(w+1)/writers) })
	}
	group.Wait()
}

// fill stores new values under keys and returns them.
func fill[K comparable](m peer.Map[K], keys []K) []*peer.Value {
	values := make([]*peer.Value, len(keys))
	for i, key := range keys {
		values[i] = &peer.Value{ID: uint64(i)}
		m.Store(key, values[i])
	}
	return values
}

func newValues(n int) []*peer.Value {
	values := make([]*peer.Value, n)
	for i := range values {
		values[i] = &peer.Value{ID: uint64(i)}
	}
	return values
}

// pause is long enough for the callbacks of a collection that found little to do.
const pause = 50 * time.Millisecond

// rest collects what the preparations have left, and waits for what the collections set off.
func rest() {
	for range 3 {
		runtime.GC()
		time.Sleep(pause)
	}
}

// drain collects until no entry of m is left.
func drain[K comparable](m peer.Map[K]) error {
	for deadline := time.Now().Add(time.Minute); !m.Within(0); time.Sleep(pause) {
		if time.Now().After(deadline) {
			return fmt.Errorf("after a minute of collections %d entries of dead values are left", m.Len())
		}
		runtime.GC()
	}
	return nil
}
