package weakvet

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strconv"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
)

var weakHand = &analysis.Analyzer{
	Name: "weakhand",
	URL:  homepage,
	Doc: `find weak maps made by hand that a type of package weakmap replaces

Off by default: it runs when asked for by name.

	map[K]weak.Pointer[V]           weakmap.Map[K, V]
	map[weak.Pointer[K]]V           weakmap.KeyMap[K, V]
	map[weak.Pointer[T]]struct{}    weakmap.Set[T]
	sync.Map with weak pointers     weakmap.Map[K, V]

By hand, the entries of what has died stay until somebody deletes them, under a lock
that lookups wait for, and with a comparison that is easily forgotten.

Bad:

	var seen = make(map[weak.Pointer[Page]]struct{})

	func see(p *Page) { seen[weak.Make(p)] = struct{}{} }

Good:

	var seen weakmap.Set[Page]

	func see(p *Page) { seen.Add(p) }

Where every use of a variable of the package or of a function can be replaced line for
line, a fix does that (with -fix). A nil pointer, which weak.Make takes, panics in what
replaces it.`,
	Requires: []*analysis.Analyzer{inspect.Analyzer, finder},
	Run:      runHand,
}

func runHand(pass *analysis.Pass) (any, error) {
	if !concerns(pass.Pkg) || isLibrary(pass.Pkg) {
		return nil, nil
	}
	root := pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root()
	b := &blind{pass: pass, weak: storedWeakly(pass)}
	for at := range root.Preorder((*ast.Ident)(nil)) {
		id := at.Node().(*ast.Ident)
		v, ok := pass.TypesInfo.Defs[id].(*types.Var)
		if !ok || v.Kind() == types.ParamVar || v.Kind() == types.ResultVar || v.Kind() == types.RecvVar {
			continue
		}
		if b.weak[v] {
			report(pass, id, "%s maps keys to weak pointers by hand: a weakmap.Map also removes the entries of the dead", id.Name)
			continue
		}
		h := shapeOf(pass, v)
		if h == nil {
			continue
		}
		h.name = id.Name
		var fixes []analysis.SuggestedFix
		if edits, ok := h.replace(at, root); ok {
			fixes = []analysis.SuggestedFix{{Message: "Replace by a weakmap." + h.kind, TextEdits: edits}}
		}
		reportFix(pass, id, fixes, "%s is a weak map made by hand: a %s also removes the entries of the dead, and is safe for concurrent use", id.Name, h.replacement)
	}
	return nil, nil
}

// A handMade is a map with weak keys or values.
type handMade struct {
	pass        *analysis.Pass
	v           *types.Var
	name        string
	kind        string // the type of package weakmap that replaces it
	replacement string // with its type arguments
	edits       []analysis.TextEdit
}

// shapeOf returns what replaces a variable, or nil.
func shapeOf(pass *analysis.Pass, v *types.Var) *handMade {
	m, ok := types.Unalias(v.Type()).(*types.Map)
	if !ok {
		return nil
	}
	h := &handMade{pass: pass, v: v}
	if key, ok := isWeakPointer(m.Key()); ok {
		if s, ok := m.Elem().Underlying().(*types.Struct); ok && s.NumFields() == 0 {
			h.kind, h.replacement = "Set", fmt.Sprintf("weakmap.Set[%s]", written(pass, key))
		} else {
			h.kind, h.replacement = "KeyMap", fmt.Sprintf("weakmap.KeyMap[%s, %s]", written(pass, key), written(pass, m.Elem()))
		}
		return h
	}
	if elem, ok := isWeakPointer(m.Elem()); ok {
		h.kind, h.replacement = "Map", fmt.Sprintf("weakmap.Map[%s, %s]", written(pass, m.Key()), written(pass, elem))
		return h
	}
	return nil
}

// replace returns the edits that replace the variable and all its uses, and false
// if not all of them can be replaced line for line.
func (h *handMade) replace(def, root inspector.Cursor) (edits []analysis.TextEdit, ok bool) {
	if h.v.IsField() || h.v.Exported() && h.v.Kind() == types.PackageVar || !h.declaration(def) {
		return nil, false
	}
	for at := range root.Preorder((*ast.Ident)(nil)) {
		if h.pass.TypesInfo.Uses[at.Node().(*ast.Ident)] == h.v && !h.use(at) {
			return nil, false
		}
	}
	h.importLibrary(def)
	return h.edits, true
}

func (h *handMade) edit(n analysis.Range, text string) {
	h.edits = append(h.edits, analysis.TextEdit{Pos: n.Pos(), End: n.End(), NewText: []byte(text)})
}

// declaration replaces var m = make(map...), var m = map...{} and m := make(map...).
func (h *handMade) declaration(def inspector.Cursor) bool {
	switch n := def.Parent().Node().(type) {
	case *ast.ValueSpec:
		if len(n.Names) != 1 || len(n.Values) != 1 || !isEmptyMap(n.Values[0]) {
			return false
		}
		h.edit(n, n.Names[0].Name+" "+h.replacement)
		return true
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE || len(n.Lhs) != 1 || len(n.Rhs) != 1 || !isEmptyMap(n.Rhs[0]) || def.Parent().ParentEdgeKind() != edge.BlockStmt_List {
			return false
		}
		h.edit(n, "var "+n.Lhs[0].(*ast.Ident).Name+" "+h.replacement)
		return true
	}
	return false
}

