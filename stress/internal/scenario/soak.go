package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

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

	// soakTolerated is by how much of its mean RSS may rise over the second half.
	soakTolerated = 0.05
)

func soak(r *Run) {
	round := &Round{Run: r, configuration: configuration{hash: good}}
	end := time.AfterFunc(r.Duration, func() { r.over.Store(true) })
	defer end.Stop()

	m := newMap[string](round.configuration)
	perValue := newMap[int](configuration{weakmap.PerValue, 0, good})
	keyed, set, in := &weakmap.KeyMap[object, int]{}, &weakmap.Set[object]{}, &weakmap.Interner[string]{}
	round.start(runtime.GOMAXPROCS(0), func(w *worker) {
		current := make(held, 20_000)
		for w.goOn() {
			for range 1000 {
				n := w.rng.IntN(100_000)
				v, _, _ := m.LoadOrCompute(fmt.Sprint(n), func() (*object, error) { return &object{id: int64(n)}, nil })
				if v == nil || v.id != int64(n) {
					w.violation("LoadOrCompute(%d) = %v", n, v)
					return
				}
				perValue.Store(n, v)
				keyed.Store(v, n)
				set.Add(v)
				text := in.Intern(fmt.Sprint("text ", n))
				if got, ok := keyed.Load(v); !ok || got != n || *text != fmt.Sprint("text ", n) {
					w.violation("Load = %d, %t; Intern = %q, want those of %d", got, ok, *text, n)
					return
				}
				switch w.rng.IntN(10) {
				case 0:
					m.CompareAndDelete(fmt.Sprint(n), v)
				case 1:
					set.Remove(v)
				}
				current.keep(w, v)
			}
			w.did += 6 * 1000
			w.found += 1000
		}
	})
	samples := r.sample(func() int { return m.Len() + perValue.Len() + keyed.Len() + set.Len() + in.Len() })
	round.wait()
	r.settle()
	for _, s := range []weakmap.Stats{r.balance(m), r.balance(perValue), r.balance(keyed), r.balance(set), r.balance(in)} {
		r.dead.Add(int64(s.Reaped))
		if s.Entries != 0 {
			r.violation("%d entries are left though nobody holds anything", s.Entries)
		}
	}
	r.judgeSoak(samples)
}

// A sample is one measurement of a soak.
type sample struct {
	seconds, resident, heap float64
	entries                 int
}

// sample measures until the run is over, and leaves what it measured in the folder.
func (r *Run) sample(entries func() int) (samples []sample) {
	measure := memories()
	every := time.NewTicker(max(r.Duration/soakSamples, minSampleEvery))
	defer every.Stop()
	for !r.over.Load() && !r.done() {
		select {
		case <-every.C:
			samples = append(samples, sample{time.Since(r.begun).Seconds(), residentBytes(), measure[0].measure(), entries()})
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
	fmt.Fprintln(file, "seconds,rss_bytes,heap_bytes,entries")
	resident, heap := chart.Series{Name: "RSS"}, chart.Series{Name: "heap objects"}
	for _, s := range samples {
		if _, err := fmt.Fprintf(file, "%.3f,%.0f,%.0f,%d\n", s.seconds, s.resident, s.heap, s.entries); err != nil {
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

// judgeSoak fits a line to RSS over the second half.
func (r *Run) judgeSoak(samples []sample) {
	half := samples[len(samples)/2:]
	if len(half) < 3 {
		r.note("RSS was measured %d times, which is no line", len(samples))
		return
	}
	var x, y []float64
	mean := 0.0
	for _, s := range half {
		x, y = append(x, s.seconds), append(y, s.resident)
		mean += s.resident / float64(len(half))
	}
	line, span := trend.Fit(x, y), x[len(x)-1]-x[0]
	text := fmt.Sprintf("RSS %v bytes in each second of the last %.1f s; mean %.1f MiB", line, span, mean/(1<<20))
	judged := time.Since(r.begun) >= residentJudged
	if !judged {
		text += fmt.Sprintf("; judged from %v on", residentJudged)
	}
	r.note("%s", text)
	if judged && line.Rises(soakTolerated*mean/span) {
		r.violation("%s", text)
	}
}
