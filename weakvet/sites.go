package weakvet

import (
	"go/ast"
	"go/types"
	"reflect"
	"regexp"
	"strings"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// finder finds the calls that the analyzers look at, once for all of them.
var finder = &analysis.Analyzer{
	Name:       "weaksites",
	Doc:        "finds the calls of functions that refer weakly to an object, for the other analyzers",
	Requires:   []*analysis.Analyzer{inspect.Analyzer},
	ResultType: reflect.TypeFor[*sites](),
	Run:        findSites,
}

// sites is what finder finds in a package.
type sites struct {
	calls []site
	vars  *variables // of the functions of the package; nil if there are no calls
}

// A role is what a function does with the object that it is given.
type role uint8

const (
	stores   role = iota + 1 // keeps it weakly
	computes                 // keeps weakly what a function that is given returns, and returns it
	watches                  // the result refers to it weakly, and calls a function that is given
	cleans                   // calls a function when it is gone
	interns                  // returns a canonical value, which the caller must hold
	settles                  // waits for callbacks
)

// A signature says which argument of a function is what; -1 for none.
type signature struct {
	role            role
	object, fn, arg int
	returns         bool // the result holds the object
}

// functions are the package-level functions that are known.
var functions = map[string]signature{
	"weak.Make":            {role: stores, object: 0, fn: -1, arg: -1},
	"runtime.AddCleanup":   {role: cleans, object: 0, fn: 1, arg: 2},
	"runtime.SetFinalizer": {role: cleans, object: 0, fn: 1, arg: -1},
	"unique.Make":          {role: interns, object: -1, fn: -1, arg: -1},
	"weakmap.NewRef":       {role: watches, object: 0, fn: 1, arg: -1},
	"weakmap.Bind":         {role: watches, object: 0, fn: 1, arg: -1},
	"weakmap.Finalize":     {role: cleans, object: 0, fn: 1, arg: 2},
	"weakmap.InternBytes":  {role: interns, object: -1, fn: -1, arg: -1},
	"weakmap.Settle":       {role: settles, object: -1, fn: -1, arg: -1},
	"weaktest.Empty":       {role: settles, object: -1, fn: -1, arg: -1},
}

// methods are the methods of containers that are known.
var methods = map[string]signature{
	"Map.Store":                   {role: stores, object: 1, fn: -1, arg: -1},
	"Map.LoadOrStore":             {role: stores, object: 1, fn: -1, arg: -1, returns: true},
	"Map.Swap":                    {role: stores, object: 1, fn: -1, arg: -1},
	"Map.CompareAndSwap":          {role: stores, object: 2, fn: -1, arg: -1},
	"Map.LoadOrCompute":           {role: computes, object: -1, fn: 1, arg: -1},
	"Map.LoadOrComputeContext":    {role: computes, object: -1, fn: 2, arg: -1},
	"Map.Compute":                 {role: computes, object: -1, fn: 1, arg: -1},
	"KeyMap.Store":                {role: stores, object: 0, fn: -1, arg: -1},
	"KeyMap.LoadOrStore":          {role: stores, object: 0, fn: -1, arg: -1},
	"KeyMap.Swap":                 {role: stores, object: 0, fn: -1, arg: -1},
	"KeyMap.Compute":              {role: stores, object: 0, fn: -1, arg: -1},
	"KeyMap.LoadOrCompute":        {role: stores, object: 0, fn: -1, arg: -1},
	"KeyMap.LoadOrComputeContext": {role: stores, object: 1, fn: -1, arg: -1},
	"Set.Add":                     {role: stores, object: 0, fn: -1, arg: -1},
	"Set.LoadOrAdd":               {role: stores, object: 0, fn: -1, arg: -1, returns: true},
	"Cell.Store":                  {role: stores, object: 0, fn: -1, arg: -1},
	"Cell.LoadOrCompute":          {role: computes, object: -1, fn: 0, arg: -1},
	"Interner.Intern":             {role: interns, object: -1, fn: -1, arg: -1},
	"Strings.Intern":              {role: interns, object: -1, fn: -1, arg: -1},
	"Strings.InternBytes":         {role: interns, object: -1, fn: -1, arg: -1},
}

// libraryPath matches the import path of package weakmap, in any major version.
var libraryPath = regexp.MustCompile(`^github\.com/go-weak/weakmap(/v[0-9]+)?$`)

// testPath matches that of package weaktest.
var testPath = regexp.MustCompile(`^github\.com/go-weak/weakmap(/v[0-9]+)?/weaktest$`)

// A site is a call of a function that is known.
type site struct {
	signature
	at      inspector.Cursor // of the call
	call    *ast.CallExpr
	name    string   // as a program would write it: weak.Make, Map.Store
	object  ast.Expr // a pointer to the object, or what ObjectOf is given for it, or nil
	fn, arg ast.Expr // the function that is called, and its argument; or nil
	holder  ast.Expr // the container, or nil
	dropped bool     // whether the result is thrown away
	byAny   bool     // whether the object is given by way of ObjectOf
}

// elem returns the type of the object, or nil.
func (s *site) elem(info *types.Info) types.Type {
	if s.object == nil {
		return nil
	}
	p, ok := types.Unalias(info.TypeOf(s.object)).Underlying().(*types.Pointer)
	if !ok {
		return nil
	}
	return p.Elem()
}

func findSites(pass *analysis.Pass) (any, error) {
	found := new(sites)
	if !concerns(pass.Pkg) {
		return found, nil
	}
	root := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root()
	for at := range root.Preorder((*ast.CallExpr)(nil)) {
		call := at.Node().(*ast.CallExpr)
		fn := typeutil.StaticCallee(pass.TypesInfo, call)
		if fn == nil || fn.Pkg() == nil {
			continue
		}
		name, ok := nameOf(fn)
		if !ok {
			continue
		}
		sig, ok := functions[name]
		if fn.Signature().Recv() != nil {
			sig, ok = methods[name]
		}
		if !ok || call.Ellipsis.IsValid() {
			continue
		}
		if fn := argument(call, sig.fn); sig.role == cleans && fn != nil && pass.TypesInfo.Types[fn].IsNil() {
			continue // SetFinalizer with nil, which takes a finalizer away
		}
		s := site{signature: sig, at: at, call: call, name: name, dropped: isDropped(at)}
		s.object, s.fn, s.arg = argument(call, sig.object), argument(call, sig.fn), argument(call, sig.arg)
		if of := ofObject(pass.TypesInfo, s.object); of != nil {
			s.object, s.byAny = of, true
		}
		if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && fn.Signature().Recv() != nil {
			s.holder = sel.X
		}
		found.calls = append(found.calls, s)
	}
	if len(found.calls) > 0 || importsLibrary(pass.Pkg) {
		found.vars = newVariables(pass, root)
	}
	return found, nil
}

// concerns reports whether pkg can call what is known. The packages that implement
// it are left out: their tests are about what other code must not rely on.
func concerns(pkg *types.Package) bool {
	if importsLibrary(pkg) {
		return true
	}
	switch strings.TrimSuffix(pkg.Path(), "_test") {
	case "runtime", "weak", "unique":
		return false
	}
	for _, imported := range pkg.Imports() {
		switch imported.Path() {
		case "runtime", "weak", "unique":
			return true
		}
	}
	return false
}

func importsLibrary(pkg *types.Package) bool {
	for _, imported := range pkg.Imports() {
		if isLibrary(imported) || testPath.MatchString(imported.Path()) {
			return true
		}
	}
	return isLibrary(pkg)
}

func isLibrary(pkg *types.Package) bool { return pkg != nil && libraryPath.MatchString(pkg.Path()) }

// nameOf returns the name of a function or method as the tables above have it,
// and false if its package is none that they know.
func nameOf(fn *types.Func) (name string, ok bool) {
	if recv := fn.Signature().Recv(); recv != nil {
		named := namedOf(recv.Type())
		if named == nil || !isLibrary(fn.Pkg()) {
			return "", false
		}
		return named.Obj().Name() + "." + fn.Name(), true
	}
	switch p := fn.Pkg().Path(); {
	case isLibrary(fn.Pkg()):
		return "weakmap." + fn.Name(), true
	case testPath.MatchString(p):
		return "weaktest." + fn.Name(), true
	case p == "weak", p == "runtime", p == "unique":
		return p + "." + fn.Name(), true
	}
	return "", false
}

// namedOf returns the named type that t is or points to, or nil.
func namedOf(t types.Type) *types.Named {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	named, _ := t.(*types.Named)
	return named
}

// containerOf returns the name of the library's type that t is or points to, and
// its type arguments.
func containerOf(t types.Type) (name string, args *types.TypeList) {
	named := namedOf(t)
	if named == nil || !isLibrary(named.Obj().Pkg()) {
		return "", nil
	}
	return named.Obj().Name(), named.TypeArgs()
}

// isWeakPointer reports whether t is a weak.Pointer, and of what.
func isWeakPointer(t types.Type) (elem types.Type, ok bool) {
	named, _ := types.Unalias(t).(*types.Named)
	if named == nil || named.Obj().Pkg() == nil || named.Obj().Pkg().Path() != "weak" || named.Obj().Name() != "Pointer" {
		return nil, false
	}
	return named.TypeArgs().At(0), true
}

func argument(call *ast.CallExpr, i int) ast.Expr {
	if i < 0 || i >= len(call.Args) {
		return nil
	}
	return ast.Unparen(call.Args[i])
}

// ofObject returns x for weakmap.ObjectOf(x), which is the address of x's object;
// otherwise it returns nil.
func ofObject(info *types.Info, e ast.Expr) ast.Expr {
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return nil
	}
	if fn := typeutil.StaticCallee(info, call); fn == nil || fn.Name() != "ObjectOf" || !isLibrary(fn.Pkg()) {
		return nil
	}
	return ast.Unparen(call.Args[0])
}

// isDropped reports whether nothing uses the result of a call.
func isDropped(call inspector.Cursor) bool {
	parent := call.Parent()
	for _, ok := parent.Node().(*ast.ParenExpr); ok; _, ok = parent.Node().(*ast.ParenExpr) {
		parent = parent.Parent()
	}
	switch n := parent.Node().(type) {
	case *ast.ExprStmt, *ast.GoStmt, *ast.DeferStmt:
		return true
	case *ast.AssignStmt:
		if len(n.Rhs) == 1 {
			return isBlank(n.Lhs[0]) // the object comes first among the results
		}
		for i := range n.Rhs {
			if ast.Unparen(n.Rhs[i]) == call.Node() {
				return isBlank(n.Lhs[i])
			}
		}
	case *ast.ValueSpec:
		return len(n.Values) == 1 && n.Names[0].Name == "_"
	}
	return false
}

func isBlank(e ast.Expr) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == "_"
}
