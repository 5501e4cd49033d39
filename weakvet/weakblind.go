package weakvet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

var weakBlind = &analysis.Analyzer{
	Name: "weakblind",
	URL:  homepage,
	Doc: `find cleanups that delete by key whatever is bound

A cleanup or finalizer runs some time after its object died. Meanwhile another object
may have been bound to the same key, which a cleanup that only knows the key deletes.

Bad:

	cache.Store(key, weak.Make(v))
	runtime.AddCleanup(v, func(key string) { cache.Delete(key) }, key)

Good:

	w := weak.Make(v)
	cache.Store(key, w)
	runtime.AddCleanup(v, func(key string) { cache.CompareAndDelete(key, w) }, key)

or a weakmap.Map, which does so by itself. Reported are maps in which weak pointers are
stored, deletions from a weakmap.Map, Clear of a weakmap.Cell, and keys made of an address, which the runtime may
have given to another object; not keys that are weak pointers, which are never used again.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, finder},
	Run:      runBlind,
}

func runBlind(pass *analysis.Pass) (any, error) {
	found := pass.ResultOf[finder].(*sites)
	b := &blind{pass: pass}
	for i := range found.calls {
		s := &found.calls[i]
		if s.fn == nil || s.role != cleans && s.role != watches {
			continue
		}
		if body := bodyOf(pass, found.vars, s.fn); body != nil {
			b.check(s.name, body, s.elem(pass.TypesInfo), s.name == "runtime.AddCleanup" || s.name == "weakmap.Finalize")
		}
	}
	if importsLibrary(pass.Pkg) {
		for _, fn := range settings(pass, pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root(), "OnReap") {
			if body := bodyOf(pass, found.vars, fn); body != nil {
				b.check("OnReap", body, nil, false)
			}
		}
	}
	return nil, nil
}

// bodyOf returns the body of a function that is written in this package, or nil.
func bodyOf(pass *analysis.Pass, vars *variables, fn ast.Expr) *ast.BlockStmt {
	fn = ast.Unparen(fn)
	if v := vars.local(fn); v != nil {
		if one := vars.all[v].single(); one != nil {
			fn = one
		}
	}
	if lit, ok := fn.(*ast.FuncLit); ok {
		return lit.Body
	}
	var id *ast.Ident
	switch n := fn.(type) {
	case *ast.Ident:
		id = n
	case *ast.SelectorExpr:
		id = n.Sel
	default:
		return nil
	}
	obj, _ := pass.TypesInfo.Uses[id].(*types.Func)
	if obj == nil || obj.Pkg() != pass.Pkg {
		return nil
	}
	obj = obj.Origin()
	for _, file := range pass.Files {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && pass.TypesInfo.Defs[f.Name] == obj {
				return f.Body
			}
		}
	}
	return nil
}

// blind finds deletions without a comparison.
type blind struct {
	pass *analysis.Pass
	weak map[*types.Var]bool // the sync.Maps in which weak pointers are stored; nil if not known yet
}

// check looks at the body of a function that runs when an object of type elem is gone,
// nil if that is unknown; freed tells whether its memory may be in use again by then.
func (b *blind) check(name string, body *ast.BlockStmt, elem types.Type, freed bool) {
	if compares(body) {
		return
	}
	ast.Inspect(body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if of := b.cleared(call); of != nil && elem != nil && types.Identical(of, elem) {
			report(b.pass, call, "the function given to %s clears the Cell whatever is in it by then, perhaps a new object: a Cell never returns a dead one", name)
			return true
		}
		holder, key := b.deletion(call)
		if holder == nil {
			return true
		}
		keyType := b.pass.TypesInfo.TypeOf(key)
		if _, ok := isWeakPointer(keyType); ok {
			return true
		}
		if basic, ok := keyType.Underlying().(*types.Basic); ok && basic.Kind() == types.Uintptr && freed {
			report(b.pass, call, "the function given to %s deletes by an address, which by then another object may have: a weak.Pointer as the key is never used again", name)
		} else if b.isWeak(holder) {
			report(b.pass, call, "the function given to %s deletes whatever is bound to the key by then, perhaps a new object: compare before, as CompareAndDelete does", name)
		}
		return true
	})
}

// compares reports whether a function decides anything: what it decides may well
// be whether the binding is the one that it is to delete.
func compares(body *ast.BlockStmt) (yes bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.IfStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt:
			yes = true
		}
		return !yes
	})
	return yes
}

// deletion returns the map and the key if a call deletes a key.
func (b *blind) deletion(call *ast.CallExpr) (holder, key ast.Expr) {
	if id, ok := ast.Unparen(call.Fun).(*ast.Ident); ok {
		if builtin, ok := b.pass.TypesInfo.Uses[id].(*types.Builtin); ok && builtin.Name() == "delete" && len(call.Args) == 2 {
			return call.Args[0], call.Args[1]
		}
		return nil, nil
	}
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || len(call.Args) != 1 {
		return nil, nil
	}
	fn := typeutil.StaticCallee(b.pass.TypesInfo, call)
	if fn == nil || fn.Signature().Recv() == nil {
		return nil, nil
	}
	switch fn.Name() {
	case "Delete", "LoadAndDelete", "Remove":
		return sel.X, call.Args[0]
	}
	return nil, nil
}

// cleared returns the type of the value of a Cell that a call clears, or nil.
func (b *blind) cleared(call *ast.CallExpr) types.Type {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Clear" {
		return nil
	}
	if name, args := containerOf(b.pass.TypesInfo.TypeOf(sel.X)); name == "Cell" {
		return args.At(0)
	}
	return nil
}

// isWeak reports whether what is bound in a map are weak pointers.
func (b *blind) isWeak(holder ast.Expr) bool {
	t := types.Unalias(b.pass.TypesInfo.TypeOf(holder))
	if m, ok := t.Underlying().(*types.Map); ok {
		return hasWeakPointer(m.Elem())
	}
	if name, _ := containerOf(t); name == "Map" {
		return true
	}
	named := namedOf(t)
	if named == nil {
		return false
	}
	if args := named.TypeArgs(); args.Len() == 2 {
		return hasWeakPointer(args.At(1))
	}
	if named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != "sync" || named.Obj().Name() != "Map" {
		return false
	}
	if b.weak == nil {
		b.weak = storedWeakly(b.pass)
	}
	return b.weak[holderVar(b.pass.TypesInfo, holder)]
}

// hasWeakPointer reports whether t is a weak pointer, or a struct with one.
func hasWeakPointer(t types.Type) bool {
	if _, ok := isWeakPointer(t); ok {
		return true
	}
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	if s, ok := t.Underlying().(*types.Struct); ok {
		for f := range s.Fields() {
			if _, ok := isWeakPointer(f.Type()); ok {
				return true
			}
		}
	}
	return false
}

// storedWeakly returns the variables of type sync.Map in which the package stores
// weak pointers.
func storedWeakly(pass *analysis.Pass) map[*types.Var]bool {
	weak := make(map[*types.Var]bool)
	for at := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root().Preorder((*ast.CallExpr)(nil)) {
		call := at.Node().(*ast.CallExpr)
		sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
		if !ok || len(call.Args) < 2 {
			continue
		}
		fn := typeutil.StaticCallee(pass.TypesInfo, call)
		if fn == nil || fn.Pkg() == nil || fn.Pkg().Path() != "sync" {
			continue
		}
		switch fn.Name() {
		case "Store", "LoadOrStore", "Swap", "CompareAndSwap":
			last := call.Args[len(call.Args)-1]
			if v := holderVar(pass.TypesInfo, sel.X); v != nil && hasWeakPointer(pass.TypesInfo.TypeOf(last)) {
				weak[v] = true
			}
		}
	}
	return weak
}
