package weakmap_test

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"strings"

	"github.com/go-weak/weakmap"
)

// A Map has the methods of sync.Map.
func ExampleMap_Swap() {
	type page struct{ text string }
	var m weakmap.Map[string, page]
	first, second := &page{"first"}, &page{"second"}
	m.Store("a", first)
	old, _ := m.Swap("a", second)
	fmt.Println(old.text, m.CompareAndSwap("a", first, first), m.CompareAndSwap("a", second, first))
	m.Range(func(key string, p *page) bool {
		fmt.Println(key, p.text)
		return true
	})
	last, ok := m.LoadAndDelete("a")
	fmt.Println(last.text, ok, m.Len())
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
	// Output:
	// first false true
	// a first
	// first true 0
}

// Iterations are in no order, and Clear leaves nothing.
func ExampleMap_Keys() {
	type page struct{ words int }
	var m weakmap.Map[string, page]
	pages := []*page{{10}, {200}, {3000}}
	for i, p := range pages {
		m.Store(string(rune('a'+i)), p)
	}
	words := 0
	for p := range m.Values() {
		words += p.words
	}
	fmt.Println(slices.Sorted(m.Keys()), words)
	fmt.Println("deleted:", m.DeleteFunc(func(_ string, p *page) bool { return p.words > 1000 }))
	m.Clear()
	fmt.Println("left:", m.Len())
	runtime.KeepAlive(pages)
	// Output:
	// [a b c] 3210
	// deleted: 1
	// left: 0
}

// Reap removes the entries of values that the last collection found dead, without waiting for the pass
// that follows it.
func ExampleMap_Reap() {
	type page struct{ text *string }
	m := weakmap.Map[int, page]{Config: weakmap.Config{Stats: true}}
	held := &page{new(string)}
	m.Store(0, held)
	for i := range 9 {
		m.Store(1+i, &page{new(string)})
	}
	runtime.GC()
	m.Reap()
	m.Load(0)
	s := m.Stats()
	fmt.Println(s.Entries, s.Reaped, s.Hits)
	fmt.Println(strings.Contains(s.String(), "9 reaped"))
	runtime.KeepAlive(held)
	// Output:
	// 1 9 1
	// true
}

// A KeyMap has the methods of a Map, but for comparisons: its values need not be comparable.
func ExampleKeyMap_Swap() {
	type node struct{ name string }
	var depth weakmap.KeyMap[node, int]
	a, b := &node{"a"}, &node{"b"}
	depth.Store(a, 1)
	old, _ := depth.Swap(a, 2)
	_, loaded := depth.LoadOrStore(b, 3)
	fmt.Println(old, loaded)
	sum := 0
	for d := range depth.Values() {
		sum += d
	}
	depth.Range(func(n *node, d int) bool {
		sum += 10 * d
		return true
	})
	for n := range depth.Keys() {
		fmt.Println(len(n.name))
	}
	last, ok := depth.LoadAndDelete(b)
	fmt.Println(sum, last, ok)
	fmt.Println("deleted:", depth.DeleteFunc(func(_ *node, d int) bool { return d == 2 }))
	depth.Clear()
	fmt.Println("left:", depth.Len(), depth.Reap(), depth.Stats().Entries)
	runtime.KeepAlive(a)
	runtime.KeepAlive(b)
	// Output:
	// 1 false
	// 1
	// 1
	// 55 3 true
	// deleted: 1
	// left: 0 0 0
}

// Sets take sequences, and are combined without a copy.
func ExampleUnion() {
	type task struct{ name string }
	a, b, c := &task{"a"}, &task{"b"}, &task{"c"}
	var due, done weakmap.Set[task]
	due.AddSeq(slices.Values([]*task{a, b}))
	done.AddSeq(slices.Values([]*task{b, c}))
	names := func(tasks ...*task) (all []string) {
		for _, t := range tasks {
			all = append(all, t.name)
		}
		slices.Sort(all)
		return all
	}
	fmt.Println(names(slices.Collect(weakmap.Union(&due, &done))...))
	fmt.Println(names(slices.Collect(weakmap.Intersection(&due, &done))...))
	fmt.Println(names(slices.Collect(weakmap.SymmetricDifference(&due, &done))...))
	runtime.KeepAlive(a)
	runtime.KeepAlive(c)
	// Output:
	// [a b c]
	// [b]
	// [a c]
}

// What leaves a Set: one element, those of a sequence, those that a function does not keep, and all.
func ExampleSet_Remove() {
	type task struct{ size int }
	tasks := []*task{{1}, {2}, {3}, {4}}
	var open weakmap.Set[task]
	open.AddSeq(slices.Values(tasks))
	fmt.Println(open.Remove(tasks[0]), open.Remove(tasks[0]))
	fmt.Println(open.RemoveSeq(slices.Values(tasks[:2])))
	fmt.Println(open.RetainFunc(func(t *task) bool { return t.size > 3 }))
	fmt.Println(open.Len(), open.Stats().Entries, open.Reap())
	open.Clear()
	fmt.Println(open.Len())
	runtime.KeepAlive(tasks)
	// Output:
	// true false
	// 1
	// 1
	// 1 1 0
	// 0
}

