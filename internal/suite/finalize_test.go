package suite

import (
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

// ended says how a Finalizer is ended in the tests below.
type ended struct {
	name string
	end  func(f *weakmap.Finalizer[int]) bool
	runs int // how often its function has run then
}

var ends = []ended{
	{"Call", (*weakmap.Finalizer[int]).Call, 1},
	{"Detach", (*weakmap.Finalizer[int]).Detach, 0},
	{"RunAtExit", func(f *weakmap.Finalizer[int]) bool {
		alive := f.Alive()
		weakmap.RunAtExit()
		return alive
	}, 1},
}

// TestFinalizerIsOverOnce tries every way to end a Finalizer, followed by every
// way, and by the object's death.
func TestFinalizerIsOverOnce(t *testing.T) {
	for _, first := range ends {
		for _, second := range ends {
			t.Run(first.name+" then "+second.name, func(t *testing.T) {
				var runs []int
				object := new(record)
				f := weakmap.Finalize(object, func(n int) { runs = append(runs, n) }, 42)
				if arg, ok := f.Peek(); !f.Alive() || !ok || arg != 42 {
					t.Errorf("Alive = %t, Peek = %d, %t, want true, 42, true", f.Alive(), arg, ok)
				}
				if !first.end(f) {
					t.Errorf("%s = false, want true", first.name)
				}
				if second.end(f) {
					t.Errorf("%s = true, want false", second.name)
				}
				if arg, ok := f.Peek(); f.Alive() || ok || arg != 0 {
					t.Errorf("Alive = %t, Peek = %d, %t, want false, 0, false", f.Alive(), arg, ok)
				}
				f.AtExit(true)
				runtime.KeepAlive(object)
				object = nil
				settle(t)
				weakmap.RunAtExit()
				if len(runs) != first.runs || first.runs == 1 && runs[0] != 42 {
					t.Errorf("ran with %v, want %d runs", runs, first.runs)
				}
			})
		}
	}
}

func TestZeroFinalizerIsOver(t *testing.T) {
	var f weakmap.Finalizer[string]
	f.AtExit(true)
	f.AtExit(false)
	if arg, ok := f.Peek(); f.Alive() || f.Call() || f.Detach() || ok || arg != "" {
		t.Error("the zero Finalizer is alive")
	}
}

// TestCopiedFinalizersPanic: a copy would end others, since it has the place of the original in a list.
func TestCopiedFinalizersPanic(t *testing.T) {
	ran := 0
	f := weakmap.Finalize(&immortal, func(int) { ran++ }, 1)
	other := weakmap.Finalize(&immortal, func(int) {}, 2)
	defer other.Detach()
	g := new(weakmap.Finalizer[int])
	reflect.ValueOf(g).Elem().Set(reflect.ValueOf(f).Elem()) // Go vet does not see that.
	f.Call()
	for method, call := range map[string]func(){
		"Call":   func() { g.Call() },
		"Detach": func() { g.Detach() },
		"Alive":  func() { g.Alive() },
		"Peek":   func() { g.Peek() },
		"AtExit": func() { g.AtExit(true) },
	} {
		mustPanic(t, method+" of a copy", "weakmap: a Finalizer was copied", call)
	}
	if ran != 1 || !other.Alive() {
		t.Errorf("the function ran %d times, and another Finalizer is alive: %t; want once, and true", ran, other.Alive())
	}
}

// TestFinalizerRunsAfterCollection: though it is not kept, also with AtExit off.
func TestFinalizerRunsAfterCollection(t *testing.T) {
	for _, atExit := range []bool{true, false} {
		var ran []int
		elsewhere(func() {
			for i := range 10 {
				weakmap.Finalize(&record{id: i}, func(n int) { ran = append(ran, n) }, 0).Detach()
			}
			weakmap.Finalize(new(record), func(n int) { ran = append(ran, n) }, 5).AtExit(atExit)
		})
		settle(t)
		if !slices.Equal(ran, []int{5}) {
			t.Errorf("AtExit(%t): ran %v, want [5]", atExit, ran)
		}
	}
}

// TestFinalizerLetsGo: of fn and arg, when it is over, though the object and
// the Finalizer live on.
func TestFinalizerLetsGo(t *testing.T) {
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			object := new(record)
			var held [2]weak.Pointer[record]
			var f *weakmap.Finalizer[int]
			var g *weakmap.Finalizer[*record]
			elsewhere(func() {
				captured, arg := &record{id: 1}, &record{id: 2}
				held[0], held[1] = weak.Make(captured), weak.Make(arg)
				f = weakmap.Finalize(object, func(int) { captured.id++ }, 0)
				g = weakmap.Finalize(object, func(r *record) { r.id++ }, arg)
			})
			runtime.GC()
			if held[0].Value() == nil || held[1].Value() == nil {
				t.Fatal("what a pending Finalizer holds was collected")
			}
			elsewhere(func() {
				end.end(f)
				if end.name == "Detach" {
					g.Detach()
				} else {
					g.Call()
				}
			})
			for i, what := range []string{"what fn captured", "arg"} {
				eventually(t, what+" is collected", func() bool { return held[i].Value() == nil })
			}
			runtime.KeepAlive(object)
			runtime.KeepAlive(f)
			runtime.KeepAlive(g)
		})
	}
}

