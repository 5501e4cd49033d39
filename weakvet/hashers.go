package weakvet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/types/typeutil"
)

// checkHashers reports where Hash and Equal keep what they are given. hashers are what
// the package gives to containers as their Hasher.
func checkHashers(pass *analysis.Pass, hashers []ast.Expr) {
	used := make(map[*types.TypeName]bool)
	for _, e := range hashers {
		if named := namedOf(pass.TypesInfo.TypeOf(e)); named != nil {
			used[named.Obj()] = true
		}
	}
	if len(used) == 0 {
		return
	}
	for _, file := range pass.Files {
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Body == nil || f.Name.Name != "Hash" && f.Name.Name != "Equal" {
				continue
			}
			sig := pass.TypesInfo.Defs[f.Name].(*types.Func).Signature()
			if named := namedOf(sig.Recv().Type()); named == nil || !used[named.Obj()] {
				continue
			}
			k := &keeper{pass, sig.Recv(), make(map[types.Object]bool)}
			for i := range sig.Params().Len() {
				// The last two of Equal, and the last of Hash.
				if i > 0 || f.Name.Name == "Equal" {
					k.keys[sig.Params().At(i)] = true
				}
			}
			k.check(f)
		}
	}
}

// A keeper finds where a method keeps an argument beyond the call.
type keeper struct {
	pass *analysis.Pass
	recv *types.Var
	keys map[types.Object]bool // the parameters that are keys or elements
}

func (k *keeper) check(f *ast.FuncDecl) {
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if key := k.inSyncMap(call); key != nil {
				k.report(call, f, key)
			}
			return true
		}
		assign, ok := n.(*ast.AssignStmt)
		if !ok {
			return true
		}
		for i, left := range assign.Lhs {
			if !k.outlives(left) {
				continue
			}
			key := k.inIndex(left)
			if key == nil && len(assign.Lhs) == len(assign.Rhs) {
				key = k.in(assign.Rhs[i])
			}
			if key != nil {
				k.report(assign, f, key)
			}
		}
		return true
	})
}

func (k *keeper) report(at analysis.Range, f *ast.FuncDecl, key types.Object) {
	report(k.pass, at, "the Hasher's %s keeps %s: the container holds its Hasher, so what it keeps never goes", f.Name.Name, key.Name())
}

// inSyncMap returns the argument that a call stores in a sync.Map which outlives it, or
// nil.
func (k *keeper) inSyncMap(call *ast.CallExpr) types.Object {
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || !k.outlives(sel) {
		return nil
	}
	fn := typeutil.StaticCallee(k.pass.TypesInfo, call)
	if fn == nil {
		return nil
	}
	switch fn.FullName() {
	case "(*sync.Map).Store", "(*sync.Map).LoadOrStore", "(*sync.Map).Swap":
		for _, arg := range call.Args {
			if key := k.in(arg); key != nil {
				return key
			}
		}
	}
	return nil
}

// inIndex returns the argument that is the index of a map on the left side of an
// assignment, or nil.
func (k *keeper) inIndex(left ast.Expr) types.Object {
	if index, ok := ast.Unparen(left).(*ast.IndexExpr); ok {
		return k.in(index.Index)
	}
	return nil
}

// in returns the argument that e is, or that it holds in a literal or by append; nil
// if there is none.
func (k *keeper) in(e ast.Expr) types.Object {
	info := k.pass.TypesInfo
	switch n := ast.Unparen(e).(type) {
	case *ast.Ident:
		if obj := info.Uses[n]; k.keys[obj] {
			return obj
		}
	case *ast.UnaryExpr:
		if literal, ok := ast.Unparen(n.X).(*ast.CompositeLit); ok {
			return k.in(literal)
		}
	case *ast.CompositeLit:
		for _, elt := range n.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				if key := k.in(kv.Key); key != nil {
					return key
				}
				elt = kv.Value
			}
			if key := k.in(elt); key != nil {
				return key
			}
		}
	case *ast.CallExpr:
		id, ok := ast.Unparen(n.Fun).(*ast.Ident)
		if !ok {
			return nil
		}
		if b, ok := info.Uses[id].(*types.Builtin); !ok || b.Name() != "append" {
			return nil
		}
		for _, arg := range n.Args[1:] {
			if key := k.in(arg); key != nil {
				return key
			}
		}
	}
	return nil
}

// outlives reports whether what is assigned to is a part of what the receiver points
// to, an element of one of its maps or slices, or in a variable of the package.
func (k *keeper) outlives(left ast.Expr) bool {
	info, through := k.pass.TypesInfo, false
	for e := ast.Unparen(left); ; e = ast.Unparen(e) {
		switch n := e.(type) {
		case *ast.SelectorExpr:
			sel := info.Selections[n]
			if sel == nil { // of a package
				v, ok := info.Uses[n.Sel].(*types.Var)
				return ok && v.Kind() == types.PackageVar
			}
			through = through || isPointer(info.TypeOf(n.X))
			e = n.X
		case *ast.IndexExpr:
			switch info.TypeOf(n.X).Underlying().(type) {
			case *types.Map, *types.Slice, *types.Pointer:
				through = true
			}
			e = n.X
		case *ast.StarExpr:
			through = true
			e = n.X
		case *ast.Ident:
			v, ok := info.Uses[n].(*types.Var)
			return ok && (v.Kind() == types.PackageVar || v == k.recv && through)
		default:
			return false
		}
	}
}

func isPointer(t types.Type) bool {
	_, ok := t.Underlying().(*types.Pointer)
	return ok
}
