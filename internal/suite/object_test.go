package suite

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

type recordPointer *record

type twoFields struct {
	first  record
	second int
}

func TestObjectOfIsTheAddress(t *testing.T) {
	r, p := new(record), new(twoFields)
	m, c := map[string]int{"a": 1}, make(chan int)
	var e any = m
	n := new(plainObject)
	for what, objects := range map[string][2]*weakmap.Object{
		"a pointer":                     {weakmap.ObjectOf(r), weakmap.ObjectOf(r)},
		"a pointer of a named type":     {weakmap.ObjectOf(r), weakmap.ObjectOf(recordPointer(r))},
		"an unsafe.Pointer":             {weakmap.ObjectOf(r), weakmap.ObjectOf(unsafe.Pointer(r))},
		"a map":                         {weakmap.ObjectOf(m), weakmap.ObjectOf(e)},
		"a channel and its ends":        {weakmap.ObjectOf(c), weakmap.ObjectOf((<-chan int)(c))},
		"a struct and its first field":  {weakmap.ObjectOf(p), weakmap.ObjectOf(&p.first)},
		"a pointer behind an interface": {weakmap.ObjectOf(n), weakmap.ObjectOf(fmt.Stringer(n))},
	} {
		if objects[0] != objects[1] || objects[0] == nil {
			t.Errorf("%s: %p and %p, want one object", what, objects[0], objects[1])
		}
	}
	if weakmap.ObjectOf(p) == weakmap.ObjectOf(&p.second) {
		t.Error("a struct and its second field are one object")
	}
	if weakmap.ObjectOf(make(chan int)) == weakmap.ObjectOf(c) || weakmap.ObjectOf(map[string]int{}) == weakmap.ObjectOf(m) {
		t.Error("two objects are one")
	}
	if got := unsafe.Pointer(weakmap.ObjectOf(r)); got != unsafe.Pointer(r) {
		t.Errorf("ObjectOf = %p, want %p", got, r)
	}
	if n := testing.AllocsPerRun(100, func() { weakmap.ObjectOf(r); weakmap.ObjectOf(m); weakmap.ObjectOf(c) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

type plainObject struct {
	a int
	_ *int // so that it dies by itself
}

func (*plainObject) String() string { return "" }

func TestObjectOfPanics(t *testing.T) {
	for want, pointer := range map[string]any{
		"weakmap: ObjectOf: nil":                     nil,
		"weakmap: ObjectOf: nil *suite.record":       (*record)(nil),
		"weakmap: ObjectOf: nil suite.recordPointer": recordPointer(nil),
		"weakmap: ObjectOf: nil map[string]int":      map[string]int(nil),
		"weakmap: ObjectOf: nil chan int":            (chan int)(nil),
		"weakmap: ObjectOf: nil unsafe.Pointer":      unsafe.Pointer(nil),
		"weakmap: ObjectOf: int is no pointer":       1,
		"weakmap: ObjectOf: string is no":            "a",
		"weakmap: ObjectOf: []int is no":             []int{1},
		"weakmap: ObjectOf: func() is no":            func() {},
		"weakmap: ObjectOf: suite.twoFields is no":   twoFields{},
		"weakmap: ObjectOf: [1]*int is no":           [1]*int{},
		"weakmap: ObjectOf: uintptr is no":           uintptr(1),
		"weakmap: ObjectOf: nil *fmt.Stringer":       (*fmt.Stringer)(nil),
		"weakmap: ObjectOf: struct {} is no":         struct{}{},
		"weakmap: ObjectOf: weak.Pointer[int] i":     weak.Pointer[int]{},
	} {
		mustPanic(t, fmt.Sprintf("ObjectOf(%T)", pointer), want, func() { weakmap.ObjectOf(pointer) })
	}
}

// kindsOfObjects make objects of ten types. What they return holds the object.
var kindsOfObjects = []func(i int) any{
	func(i int) any { return &record{id: i} },
	func(i int) any { return &plainObject{a: i} },
	func(i int) any { s := fmt.Sprint("a string that is long enough ", i); return &s },
	func(i int) any { return &[4]*int{} },
	func(i int) any { return &[]byte{byte(i)} },
	func(i int) any { return map[int]int{i: i} },
	func(i int) any { return make(chan int, 1) },
	func(i int) any { return make(chan *int, i%3) },
	func(i int) any { var e any = i; return &e },
	func(i int) any { return unsafe.Pointer(&record{id: i}) },
	func(i int) any { f := func() int { return i }; return &f },
	func(i int) any { var r io.Reader; return &r },
}

// Objects of every type are found while they live, in a KeyMap and a Set, and then go; so does
// what NewRef and Finalize wait for.
func TestObjectsOfEveryTypeLiveAndDie(t *testing.T) {
	for kind, make := range kindsOfObjects {
		var m weakmap.KeyMap[weakmap.Object, int]
		var s weakmap.Set[weakmap.Object]
		var called, finalized atomic.Int32
		var refs []*weakmap.Ref[weakmap.Object]
		held := make(0)
		m.Store(weakmap.ObjectOf(held), -1)
		elsewhere(func() {
			for i := range 50 {
				x := make(i)
				o := weakmap.ObjectOf(x)
				m.Store(o, i)
				s.Add(o)
				refs = append(refs, weakmap.NewRef(o, func() { called.Add(1) }))
				weakmap.Finalize(o, func(int) { finalized.Add(1) }, i)
				if v, ok := m.Load(weakmap.ObjectOf(x)); v != i || !ok || !s.Contains(weakmap.ObjectOf(x)) {
					t.Errorf("kind %d: Load = %d, %t, want %d", kind, v, ok, i)
				}
				runtime.KeepAlive(x)
			}
		})
		eventually(t, fmt.Sprintf("objects of kind %d (%T) die", kind, held), func() bool {
			if err := weakmap.Settle(context.Background()); err != nil {
				t.Fatal(err)
			}
			return m.Len() == 1 && s.Len() == 0 && called.Load() == 50 && finalized.Load() == 50
		})
		if v, ok := m.Load(weakmap.ObjectOf(held)); v != -1 || !ok {
			t.Errorf("kind %d: the one that is held: %d, %t", kind, v, ok)
		}
		runtime.KeepAlive(held)
		runtime.KeepAlive(refs)
	}
}

// An *Object holds its object, whatever that is.
func TestAnObjectIsHeldByItsPointer(t *testing.T) {
	for kind, make := range kindsOfObjects {
		var o *weakmap.Object
		var handle weak.Pointer[weakmap.Object]
		elsewhere(func() {
			o = weakmap.ObjectOf(make(1))
			handle = weak.Make(o)
		})
		for range 5 {
			runtime.GC()
		}
		if handle.Value() != o {
			t.Errorf("kind %d: an object that is held has died", kind)
		}
		runtime.KeepAlive(o)
	}
}

// Objects of size zero and pointer-free ones below 16 bytes can be used, although they may be one
// or may never die.
func TestTinyAndEmptyObjects(t *testing.T) {
	var m weakmap.KeyMap[weakmap.Object, int]
	empty, tiny, other := new(struct{}), new(byte), new(byte)
	m.Store(weakmap.ObjectOf(empty), 1)
	m.Store(weakmap.ObjectOf(tiny), 2)
	m.Store(weakmap.ObjectOf(other), 3)
	for p, want := range map[any]int{empty: 1, tiny: 2, other: 3} {
		if v, ok := m.Load(weakmap.ObjectOf(p)); v != want || !ok {
			t.Errorf("Load of %T = %d, %t, want %d", p, v, ok, want)
		}
	}
	runtime.GC()
	if v, ok := m.Load(weakmap.ObjectOf(empty)); v != 1 || !ok {
		t.Errorf("an object of size zero: %d, %t", v, ok)
	}
	runtime.KeepAlive([]any{empty, tiny, other})
}

// differ makes calls on a KeyMap of objects and on a map[any]int, as the bytes say, and compares.
// Objects are dropped and collected in between, so that addresses are used again.
func differ(t *testing.T, script []byte) {
	var m weakmap.KeyMap[weakmap.Object, int]
	var s weakmap.Set[weakmap.Object]
	model := map[any]int{}
	const slots = 32
	var objects [slots]any
	for step := 0; len(script) >= 2; step++ {
		op, slot := script[0]%8, int(script[1])%slots
		kind := int(script[1]) / slots * 5 % len(kindsOfObjects)
		script = script[2:]
		if objects[slot] == nil || op == 0 {
			if x := objects[slot]; x != nil {
				delete(model, comparableOf(x))
				objects[slot] = nil // dropped, with what is stored for it
			}
			objects[slot] = kindsOfObjects[(kind+step)%len(kindsOfObjects)](step)
		}
		x := objects[slot]
		key := comparableOf(x)
		o := weakmap.ObjectOf(x)
		want, bound := model[key]
		if op == 0 {
			want, bound = 0, false
			if got, ok := m.Load(o); ok {
				t.Fatalf("step %d: a new %T has the value %d of another object", step, x, got)
			}
			if s.Contains(o) {
				t.Fatalf("step %d: a new %T is in the set", step, x)
			}
		}
		switch op {
		case 1, 2:
			m.Store(o, step)
			s.Add(o)
			model[key] = step
		case 3:
			if got, ok := m.LoadAndDelete(o); got != want || ok != bound || s.Remove(o) != bound {
				t.Fatalf("step %d: LoadAndDelete of %T = %d, %t, want %d, %t", step, x, got, ok, want, bound)
			}
			delete(model, key)
		case 4:
			if got, loaded := m.LoadOrStore(o, step); loaded != bound || bound && got != want {
				t.Fatalf("step %d: LoadOrStore of %T = %d, %t, want %d, %t", step, x, got, loaded, want, bound)
			} else if !bound {
				s.Add(o)
				model[key] = step
			}
		case 5:
			if step%8 == 0 {
				runtime.GC()
			}
			fallthrough
		default:
			if got, ok := m.Load(o); got != want || ok != bound || s.Contains(o) != bound {
				t.Fatalf("step %d: Load of %T = %d, %t, want %d, %t", step, x, got, ok, want, bound)
			}
		}
	}
	live := 0
	for o, v := range m.All() {
		for _, x := range objects {
			if x != nil && weakmap.ObjectOf(x) == o {
				if want, ok := model[comparableOf(x)]; !ok || v != want {
					t.Fatalf("at the end %T has %d, want %d, %t", x, v, want, ok)
				}
				live++
			}
		}
	}
	if live != len(model) {
		t.Fatalf("at the end %d of %d are there", live, len(model))
	}
	runtime.KeepAlive(&objects)
}

// comparableOf returns a key for a map[any]int: maps are not comparable, so theirs is a pointer.
func comparableOf(x any) any {
	if m, ok := x.(map[int]int); ok {
		return *(*unsafe.Pointer)(unsafe.Pointer(&m))
	}
	return x
}

func TestObjectsDifferential(t *testing.T) {
	for seed := range uint64(scaled(20)) {
		r := rand.New(rand.NewPCG(seed, 3))
		script := make([]byte, 0, 4000)
		for len(script) < 4000 {
			script = binary.LittleEndian.AppendUint64(script, r.Uint64())
		}
		differ(t, script)
	}
}

func FuzzObjects(f *testing.F) {
	f.Add([]byte{1, 3, 6, 3, 0, 3, 6, 3})
	f.Add([]byte{1, 40, 3, 40, 4, 40, 5, 40})
	f.Fuzz(func(t *testing.T, script []byte) { differ(t, script[:min(len(script), 2000)]) })
}

// The runtime throws where it is asked for a weak pointer to what is part of the program.
func TestObjectOfWhatIsPartOfTheProgramPanics(t *testing.T) {
	pc, _, _, _ := runtime.Caller(0)
	for _, of := range []any{reflect.TypeFor[int](), reflect.TypeOf(t), runtime.FuncForPC(pc)} {
		want := fmt.Sprintf("weakmap: ObjectOf: %T is no object of the heap", of)
		mustPanic(t, "ObjectOf", want, func() { weakmap.ObjectOf(of) })
	}
}