// TestFinalizersThatComeAndGoLeaveNothing: a long-lived object that is
// finalized and detached again and again keeps no more than a few cleanups.
func TestFinalizersThatComeAndGoLeaveNothing(t *testing.T) {
	object := new(record)
	before := heapBytes()
	for range 20_000 {
		weakmap.Finalize(object, func(int) {}, 0).Detach()
	}
	if grown := heapBytes() - before; grown > 200_000 {
		t.Errorf("20,000 detached finalizers left %d bytes of heap, want next to none", grown)
	}
	runtime.KeepAlive(object)
}

// TestAFinalizerThatIsOverKeepsNoOthers: of those that were pending beside it, and came after it.
func TestAFinalizerThatIsOverKeepsNoOthers(t *testing.T) {
	var objects [64]*record
	var pending [64]*weakmap.Finalizer[int]
	turn := func(i int) {
		at := i % len(pending)
		if pending[at] != nil {
			pending[at].Detach()
		}
		objects[at] = new(record)
		pending[at] = weakmap.Finalize(objects[at], nothing[int], i)
	}
	for i := range pending {
		turn(i)
	}
	held := pending
	before := heapBytes()
	for i := range 50_000 {
		turn(i)
	}
	eventually(t, "finalizers that are over keep next to none", func() bool { return heapBytes()-before <= 200_000 })
	runtime.KeepAlive(held)
	runtime.KeepAlive(objects)
}

// TestAFinalizerLeadsToNoOther: with GODEBUG=checkfinalizers=1 the runtime goes, for each cleanup,
// through all that its argument leads to, and ends the program if that is the object. One finalizer's
// argument may keep the object of another.
func TestAFinalizerLeadsToNoOther(t *testing.T) {
	const child = "WEAKMAP_TEST_CHECKED"
	if os.Getenv(child) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestAFinalizerLeadsToNoOther$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=checkfinalizers=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v, and output:\n%s", err, out)
		}
		return
	}
	const n = 128
	object := new(record)
	var ran atomic.Int32
	for i := range n {
		weakmap.Finalize(object, nothing[int], i)
	}
	for range n {
		weakmap.Finalize(new(record), func(*record) { ran.Add(1) }, object) // It keeps object, and may.
	}
	eventually(t, "all others' finalizers have run", func() bool { return ran.Load() == n })
	runtime.KeepAlive(object)
}

// TestFinalizersOfManyTypesLeaveNothing: more types than are expected at a time.
func TestFinalizersOfManyTypesLeaveNothing(t *testing.T) {
	round := func() {
		detachSome([1]int{})
		detachSome([2]int{})
		detachSome([3]int{})
		detachSome("")
		detachSome(0.5)
		detachSome(false)
	}
	round()
	settle(t)
	before := heapBytes()
	for range 100 {
		round()
	}
	settle(t)
	if grown := heapBytes() - before; grown > 200_000 {
		t.Errorf("%d bytes left, want next to none", grown)
	}
}

