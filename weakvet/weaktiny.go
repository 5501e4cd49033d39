package weakvet

import (
	"fmt"
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
)

var weakTiny = &analysis.Analyzer{
	Name: "weaktiny",
	URL:  homepage,
	Doc: `find weak references to objects that may never be reported dead

The runtime puts objects of less than 16 bytes that hold no pointer together into one
block, which dies as a whole if at all; and all objects of size zero share one
address. A weak reference to one may never turn nil, and its cleanup may never run.

Bad:

	var locks weakmap.Map[string, sync.Mutex] // 8 bytes without a pointer
	runtime.AddCleanup(new(int), f, 0)

Good:

	type lock struct {
		sync.Mutex
		_ *byte // so that each is an object of its own
	}
	var locks weakmap.Map[string, lock]

A pointer to a part of a larger object is no fault: it dies with that. The canonical
values of a weakmap.Interner die whatever their size. In tests only objects are reported
that a cleanup or finalizer waits for, not containers, nor objects that a loop makes until
one of them has died.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, finder},
	Run:      runTiny,
}

// tinyBlock is the size of the runtime's blocks for small objects without pointers.
const tinyBlock = 16

// weakArgument is which type argument of a container is held weakly.
var weakArgument = map[string]int{"Map": 1, "KeyMap": 0, "Set": 0, "Cell": 0}

func runTiny(pass *analysis.Pass) (any, error) {
	found := pass.ResultOf[finder].(*sites)
	for i := range found.calls {
		s := &found.calls[i]
		if s.object == nil || s.role == stores && (s.holder != nil && !s.byAny || inTest(pass, s.call.Pos())) {
			continue
		}
		elem := s.elem(pass.TypesInfo)
		if elem == nil || !ofItsOwn(found.vars, s.object) || inTest(pass, s.call.Pos()) && untilOneDies(found.vars, s) {
			continue
		}
		if why := tiny(pass, elem); why != "" {
			report(pass, s.object, "%s is given a %s that may never be reported dead: %s", s.name, written(pass, elem), why)
		}
	}
	if !importsLibrary(pass.Pkg) {
		return nil, nil
	}
	seen := make(map[string]bool)
	for at := range pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root().Preorder((*ast.Ident)(nil)) {
		id := at.Node().(*ast.Ident)
		instance, ok := pass.TypesInfo.Instances[id]
		if !ok || inTest(pass, id.Pos()) {
			continue
		}
		name, args := containerOf(instance.Type)
		i, ok := weakArgument[name]
		if !ok || seen[name+args.At(i).String()] {
			continue
		}
		if why := tiny(pass, args.At(i)); why != "" {
			seen[name+args.At(i).String()] = true
			report(pass, id, "this %s refers weakly to objects of type %s, which may never be reported dead: %s", name, written(pass, args.At(i)), why)
		}
	}
	return nil, nil
}

// untilOneDies reports whether the object is made in a loop that has a condition and
// no counter, as in for !died.Load() {...}: then some of the objects must die, and not each.
func untilOneDies(vars *variables, s *site) bool {
	made := s.object
	if v := vars.local(made); v != nil {
		made = vars.all[v].single()
	}
	for at := range s.at.Enclosing((*ast.ForStmt)(nil), (*ast.RangeStmt)(nil), (*ast.FuncLit)(nil), (*ast.FuncDecl)(nil)) {
		loop, ok := at.Node().(*ast.ForStmt)
		return ok && loop.Cond != nil && loop.Init == nil && loop.Post == nil &&
			made != nil && loop.Body.Pos() <= made.Pos() && made.End() <= loop.Body.End()
	}
	return false
}

// tiny returns why objects of type t may never be reported dead, or "".
func tiny(pass *analysis.Pass, t types.Type) (why string) {
	if !sized(t) || holdsPointer(t) || isObject(t) {
		return ""
	}
	switch size := pass.TypesSizes.Sizeof(t); {
	case size == 0:
		return "it has size zero, and all such objects share one address"
	case size < tinyBlock:
		return fmt.Sprintf("it has %d bytes and no pointers, and the runtime keeps several such objects in one block of %d bytes", size, tinyBlock)
	}
	return ""
}

// isObject reports whether t is weakmap.Object, which stands for objects of any size.
func isObject(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && isLibrary(named.Obj().Pkg()) && named.Obj().Name() == "Object"
}

// ofItsOwn reports whether a pointer points to what is an object, not a part of a
// larger one.
func ofItsOwn(vars *variables, e ast.Expr) bool {
	if isNew(vars.info, e) {
		return true
	}
	if x := addressOf(e); x != nil {
		return vars.local(x) != nil
	}
	v := vars.local(e)
	if v == nil {
		return false
	}
	one := vars.all[v].single()
	return one != nil && (isNew(vars.info, one) || vars.local(addressOr(one)) != nil)
}

// addressOr returns x for &x, and a blank identifier for anything else.
func addressOr(e ast.Expr) ast.Expr {
	if x := addressOf(e); x != nil {
		return x
	}
	return ast.NewIdent("_")
}

// sized reports whether the size of t is known: it has no type parameters.
func sized(t types.Type) bool {
	switch u := types.Unalias(t).(type) {
	case *types.TypeParam:
		return false
	case *types.Array:
		return sized(u.Elem())
	case *types.Struct:
		for f := range u.Fields() {
			if !sized(f.Type()) {
				return false
			}
		}
	case *types.Named:
		return sized(u.Underlying())
	}
	return true
}

// holdsPointer reports whether the collector finds pointers in values of type t.
func holdsPointer(t types.Type) bool {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return u.Info()&types.IsString != 0 || u.Kind() == types.UnsafePointer
	case *types.Array:
		return u.Len() > 0 && holdsPointer(u.Elem())
	case *types.Struct:
		for f := range u.Fields() {
			if holdsPointer(f.Type()) {
				return true
			}
		}
		return false
	}
	return true
}
