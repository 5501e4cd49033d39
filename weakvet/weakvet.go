// Package weakvet finds faults in programs that use weak references, before they
// run. It knows the types of package weakmap, and weak.Make, runtime.AddCleanup,
// runtime.SetFinalizer and unique.Make of the standard library.
//
// The command weakvet runs the analyzers; so does go vet with -vettool:
//
//	go run github.com/go-weak/weakmap/weakvet/cmd/weakvet@latest ./...
//	go vet -vettool=$(which weakvet) ./...
//
// [Analyzers] is for drivers such as golangci-lint and gopls.
//
// # Precision
//
// An analyzer reports what is a fault as far as the syntax and the types of one
// package tell, and reports nothing where it would have to guess. So no finding does
// not mean no fault: what holds an object may be in another function.
//
// # Suppression
//
// A comment on the line of a finding, or alone on the line above, silences it; in the
// comment of a declaration, such as a function, it silences all findings there. It
// names the analyzer and gives a reason; without a reason it silences nothing.
//
//	files.Store("a", &file{}) //weakvet:ignore weakunheld shows that the entry goes
package weakvet

import (
	"fmt"
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// Analyzers are those that run unless told otherwise.
var Analyzers = []*analysis.Analyzer{
	weakCycle, weakLocal, weakUnheld, weakTiny, weakBlind, weakCapture, weakDropped, weakSettle,
}

// Optional are those that run only when asked for by name.
var Optional = []*analysis.Analyzer{weakHand}

// directive begins a comment that silences a finding.
const directive = "//weakvet:ignore"

// report reports what is wrong between pos and end, unless a directive silences it.
func report(pass *analysis.Pass, at analysis.Range, format string, args ...any) {
	reportFix(pass, at, nil, format, args...)
}

func reportFix(pass *analysis.Pass, at analysis.Range, fixes []analysis.SuggestedFix, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	switch named, reason := silenced(pass, at.Pos()); {
	case named && reason:
		return
	case named:
		message += " (the weakvet:ignore gives no reason, so it silences nothing)"
	}
	pass.Report(analysis.Diagnostic{Pos: at.Pos(), End: at.End(), Message: message, SuggestedFixes: fixes})
}

// silenced reports whether a directive at pos, or in the comment of the declaration
// around it, names the analyzer, and whether it gives a reason.
func silenced(pass *analysis.Pass, pos token.Pos) (named, reason bool) {
	file := fileOf(pass, pos)
	if file == nil {
		return false, false
	}
	line := pass.Fset.Position(pos).Line
	doc := docAround(file, pos)
	for _, group := range file.Comments {
		for _, comment := range group.List {
			rest, ok := strings.CutPrefix(comment.Text, directive+" ")
			if !ok {
				continue
			}
			if at := pass.Fset.Position(comment.Pos()).Line; at != line && at != line-1 && group != doc {
				continue
			}
			fields := strings.Fields(rest)
			if len(fields) > 0 && fields[0] == pass.Analyzer.Name {
				return true, len(fields) > 1
			}
		}
	}
	return false, false
}

// docAround returns the comment of the declaration around pos, or nil.
func docAround(file *ast.File, pos token.Pos) *ast.CommentGroup {
	for _, decl := range file.Decls {
		if decl.Pos() <= pos && pos < decl.End() {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				return d.Doc
			case *ast.GenDecl:
				return d.Doc
			}
		}
	}
	return nil
}

// fileOf returns the file of the package in which pos is.
func fileOf(pass *analysis.Pass, pos token.Pos) *ast.File {
	for _, file := range pass.Files {
		if file.FileStart <= pos && pos < file.FileEnd {
			return file
		}
	}
	return nil
}

// inTest reports whether pos is in a file of tests.
func inTest(pass *analysis.Pass, pos token.Pos) bool {
	return strings.HasSuffix(pass.Fset.Position(pos).Filename, "_test.go")
}

// homepage is where the analyzers are documented.
const homepage = "https://pkg.go.dev/github.com/go-weak/weakmap/weakvet"
