package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/stress/internal/chart"
	"github.com/go-weak/weakmap/stress/internal/trend"
)

// A mixed load on all containers at once, for hours: memory must stay as it is.
var soaks = []Scenario{
	{"soak/mixed", "memory that grows by so little that no other scenario shows it; what goes wrong only after a long time",
		needAll, soak},
}

const (
	// soakSamples is how many samples of memory a soak takes, unless that were too many a second.
	soakSamples    = 1000
	minSampleEvery = 100 * time.Millisecond

	// soakTolerated is by how much of its mean a measure of memory may rise over the second half.
	soakTolerated = 0.05
)

// A mixture is what a soak uses: at least one of everything that holds weakly, and of each way to retain.
type mixture struct {
	byText   *weakmap.Map[string, object]
	perValue *weakmap.Map[int, object]
	keyed    *weakmap.KeyMap[object, int]
	equal    *weakmap.KeyMap[object, int]
	set      *weakmap.Set[object]
	interner *weakmap.Interner[string]
	texts    *weakmap.Strings
	cells    [soakCells]weakmap.Cell[object]
	retained []retainer

	finalizers, finalized atomic.Int64
}

const (
	soakNumbers  = 100_000 // how many objects there can be in each container
	soakHeld     = 20_000  // how many of each kind a worker holds
	soakCells    = 64
	soakRetained = 1_000 // numbers in each container that retains, and with RetainMax half of them
)

func newMixture(c configuration) *mixture {
	x := &mixture{
		byText:   newMap[string](c),
		perValue: newMap[int](configuration{weakmap.PerValue, 0, good}),
		keyed:    &weakmap.KeyMap[object, int]{},
		equal:    &weakmap.KeyMap[object, int]{Hasher: byID{}},
		set:      &weakmap.Set[object]{},
		interner: &weakmap.Interner[string]{},
		texts:    &weakmap.Strings{},
	}
	for _, config := range []weakmap.Config{{Retain: 2}, {RetainFor: time.Second}, {RetainMax: soakRetained / 2}} {
		x.retained = append(x.retained, retaining(c, config)...)
	}
	return x
}

// counted returns the containers that count their entries.
func (x *mixture) counted() (all []interface{ Stats() weakmap.Stats }) {
	all = append(all, x.byText, x.perValue, x.keyed, x.equal, x.set, x.interner, x.texts)
	for _, c := range x.retained {
		all = append(all, c)
	}
	return all
}

func (x *mixture) entries() (n int) {
	for _, c := range x.counted() {
		n += c.Stats().Entries
	}
	return n
}

// A soaker is a worker that uses a mixture, and what it holds.
type soaker struct {
	*worker
	*mixture
	objects held
	lines   [soakHeld]string
	refs    [soakHeld]*weakmap.Ref[object]
	used    [][soakRetained]weak.Pointer[object] // what it uses in each container that retains, which alone holds it
}

// turn uses each container once, and reports whether all was right.
func (s *soaker) turn() bool {
	n := s.rng.IntN(soakNumbers)
	v, _, _ := s.byText.LoadOrCompute(fmt.Sprint(n), func() (*object, error) {
		o := &object{id: int64(n)}
		s.finalizers.Add(1)
		weakmap.Finalize(o, func(m *mixture) { m.finalized.Add(1) }, s.mixture)
		return o, nil
	})
	if v == nil || v.id != int64(n) {
		s.violation("LoadOrCompute(%d) = %v", n, v)
		return false
	}
	s.objects.keep(s.worker, v)
	s.perValue.Store(n, v)
	s.keyed.Store(v, n)
	s.equal.Store(v, n)
	s.set.Add(v)
	text := fmt.Sprint("text ", n)
	line, interned := s.texts.Intern(text), s.interner.Intern(text)
	s.lines[s.rng.IntN(soakHeld)] = line
	ref := weakmap.NewRef(v, func() {})
	s.refs[s.rng.IntN(soakHeld)] = ref
	got, ok := s.keyed.Load(v)
	alike, known := s.equal.Load(&object{id: int64(n)})
	if !ok || got != n || !known || alike != n || *interned != text || line != text || ref.Value() != v {
		s.violation("%d: Load = %d, %t; with a Hasher %d, %t; Intern = %q, %q; the Ref has %p, not %p",
			n, got, ok, alike, known, *interned, line, ref.Value(), v)
		return false
	}
	switch s.rng.IntN(10) {
	case 0:
		s.byText.CompareAndDelete(fmt.Sprint(n), v)
	case 1:
		s.set.Remove(v)
	case 2:
		ref.Stop()
	}
	return s.cell(n%soakCells) && s.retain(s.rng.IntN(len(s.retained)), s.rng.Int64N(soakRetained))
}

// cell uses a Cell.
func (s *soaker) cell(n int) bool {
	o, _, err := s.cells[n].LoadOrCompute(func() (*object, error) { return &object{id: int64(n)}, nil })
	if err != nil || o.id != int64(n) {
		s.violation("Cell %d has %v, %v", n, o, err)
		return false
	}
	return true
}

