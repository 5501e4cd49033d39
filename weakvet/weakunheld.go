package weakvet

import (
	"go/ast"
	"go/types"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/ast/inspector"
)

var weakUnheld = &analysis.Analyzer{
	Name: "weakunheld",
	URL:  homepage,
	Doc: `find new objects that nothing but a weak reference has

A weak map keeps no value, and a weak pointer keeps no object. What is made only to
be stored weakly is gone after the next collection.

Bad:

	c.pages.Store(name, &Page{name: name}) // gone at the next collection
	c.names.Intern(name)                   // so is the canonical pointer
	c.index.LoadOrCompute(build)           // and what a function literal has just made

Good:

	p := &Page{name: name}
	c.pages.Store(name, p)
	return p // and the caller holds it

What LoadOrCompute or Compute is given to store is followed where the function is written
in the package and the result is thrown away. Containers that may have Config.Retain, RetainFor or RetainMax are not reported, nor
are tests, which make objects in order to see them die. With -weakunheld.unique
unique.Make(x).Value() is reported as well: the handle is what keeps the value
canonical, so equal values share memory only until the next collection.`,
	Requires: []*analysis.Analyzer{finder},
	Run:      runUnheld,
}

var unheldUnique bool

func init() {
	weakUnheld.Flags.BoolVar(&unheldUnique, "unique", false, "report unique.Make(x).Value(), whose handle is thrown away")
}

func runUnheld(pass *analysis.Pass) (any, error) {
	found := pass.ResultOf[finder].(*sites)
	retains, asked := false, false
	mayHold := func(s *site) bool {
		if strings.HasPrefix(s.name, "Cell.") || s.name == "weak.Make" || s.name == "unique.Make" {
			return false // no settings
		}
		if !asked {
			retains, asked = mayRetain(pass), true
		}
		return retains
	}
	weakly := make(map[ast.Expr]bool) // where the pointer to an object goes that nothing holds through it
	for i := range found.calls {
		if s := &found.calls[i]; s.object != nil && (!s.returns || s.dropped) {
			weakly[s.object] = true
		} else if s.role == computes && s.dropped {
			for _, e := range returned(bodyOf(pass, found.vars, s.fn)) {
				weakly[e] = true
			}
		}
	}
	seen := make(map[*types.Var]bool)
	for i := range found.calls {
		s := &found.calls[i]
		if inTest(pass, s.call.Pos()) {
			continue
		}
		switch s.role {
		case interns:
			if s.dropped {
				if !mayHold(s) {
					report(pass, s.call, "the result of %s is thrown away: nothing holds the canonical value, so it is gone after the next collection", s.name)
				}
			} else if sel, ok := s.at.Parent().Node().(*ast.SelectorExpr); ok && unheldUnique && s.name == "unique.Make" && sel.Sel.Name == "Value" {
				report(pass, s.call, "the handle of unique.Make is thrown away: equal values share memory only until the next collection")
			}
			continue
		case computes:
			if !s.dropped {
				continue
			}
			for _, e := range returned(bodyOf(pass, found.vars, s.fn)) {
				if unheld(found.vars, e, weakly) && !mayHold(s) {
					report(pass, s.call, "the result of %s is thrown away, and nothing else has the new object that is computed: it is gone after the next collection", s.name)
					break
				}
			}
			continue
		}
		if s.object == nil || s.role == cleans || s.name == "weak.Make" && s.dropped || s.returns && !s.dropped || !unheld(found.vars, s.object, weakly) {
			continue
		}
		if s.holder != nil && (mayHold(s) || valueReachesKey(pass, s)) {
			continue
		}
		if v := found.vars.local(s.object); v != nil {
			if seen[v] {
				continue // one finding for an object is enough
			}
			seen[v] = true
		}
		report(pass, s.object, "nothing but %s has this new object: it is gone after the next collection", s.name)
	}
	return nil, nil
}

// returned returns what a function returns as its first result, or the only one.
func returned(body *ast.BlockStmt) (results []ast.Expr) {
	if body == nil {
		return nil
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			if len(n.Results) > 0 {
				results = append(results, ast.Unparen(n.Results[0]))
			}
		}
		return true
	})
	return results
}

// unheld reports whether e points to an object that is new and goes nowhere else.
func unheld(vars *variables, e ast.Expr, weakly map[ast.Expr]bool) bool {
	if isNew(vars.info, e) {
		return true
	}
	v := vars.local(e)
	if v == nil {
		return false
	}
	known := vars.all[v]
	one := known.single()
	if one == nil || !isNew(vars.info, one) {
		return false
	}
	for _, use := range known.uses {
		if scopeOf(use) != known.scope || !weakly[use.Node().(ast.Expr)] && !looksAtField(vars.info, use) {
			return false
		}
	}
	return true
}

func within(at inspector.Cursor, n ast.Node) bool {
	return n.Pos() <= at.Node().Pos() && at.Node().End() <= n.End()
}

// looksAtField reports whether the use of a pointer reads or writes a field, so
// that the pointer itself goes nowhere.
func looksAtField(info *types.Info, use inspector.Cursor) bool {
	n, ok := parentOf(use).Node().(*ast.SelectorExpr)
	if !ok {
		return false
	}
	sel := info.Selections[n]
	return sel != nil && sel.Kind() == types.FieldVal && addressedBy(info, parentOf(use)) == nil && !kept(info, parentOf(use))
}

// kept reports whether a selected field is a container that may keep the object,
// as in x.list = append(x.list, x): then x is used as a value too, which the
// caller sees. What remains are method calls on the field.
func kept(info *types.Info, field inspector.Cursor) bool {
	n, ok := parentOf(field).Node().(*ast.SelectorExpr)
	return ok && info.Selections[n] != nil && info.Selections[n].Kind() == types.MethodVal
}

// mayRetain reports whether the package mentions a setting that makes a container
// hold values, or a Config that it got from elsewhere.
func mayRetain(pass *analysis.Pass) bool {
	for id, obj := range pass.TypesInfo.Uses {
		v, ok := obj.(*types.Var)
		if !ok || !isLibrary(v.Pkg()) || !v.IsField() {
			continue
		}
		switch v.Name() {
		case "Retain", "RetainFor", "RetainMax":
			return true
		case "Config":
			if !isLiteralConfig(pass, id) {
				return true
			}
		}
	}
	return false
}

// isLiteralConfig reports whether id is the key of an element Config: Config{...},
// or only leads to a field of the settings.
func isLiteralConfig(pass *analysis.Pass, id *ast.Ident) bool {
	file := fileOf(pass, id.Pos())
	literal := false
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil || n.Pos() > id.Pos() || n.End() < id.End() {
			return false
		}
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if n.Key == id {
				_, literal = ast.Unparen(n.Value).(*ast.CompositeLit)
			}
		case *ast.SelectorExpr:
			if inner, ok := ast.Unparen(n.X).(*ast.SelectorExpr); ok && inner.Sel == id {
				literal = true
			}
		}
		return true
	})
	return literal
}

// valueReachesKey reports whether the values of a KeyMap may hold its keys.
func valueReachesKey(pass *analysis.Pass, s *site) bool {
	name, args := containerOf(pass.TypesInfo.TypeOf(s.holder))
	if name != "KeyMap" || args.Len() != 2 {
		return false
	}
	w := newWalk(types.NewPointer(args.At(0)), true)
	return w.path(args.At(1)) != ""
}
