package weakdebug

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// A metric is one name of the Prometheus form. Its value is absent if ok is false.
type metric[From any] struct {
	name, kind, help string
	value            func(From) (v float64, ok bool)
}

const (
	gauge   = "gauge"
	counter = "counter"
)

// known makes a metric's value of a figure that is always there.
func known[From any, N int | uint64](figure func(From) N) func(From) (float64, bool) {
	return func(from From) (float64, bool) { return float64(figure(from)), true }
}

// optional makes a metric's value of a figure that may be absent.
func optional[From any, N int | uint64 | float64](figure func(From) *N) func(From) (float64, bool) {
	return func(from From) (float64, bool) {
		if n := figure(from); n != nil {
			return float64(*n), true
		}
		return 0, false
	}
}

// ofPass makes a metric's value of a figure of the last pass.
func ofPass(figure func(*pass) (float64, bool)) func(*row) (float64, bool) {
	return func(r *row) (float64, bool) {
		if r.LastPass == nil {
			return 0, false
		}
		return figure(r.LastPass)
	}
}

// ofLookups makes a metric's value of a count of lookups, absent where they are not counted.
func ofLookups(count func(*row) uint64) func(*row) (float64, bool) {
	return func(r *row) (float64, bool) { return float64(count(r)), r.counted() }
}

var containerMetrics = []metric[*row]{
	{"weakmap_entries", gauge, "Entries, which may include some whose value has died and that are not removed yet.",
		known(func(r *row) int { return r.Stats.Entries })},
	{"weakmap_capacity_slots", gauge, "Slots allocated.",
		known(func(r *row) int { return r.Stats.Capacity })},
	{"weakmap_hits_total", counter, "Lookups that found a live value. Counted with Config.Stats.",
		ofLookups(func(r *row) uint64 { return r.Stats.Hits })},
	{"weakmap_misses_total", counter, "Lookups that found none. Counted with Config.Stats.",
		ofLookups(func(r *row) uint64 { return r.Stats.Misses })},
	{"weakmap_dead_misses_total", counter, "Of the misses, those that met a value that had died. Counted with Config.Stats.",
		ofLookups(func(r *row) uint64 { return r.Stats.Dead })},
	{"weakmap_inserts_total", counter, "Entries ever made.",
		known(func(r *row) uint64 { return r.Stats.Inserts })},
	{"weakmap_reaped_total", counter, "Entries removed because their value was collected.",
		known(func(r *row) uint64 { return r.Stats.Reaped })},
	{"weakmap_deleted_total", counter, "Entries removed or replaced by a caller.",
		known(func(r *row) uint64 { return r.Stats.Deleted })},
	{"weakmap_retained", gauge, "Values held strongly now by Config.Retain, RetainFor or RetainMax.",
		known(func(r *row) int { return r.Stats.Retained })},
	{"weakmap_retained_max", gauge, "Config.RetainMax, which weakmap_retained exceeds by the number of shards less one at most.",
		optional(func(r *row) *int { return r.RetainMax })},
	{"weakmap_evicted_total", counter, "Values let go for Config.RetainMax.",
		known(func(r *row) uint64 { return r.Stats.Evicted })},
	{"weakmap_shards", gauge, "Lock stripes.",
		func(r *row) (float64, bool) { return float64(len(r.Shards)), len(r.Shards) > 0 }},
	{"weakmap_fullest_shard_entries", gauge, "Entries of the shard that has most.",
		func(r *row) (float64, bool) {
			if len(r.Shards) == 0 {
				return 0, false
			}
			return float64(slices.Max(r.Shards)), true
		}},
	{"weakmap_reap_lag_seconds", gauge, "From the end of a collection to the end of the last pass, which removed what it found dead.",
		ofPass(func(p *pass) (float64, bool) { return p.LagSeconds, true })},
	{"weakmap_live_ratio", gauge, "Share of the entries that the last pass found alive.",
		ofPass((*pass).live)},
	{"weakmap_reports_due", gauge, "Calls of OnReap that have not begun.",
		optional(func(r *row) *int { return r.ReportsDue })},
}

var processMetrics = []metric[*process]{
	{"weakmap_collections_total", counter, "Garbage collections that have ended.",
		known(func(p *process) uint64 { return p.Collections })},
	{"weakmap_heap_live_bytes", gauge, "Bytes that the last collection found reachable.",
		known(func(p *process) uint64 { return p.HeapLiveBytes })},
	{"weakmap_heap_objects_bytes", gauge, "Bytes of objects that are reachable or not swept yet.",
		known(func(p *process) uint64 { return p.HeapObjectsBytes })},
	{"weakmap_cleanups_due", gauge, "Cleanups that the runtime has queued and not run.",
		optional(func(p *process) *uint64 { return p.CleanupsDue })},
	{"weakmap_callbacks_due", gauge, "Callbacks that wait for a goroutine to run them.",
		known(func(p *process) uint64 { return uint64(p.CallbacksDue) })},
}

func writePrometheus(w *bytes.Buffer, r *report) error {
	rows := make([]*row, len(r.Containers))
	labels := make([]string, len(r.Containers))
	for i := range rows {
		rows[i] = &r.Containers[i]
		labels[i] = `{container="` + labelEscaper.Replace(rows[i].Name) + `"}`
	}
	writeMetrics(w, containerMetrics, rows, labels)
	writeMetrics(w, processMetrics, []*process{&r.Process}, []string{""})
	return nil
}

// labelEscaper escapes what must not be in the value of a label.
var labelEscaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// writeMetrics writes each metric with its samples, which must be adjacent.
func writeMetrics[From any](w *bytes.Buffer, all []metric[From], from []From, labels []string) {
	for _, m := range all {
		described := false
		for i, f := range from {
			v, ok := m.value(f)
			if !ok {
				continue
			}
			if !described {
				w.WriteString("# HELP " + m.name + " " + m.help + "\n# TYPE " + m.name + " " + m.kind + "\n")
				described = true
			}
			w.WriteString(m.name + labels[i] + " " + strconv.FormatFloat(v, 'f', -1, 64) + "\n")
		}
	}
}