func detachSome[A any](arg A) {
	for range 32 {
		weakmap.Finalize(new(record), nothing[A], arg).Detach()
	}
}

func TestFinalizersGivePlaceBack(t *testing.T) {
	const n = 20_000
	objects := make([]*record, n)
	finalizers := make([]*weakmap.Finalizer[[]byte], n)
	before := heapBytes()
	for i := range objects {
		objects[i] = new(record)
		finalizers[i] = weakmap.Finalize(objects[i], func([]byte) {}, make([]byte, 1024))
	}
	during := heapBytes() - before
	for _, f := range finalizers {
		f.Detach()
	}
	after := heapBytes() - before
	if during < n*1024 || after > during/4 {
		t.Errorf("%d bytes while pending, %d after Detach with objects alive, want a quarter at most", during, after)
	}
	clear(objects)
	clear(finalizers)
	settle(t)
	if gone := heapBytes() - before; gone > n*16 {
		t.Errorf("%d bytes when all is gone", gone)
	}
	runtime.KeepAlive(objects)
	runtime.KeepAlive(finalizers)
}

func TestCallPassesPanicAndGoexitOn(t *testing.T) {
	object := new(record)
	f := weakmap.Finalize(object, func(int) { panic("boom") }, 0)
	if got := panicText(func() { f.Call() }); got != "boom" {
		t.Errorf("panic %q, want that of fn", got)
	}
	if f.Alive() || f.Call() {
		t.Error("a finalizer that panicked did not count as run")
	}
	returned := false
	elsewhere(func() {
		weakmap.Finalize(object, func(int) { runtime.Goexit() }, 0).Call()
		returned = true
	})
	if returned {
		t.Error("Goexit in fn did not end the caller's goroutine")
	}
	runtime.KeepAlive(object)
}

func TestFinalizerSeenFromItsFunction(t *testing.T) {
	object := new(record)
	var f *weakmap.Finalizer[int]
	f = weakmap.Finalize(object, func(int) {
		if _, ok := f.Peek(); ok || f.Alive() || f.Call() || f.Detach() {
			t.Error("a running finalizer is alive")
		}
	}, 0)
	if !f.Call() {
		t.Error("Call = false")
	}
	runtime.KeepAlive(object)
}

func nothing[T any](T) {}