// With a Hasher, Load returns the element that is equal.
func ExampleSet_Load() {
	type point struct{ x, y int }
	points := weakmap.Set[point]{Hasher: weakmap.Comparable[point]()}
	first := &point{1, 2}
	points.Add(first)
	member, ok := points.Load(&point{1, 2})
	fmt.Println(member == first, ok)
	runtime.KeepAlive(first)
	// Output:
	// true true
}

type foldingCase struct{}

func (foldingCase) Hash(h *maphash.Hash, s string) { h.WriteString(strings.ToLower(s)) }
func (foldingCase) Equal(a, b string) bool         { return strings.EqualFold(a, b) }

// A Hasher of values serves for pointers to them.
func ExampleByValue() {
	names := weakmap.Set[string]{Hasher: weakmap.ByValue[string](foldingCase{})}
	name, other := "weak", "Weak"
	names.Add(&name)
	fmt.Println(names.Contains(&other))
	runtime.KeepAlive(&name)
	// Output:
	// true
}

// Lookup returns what is canonical, and makes nothing so.
func ExampleInterner_Lookup() {
	type point struct{ x, y int }
	var points weakmap.Interner[point]
	_, ok := points.Lookup(point{1, 2})
	p := points.Intern(point{1, 2})
	found, _ := points.Lookup(point{1, 2})
	fmt.Println(ok, found == p, points.Stats().Entries)
	for q := range points.All() {
		fmt.Println(*q)
	}
	points.Clear()
	fmt.Println(points.Len(), points.Reap())
	runtime.KeepAlive(p)
	// Output:
	// false true 1
	// {1 2}
	// 0 0
}

// The strings that Intern returns share their bytes, which go with the last of them.
func ExampleStrings_Intern() {
	var hosts weakmap.Strings
	host := hosts.Intern("example.com")
	again, ok := hosts.Lookup("example.com")
	fmt.Println(host == again, ok, hosts.Stats().Entries)
	for s := range hosts.All() {
		fmt.Println(s)
	}
	hosts.Clear()
	fmt.Println(hosts.Len(), hosts.Reap())
	runtime.KeepAlive(host)
	// Output:
	// true true 1
	// example.com
	// 0 0
}

// A Cell that was given a value finds it as long as something holds it.
func ExampleCell_Store() {
	type document struct{ text string }
	var current weakmap.Cell[document]
	d := &document{"a letter"}
	current.Store(d)
	found, ok := current.Load()
	fmt.Println(found == d, ok)
	current.Clear()
	_, ok = current.Load()
	fmt.Println(ok)
	// Output:
	// true true
	// false
}

// A Finalizer can be asked, called before its time, and told to let be.
func ExampleFinalizer_Detach() {
	type object struct{ name *string }
	o := &object{new(string)}
	f := weakmap.Finalize(o, func(name string) { fmt.Println("closes", name) }, "a file")
	name, ok := f.Peek()
	fmt.Println(f.Alive(), name, ok)
	fmt.Println(f.Call(), f.Call(), f.Alive())
	g := weakmap.Finalize(o, func(string) { fmt.Println("is not called") }, "a file")
	g.AtExit(false)
	fmt.Println(g.Detach(), g.Detach())
	runtime.KeepAlive(o)
	// Output:
	// true a file true
	// closes a file
	// true false false
	// true false
}

// A Ref gives its referent, and a weak pointer to it. When it was stopped it does not call back.
func ExampleRef_Stop() {
	type object struct{ name string }
	o := &object{"o"}
	ref := weakmap.NewRef(o, func() { fmt.Println("is not called") })
	fmt.Println(ref.Value() == o, ref.Pointer().Value() == o)
	fmt.Println(ref.Stop(), ref.Stop())
	runtime.KeepAlive(o)
	// Output:
	// true true
	// true false
}

type meter struct {
	name string
	n    int
}

func (c *meter) add(by int) { c.n += by }

// A Method does not keep its receiver: once that is gone, it calls nothing.
func ExampleMethod_Call() {
	c := &meter{name: "litres"}
	add := weakmap.Bind(c, (*meter).add)
	fmt.Println(add.Call(5), c.n, add.Alive())
	runtime.KeepAlive(c)
	// Output:
	// true 5 true
}

// The settings of a container are encoded with what contains it, and its entries are not.
func ExampleKeyMap_GobEncode() {
	type state struct {
		Name  string
		Notes weakmap.KeyMap[string, int]
	}
	old := &state{Name: "s", Notes: weakmap.KeyMap[string, int]{Config: weakmap.Config{Shards: 4}}}
	var encoded bytes.Buffer
	if err := gob.NewEncoder(&encoded).Encode(old); err != nil {
		fmt.Println(err)
		return
	}
	var decoded state
	if err := gob.NewDecoder(&encoded).Decode(&decoded); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(decoded.Name, decoded.Notes.Config.Shards, decoded.Notes.Len())
	// Output:
	// s 4 0
}

// A computation that finds nothing says so by an error of its own. One that returns neither a value nor an
// error gets this one, and nothing is stored.
func ExampleErrNilValue() {
	var users weakmap.Map[int, string]
	_, _, err := users.LoadOrCompute(7, func() (*string, error) { return nil, nil })
	fmt.Println(errors.Is(err, weakmap.ErrNilValue), users.Len())
	// Output:
	// true 0
}
