package main

import (
	"fmt"
	"os"
	"path/filepath"
	"text/template"

	"github.com/go-weak/weakmap/stress/internal/scenario"
	"github.com/go-weak/weakmap/stress/internal/trend"
)

// A leak is a row of the table of leaks.
type leak struct {
	Name   string
	Slopes []scenario.Slope
	Failed bool
}

// A leakTable is what leaks.md shows.
type leakTable struct {
	Command, Platform string
	Leaks             []leak
}

func (leakTable) Tolerated() int        { return scenario.LossTolerated }
func (leakTable) Confidence() float64   { return 100 * trend.Confidence }
func (l leak) Rounds() int              { return l.Slopes[0].Rounds }
func (l leak) Ops() int                 { return l.Slopes[0].Ops }
func perOp(bytes float64, n int) string { return fmt.Sprintf("%.3f", bytes/float64(n)) }

var leakText = template.Must(template.New("leaks.md").Funcs(template.FuncMap{"perOp": perOp}).Parse(
	`    {{.Command}}

{{.Platform}}. Bytes that stay for good after each operation: the slope and its margin,
with a confidence of {{.Confidence}} %. A slope above {{.Tolerated}}, with that confidence, is a leak.
A slope in parentheses was not judged: the run was too short.

| leak | operations in a round | rounds |{{range (index .Leaks 0).Slopes}} {{.Memory}} |{{end}} found |
|---|--:|--:|{{range (index .Leaks 0).Slopes}}--:|{{end}}---|
{{range .Leaks}}| {{.Name}} | {{.Ops}} | {{.Rounds}} |{{range .Slopes}} {{if not .Judged}}({{end}}{{perOp .Slope .Ops}} ± {{perOp .Margin .Ops}}{{if not .Judged}}){{end}} |{{end}} {{if .Failed}}a leak{{else}}nothing{{end}} |
{{end}}`))

// write leaves the table as leaks.md in a folder.
func (t leakTable) write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(folder, "leaks.md"))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := leakText.Execute(file, t); err != nil {
		return err
	}
	return file.Close()
}
