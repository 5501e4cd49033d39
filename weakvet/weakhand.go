package weakvet

import (
	"golang.org/x/tools/go/analysis"
)

var weakHand = &analysis.Analyzer{Name: "weakhand", Doc: "todo", Run: func(*analysis.Pass) (any, error) { return nil, nil }}
