package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// unshown are the exported names that no Example uses, and why.
var unshown = map[string]string{
	"Cell.GobDecode":        "called by encoding/gob, as those of a KeyMap, which are shown",
	"Cell.GobEncode":        "the same",
	"Set.GobDecode":         "the same",
	"Set.GobEncode":         "the same",
	"KeyMap.GobDecode":      "called by encoding/gob: see ExampleKeyMap_GobEncode",
	"PerCycle":              "as Reclaim",
	"PerValue":              "as Reclaim",
	"Reclaim":               "PerCycle and PerValue are a matter of measurement, not of code",
	"Reclaim.String":        "called by fmt",
	"weaktest/Container":    "a constraint, which no program names",
	"weakdebug/Path":        "what Cycles returns, and its Example prints",
	"weakdebug/Path.String": "called by fmt",
}

// makers return what an Example need not name.
var makers = map[string]string{"NewRef": "Ref", "Bind": "Method", "Finalize": "Finalizer"}

// TestEveryNameIsShown: each exported function, type, method, constant and variable of the packages that programs import is
// used by an Example of its package, one that uses the type as well, or stands in unshown.
func TestEveryNameIsShown(t *testing.T) {
	left := maps.Clone(unshown)
	names := 0
	for _, folder := range []string{".", "weaktest", "weakdebug", "weakvet"} {
		exported, examples, err := namesOf(path.Join(root, folder))
		if err != nil {
			t.Fatal(err)
		}
		names += len(exported)
		for _, name := range exported {
			full := path.Join(folder, name)
			_, excused := left[full]
			delete(left, full)
			switch shown := isShown(name, examples); {
			case shown && excused:
				t.Errorf("%s is shown, and stands among those that are not", full)
			case !shown && !excused:
				t.Errorf("%s is in no Example", full)
			}
		}
	}
	if names < 100 {
		t.Errorf("%d exported names were found", names)
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		t.Errorf("%s is no exported name", name)
	}
}

func TestWhatIsNotShownIsFound(t *testing.T) {
	folder := t.TempDir()
	for name, source := range map[string]string{
		"a.go":         "package a\nfunc Shown() {}\nfunc Hidden() {}\nfunc own() {}\ntype T struct{}\nfunc (T) Shown() {}\nfunc (*T) Hidden() {}\nfunc (u) Method() {}\ntype u int\ntype G[K any] int\nfunc (g *G[K]) M() {}\nconst Used, Constant, lower = 1, 2, 3\nvar Variable int\n",
		"a_test.go":    "package a\nfunc ExampleShown() { Shown(); new(T).Shown(); var g G[int]; _ = g; _ = Used }\nfunc TestHidden() { Hidden() }\n",
		"b_test.go":    "package a\nfunc ExampleOther() { x.M() }\n",
		"ignored.text": "Hidden",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	exported, examples, err := namesOf(folder)
	if err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(exported, func(name string) bool { return isShown(name, examples) })
	if want := []string{"Constant", "G.M", "Hidden", "T.Hidden", "Variable"}; !slices.Equal(got, want) {
		t.Errorf("%q are not shown, want %q", got, want)
	}
}

// isShown reports whether an Example uses a name, and of a method the type too.
func isShown(name string, examples []map[string]bool) bool {
	return slices.ContainsFunc(examples, func(used map[string]bool) bool {
		for part := range strings.SplitSeq(name, ".") {
			if !used[part] {
				return false
			}
		}
		return true
	})
}

// namesOf returns the exported functions, types, methods, constants and variables of a package, sorted, and the identifiers
// that each of its Examples uses.
func namesOf(folder string) (exported []string, examples []map[string]bool, err error) {
	files, err := fs.Glob(os.DirFS(folder), "*.go")
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, file), nil, 0)
		if err != nil {
			return nil, nil, err
		}
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				switch {
				case strings.HasSuffix(file, "_test.go"):
					if strings.HasPrefix(d.Name.Name, "Example") {
						examples = append(examples, identifiers(d))
					}
				case !d.Name.IsExported():
				case d.Recv == nil:
					exported = append(exported, d.Name.Name)
				default:
					if of := receiver(d.Recv.List[0].Type); ast.IsExported(of) {
						exported = append(exported, of+"."+d.Name.Name)
					}
				}
			case *ast.GenDecl:
				if strings.HasSuffix(file, "_test.go") {
					continue
				}
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						if s.Name.IsExported() {
							exported = append(exported, s.Name.Name)
						}
					case *ast.ValueSpec:
						for _, name := range s.Names {
							if name.IsExported() {
								exported = append(exported, name.Name)
							}
						}
					}
				}
			}
		}
	}
	slices.Sort(exported)
	return exported, examples, nil
}

// receiver returns the name of a receiver's type.
func receiver(of ast.Expr) string {
	switch of := of.(type) {
	case *ast.StarExpr:
		return receiver(of.X)
	case *ast.IndexExpr:
		return receiver(of.X)
	case *ast.IndexListExpr:
		return receiver(of.X)
	case *ast.Ident:
		return of.Name
	}
	return ""
}

// identifiers returns all names that occur in a function, and what its own says that it is about.
func identifiers(f *ast.FuncDecl) map[string]bool {
	used := map[string]bool{}
	for part := range strings.SplitSeq(strings.TrimPrefix(f.Name.Name, "Example"), "_") {
		used[part] = true
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			used[id.Name], used[makers[id.Name]] = true, true
		}
		return true
	})
	return used
}
