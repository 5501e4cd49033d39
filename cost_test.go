package weakmap

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"iter"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap/internal/row"
)

// What the engine's speed and size rest on.

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(shard{}); n != 128 {
		t.Errorf("a shard takes %d bytes, want 128, which are whole cache lines", n)
	}
	if ptrSize != 8 {
		t.Skip("sizes are stated for 64 bits")
	}
	type value [64]byte
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"a bucket and its head", unsafe.Sizeof(row.Bucket{}) + unsafe.Sizeof(row.Head{}), 144},
		{"a Map", unsafe.Sizeof(Map[string, value]{}), 112},
	} {
		if c.got != c.want {
			t.Errorf("%s takes %d bytes, want %d", c.name, c.got, c.want)
		}
	}
}

// The most that a map of ten entries may take, on the heap and off it. A built-in
// map of weak pointers with a cleanup for each takes 2.1 KiB, and this one 1,200 to 1,420 bytes.
func TestAMapOfTenEntriesIsSmall(t *testing.T) {
	if ptrSize != 8 {
		t.Skip("the limit is stated for 64 bits")
	}
	type value [64]byte
	const maps, entries, limit = 4000, 10, 1500
	keys := make([]string, entries)
	for i := range keys {
		keys[i] = fmt.Sprintf("key number %d", i)
	}
	values := make([]*value, maps*entries) // Each by itself: the runtime walks a list of all weak pointers into a page.
	for i := range values {
		values[i] = new(value)
	}
	all := make([]Map[string, value], maps)
	before := memoryInUse()
	for m := range all {
		for i, key := range keys {
			all[m].Store(key, values[m*entries+i])
		}
	}
	per := int(memoryInUse()-before)/maps + int(unsafe.Sizeof(all[0]))
	if t.Logf("a map of %d entries takes %d bytes", entries, per); per > limit {
		t.Errorf("a map of %d entries takes %d bytes, want at most %d", entries, per, limit)
	}
	runtime.KeepAlive(values)
	runtime.KeepAlive(all)
}

// memoryInUse returns the bytes of live objects and of what the runtime has
// taken for weak pointers and the like: the least of some attempts, since
// passes that run at the same time leave garbage.
func memoryInUse() uint64 {
	least := uint64(math.MaxUint64)
	for range 10 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		least = min(least, m.HeapAlloc+m.OtherSys)
	}
	return least
}

