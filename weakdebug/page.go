package weakdebug

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var (
	//go:embed page.html
	pageSource string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string

	pageTemplate = template.Must(template.New("page").Parse(pageSource))

	// securityPolicy lets the page use its own style and script, which are inline,
	// and fetch itself. Nothing is loaded from elsewhere.
	securityPolicy = "default-src 'none'; connect-src 'self'; img-src data:; " +
		"style-src " + sourceHash(pageStyle) + "; script-src " + sourceHash(pageScript) + "; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

// sourceHash returns the source expression that allows an inline style or script.
func sourceHash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// A cell is one figure on the page. What the page's script plots over time is in
// Count and Whole, as the attributes of the element.
type cell struct {
	Label, Help string
	Text, Note  string // "" is shown as not known
	Exact       string // of Text, if that is rounded
	Plot        string // "", or "level", "rate" or "share"
	Count       string // level: the value. rate: a count that only rises. share: the part of Whole.
	Whole       string // share: a count that only rises
	Bars        string // the path of a diagram with a bar for each shard
}

// A column is one figure of every container.
type column struct {
	Label, Help string
	fill        func(c *cell, r *row)
}

var columns = []column{
	{"Entries", "What Len returns: it may include entries whose value has died and that are not removed yet.",
		func(c *cell, r *row) { c.level(r.Stats.Entries) }},
	{"Capacity", "Slots allocated, and how many of them are in use.",
		func(c *cell, r *row) {
			c.number(uint64(r.Stats.Capacity))
			if r.Stats.Capacity > 0 {
				c.Note = percent(float64(r.Stats.Entries)/float64(r.Stats.Capacity)) + " in use"
			}
		}},
	{"Retained", "Values held strongly now by Config.Retain, RetainFor or RetainMax; how many RetainMax allows, and how many were let go for it.",
		func(c *cell, r *row) {
			c.level(r.Stats.Retained)
			if r.RetainMax != nil {
				c.Note = "of " + short(uint64(*r.RetainMax)) + ", " + short(r.Stats.Evicted) + " evicted"
			}
		}},
	{"Hit rate", "Lookups that found a live value, of all. Counted if Config.Stats is set. Plotted: of those since the last refresh.",
		func(c *cell, r *row) {
			if r.HitRate == nil {
				if c.Note = "none counted"; !r.counts {
					c.Note = "needs Stats"
				}
				return
			}
			c.Text, c.Note = percent(*r.HitRate), "of "+short(r.lookups())
			c.Plot, c.Count, c.Whole = "share", decimal(r.Stats.Hits), decimal(r.lookups())
		}},
	{"Dead", "Misses that met a value that had died, of all misses. Counted with Config.Stats. Many: Config.Retain may help. Plotted: of those since the last refresh.",
		func(c *cell, r *row) {
			if r.Stats.Misses == 0 {
				return
			}
			c.Text, c.Note = percent(float64(r.Stats.Dead)/float64(r.Stats.Misses)), "of "+short(r.Stats.Misses)
			c.Plot, c.Count, c.Whole = "share", decimal(r.Stats.Dead), decimal(r.Stats.Misses)
		}},
	{"Inserts", "Entries ever made. Plotted: per second.", func(c *cell, r *row) { c.rate(r.Stats.Inserts) }},
	{"Reaped", "Entries removed because their value was collected. Plotted: per second.", func(c *cell, r *row) { c.rate(r.Stats.Reaped) }},
	{"Deleted", "Entries removed or replaced by a caller. Plotted: per second.", func(c *cell, r *row) { c.rate(r.Stats.Deleted) }},
	{"Live", "The share of the entries that the last pass found alive. More may have died since: to know, one would have to ask each. No pass looks at a container without entries.",
		func(c *cell, r *row) {
			if r.LastPass == nil || r.Stats.Entries == 0 {
				return
			}
			if share, ok := r.LastPass.live(); ok {
				c.Text, c.Note = percent(share), "of "+short(uint64(r.LastPass.Entries))
			}
		}},
	{"Reap lag", "From the end of a collection to the end of the last pass, which removed what that collection had found dead. No pass looks at a container without entries.",
		func(c *cell, r *row) {
			if r.LastPass != nil && r.Stats.Entries > 0 {
				c.Text = lag(r.LastPass.LagSeconds)
				c.Note = "at collection " + decimal(r.LastPass.Collection)
			}
		}},
	{"OnReap due", "Calls of OnReap that have not begun.",
		func(c *cell, r *row) {
			if r.ReportsDue != nil {
				c.level(*r.ReportsDue)
			}
		}},
	{"Shards", "Lock stripes, and how many entries the fullest has beside the mean. A bar for each.",
		func(c *cell, r *row) {
			if len(r.Shards) == 0 {
				return
			}
			c.Text, c.Bars = decimal(uint64(len(r.Shards))), bars(r.Shards)
			if sum := total(r.Shards); sum > 0 {
				c.Note = fmt.Sprintf("fullest %.2f×", float64(slices.Max(r.Shards)*len(r.Shards))/float64(sum))
			}
		}},
}

// level shows and plots a figure that goes up and down.
func (c *cell) level(n int) {
	c.number(uint64(n))
	c.Plot, c.Count = "level", decimal(uint64(n))
}

// rate shows a count that only rises, and plots how fast.
func (c *cell) rate(n uint64) {
	c.number(n)
	c.Plot, c.Count = "rate", decimal(n)
}

func (c *cell) number(n uint64) {
	c.Text = short(n)
	if exact := grouped(n); exact != c.Text {
		c.Exact = exact
	}
}

// size shows and plots a number of bytes.
func (c *cell) size(n uint64) {
	c.Text, c.Exact = fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)), grouped(n)+" bytes"
	c.Plot, c.Count = "level", decimal(n)
}

