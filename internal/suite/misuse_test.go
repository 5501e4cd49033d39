package suite

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// A thing is an object that callbacks wait for, with what a tiny object and a field of one are.
type thing struct {
	next  *thing
	fill  [64]byte
	small int32
}

func (t *thing) close(int) { t.small++ }
func (t *thing) gone()     { t.small++ }
func ignore[A any](A)      {}

// A wrap is what a program makes to give its callback several things.
type wrap struct {
	of   *thing
	name string
}

type (
	node struct {
		inner [2]struct{ any any }
	}
	stringer struct{ fmt.Stringer }
	named    struct{ *thing }
)

func (named) String() string { return "" }

// finalize calls Finalize and cancels it, and returns the text of its panic.
func finalize[A any](ptr *thing, arg A) string {
	return gctest.PanicText(func() { weakmap.Finalize(ptr, ignore[A], arg).Detach() })
}

// TestFinalizeFindsItsObjectInTheArgument: within structs, arrays and interfaces and one pointer
// deep, wherever it is there, and not beyond.
func TestFinalizeFindsItsObjectInTheArgument(t *testing.T) {
	const refers = "weakmap: Finalize: arg refers to ptr"
	p, q := new(thing), new(thing)
	for _, c := range []struct {
		name string
		got  string
		want string // "" if it must not panic
	}{
		{"a struct", finalize(p, wrap{p, "x"}), refers},
		{"a struct by pointer", finalize(p, &wrap{p, "x"}), refers},
		{"a struct with the address of a field", finalize(p, struct {
			n int
			s *int32
		}{1, &p.small}), refers},
		{"an array", finalize(p, [3]*thing{q, q, p}), refers},
		{"an array by pointer", finalize(p, &[3]*thing{q, q, p}), refers},
		{"arrays of structs", finalize(p, [2][2]wrap{{}, {{}, {p, ""}}}), refers},
		{"a slice of pointers", finalize(p, []*thing{q, p}), refers},
		{"a slice of any", finalize(p, []any{"x", 1, p}), refers},
		{"a struct in any", finalize[any](p, wrap{p, "x"}), refers},
		{"a pointer to one in any", finalize[any](p, &wrap{p, "x"}), refers},
		{"a struct with an interface", finalize(p, struct{ any any }{p}), refers},
		{"a struct with an interface with methods", finalize(p, stringer{named{p}}), refers},
		{"an interface in an array in a struct", finalize(p, node{inner: [2]struct{ any any }{{1}, {p}}}), refers},
		{"that by pointer", finalize(p, &node{inner: [2]struct{ any any }{{1}, {p}}}), refers},
		{"structs in interfaces in structs", finalize(p, struct{ any any }{struct{ any any }{wrap{p, ""}}}), refers},
		{"a struct with a slice", finalize(p, struct{ all []*thing }{[]*thing{q, p}}), refers},
		{"a struct with a slice of the object", finalize(p, struct{ b []byte }{p.fill[8:]}), refers},
		{"a struct by pointer with one", finalize(p, &struct{ b []byte }{p.fill[8:]}), refers},
		{"a struct with a pointer to a struct", finalize(p, struct{ w *wrap }{&wrap{p, ""}}), refers},
		{"a struct with an unsafe.Pointer", finalize(p, struct{ u unsafe.Pointer }{unsafe.Pointer(&p.fill)}), refers},
		{"the next of two objects", finalize(p, &thing{next: p}), refers},

		{"another object in a struct", finalize(p, wrap{q, "x"}), ""},
		{"in a struct by pointer", finalize(p, &wrap{q, "x"}), ""},
		{"in a slice", finalize(p, []any{"x", 1, q, nil, []any{q}}), ""},
		{"empty structs", finalize(p, struct {
			w *wrap
			s []*thing
			a any
			e error
			f func()
			m map[string]*thing
			c chan *thing
		}{}), ""},
		{"an address as a number", finalize(p, struct{ n uintptr }{uintptr(unsafe.Pointer(p))}), ""},
		{"behind two pointers", finalize(p, &struct{ w *wrap }{&wrap{p, "x"}}), ""}, // There looking ends.
		{"in a map", finalize(p, map[string]*thing{"": p}), ""},
		{"behind many others", finalize(p, append(make([]*thing, 1000), p)), ""},
		{"a large array of nothing", finalize(p, &[1 << 20]struct{ n, m int }{}), ""},
	} {
		if c.want == "" && c.got != "" || !strings.HasPrefix(c.got, c.want) {
			t.Errorf("%s: panic %q, want %q", c.name, c.got, c.want)
		}
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(q)
}

// TestFinalizeLooksWhileOthersWrite: what arg points to may be in use, and is not copied to the heap
// or raced with. It says something under the race detector.
func TestFinalizeLooksWhileOthersWrite(t *testing.T) {
	type shared struct {
		mu   sync.Mutex
		of   *thing
		any  any
		list []*thing
	}
	arg, p := new(shared), new(thing)
	var writing sync.WaitGroup
	stop := make(chan struct{})
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				arg.mu.Lock()
				arg.of, arg.any, arg.list = new(thing), "x", make([]*thing, 3)
				arg.of, arg.any, arg.list = nil, &arg.of, nil
				arg.mu.Unlock()
			}
		}
	})
	for range 2000 {
		if text := gctest.PanicText(func() { weakmap.Finalize(p, ignore[*shared], arg).Detach() }); text != "" {
			t.Errorf("panic %q though nothing refers to the object", text)
			break
		}
	}
	close(stop)
	writing.Wait()
	runtime.KeepAlive(p)
}

