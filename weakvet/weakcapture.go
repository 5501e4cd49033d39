package weakvet

import (
	"go/ast"
	"go/token"
	"go/types"

	"golang.org/x/tools/go/analysis"
)

var weakCapture = &analysis.Analyzer{
	Name: "weakcapture",
	URL:  homepage,
	Doc: `find cleanups, finalizers and callbacks that hold their own object

The function that runtime.AddCleanup, runtime.SetFinalizer, weakmap.NewRef, Finalize
or Bind is given, and the argument of that function, are reachable as long as the
object lives. If they reach the object, it lives for ever, and the function never runs.

Bad:

	f := &File{fd: fd}
	runtime.AddCleanup(f, func(int) { syscall.Close(f.fd) }, 0) // holds f
	runtime.AddCleanup(f, closeIt, closing{file: f})            // so does the argument
	weakmap.Finalize(f, f.close, nil)                           // and the method value

Good:

	f := &File{fd: fd}
	runtime.AddCleanup(f, func(fd int) { syscall.Close(fd) }, f.fd)

The object is followed through closures, variables that are assigned once, method
values, composite literals, addresses of its fields and weakmap.ObjectOf.`,
	Requires: []*analysis.Analyzer{finder},
	Run:      runCapture,
}

func runCapture(pass *analysis.Pass) (any, error) {
	found := pass.ResultOf[finder].(*sites)
	for i := range found.calls {
		s := &found.calls[i]
		if s.object == nil || s.fn == nil || s.role != cleans && s.role != watches {
			continue
		}
		t := newTarget(pass, found.vars, s)
		if t == nil {
			continue
		}
		if h := t.heldBy(s.fn, 0); h != nil {
			report(pass, h.at, "the function given to %s %s %s: the object is never collected, and the function never runs", s.name, h.how, h.name)
			continue
		}
		if s.arg == nil {
			continue
		}
		if h := t.heldBy(s.arg, 0); h != nil {
			report(pass, h.at, "the argument given to %s %s %s: the object is never collected, and the function never runs", s.name, h.how, h.name)
		}
	}
	return nil, nil
}

// A target is the object of a call, as far as local variables tell.
type target struct {
	pass     *analysis.Pass
	vars     *variables
	at       *site
	pointers map[*types.Var]bool // point to the object
	itself   *types.Var          // is the object, or nil
}

// newTarget returns nil if the object is in no local variable that keeps it.
func newTarget(pass *analysis.Pass, vars *variables, s *site) *target {
	t := &target{pass: pass, vars: vars, at: s, pointers: make(map[*types.Var]bool)}
	t.add(s.object, 0)
	if len(t.pointers) == 0 && t.itself == nil {
		return nil
	}
	return t
}

// deepest is how many variables are followed from one to the next.
const deepest = 3

// add notes that e points to the object.
func (t *target) add(e ast.Expr, depth int) {
	if depth > deepest {
		return
	}
	if x := addressOf(e); x != nil {
		part := base(t.pass.TypesInfo, x)
		if v := t.vars.local(part); v != nil {
			t.itself = v
		} else if v := t.vars.local(t.throughPointer(part)); v != nil && t.keeps(v) {
			t.pointers[v] = true
		}
		return
	}
	if of := ofObject(t.pass.TypesInfo, ast.Unparen(e)); of != nil {
		t.add(of, depth)
		return
	}
	v := t.vars.local(e)
	if v == nil || !t.keeps(v) {
		return
	}
	t.pointers[v] = true
	if one := t.vars.all[v].single(); one != nil {
		t.add(one, depth+1)
	}
}

// keeps reports whether v is assigned nothing else after the call, as far as can
// be seen: a variable that is set to nil holds nothing.
func (t *target) keeps(v *types.Var) bool { return t.vars.all[v].assignedAt < t.at.call.Pos() }

