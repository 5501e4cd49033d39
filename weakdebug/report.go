package weakdebug

import (
	"encoding/json"
	"reflect"
	"regexp"
	"runtime"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/inspect"
)

// A report is all that is shown. Its JSON is the handler's.
type report struct {
	Time       time.Time
	Process    process
	Containers []row
}

// A process is what the containers of a program have in common.
type process struct {
	Go               string // version
	Processors       int    // GOMAXPROCS
	Goroutines       uint64
	Collections      uint64  // that have ended
	HeapLiveBytes    uint64  // that the last collection found reachable
	HeapObjectsBytes uint64  // of objects that are reachable or not swept yet
	CleanupsDue      *uint64 `json:",omitempty"` // that the runtime has queued and not run; from Go 1.26 on
	CallbacksDue     int     // of this library's queue
}

// A row is what one container shows.
type row struct {
	Name       string
	Type       string
	Stats      weakmap.Stats
	HitRate    *float64 `json:",omitempty"` // of all lookups; absent if none was counted
	Shards     []int    `json:",omitempty"` // the number of entries of each
	LastPass   *pass    `json:",omitempty"` // absent if there was none
	ReportsDue *int     `json:",omitempty"` // calls of OnReap that have not begun
	RetainMax  *int     `json:",omitempty"` // the bound of Stats.Retained; absent if there is none, or none is known yet

	counts bool // whether hits and misses are known to be counted
	keyed  bool // whether it is a KeyMap, in which one may look for cycles
}

// MarshalJSON leaves out hits, misses and dead ones where they are not counted.
func (r row) MarshalJSON() ([]byte, error) {
	type figures row // without this method
	if r.counted() {
		return json.Marshal(figures(r))
	}
	var less struct {
		figures
		Stats struct { // in place of that in figures
			weakmap.Stats
			Hits, Misses, Dead *uint64 `json:",omitempty"` // in place of those in Stats
		}
	}
	less.figures, less.Stats.Stats = figures(r), r.Stats
	return json.Marshal(less)
}

// A pass is the last search through a container's entries for dead ones.
type pass struct {
	Collection uint64  // how many collections had ended when it began
	LagSeconds float64 // from the end of the last of them to the end of the pass
	Entries    int     // when it began
	Dead       int     // of these
}

// live returns the share of entries that the pass found alive, and false if
// there were no entries.
func (p *pass) live() (share float64, ok bool) {
	return float64(p.Entries-p.Dead) / float64(p.Entries), p.Entries > 0
}

// show adds the engine's figures.
func (r *row) show(f inspect.Figures) {
	r.Shards = f.Shards
	r.ReportsDue = &f.ReportsDue
	r.counts = f.Counts
	if f.RetainMax > 0 {
		r.RetainMax = &f.RetainMax
	}
	if p := f.LastPass; p != (inspect.Pass{}) {
		r.LastPass = &pass{p.Collection, p.Lag.Seconds(), p.Entries, p.Dead}
	}
}

// lookups returns how many lookups were counted.
func (r *row) lookups() uint64 { return r.Stats.Hits + r.Stats.Misses }

// counted reports whether hits and misses say anything: whether they are counted,
// or, where that is not known, whether any were.
func (r *row) counted() bool { return r.counts || r.lookups() > 0 }

// newReport reads everything.
func newReport() *report {
	rep := &report{Time: time.Now(), Process: newProcess(), Containers: published.rows()}
	for i := range rep.Containers {
		if r := &rep.Containers[i]; r.lookups() > 0 {
			rate := float64(r.Stats.Hits) / float64(r.lookups())
			r.HitRate = &rate
		}
	}
	return rep
}

// newProcess reads runtime/metrics, none of which stops the program.
func newProcess() process {
	samples := []metrics.Sample{
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/cleanups/executed:cleanups"}, // before queued, so that the difference is not negative
		{Name: "/gc/cleanups/queued:cleanups"},
	}
	metrics.Read(samples)
	n := func(i int) uint64 { return samples[i].Value.Uint64() }
	p := process{
		Go: runtime.Version(), Processors: runtime.GOMAXPROCS(0),
		Goroutines: n(0), Collections: n(1), HeapLiveBytes: n(2), HeapObjectsBytes: n(3),
	}
	if samples[4].Value.Kind() == metrics.KindUint64 {
		due := n(5) - min(n(4), n(5))
		p.CleanupsDue = &due
	}
	p.CallbacksDue = inspect.Engine.CallbacksDue()
	return p
}

// importPath matches the import path before a package's name in the name of a type.
var importPath = regexp.MustCompile(`[^\s\[\](){},;*]*/`)

// kindOf returns the name of T as one would write it in a program:
// Map[string,page.File] for a weakmap.Map.
func kindOf[T any]() string {
	name := importPath.ReplaceAllString(reflect.TypeFor[T]().String(), "")
	return strings.TrimPrefix(name, "weakmap.")
}

// Vars is everything that the handler shows, as a variable of package expvar:
//
//	expvar.Publish("weakmap", weakdebug.Vars{})
//
// It is not an expvar.Func, so that importing this package does not import the
// handler that expvar registers.
type Vars struct{}

// String returns the figures as the handler does for ?format=json.
func (Vars) String() string {
	text, err := json.Marshal(newReport())
	if err != nil {
		panic(err) // There is no such value in a report.
	}
	return string(text)
}
