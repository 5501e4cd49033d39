package weakvet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

var weakCycle = &analysis.Analyzer{
	Name: "weakcycle",
	URL:  homepage,
	Doc: `find weak maps whose strong side reaches their weak side

A KeyMap holds its values. If a value reaches its own key, the key is reachable as
long as the map is, and neither ever goes: Go has no ephemerons. A Map holds its keys,
and a key that reaches its value keeps that. The types tell where this can happen;
weakdebug.Cycles finds where it does. Maps made by hand of weak.Pointer are reported
as well.

Bad:

	type view struct{ of *Page }
	var views weakmap.KeyMap[Page, *view] // *view → .of is the key

Good:

	type view struct{ title string }
	var views weakmap.KeyMap[Page, *view]

or a weak.Pointer[Page] in the value. A Hasher that puts the key or element it is given
into one of its own fields, or into a variable of the package, holds that too, and is
reported where its type and its use are in one package:

	func (h *memo) Hash(s *maphash.Hash, p *Page) { h.sums[p] = sum(p) } // holds every key

A value whose type reaches the key's type always
by way of other objects of that type is no fault; silence the finding then.

With -weakcycle.soft interfaces and functions in the value are reported, which may
hold the key.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer},
	Run:      runCycle,
}

var softCycles bool

func init() {
	weakCycle.Flags.BoolVar(&softCycles, "soft", false, "report values that may hold their key in an interface or a function")
}

// A weakMap is a type of a map whose keys or values are weak.
type weakMap struct {
	at           ast.Node
	name         string
	holds, weak  types.Type // the strong side, and the type of the weak side's objects
	strong, soft string     // what the sides are called
}

func runCycle(pass *analysis.Pass) (any, error) {
	if !concerns(pass.Pkg) {
		return nil, nil
	}
	seen := make(map[string]bool)
	check := func(m weakMap) {
		id := m.name + " " + m.holds.String() + " " + m.weak.String()
		if seen[id] {
			return
		}
		seen[id] = true
		goal := types.NewPointer(m.weak)
		if path := newWalk(goal, false).path(m.holds); path != "" {
			report(pass, m.at, "a %s of this %s reaches its %s: %s%s is %s; both live as long as the map",
				m.strong, m.name, m.soft, written(pass, m.holds), path, written(pass, goal))
		} else if softCycles {
			if path := newWalk(goal, true).path(m.holds); path != "" {
				report(pass, m.at, "a %s of this %s may reach its %s: %s%s can hold %s",
					m.strong, m.name, m.soft, written(pass, m.holds), path, written(pass, goal))
			}
		}
	}
	root := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root()
	if importsLibrary(pass.Pkg) {
		checkHashers(pass, settings(pass, root, "Hasher"))
	}
	for at := range root.Preorder((*ast.Ident)(nil), (*ast.MapType)(nil)) {
		switch n := at.Node().(type) {
		case *ast.Ident:
			instance, ok := pass.TypesInfo.Instances[n]
			if !ok {
				continue
			}
			switch name, args := containerOf(instance.Type); name {
			case "KeyMap":
				check(weakMap{n, name, args.At(1), args.At(0), "value", "key"})
			case "Map":
				check(weakMap{n, name, args.At(0), args.At(1), "key", "value"})
			}
		case *ast.MapType:
			t, ok := pass.TypesInfo.TypeOf(n).(*types.Map)
			if !ok {
				continue
			}
			if weak, ok := isWeakPointer(t.Key()); ok {
				check(weakMap{n, "map", t.Elem(), weak, "value", "key"})
			} else if weak, ok := isWeakPointer(t.Elem()); ok {
				check(weakMap{n, "map", t.Key(), weak, "key", "value"})
			}
		}
	}
	return nil, nil
}

// written writes a type as the package would.
func written(pass *analysis.Pass, t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == pass.Pkg {
			return ""
		}
		return p.Name()
	})
}