// retain uses what a container has under a number, or binds it.
func (s *soaker) retain(of int, id int64) bool {
	c, o := s.retained[of], &s.used[of][id]
	if !c.use(s.rng, id, *o) {
		*o = weak.Make(c.add(id))
		return true
	}
	s.found++
	if v := o.Value(); v != nil && v.id != id {
		s.violation("%v: object %d is found as %d", c, v.id, id)
		return false
	}
	return true
}

// turnOperations is how many operations a turn is.
const turnOperations = 13

func soak(r *Run) {
	round := &Round{Run: r, configuration: configuration{hash: good}}
	end := time.AfterFunc(r.Duration, func() { r.over.Store(true) })
	defer end.Stop()

	x := newMixture(round.configuration)
	round.start(runtime.GOMAXPROCS(0), func(w *worker) {
		s := &soaker{worker: w, mixture: x, objects: make(held, soakHeld), used: make([][soakRetained]weak.Pointer[object], len(x.retained))}
		for w.goOn() {
			for range 1000 {
				if !s.turn() {
					return
				}
			}
			w.did += turnOperations * 1000
			w.found += 2 * 1000
		}
	})
	samples := r.sample(x.entries)
	round.wait()
	for _, c := range x.retained {
		c.Clear()
	}
	r.settle()
	for _, c := range x.counted() {
		s := r.balance(c)
		r.dead.Add(int64(s.Reaped))
		if s.Entries != 0 {
			r.violation("%T: %d entries are left though nobody holds anything", c, s.Entries)
		}
	}
	if made, ran := x.finalizers.Load(), x.finalized.Load(); made != ran {
		r.violation("%d functions of %d Finalizers ran", ran, made)
	}
	r.judgeSoak(samples)
}

// A sample is one measurement of a soak.
type sample struct {
	seconds, resident, heap, offHeap float64
	entries                          int
}

// sample measures until the run is over, and leaves what it measured in the folder.
func (r *Run) sample(entries func() int) (samples []sample) {
	measure := memories()
	every := time.NewTicker(max(r.Duration/soakSamples, minSampleEvery))
	defer every.Stop()
	for !r.over.Load() && !r.done() {
		select {
		case <-every.C:
			samples = append(samples, sample{time.Since(r.begun).Seconds(), residentBytes(), measure[0].measure(), measure[1].measure(), entries()})
		case <-r.ctx.Done():
		}
	}
	if r.Folder != "" {
		if err := leave(r.Folder, samples); err != nil {
			r.violation("the samples cannot be written: %v", err)
		}
	}
	return samples
}

// leave writes samples as a table and as a picture.
func leave(folder string, samples []sample) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(folder, "soak.csv"))
	if err != nil {
		return err
	}
	defer file.Close()
	fmt.Fprintln(file, "seconds,rss_bytes,heap_bytes,off_heap_bytes,entries")
	resident, heap := chart.Series{Name: "RSS"}, chart.Series{Name: "heap objects"}
	for _, s := range samples {
		if _, err := fmt.Fprintf(file, "%.3f,%.0f,%.0f,%.0f,%d\n", s.seconds, s.resident, s.heap, s.offHeap, s.entries); err != nil {
			return err
		}
		resident.Add(s.seconds, s.resident/(1<<20))
		heap.Add(s.seconds, s.heap/(1<<20))
	}
	if len(samples) == 0 {
		return file.Close()
	}
	if err := chart.Draw(filepath.Join(folder, "soak.svg"), "Memory under a mixed load", "seconds", "MiB", resident, heap); err != nil {
		return err
	}
	return file.Close()
}

// judgeSoak fits lines to memory over the second half. The heap is not judged by itself: it is what
// the entries are, and those depend on how fast the machine is. What it loses for good is in RSS.
func (r *Run) judgeSoak(samples []sample) {
	half := samples[len(samples)/2:]
	if len(half) < 3 {
		r.note("memory was measured %d times, which is no line", len(samples))
		return
	}
	r.judgeSoaked("RSS", half, 0, func(s sample) float64 { return s.resident })
	r.judgeSoaked("off-heap", half, offHeapStep, func(s sample) float64 { return s.offHeap })
}

// judgeSoaked is judgeSoak for one measure, which may rise by a step at once.
func (r *Run) judgeSoaked(what string, samples []sample, step float64, measure func(sample) float64) {
	var x, y []float64
	mean := 0.0
	for _, s := range samples {
		x, y = append(x, s.seconds), append(y, measure(s))
		mean += measure(s) / float64(len(samples))
	}
	line, span := trend.Fit(x, y), x[len(x)-1]-x[0]
	text := fmt.Sprintf("%s %v bytes in each second of the last %.1f s; mean %.1f MiB", what, line, span, mean/(1<<20))
	judged := time.Since(r.begun) >= residentJudged
	if !judged {
		text += fmt.Sprintf("; judged from %v on", residentJudged)
	}
	r.note("%s", text)
	if judged && line.Rises(max(soakTolerated*mean, step)/span) {
		r.violation("%s", text)
	}
}