func TestLookupsAllocateNothing(t *testing.T) {
	type key struct{ a, b string }
	var (
		byString  Map[string, int]
		byWord    Map[uint16, int]
		byPointer Map[*string, int]
		byStruct  Map[key, int]
		byAny     Map[any, int]
		custom    = Map[string, int]{Hash: func(s string) uint64 { return uint64(len(s)) }}
		customInt = Map[int, int]{Hash: func(n int) uint64 { return uint64(n) }}
		counted   = Map[string, int]{Config: Config{Stats: true}}
		retaining = Map[string, int]{Config: Config{Retain: 3}}
		cleaned   = Map[string, int]{Config: Config{Reclaim: PerValue}}
		flooded   = Map[string, int]{Hash: func(string) uint64 { return 42 }}
		keyMap    KeyMap[int, string]
		set       Set[int]
		strings   Interner[string]
		structs   Interner[key]
		unused    Map[string, int]
	)
	v, stranger, long := new(int), new(int), string(make([]byte, longText+1))
	byString.Store("a", v)
	byString.Store(long, v)
	byWord.Store(7, v)
	name := new(string)
	byPointer.Store(name, v)
	byStruct.Store(key{"a", "b"}, v)
	byAny.Store(v, v)
	custom.Store("a", v)
	customInt.Store(7, v)
	counted.Store("a", v)
	retaining.Store("a", v)
	cleaned.Store("a", v)
	for i := range 100 {
		flooded.Store(fmt.Sprint(i), v)
	}
	if l := flooded.core.table.Load().layout.Load(); !l.hashing.seeded {
		t.Error("a table with 100 keys of one hash is not flooded")
	}
	keyMap.Store(v, "a")
	set.Add(v)
	held, bytes := strings.Intern("a"), []byte("a")
	heldStruct := structs.Intern(key{"a", "b"})
	for name, lookup := range map[string]func() bool{
		"Load, string":                   func() bool { _, ok := byString.Load("a"); return ok },
		"Load, long string":              func() bool { _, ok := byString.Load(long); return ok },
		"Load, integer":                  func() bool { _, ok := byWord.Load(7); return ok },
		"Load, pointer":                  func() bool { _, ok := byPointer.Load(name); return ok },
		"Load, struct":                   func() bool { _, ok := byStruct.Load(key{"a", "b"}); return ok },
		"Load, interface":                func() bool { _, ok := byAny.Load(v); return ok },
		"Load, custom hash":              func() bool { _, ok := custom.Load("a"); return ok },
		"Load, custom hash of integers":  func() bool { _, ok := customInt.Load(7); return ok },
		"Load, counted":                  func() bool { _, ok := counted.Load("a"); return ok },
		"Load, retaining":                func() bool { _, ok := retaining.Load("a"); return ok },
		"Load, PerValue":                 func() bool { _, ok := cleaned.Load("a"); return ok },
		"Load, flooded":                  func() bool { _, ok := flooded.Load("77"); return ok },
		"Load, miss":                     func() bool { _, ok := byString.Load("b"); return !ok },
		"LoadOrStore, bound":             func() bool { _, loaded := byString.LoadOrStore("a", stranger); return loaded },
		"LoadOrCompute, bound":           func() bool { _, loaded, _ := byString.LoadOrCompute("a", nil); return loaded },
		"CompareAndSwap, other":          func() bool { return !byString.CompareAndSwap("a", stranger, v) },
		"CompareAndDelete, other":        func() bool { return !byString.CompareAndDelete("a", stranger) },
		"Delete, unbound":                func() bool { byString.Delete("b"); return true },
		"KeyMap.Load":                    func() bool { _, ok := keyMap.Load(v); return ok },
		"KeyMap.Load, stranger":          func() bool { _, ok := keyMap.Load(stranger); return !ok },
		"KeyMap.LoadAndDelete, stranger": func() bool { _, ok := keyMap.LoadAndDelete(stranger); return !ok },
		"Set.Contains":                   func() bool { return set.Contains(v) && !set.Contains(stranger) },
		"Set.Add, present":               func() bool { return !set.Add(v) },
		"Intern, present":                func() bool { return strings.Intern("a") == held },
		"InternBytes, present":           func() bool { return InternBytes(&strings, bytes) == held },
		"Intern, struct":                 func() bool { return structs.Intern(key{"a", "b"}) == heldStruct },
		"unused": func() bool {
			_, ok := unused.Load("a")
			return !ok && unused.Len() == 0 && unused.Reap() == 0 && unused.Stats() == Stats{}
		},
	} {
		if !lookup() {
			t.Errorf("%s: wrong result", name)
		}
		if n := testing.AllocsPerRun(100, func() { lookup() }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	runtime.KeepAlive(v)
}

// A lookup is one call, of core.load: a container's Load is inlined where it is called.
func TestLoadIsInlinedWhereItIsCalled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	main := filepath.Join(t.TempDir(), "main.go")
	const program = `package main

import "github.com/go-weak/weakmap"

func main() {
	new(weakmap.Map[string, int]).Load("")
	new(weakmap.Map[uint64, int]).Load(0)
	new(weakmap.Map[[2]string, int]).Load([2]string{})
}
`
	if err := os.WriteFile(main, []byte(program), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", "-o", os.DevNull, main).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, key := range []string{"string", "uint64", "[2]string"} {
		if want := "inlining call to weakmap.(*Map[go.shape." + key + ",go.shape.int]).Load\n"; !strings.Contains(string(out), want) {
			t.Errorf("Load with a key of type %s is not inlined any more:\n%s", key, out)
		}
	}
}

// What the fast path of a lookup does with buckets, slots and numbers is inlined there.
func TestInlining(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the package once more")
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	const lookups = "lookup.go"
	inlined := make(map[int]map[string]bool) // what is, by line
	call := regexp.MustCompile(`(?m)^\./` + lookups + `:(\d+):\d+: inlining call to (.*)$`)
	for _, m := range call.FindAllStringSubmatch(string(out), -1) {
		line, _ := strconv.Atoi(m[1])
		if inlined[line] == nil {
			inlined[line] = make(map[string]bool)
		}
		inlined[line][m[2]] = true
	}
	common := []string{
		"row.Tag", "(*layout).glance", "row.(*Row).Home", "row.(*Row).Head", "row.(*Head).Version", "row.(*Head).Tags",
		"row.Matching", "row.(*Row).Next", "row.Passed", "row.(*Row).Fetch", "row.(*Row).At", "row.SlotOf",
		"row.(*Bucket).Word", "row.(*Bucket).KeyAt", "row.(*Head).Check", "row.(*Head).Marks", "seam.Interleave", "seam.Strong", "hashWord",
	}
	for function, wanted := range map[string][]string{
		"load":           append([]string{"(*keying).number", "row.(*Bucket).Key", "pack.Same", "held", "seam.Value", "escape.Hide"}, common...),
		"loadByReferent": {"row.(*Bucket).Key", "row.(*Bucket).KeyAt", "row.(*Head).Check", "row.(*Head).Version", "row.(*Head).Marks", "(*keying).textOf", "pack.Same"},
		"loadObject":     common,
	} {
		within := make(map[string]bool)
		for line := range linesOf(t, lookups, function) {
			maps.Copy(within, inlined[line])
		}
		for _, w := range wanted {
			if !within[w] {
				t.Errorf("%s is not inlined in %s any more", w, function)
			}
		}
	}
}

// linesOf yields the lines of the functions of that name in a file.
func linesOf(t *testing.T, file, function string) iter.Seq[int] {
	t.Helper()
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(int) bool) {
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == function {
				for line := files.Position(f.Pos()).Line; line <= files.Position(f.End()).Line; line++ {
					if !yield(line) {
						return
					}
				}
			}
		}
	}
}

// A table that has just grown is at least three fifths full, and is not laid out often.
func TestTablesGrowByHalf(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 2, 4: 8, 8: 10, 10: 12, 14: 16, 16: 20, 28: 32, 1 << 20: 5 << 18} {
		if got := larger(n); got != want {
			t.Errorf("the number of buckets after %d is %d, want %d", n, got, want)
		}
	}
	defer reaper.blockPasses()()
	value := new(thing)
	m := Map[uint64, thing]{Config: Config{Shards: 1}} // so that all of it is full when it grows
	var last *layout
	layouts := 0
	for key := range uint64(100_000) {
		m.Store(key, value)
		l := m.core.table.Load().layout.Load()
		if l == last {
			continue
		}
		layouts++
		if last = l; l.Len() > 512 && m.Len()*5 < row.LimitOf(l.Len())*3-5 {
			t.Errorf("a table of %d buckets has %d bindings when it has grown", l.Len(), m.Len())
		}
	}
	if layouts > 24 {
		t.Errorf("a table has had %d layouts until it took 100,000 bindings", layouts)
	}
	runtime.KeepAlive(value)
}