// seesClosures reports whether this runtime tells what a closure captured, as it does since Go 1.26.
//
//weakvet:ignore weakcapture the panic is what is tested
func seesClosures() bool {
	p := new(thing)
	return gctest.PanicText(func() { runtime.AddCleanup(p, func(int) { p.small = 1 }, 0).Stop() }) != ""
}

// TestClosuresOverTheObjectPanicEachTime: not only now and then, whatever the same line did before.
func TestClosuresOverTheObjectPanicEachTime(t *testing.T) {
	if !seesClosures() {
		t.Skip("this runtime does not look at closures")
	}
	const n = 500
	innocent := new(thing)
	for name, misuse := range map[string]func(p, captured *thing){
		"Finalize with a literal": func(p, captured *thing) {
			weakmap.Finalize(p, func(int) { captured.small = 1 }, 0).Detach()
		},
		"Finalize with a method value": func(p, captured *thing) { weakmap.Finalize(p, captured.close, 0).Detach() },
		"Finalize with a function in the argument": func(p, captured *thing) {
			weakmap.Finalize(p, ignore[struct{ f func() }], struct{ f func() }{captured.gone}).Detach()
		},
		"NewRef": func(p, captured *thing) { weakmap.NewRef(p, captured.gone).Stop() },
		"Bind":   func(p, captured *thing) { weakmap.Bind(p, func(*thing, int) { captured.small = 1 }) },
	} {
		missed, wrong := 0, 0
		for range n {
			p := new(thing)
			if gctest.PanicText(func() { misuse(p, innocent) }) != "" {
				wrong++
			}
			if !strings.Contains(gctest.PanicText(func() { misuse(p, p) }), "is a closure over ptr") {
				missed++
			}
			runtime.KeepAlive(p)
		}
		if missed > 0 || wrong > 0 {
			t.Errorf("%s: of %d closures over the object %d were let pass, and %d of others were not", name, n, missed, wrong)
		}
	}
}

const childVariable = "WEAKMAP_SUITE_MISUSE"

// The program that TestTheFirstClosureOfALinePanics runs.
//
//weakvet:ignore weakcapture the panic is what is tested
//weakvet:ignore weakdropped the panic is what is tested
func init() {
	if os.Getenv(childVariable) == "" {
		return
	}
	const lines = 4
	p, other := new(thing), new([4]*int)
	texts := []string{
		gctest.PanicText(func() { weakmap.Finalize(p, func(int) { p.small = 1 }, 0) }),
		gctest.PanicText(func() { weakmap.NewRef(p, func() { p.small = 1 }) }),
		gctest.PanicText(func() { weakmap.Finalize(other, p.close, 0).Detach() }) + // The object is another.
			gctest.PanicText(func() { weakmap.Finalize(p, p.close, 0) }),
		gctest.PanicText(func() { weakmap.Bind(p, func(*thing, int) { p.small = 1 }) }),
	}
	for i, text := range texts {
		if !strings.HasSuffix(text, "is a closure over ptr, so it would never be collected") {
			fmt.Printf("line %d: panic %q\n", i, text)
		}
	}
	fmt.Println("tried", lines)
	runtime.KeepAlive(other)
	os.Exit(0)
}

// TestTheFirstClosureOfALinePanics: also in a program that is not a test.
func TestTheFirstClosureOfALinePanics(t *testing.T) {
	if !seesClosures() {
		t.Skip("this runtime does not look at closures")
	}
	path, err := os.Executable()
	if err != nil {
		t.Skip(err)
	}
	program := exec.Cmd{Path: path, Args: []string{"program"}, Env: append(os.Environ(), childVariable+"=1")}
	out, err := program.CombinedOutput()
	if err != nil || string(out) != "tried 4\n" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestClosuresBesideATinyObject: a pointer-free object below 16 bytes is told from its neighbors in
// one block, and a field of a larger object from what it is not, without a look beyond the closure.
//
//weakvet:ignore weakcapture the panic is what is tested
//weakvet:ignore weaktiny the panic is what is tested
func TestClosuresBesideATinyObject(t *testing.T) {
	if !seesClosures() {
		t.Skip("this runtime does not look at closures")
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	const closure = "weakmap: Finalize: fn is a closure over ptr"
	for range 100 {
		big, three, lone := new(thing), new([3]int32), new(*int)
		tiny, neighbour := new(int32), new(bool)
		for name, c := range map[string]struct {
			f    func()
			want string
		}{
			"a field, of an object that is captured":     {func() { weakmap.Finalize(&big.small, func(int) { big.next = nil }, 0).Detach() }, closure},
			"a byte of it":                               {func() { weakmap.Finalize(&big.fill[3], func(int) { big.next = nil }, 0).Detach() }, closure},
			"a field, of an object of which another is":  {func() { b := &big.fill[40]; weakmap.Finalize(&big.small, func(int) { *b = 1 }, 0).Detach() }, closure},
			"a tiny object of which a part is":           {func() { i := &three[1]; weakmap.Finalize(three, func(int) { *i = 1 }, 0).Detach() }, closure},
			"a tiny object that is":                      {func() { weakmap.Finalize(tiny, func(int) { *tiny = 1 }, 0).Detach() }, closure},
			"a pointer that is":                          {func() { weakmap.Finalize(lone, func(int) { *lone = nil }, 0).Detach() }, closure},
			"a tiny object whose neighbour is":           {func() { weakmap.Finalize(tiny, func(int) { *neighbour = true }, 0).Detach() }, ""},
			"a tiny object whose neighbour is, reversed": {func() { weakmap.Finalize(neighbour, func(int) { *tiny = 1 }, 0).Detach() }, ""},
		} {
			if got := gctest.PanicText(c.f); c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
				t.Fatalf("%s: panic %q, want %q", name, got, c.want)
			}
		}
		runtime.KeepAlive(big)
	}
}
