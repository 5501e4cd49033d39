package weakvet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

// variables is what is known of the local variables of a package.
type variables struct {
	info *types.Info
	all  map[*types.Var]*variable
}

// A variable is a local one, or a parameter.
type variable struct {
	scope      ast.Node // the function that declares it: *ast.FuncDecl or *ast.FuncLit
	value      ast.Expr // what it was declared with, or nil
	assignedAt token.Pos
	uses       []inspector.Cursor // identifiers, the declaration left out
}

// newVariables looks at all identifiers of a package.
func newVariables(pass *analysis.Pass, root inspector.Cursor) *variables {
	v := &variables{pass.TypesInfo, make(map[*types.Var]*variable)}
	for at := range root.Preorder((*ast.Ident)(nil)) {
		id := at.Node().(*ast.Ident)
		if obj, ok := pass.TypesInfo.Defs[id].(*types.Var); ok && isLocal(obj) {
			v.of(obj).declare(at)
		}
		if obj, ok := pass.TypesInfo.Uses[id].(*types.Var); ok && isLocal(obj) {
			v.of(obj).use(at)
		}
	}
	return v
}

func isLocal(v *types.Var) bool {
	switch v.Kind() {
	case types.LocalVar, types.ParamVar, types.ResultVar, types.RecvVar:
		return true
	}
	return false
}

func (v *variables) of(obj *types.Var) *variable {
	known := v.all[obj]
	if known == nil {
		known = new(variable)
		v.all[obj] = known
	}
	return known
}

// local returns the local variable that e is, or nil.
func (v *variables) local(e ast.Expr) *types.Var {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return nil
	}
	obj, _ := v.info.ObjectOf(id).(*types.Var)
	if obj == nil || v.all[obj] == nil {
		return nil
	}
	return obj
}

// declare notes where the variable is declared, and with what.
func (v *variable) declare(at inspector.Cursor) {
	v.scope = scopeOf(at)
	switch n := at.Parent().Node().(type) {
	case *ast.AssignStmt:
		if len(n.Lhs) == len(n.Rhs) {
			v.value = n.Rhs[at.ParentEdgeIndex()]
		}
	case *ast.ValueSpec:
		if len(n.Names) == len(n.Values) {
			v.value = n.Values[at.ParentEdgeIndex()]
		}
	}
}

// use notes a use, which may be an assignment.
func (v *variable) use(at inspector.Cursor) {
	v.uses = append(v.uses, at)
	assigned := false
	switch n := parentOf(at).Node().(type) {
	case *ast.AssignStmt:
		for _, left := range n.Lhs {
			assigned = assigned || ast.Unparen(left) == at.Node()
		}
	case *ast.RangeStmt:
		assigned = n.Tok == token.ASSIGN && (n.Key == at.Node() || n.Value == at.Node())
	case *ast.IncDecStmt:
		assigned = true
	case *ast.UnaryExpr:
		assigned = n.Op == token.AND // others may assign through the address
	}
	if assigned {
		v.assignedAt = max(v.assignedAt, at.Node().Pos())
	}
}

// single returns what the variable was declared with, if nothing else is ever
// assigned to it, or nil.
func (v *variable) single() ast.Expr {
	if v.assignedAt.IsValid() || v.value == nil {
		return nil
	}
	return ast.Unparen(v.value)
}

// scopeOf returns the innermost function around at, or nil.
func scopeOf(at inspector.Cursor) ast.Node {
	for f := range at.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		return f.Node()
	}
	return nil
}

// parentOf is at.Parent beyond parentheses.
func parentOf(at inspector.Cursor) inspector.Cursor {
	p := at.Parent()
	for {
		if _, ok := p.Node().(*ast.ParenExpr); !ok {
			return p
		}
		p = p.Parent()
	}
}

// addressOf returns x if e is &x, or nil.
func addressOf(e ast.Expr) ast.Expr {
	if u, ok := ast.Unparen(e).(*ast.UnaryExpr); ok && u.Op == token.AND {
		return ast.Unparen(u.X)
	}
	return nil
}

// base returns the variable of which e is a part: x for x.f[1].g, as long as no
// step follows a pointer, a slice or a map. It returns e itself if that is no part.
func base(info *types.Info, e ast.Expr) ast.Expr {
	for {
		e = ast.Unparen(e)
		switch n := e.(type) {
		case *ast.SelectorExpr:
			sel := info.Selections[n]
			if sel == nil || sel.Kind() != types.FieldVal || sel.Indirect() {
				return e
			}
			e = n.X
		case *ast.IndexExpr:
			if _, ok := info.TypeOf(n.X).Underlying().(*types.Array); !ok {
				return e
			}
			e = n.X
		default:
			return e
		}
	}
}

// holderVar returns the variable or field that e names, or nil.
func holderVar(info *types.Info, e ast.Expr) *types.Var {
	switch n := ast.Unparen(e).(type) {
	case *ast.Ident:
		v, _ := info.ObjectOf(n).(*types.Var)
		return v
	case *ast.SelectorExpr:
		v, _ := info.ObjectOf(n.Sel).(*types.Var)
		return v
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			return holderVar(info, n.X)
		}
	case *ast.StarExpr:
		return holderVar(info, n.X)
	}
	return nil
}

// isNew reports whether e makes an object that nothing else refers to: new(T), &T{} or
// weakmap.ObjectOf of these.
func isNew(info *types.Info, e ast.Expr) bool {
	switch n := ast.Unparen(e).(type) {
	case *ast.UnaryExpr:
		_, literal := ast.Unparen(n.X).(*ast.CompositeLit)
		return n.Op == token.AND && literal
	case *ast.CallExpr:
		if of := ofObject(info, n); of != nil {
			return isNew(info, of)
		}
		id, ok := ast.Unparen(n.Fun).(*ast.Ident)
		if !ok {
			return false
		}
		b, ok := info.Uses[id].(*types.Builtin)
		return ok && b.Name() == "new"
	}
	return false
}
