package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"text/template"
	"time"
)

// A trial is a mutant and its result.
type trial struct {
	mutant
	result
}

func (t trial) Name() string    { return t.name }
func (t trial) Fault() string   { return t.fault }
func (t trial) Killer() string  { return t.killer }
func (t trial) Seconds() string { return seconds(t.elapsed) }

// A table is what mutants.md shows.
type table struct {
	Platform string
	Trials   []trial
}

// platform says on what the mutants are tried.
func platform() string {
	return fmt.Sprintf("%s, %s/%s, GOMAXPROCS %d", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.GOMAXPROCS(0))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }

// Summary says how many were killed, and how fast.
func (t table) Summary() string {
	var times []time.Duration
	for _, t := range t.Trials {
		if t.killer != "" {
			times = append(times, t.elapsed)
		}
	}
	if len(times) == 0 {
		return fmt.Sprintf("0 of %d killed", len(t.Trials))
	}
	slices.Sort(times)
	return fmt.Sprintf("%d of %d killed; median %s s, maximum %s s", len(times), len(t.Trials), seconds(times[len(times)/2]), seconds(times[len(times)-1]))
}

func (t table) survivors() (names []string) {
	for _, t := range t.Trials {
		if t.killer == "" {
			names = append(names, t.name)
		}
	}
	return names
}

var tableText = template.Must(template.New("mutants.md").Parse(
	`    go run ./stress/cmd/mutants

{{.Platform}}. {{.Summary}}.

| mutant | fault | killed by | seconds |
|---|---|---|--:|
{{range .Trials}}| {{.Name}} | {{.Fault}} | {{if .Killer}}{{.Killer}}{{else}}nothing{{end}} | {{.Seconds}} |
{{end}}`))

// write leaves the table as mutants.md in a folder.
func (t table) write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(folder, "mutants.md"))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := tableText.Execute(file, t); err != nil {
		return err
	}
	return file.Close()
}
