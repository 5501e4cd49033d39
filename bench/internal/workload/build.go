package workload

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

func builds() []Cell {
	return []Cell{
		typeCost(1, Extra),
		typeCost(10, Full),
		typeCost(40, Extra),
		typeCost(2, Smoke),
	}
}

// typeCost measures what a program pays for caches of n types of values, which are looked up, deleted
// and iterated over: processor time of their compilation, beyond what the go command takes for a package
// without any, the size of a program with them, and what of that is for one more type. What they
// import was compiled before. By hand means a generic type on sync.Map, weak.Pointer and
// runtime.AddCleanup.
func typeCost(n int, sets Set) Cell {
	c := Cell{
		Workload: "Build",
		Params:   fmt.Sprintf("types=%d", n),
		Sets:     sets,
		Impls:    []string{peer.Ours, "syncmap"},
		Cost:     8*time.Second + time.Duration(n)*100*time.Millisecond,
	}
	c.measure = func(impl string) (metrics, error) {
		dir, err := os.MkdirTemp("", "weakmap-build-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		s := sample{dir: dir, byHand: impl != peer.Ours}
		if _, _, err := s.build(n); err != nil { // What is imported.
			return nil, err
		}
		none, _, err := s.build(0)
		if err != nil {
			return nil, err
		}
		cpu, size, err := s.build(n)
		if err != nil {
			return nil, err
		}
		result := metrics{"B-binary": float64(size)}
		result.per(1, max(cpu-none, 0), "cpu-ns/op")
		if n > 1 {
			_, one, err := s.build(1)
			if err != nil {
				return nil, err
			}
			result["B/type"] = float64(size-one) / float64(n-1)
		}
		return result, nil
	}
	return c
}

// A sample is a program that is built again and again.
type sample struct {
	dir    string
	byHand bool
	builds int
}

// samplePath is where the go command takes the program to be. There is nothing: it is laid over.
const samplePath = "github.com/go-weak/weakmap/bench/internal/sample"

// build builds the program with caches of n types, and returns the processor time of compiling these,
// the go command's included, and the size of the program.
func (s *sample) build(n int) (cpu time.Duration, size int64, err error) {
	s.builds++
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/go-weak/weakmap/bench").Output()
	if err != nil {
		return 0, 0, fmt.Errorf("go list: %w", err)
	}
	at := filepath.Join(strings.TrimSpace(string(out)), "internal", "sample")
	caches := s.caches(n) + fmt.Sprintf("\n// %s %d\n", s.dir, s.builds) // It was never compiled before.
	files := map[string]string{
		"caches/caches.go": caches,
		"main.go":          "package main\n\nimport \"" + samplePath + "/caches\"\n\nfunc main() { caches.Use(\"\") }\n",
	}
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	for name, text := range files {
		file := filepath.Join(s.dir, fmt.Sprintf("%d-%s", s.builds, filepath.Base(name)))
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			return 0, 0, err
		}
		overlay.Replace[filepath.Join(at, filepath.FromSlash(name))] = file
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return 0, 0, err
	}
	overlaid := filepath.Join(s.dir, "overlay.json")
	if err := os.WriteFile(overlaid, text, 0o666); err != nil {
		return 0, 0, err
	}
	compile := exec.Command("go", "build", "-overlay", overlaid, samplePath+"/caches")
	if out, err := compile.CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("go build: %w: %s", err, out)
	}
	program := filepath.Join(s.dir, "program")
	if out, err := exec.Command("go", "build", "-overlay", overlaid, "-o", program, samplePath).CombinedOutput(); err != nil {
		return 0, 0, fmt.Errorf("go build: %w: %s", err, out)
	}
	info, err := os.Stat(program)
	if err != nil {
		return 0, 0, err
	}
	return compile.ProcessState.UserTime() + compile.ProcessState.SystemTime(), info.Size(), nil
}

// caches returns the source of caches of n types.
func (s *sample) caches(n int) string {
	var b strings.Builder
	b.WriteString("package caches\n\n")
	of := "cache[%s]"
	switch {
	case n == 0:
	case s.byHand:
		b.WriteString(handWritten)
	default:
		b.WriteString("import \"github.com/go-weak/weakmap\"\n\n")
		of = "weakmap.Map[string, %s]"
	}
	b.WriteString("var Sum int\n\n")
	for i := range n {
		value := fmt.Sprintf("Value%d", i)
		fmt.Fprintf(&b, "type %s struct {\n\tName string\n\tSize [%d]int\n}\n\n", value, i+1)
		fmt.Fprintf(&b, "var cache%d "+of+"\n\n", i, value)
		fmt.Fprintf(&b, "func use%[1]d(key string) {\n"+
			"\tv, _, _ := cache%[1]d.LoadOrCompute(key, func() (*%[2]s, error) { return &%[2]s{Name: key}, nil })\n"+
			"\tSum += v.Size[0]\n"+
			"\tcache%[1]d.Delete(key)\n"+
			"\tfor key, v := range cache%[1]d.All() {\n\t\tSum += len(key) + len(v.Name)\n\t}\n}\n\n", i, value)
	}
	b.WriteString("// Use uses each cache.\nfunc Use(key string) {\n")
	for i := range n {
		fmt.Fprintf(&b, "\tuse%d(key)\n", i)
	}
	b.WriteString("}\n")
	return b.String()
}

// handWritten is a cache as programs have it that use no library for it.
const handWritten = `import (
	"iter"
	"runtime"
	"sync"
	"weak"
)

type cache[V any] struct{ m sync.Map }

func (c *cache[V]) LoadOrCompute(key string, compute func() (*V, error)) (*V, bool, error) {
	for {
		old, found := c.m.Load(key)
		if found {
			if v := old.(weak.Pointer[V]).Value(); v != nil {
				return v, true, nil
			}
		}
		v, err := compute()
		if err != nil {
			return nil, false, err
		}
		w := weak.Make(v)
		if found {
			if !c.m.CompareAndSwap(key, old, w) {
				continue
			}
		} else if _, raced := c.m.LoadOrStore(key, w); raced {
			continue
		}
		runtime.AddCleanup(v, func(key string) { c.m.CompareAndDelete(key, w) }, key)
		return v, false, nil
	}
}

func (c *cache[V]) Delete(key string) { c.m.Delete(key) }

func (c *cache[V]) All() iter.Seq2[string, *V] {
	return func(yield func(string, *V) bool) {
		c.m.Range(func(key, w any) bool {
			v := w.(weak.Pointer[V]).Value()
			return v == nil || yield(key.(string), v)
		})
	}
}

`