// TestMisuse: what panics, and what must not. Names and functions say what is meant.
//
//weakvet:ignore weakcapture that is what is to panic
//weakvet:ignore weaktiny the functions are never to run
func TestMisuse(t *testing.T) {
	type inner struct{ a, b *int }
	type outer struct {
		head   [4]*int
		inner  inner
		array  [4]int
		callee func()
	}
	seesClosures := func() bool { // as the runtime does since Go 1.26
		p := new(outer)
		return panicText(func() { runtime.AddCleanup(p, func(int) { p.callee = nil }, 0) }) != ""
	}()
	p, q := new(outer), new(outer)
	ref := func(f func()) func() { return func() { runtime.KeepAlive(weakmap.NewRef(p, f)) } }
	for _, c := range []struct {
		name    string
		f       func()
		want    string // "" if it must not panic
		closure bool   // only where Go can tell
	}{
		{"Finalize nil ptr", func() { weakmap.Finalize[int](nil, nothing[int], 0) }, "weakmap: Finalize: nil ptr", false},
		{"Finalize nil fn", func() { weakmap.Finalize[outer, int](p, nil, 0) }, "weakmap: Finalize: nil fn", false},
		{"NewRef nil ptr", func() { weakmap.NewRef[int](nil, nil) }, "weakmap: NewRef: nil ptr", false},
		{"Bind nil receiver", func() { weakmap.Bind(nil, (*widget).onClick) }, "weakmap: Bind: nil receiver", false},
		{"Bind nil method", func() { weakmap.Bind[widget, int](new(widget), nil) }, "weakmap: Bind: nil method", false},

		{"arg is ptr", func() { weakmap.Finalize(p, nothing[*outer], p) }, "weakmap: Finalize: arg", false},
		{"arg is an interface with ptr", func() { weakmap.Finalize(p, nothing[any], any(p)) }, "weakmap: Finalize: arg", false},
		{"arg is an unsafe.Pointer to it", func() { weakmap.Finalize(p, nothing[unsafe.Pointer], unsafe.Pointer(p)) }, "weakmap: Finalize: arg", false},
		{"arg is a field's address", func() { weakmap.Finalize(p, nothing[*inner], &p.inner) }, "weakmap: Finalize: arg", false},
		{"arg is the struct, ptr a field", func() { weakmap.Finalize(&p.inner, nothing[*outer], p) }, "weakmap: Finalize: arg", false},
		{"arg is a slice of it", func() { weakmap.Finalize(p, nothing[[]int], p.array[1:]) }, "weakmap: Finalize: arg", false},
		{"arg is a closure over ptr", func() { weakmap.Finalize(p, nothing[func()], func() { p.callee = nil }) }, "weakmap: Finalize: arg", true},
		{"fn is a closure over ptr", func() { weakmap.Finalize(p, func(int) { p.callee = nil }, 0) }, "weakmap: Finalize: fn", true},
		{"fn with interface argument is one", func() { weakmap.Finalize(p, func(any) { p.callee = nil }, nil) }, "weakmap: Finalize: fn", true},
		{"fn is a closure over a field", func() { in := &p.inner; weakmap.Finalize(p, func(int) { in.a = nil }, 0) }, "weakmap: Finalize: fn", true},
		{"callback is a closure over ptr", ref(func() { p.callee = nil }), "weakmap: NewRef: callback", true},
		{"method is a closure over recv", func() { w := new(widget); weakmap.Bind(w, func(_ *widget, n int) { w.onClick(n) }) }, "weakmap: Bind: method", true},
		{"fn is a closure over a tiny ptr", func() { n := new(int32); weakmap.Finalize(n, func(int) { *n = 1 }, 0) }, "weakmap: Finalize: fn", true},

		{"another object", func() { weakmap.Finalize(p, func(*outer) { q.callee = nil }, q).Detach() }, "", false},
		{"a closure over another", ref(func() { q.callee = nil }), "", false},
		{"nil arguments", func() {
			weakmap.Finalize(p, nothing[*outer], nil).Detach()
			weakmap.Finalize(p, nothing[any], nil).Detach()
			weakmap.Finalize(p, nothing[func()], nil).Detach()
			weakmap.Finalize(p, nothing[[]int], nil).Detach()
			weakmap.Finalize(p, nothing[error], nil).Detach()
		}, "", false},
		{"neighbours in one array", func() {
			a := make([]struct{ v, w int }, 8)
			for i := range 7 {
				weakmap.Finalize(&a[i], nothing[int], 0).Detach()
			}
			runtime.KeepAlive(a)
		}, "", false},
		{"tiny ptrs share a block with what is captured", func() {
			for range 200 {
				n, done := new(int32), new(bool)
				weakmap.Finalize(n, func(int) { *done = true }, 0).Detach()
				weakmap.Finalize(n, nothing[*bool], done).Detach()
				weakmap.NewRef(n, func() { *done = true }).Stop()
			}
		}, "", false},
		{"zero-size ptr", func() {
			z := new(struct{})
			weakmap.NewRef(z, func() {}).Stop()
			weakmap.Finalize(z, nothing[int], 0).Detach()
		}, "", false},
		{"global ptr", func() {
			weakmap.NewRef(&immortal, func() {}).Stop()
			weakmap.Finalize(&immortal, nothing[int], 0).Detach()
		}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.closure && !seesClosures {
				t.Skip("this runtime does not look at closures")
			}
			got := panicText(c.f)
			if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) {
				t.Errorf("panic %q, want %q", got, c.want)
			}
		})
	}
	runtime.KeepAlive(p)
	runtime.KeepAlive(q)
}

// isClosed reports whether c is closed.
func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
