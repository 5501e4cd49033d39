package weakvet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

var weakSettle = &analysis.Analyzer{
	Name: "weaksettle",
	URL:  homepage,
	Doc: `find tests that wait for a death in a way that may fail, and callbacks that wait for themselves

One runtime.GC() is no promise. A stale word on a stack may keep an object for a
collection, cleanups and finalizers run some time after it, and entries leave a
container then. A test that fails if an object still lives, or if its cleanup has not
run, after exactly one collection fails now and then.

Bad:

	runtime.GC()
	if w.Value() != nil {
		t.Fatal("leaked")
	}

Good:

	weaktest.Dies(t, w)

or a loop of collections with a deadline. weakmap.Settle and weaktest.Empty wait until
all callbacks have returned, so a callback that calls one waits for itself.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, finder},
	Run:      runSettle,
}

func runSettle(pass *analysis.Pass) (any, error) {
	found := pass.ResultOf[finder].(*sites)
	if found.vars == nil && !concerns(pass.Pkg) {
		return nil, nil
	}
	root := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root()
	for i := range found.calls {
		s := &found.calls[i]
		if s.fn != nil && (s.name == "weakmap.NewRef" || s.name == "weakmap.Finalize") {
			settlesInside(pass, found, s.name, bodyOf(pass, found.vars, s.fn))
		}
	}
	if importsLibrary(pass.Pkg) {
		for _, fn := range settings(pass, root, "OnReap") {
			settlesInside(pass, found, "OnReap", bodyOf(pass, found.vars, fn))
		}
	}
	for at := range root.Preorder((*ast.ExprStmt)(nil)) {
		if isCollection(pass, at.Node()) && inTest(pass, at.Node().Pos()) {
			checkAfter(pass, found, at)
		}
	}
	return nil, nil
}

// settlesInside reports calls in the body of a callback that wait for it.
func settlesInside(pass *analysis.Pass, found *sites, name string, body *ast.BlockStmt) {
	if body == nil {
		return
	}
	for i := range found.calls {
		s := &found.calls[i]
		if s.role != settles || !within(s.at, body) || inGoroutine(s.at, body) {
			continue
		}
		report(pass, s.call, "%s waits for all callbacks, so for the one given to %s that calls it: it never returns", s.name, name)
	}
}

// inGoroutine reports whether a goroutine that body starts makes the call.
func inGoroutine(at inspector.Cursor, body *ast.BlockStmt) bool {
	for g := range at.Enclosing((*ast.GoStmt)(nil)) {
		return within(g, body)
	}
	return false
}

// settings returns what is assigned to a field of containers, such as OnReap.
func settings(pass *analysis.Pass, root inspector.Cursor, field string) (values []ast.Expr) {
	isField := func(e ast.Expr) bool {
		var id *ast.Ident
		switch n := ast.Unparen(e).(type) {
		case *ast.Ident:
			id = n
		case *ast.SelectorExpr:
			id = n.Sel
		default:
			return false
		}
		v, ok := pass.TypesInfo.Uses[id].(*types.Var)
		return ok && v.IsField() && v.Name() == field && isLibrary(v.Pkg())
	}
	for at := range root.Preorder((*ast.KeyValueExpr)(nil), (*ast.AssignStmt)(nil)) {
		switch n := at.Node().(type) {
		case *ast.KeyValueExpr:
			if isField(n.Key) {
				values = append(values, n.Value)
			}
		case *ast.AssignStmt:
			if len(n.Lhs) != len(n.Rhs) {
				continue
			}
			for i := range n.Lhs {
				if isField(n.Lhs[i]) {
					values = append(values, n.Rhs[i])
				}
			}
		}
	}
	return values
}

// isCollection reports whether a statement is runtime.GC().
func isCollection(pass *analysis.Pass, n ast.Node) bool {
	stmt, ok := n.(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := stmt.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	fn := typeutil.StaticCallee(pass.TypesInfo, call)
	return fn != nil && fn.FullName() == "runtime.GC"
}

// checkAfter looks at what follows a collection that has no other before or after it.
func checkAfter(pass *analysis.Pass, found *sites, at inspector.Cursor) {
	for range at.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil)) {
		return // a loop has several
	}
	if before, ok := at.PrevSibling(); ok && isCollection(pass, before.Node()) {
		return
	}
	flags := flagsOfCallbacks(pass, found, at)
	for next, ok := at.NextSibling(); ok; next, ok = next.NextSibling() {
		switch n := next.Node().(type) {
		case *ast.IfStmt:
			if !fails(pass, n.Body) {
				return
			}
			if what := expectsDeath(pass, n, flags); what != "" {
				report(pass, n.Cond, "%s after exactly one runtime.GC(), which now and then is one too few: collect until it is so, as weaktest does", what)
				return
			}
		case *ast.ExprStmt:
			if isCollection(pass, n) || !isHarmless(pass, n) {
				return
			}
		case *ast.AssignStmt, *ast.DeclStmt:
			if waits(n) {
				return
			}
		default:
			return
		}
	}
}

// isHarmless reports whether a statement waits for nothing: it calls KeepAlive or
// a method of a test.
func isHarmless(pass *analysis.Pass, stmt *ast.ExprStmt) bool {
	call, ok := stmt.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	fn := typeutil.StaticCallee(pass.TypesInfo, call)
	return fn != nil && fn.Pkg() != nil && (fn.Pkg().Path() == "testing" || fn.FullName() == "runtime.KeepAlive")
}

// waits reports whether a statement receives from a channel or calls a function
// that may wait; Value and Len do not.
func waits(n ast.Node) (yes bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.UnaryExpr:
			yes = yes || n.Op == token.ARROW
		case *ast.CallExpr:
			sel, ok := ast.Unparen(n.Fun).(*ast.SelectorExpr)
			yes = yes || !ok || sel.Sel.Name != "Value" && sel.Sel.Name != "Len" && sel.Sel.Name != "Load"
		}
		return !yes
	})
	return yes
}

// fails reports whether a block fails a test.
func fails(pass *analysis.Pass, body *ast.BlockStmt) (yes bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			switch fn := typeutil.Callee(pass.TypesInfo, call).(type) {
			case *types.Builtin:
				yes = yes || fn.Name() == "panic"
			case *types.Func:
				switch fn.Name() {
				case "Fatal", "Fatalf", "Error", "Errorf", "Fail", "FailNow":
					yes = true
				}
			}
		}
		return !yes
	})
	return yes
}

// expectsDeath says which death a statement expects that fails otherwise; "" if none.
func expectsDeath(pass *analysis.Pass, n *ast.IfStmt, flags map[types.Object]bool) (what string) {
	cond := ast.Unparen(n.Cond)
	if not, ok := cond.(*ast.UnaryExpr); ok && not.Op == token.NOT {
		if flags[flagOf(pass, not.X)] {
			return "this expects that a cleanup has run"
		}
		return ""
	}
	cmp, ok := cond.(*ast.BinaryExpr)
	if !ok {
		return ""
	}
	left := ast.Unparen(cmp.X)
	if init, ok := n.Init.(*ast.AssignStmt); ok && len(init.Lhs) == 1 && len(init.Rhs) == 1 {
		if a, ok := init.Lhs[0].(*ast.Ident); ok {
			if b, ok := left.(*ast.Ident); ok && a.Name == b.Name {
				left = ast.Unparen(init.Rhs[0])
			}
		}
	}
	if flags[flagOf(pass, left)] {
		if value := pass.TypesInfo.Types[cmp.Y].Value; value != nil && (cmp.Op == token.EQL && value.String() == "0" || cmp.Op == token.NEQ && value.String() != "0") {
			return "this expects that a cleanup has run"
		}
		return ""
	}
	call, ok := left.(*ast.CallExpr)
	if !ok {
		return ""
	}
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if tv := pass.TypesInfo.Types[cmp.Y]; sel.Sel.Name == "Value" && cmp.Op == token.NEQ && tv.IsNil() {
		_, pointer := isWeakPointer(pass.TypesInfo.TypeOf(sel.X))
		if name, _ := containerOf(pass.TypesInfo.TypeOf(sel.X)); pointer || name == "Ref" {
			return "this expects a death"
		}
	}
	if value := pass.TypesInfo.Types[cmp.Y].Value; sel.Sel.Name == "Len" && value != nil && (cmp.Op == token.NEQ || cmp.Op == token.GTR) {
		if name, _ := containerOf(pass.TypesInfo.TypeOf(sel.X)); name != "" && value.String() == "0" {
			return "this expects that entries have left"
		}
	}
	return ""
}

// flagOf returns the variable of ran, ran.Load() and the like, or nil.
func flagOf(pass *analysis.Pass, e ast.Expr) types.Object {
	e = ast.Unparen(e)
	if call, ok := e.(*ast.CallExpr); ok {
		sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Load" {
			return nil
		}
		e = ast.Unparen(sel.X)
	}
	if id, ok := e.(*ast.Ident); ok {
		return pass.TypesInfo.Uses[id]
	}
	return nil
}

// flagsOfCallbacks returns the variables that callbacks set which are given to a
// known function around at.
func flagsOfCallbacks(pass *analysis.Pass, found *sites, at inspector.Cursor) map[types.Object]bool {
	flags := make(map[types.Object]bool)
	scope := scopeOf(at)
	for i := range found.calls {
		s := &found.calls[i]
		lit, ok := s.fn.(*ast.FuncLit)
		if !ok || s.role == computes || scope == nil || !within(s.at, scope) {
			continue
		}
		ast.Inspect(lit.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, left := range n.Lhs {
					flags[flagOf(pass, left)] = true
				}
			case *ast.IncDecStmt:
				flags[flagOf(pass, n.X)] = true
			case *ast.CallExpr:
				if sel, ok := ast.Unparen(n.Fun).(*ast.SelectorExpr); ok && (sel.Sel.Name == "Store" || sel.Sel.Name == "Add") {
					flags[flagOf(pass, sel.X)] = true
				}
			}
			return true
		})
	}
	delete(flags, nil)
	return flags
}