// throughPointer returns x for x.f if x is a pointer and f a field of what it
// points to, with no other pointer between; otherwise it returns nil.
func (t *target) throughPointer(e ast.Expr) ast.Expr {
	n, ok := ast.Unparen(e).(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	sel := t.pass.TypesInfo.Selections[n]
	if sel == nil || sel.Kind() != types.FieldVal || embedsPointer(sel) {
		return nil
	}
	return n.X
}

// embedsPointer reports whether the way to what is selected leads through an
// embedded pointer.
func embedsPointer(sel *types.Selection) bool {
	typ := sel.Recv()
	if p, ok := typ.Underlying().(*types.Pointer); ok {
		typ = p.Elem()
	}
	index := sel.Index()
	for _, i := range index[:len(index)-1] {
		s, ok := typ.Underlying().(*types.Struct)
		if !ok {
			return true
		}
		typ = s.Field(i).Type()
		if _, ok := typ.Underlying().(*types.Pointer); ok {
			return true
		}
	}
	return false
}

// A hold is what in the value of an expression reaches the object, and how.
type hold struct {
	at        analysis.Range
	how, name string // such as "captures" and the name of a variable
}

// heldBy returns nil if nothing in the value of e reaches the object, as far as can
// be seen.
func (t *target) heldBy(e ast.Expr, depth int) *hold {
	e = ast.Unparen(e)
	switch n := e.(type) {
	case *ast.Ident:
		v := t.vars.local(n)
		switch {
		case v == nil:
		case t.pointers[v]:
			return &hold{n, "is", v.Name()}
		case depth < deepest:
			if one := t.vars.all[v].single(); one != nil && one.End() <= n.Pos() {
				if h := t.heldBy(one, depth+1); h != nil {
					return &hold{n, "holds", h.name}
				}
			}
		}
	case *ast.FuncLit:
		return t.captured(n, depth)
	case *ast.SelectorExpr:
		return t.bound(n)
	case *ast.CompositeLit:
		for _, elt := range n.Elts {
			if kv, ok := elt.(*ast.KeyValueExpr); ok {
				elt = kv.Value
			}
			if h := t.heldBy(elt, depth); h != nil {
				return &hold{h.at, "holds", h.name}
			}
		}
	case *ast.UnaryExpr:
		if n.Op != token.AND {
			return nil
		}
		if literal, ok := ast.Unparen(n.X).(*ast.CompositeLit); ok {
			return t.heldBy(literal, depth)
		}
		if v := t.partOf(n.X); v != nil {
			return &hold{n, "points into", v.Name()}
		}
	case *ast.SliceExpr:
		if _, ok := t.pass.TypesInfo.TypeOf(n.X).Underlying().(*types.Array); ok {
			if v := t.partOf(n.X); v != nil {
				return &hold{n, "points into", v.Name()}
			}
		}
	case *ast.CallExpr:
		if of := ofObject(t.pass.TypesInfo, n); of != nil {
			return t.heldBy(of, depth)
		}
		if tv := t.pass.TypesInfo.Types[n.Fun]; tv.IsType() && len(n.Args) == 1 && mayPoint(t.pass.TypesInfo.TypeOf(n)) {
			return t.heldBy(n.Args[0], depth)
		}
	}
	return nil
}

// partOf returns the variable that is the object of which e is a part, or points
// to it; nil if e is no part of it.
func (t *target) partOf(e ast.Expr) *types.Var {
	part := base(t.pass.TypesInfo, e)
	if v := t.vars.local(part); v != nil {
		if v == t.itself {
			return v
		}
		return nil
	}
	var pointer ast.Expr
	if star, ok := ast.Unparen(part).(*ast.StarExpr); ok {
		pointer = star.X
	} else if pointer = t.throughPointer(part); pointer == nil {
		return nil
	}
	if v := t.vars.local(pointer); v != nil && t.pointers[v] {
		return v
	}
	return nil
}

// bound is heldBy for a method value.
func (t *target) bound(n *ast.SelectorExpr) *hold {
	sel := t.pass.TypesInfo.Selections[n]
	if sel == nil || sel.Kind() != types.MethodVal || embedsPointer(sel) {
		return nil
	}
	if _, ok := sel.Obj().(*types.Func).Signature().Recv().Type().Underlying().(*types.Pointer); !ok {
		return nil // a copy
	}
	v := t.vars.local(n.X)
	if v != nil && !t.pointers[v] && v != t.itself {
		v = nil
	} else if _, ok := sel.Recv().Underlying().(*types.Pointer); !ok && v == nil {
		v = t.partOf(n.X)
	}
	if v == nil {
		return nil
	}
	return &hold{n, "is a method value of", v.Name()}
}

// captured is heldBy for a closure.
func (t *target) captured(lit *ast.FuncLit, depth int) (h *hold) {
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		if h != nil {
			return false
		}
		if e, ok := n.(ast.Expr); ok && t.pass.TypesInfo.Types[e].Value != nil {
			return false // a constant, such as unsafe.Sizeof(*p)
		}
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		v, _ := t.pass.TypesInfo.Uses[id].(*types.Var)
		if v == nil || t.vars.all[v] == nil || lit.Pos() <= v.Pos() && v.Pos() < lit.End() {
			return true
		}
		if t.pointers[v] || v == t.itself {
			h = &hold{id, "captures", v.Name()}
		} else if one := t.vars.all[v].single(); one != nil && depth < deepest {
			if through := t.heldBy(one, depth+1); through != nil {
				h = &hold{id, "captures " + v.Name() + ", which " + through.how, through.name}
			}
		}
		return true
	})
	return h
}

// mayPoint reports whether a value of type t can hold a pointer.
func mayPoint(t types.Type) bool {
	b, ok := t.Underlying().(*types.Basic)
	return !ok || b.Kind() == types.UnsafePointer
}