// A line is a container on the page.
type line struct {
	Name                 string
	NameParts, TypeParts []string // between them a long one may be broken
	Cells                []cell
	Keyed                bool // whether there is a button that looks for cycles
}

// part matches text up to a character after which a name may be broken.
var part = regexp.MustCompile(`[^][,./_:-]*[][,./_:-]*`)

// cells returns the figures of a container.
func cells(r *row) []cell {
	cells := make([]cell, len(columns))
	for i, column := range columns {
		cells[i] = cell{Label: column.Label, Help: column.Help}
		column.fill(&cells[i], r)
	}
	return cells
}

// tiles returns the figures of the process.
func tiles(p *process) []cell {
	tiles := []cell{
		{Label: "Collections", Help: "Garbage collections that have ended. Plotted: per second."},
		{Label: "Heap, live", Help: "What the last collection found reachable."},
		{Label: "Heap, objects", Help: "Objects that are reachable or not swept yet."},
		{Label: "Goroutines", Help: "Goroutines that live."},
		{Label: "Runtime cleanups waiting", Help: "Cleanups of the whole program that the runtime has queued and not run. Known from Go 1.26 on."},
		{Label: "Callbacks waiting", Help: "Callbacks of this library that wait for a goroutine to run them."},
	}
	tiles[0].rate(p.Collections)
	tiles[1].size(p.HeapLiveBytes)
	tiles[2].size(p.HeapObjectsBytes)
	tiles[3].level(int(p.Goroutines))
	if p.CleanupsDue != nil {
		tiles[4].level(int(*p.CleanupsDue))
	}
	tiles[5].level(p.CallbacksDue)
	return tiles
}

func writePage(w *bytes.Buffer, r *report) error {
	lines := make([]line, len(r.Containers))
	for i := range lines {
		c := &r.Containers[i]
		lines[i] = line{c.Name, part.FindAllString(c.Name, -1), part.FindAllString(c.Type, -1), cells(c), c.keyed}
	}
	return pageTemplate.Execute(w, map[string]any{
		"Style":   template.CSS(pageStyle),
		"Script":  template.JS(pageScript),
		"Millis":  r.Time.UnixMilli(),
		"Process": r.Process,
		"Tiles":   tiles(&r.Process),
		"Columns": columns,
		"Lines":   lines,
		"Cost":    cyclesCost,
	})
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// grouped writes a number in groups of three digits.
func grouped(n uint64) string {
	digits := decimal(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// short writes a number so that it stays short.
func short(n uint64) string {
	switch {
	case n < 1e6:
		return grouped(n)
	case n < 1e9:
		return fmt.Sprintf("%.2f M", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f G", float64(n)/1e9)
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func lag(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Millisecond {
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1e3)
}

func total(numbers []int) (sum int) {
	for _, n := range numbers {
		sum += n
	}
	return sum
}

// bars returns the path of a bar for each number, one wide and the highest one
// high, with y growing downwards.
func bars(numbers []int) string {
	highest := max(slices.Max(numbers), 1)
	var path strings.Builder
	for i, n := range numbers {
		fmt.Fprintf(&path, "M%d 1V%.3gh.8V1z", i, 1-float64(n)/float64(highest))
	}
	return path.String()
}
