package weakvet

import (
	"go/types"
)

// A walk looks for a type among all that values of another type reach.
type walk struct {
	goal types.Type // a pointer type
	soft bool       // interfaces that the goal implements, and functions, count as reaching it
	seen map[types.Type]bool
}

func newWalk(goal types.Type, soft bool) *walk {
	return &walk{goal, soft, make(map[types.Type]bool)}
}

// A step is a type, and how it was reached.
type step struct {
	t    types.Type
	path string
}

// longest is how many steps a path may have. Longer ones lead through so much of a
// program that they say little about single objects.
const longest = 6

// path returns the shortest path from a value of type t to the goal, such as
// ".view.of", or "" if there is none. A value that is the goal itself has the path " itself".
func (w *walk) path(t types.Type) string {
	level := []step{{t, ""}}
	for depth := 0; depth <= longest && len(level) > 0; depth++ {
		var next []step
		for _, s := range level {
			if w.reaches(s.t) {
				if s.path == "" {
					return " itself"
				}
				return s.path
			}
			if !w.seen[s.t] {
				w.seen[s.t] = true
				next = w.steps(next, s)
			}
		}
		level = next
	}
	return ""
}

func (w *walk) reaches(t types.Type) bool {
	if types.Identical(t, w.goal) {
		return true
	}
	if !w.soft {
		return false
	}
	if _, ok := types.Unalias(t).(*types.TypeParam); ok {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Interface:
		return types.Implements(w.goal, u)
	case *types.Signature:
		return true
	}
	return false
}

// steps appends what a value of type s.t leads to directly.
func (w *walk) steps(to []step, s step) []step {
	t := types.Unalias(s.t)
	if named, ok := t.(*types.Named); ok {
		if inner, known := heldIn(named); known {
			for _, t := range inner {
				to = append(to, step{t, s.path + "[…]"})
			}
			return to
		}
	}
	if _, ok := t.(*types.TypeParam); ok {
		return to
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		// What it points to is no step of its own: p.f is as short as v.f.
		if st, ok := u.Elem().Underlying().(*types.Struct); ok && !isSpecial(u.Elem()) {
			return w.fields(to, st, s.path)
		}
		to = append(to, step{u.Elem(), s.path + ".*"})
	case *types.Struct:
		return w.fields(to, u, s.path)
	case *types.Slice:
		to = append(to, step{u.Elem(), s.path + "[i]"})
	case *types.Array:
		if u.Len() != 0 { // [0]*T is there for the type only.
			to = append(to, step{u.Elem(), s.path + "[i]"})
		}
	case *types.Chan:
		to = append(to, step{u.Elem(), s.path + "<-"})
	case *types.Map:
		to = append(to, step{u.Key(), s.path + "[key]"}, step{u.Elem(), s.path + "[k]"})
	}
	return to
}

func (w *walk) fields(to []step, s *types.Struct, path string) []step {
	for f := range s.Fields() {
		to = append(to, step{f.Type(), path + "." + f.Name()})
	}
	return to
}

func isSpecial(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return false
	}
	_, special := heldIn(named)
	return special
}

// heldIn returns the types of what a type of the standard library or of package
// weakmap holds, where its fields do not tell; false if they do.
func heldIn(t *types.Named) (held []types.Type, special bool) {
	pkg, args := t.Obj().Pkg(), t.TypeArgs()
	if pkg == nil {
		return nil, false
	}
	switch {
	case pkg.Path() == "weak":
		return nil, true
	case pkg.Path() == "sync/atomic" && t.Obj().Name() == "Pointer" && args.Len() == 1:
		return []types.Type{types.NewPointer(args.At(0))}, true
	case isLibrary(pkg):
		switch t.Obj().Name() {
		case "Map", "Finalizer":
			return []types.Type{args.At(0)}, true
		case "KeyMap":
			return []types.Type{args.At(1)}, true
		case "Object":
			return nil, false
		}
		return nil, true
	}
	return nil, false
}