// isEmptyMap reports whether e makes a map with nothing in it.
func isEmptyMap(e ast.Expr) bool {
	switch n := ast.Unparen(e).(type) {
	case *ast.CallExpr:
		id, ok := n.Fun.(*ast.Ident)
		return ok && id.Name == "make" && len(n.Args) == 1
	case *ast.CompositeLit:
		return len(n.Elts) == 0
	}
	return false
}

// use replaces one use of the map.
func (h *handMade) use(at inspector.Cursor) bool {
	parent := at.Parent()
	switch n := parent.Node().(type) {
	case *ast.IndexExpr:
		return at.ParentEdgeKind() == edge.IndexExpr_X && h.index(parent, n)
	case *ast.CallExpr:
		builtin, ok := h.pass.TypesInfo.Uses[calledName(n)].(*types.Builtin)
		if !ok {
			return false
		}
		switch builtin.Name() {
		case "len":
			h.edit(n, h.name+".Len()")
			return true
		case "clear":
			h.edit(n, h.name+".Clear()")
			return true
		case "delete":
			key, ok := h.key(n.Args[1])
			method := "Delete"
			if h.kind == "Set" {
				method = "Remove"
			}
			h.edit(n, h.name+"."+method+"("+key+")")
			return ok
		}
	}
	return false
}

func calledName(call *ast.CallExpr) *ast.Ident {
	id, _ := call.Fun.(*ast.Ident)
	return id
}

// index replaces m[key] where it is assigned to, and v, ok := m[key].
func (h *handMade) index(at inspector.Cursor, n *ast.IndexExpr) bool {
	key, ok := h.key(n.Index)
	if !ok {
		return false
	}
	assign, ok := at.Parent().Node().(*ast.AssignStmt)
	if !ok || len(assign.Rhs) != 1 {
		// m[key].Value(), with nothing that tells a dead value from none.
		return h.kind == "Map" && h.value(at, n, key)
	}
	if at.ParentEdgeKind() == edge.AssignStmt_Lhs {
		return len(assign.Lhs) == 1 && assign.Tok == token.ASSIGN && h.store(assign, key)
	}
	if len(assign.Lhs) != 2 {
		return false
	}
	switch h.kind {
	case "Set":
		if !isBlank(assign.Lhs[0]) {
			return false
		}
		h.edit(span{assign.Lhs[0].Pos(), assign.Lhs[1].Pos()}, "")
		h.edit(n, h.name+".Contains("+key+")")
		return true
	case "KeyMap":
		h.edit(n, h.name+".Load("+key+")")
		return true
	}
	return false
}

// value replaces v := m[key].Value() by v, _ := m.Load(key).
func (h *handMade) value(at inspector.Cursor, n *ast.IndexExpr, key string) bool {
	sel, ok := at.Parent().Node().(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "Value" {
		return false
	}
	call := at.Parent().Parent()
	assign, ok := call.Parent().Node().(*ast.AssignStmt)
	if !ok || len(assign.Lhs) != 1 || len(assign.Rhs) != 1 || assign.Rhs[0] != call.Node() {
		return false
	}
	h.edit(span{assign.Lhs[0].End(), assign.Lhs[0].End()}, ", _")
	h.edit(call.Node(), h.name+".Load("+key+")")
	return true
}

// store replaces m[key] = value.
func (h *handMade) store(assign *ast.AssignStmt, key string) bool {
	switch h.kind {
	case "Set":
		h.edit(assign, h.name+".Add("+key+")")
	case "KeyMap":
		h.edit(assign, h.name+".Store("+key+", "+h.text(assign.Rhs[0])+")")
	default:
		value, ok := h.madeWeak(assign.Rhs[0])
		if !ok {
			return false
		}
		h.edit(assign, h.name+".Store("+key+", "+value+")")
	}
	return true
}

// key returns the key as the replacement takes it.
func (h *handMade) key(e ast.Expr) (text string, ok bool) {
	if h.kind == "Map" {
		return h.text(e), true
	}
	return h.madeWeak(e)
}

// madeWeak returns x for weak.Make(x).
func (h *handMade) madeWeak(e ast.Expr) (text string, ok bool) {
	for _, s := range h.pass.ResultOf[finder].(*sites).calls {
		if s.call == ast.Unparen(e) && s.name == "weak.Make" {
			return h.text(s.call.Args[0]), true
		}
	}
	return "", false
}

// text returns the source of e.
func (h *handMade) text(e ast.Expr) string {
	file := h.pass.Fset.File(e.Pos())
	source, err := h.pass.ReadFile(file.Name())
	if err != nil {
		return types.ExprString(e)
	}
	return string(source[file.Offset(e.Pos()):file.Offset(e.End())])
}

// importLibrary adds the import of package weakmap to the file of the declaration.
func (h *handMade) importLibrary(def inspector.Cursor) {
	file := fileOf(h.pass, def.Node().Pos())
	for _, spec := range file.Imports {
		if path, err := strconv.Unquote(spec.Path.Value); err == nil && libraryPath.MatchString(path) {
			return
		}
	}
	at := file.Name.End()
	h.edits = append(h.edits, analysis.TextEdit{Pos: at, End: at, NewText: []byte("\n\nimport \"github.com/go-weak/weakmap\"")})
}

// A span is a part of the source.
type span struct{ from, to token.Pos }

func (s span) Pos() token.Pos { return s.from }
func (s span) End() token.Pos { return s.to }
