package weakvet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

var weakLocal = &analysis.Analyzer{
	Name: "weaklocal",
	URL:  homepage,
	Doc: `find weak references to a local variable in place of what it refers to

A weak reference made from &x refers to the variable x. If nothing else has the
address of x, it is gone when the function returns, or earlier. Where x is a pointer,
an interface, a slice or a map, what was meant is as a rule the object behind it.

Bad:

	func (c *Cache) Put(name string, data []byte) {
		c.files.Store(name, &data) // the slice header, which nobody else has
	}

Good:

	func (c *Cache) Put(name string, data *[]byte) {
		c.files.Store(name, data)
	}

In tests only variables of such types are reported, since a test may well make a
variable in order to see it die.`,
	Requires: []*analysis.Analyzer{finder},
	Run:      runLocal,
}

func runLocal(pass *analysis.Pass) (any, error) {
	found := pass.ResultOf[finder].(*sites)
	weakly := make(map[ast.Expr]bool) // where addresses go that are held weakly
	for i := range found.calls {
		if s := &found.calls[i]; s.object != nil && (!s.returns || s.dropped) {
			weakly[s.object] = true
		}
	}
	for i := range found.calls {
		s := &found.calls[i]
		if !weakly[s.object] || s.name == "weak.Make" && s.dropped {
			continue
		}
		x := addressOf(s.object)
		if x == nil {
			continue
		}
		v := found.vars.local(base(pass.TypesInfo, x))
		if v == nil || !onlyHere(pass.TypesInfo, found.vars.all[v], weakly) {
			continue
		}
		_, whole := x.(*ast.Ident)
		kind := kindOfReference(v.Type())
		switch {
		case kind != "" && whole:
			report(pass, s.object, "%s is given the address of the variable %s, not the %s in it: nothing else has that address, so it dies when the function returns at the latest",
				s.name, v.Name(), kind)
		case s.role != cleans && !inTest(pass, s.call.Pos()):
			report(pass, s.object, "%s is given the address of the local variable %s, which nothing else has: it dies when the function returns at the latest", s.name, v.Name())
		}
	}
	return nil, nil
}

// kindOfReference says what a variable of type t refers to; "" if it is the
// object itself.
func kindOfReference(t types.Type) string {
	if _, ok := types.Unalias(t).(*types.TypeParam); ok {
		return ""
	}
	switch t.Underlying().(type) {
	case *types.Pointer:
		return "pointer"
	case *types.Interface:
		return "interface value"
	case *types.Slice:
		return "slice"
	case *types.Map:
		return "map"
	case *types.Chan:
		return "channel"
	case *types.Signature:
		return "function"
	}
	return ""
}

// onlyHere reports whether nothing has the address of a variable, or of a part of it,
// but what refers to it weakly.
func onlyHere(info *types.Info, v *variable, weakly map[ast.Expr]bool) bool {
	for _, use := range v.uses {
		if by := addressedBy(info, use); scopeOf(use) != v.scope || by != nil && !weakly[by] {
			return false
		}
	}
	return true
}

// addressedBy returns the expression that takes the address of a variable, or of a
// part of it, where it is used: &x, &x.f, x.f[:] or a method x.m that has a pointer
// receiver. Otherwise it returns nil.
func addressedBy(info *types.Info, use inspector.Cursor) ast.Expr {
	for at := use; ; {
		parent := parentOf(at)
		switch n := parent.Node().(type) {
		case *ast.UnaryExpr:
			if n.Op == token.AND {
				return n
			}
			return nil
		case *ast.SelectorExpr:
			sel := info.Selections[n]
			switch {
			case sel == nil:
				return nil
			case sel.Kind() == types.MethodVal:
				_, onPointer := sel.Obj().(*types.Func).Signature().Recv().Type().Underlying().(*types.Pointer)
				_, isPointer := sel.Recv().Underlying().(*types.Pointer)
				if onPointer && !isPointer {
					return n
				}
				return nil
			case sel.Indirect():
				return nil
			}
		case *ast.IndexExpr:
			if _, ok := info.TypeOf(n.X).Underlying().(*types.Array); !ok {
				return nil
			}
		case *ast.SliceExpr:
			if _, ok := info.TypeOf(n.X).Underlying().(*types.Array); ok {
				return n
			}
			return nil
		default:
			return nil
		}
		at = parent
	}
}
