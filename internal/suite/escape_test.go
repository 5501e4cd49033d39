package suite

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/go-weak/weakmap"
)

// A lookup keeps nothing of its key, so a string that is made for it alone is made
// on the stack. The compiler makes up to 32 bytes there; beyond that it takes memory
// from the heap for every string that is passed to a function.
func TestLookupsByTemporaryStringsAllocateNothing(t *testing.T) {
	b := []byte("a string of thirty-two bytes ...")
	absent := []byte("a string of as many bytes, other")
	value := new(record)
	for name, hash := range map[string]func(string) uint64{
		"":             nil,
		", own hash":   func(s string) uint64 { return uint64(len(s)) },
		", other hash": func(s string) uint64 { return 0 },
	} {
		m := weakmap.Map[string, record]{Hash: hash}
		m.Store(string(b), value)
		var in weakmap.Interner[string]
		in.Hash = hash
		canonical := in.Intern(string(b))
		for call, f := range map[string]func() bool{
			"Map.Load":             func() bool { v, ok := m.Load(string(b)); return ok && v == value },
			"Map.Load, absent":     func() bool { _, ok := m.Load(string(absent)); return !ok },
			"Map.Delete, absent":   func() bool { m.Delete(string(absent)); return true },
			"Map.CompareAndDelete": func() bool { return !m.CompareAndDelete(string(b), nil) },
			"Intern":               func() bool { return in.Intern(string(b)) == canonical },
			"Lookup":               func() bool { p, ok := in.Lookup(string(b)); return ok && p == canonical },
			"Lookup, absent":       func() bool { _, ok := in.Lookup(string(absent)); return !ok },
		} {
			right := true
			if n := testing.AllocsPerRun(100, func() { right = right && f() }); n != 0 || !right {
				t.Errorf("%s of string(b)%s: %v allocations, want 0; the right result: %v", call, name, n, right)
			}
		}
	}
	runtime.KeepAlive(value)
}

// What is stored is not on a stack that goes, whatever the key is made of.
func TestWhatIsStoredOutlivesTheCallersStack(t *testing.T) {
	var r keyring
	r.same.Clone = func(s string) string { return s }
	value := new(record)
	const n = 100
	var kept []any
	for i := range n {
		kept = append(kept, r.store(i, value)...)
	}
	deep(1000)
	runtime.GC()
	sum := 0
	for k := range r.byPointer.Keys() {
		sum += *k
	}
	if want := n * (n - 1) / 2; sum != want {
		t.Errorf("the keys add up to %d, want %d", sum, want)
	}
	for i := range n {
		name := fmt.Sprintf("name %d", i)
		for way := range r.byName {
			if _, ok := r.byName[way].Load(name); !ok {
				t.Errorf("%q, stored in way %d, is not found", name, way)
			}
		}
		if _, ok := r.byAny.Load(name); !ok {
			t.Errorf("any(%q) is not found", name)
		}
		for _, in := range []*weakmap.Interner[string]{&r.names, &r.same} {
			if p, ok := in.Lookup(name); !ok || *p != name {
				t.Errorf("%q is not found", name)
			}
		}
	}
	for k := range r.byStruct.Keys() {
		if want := fmt.Sprintf("name %d", *k.p); k.s != want {
			t.Errorf("a key of %q and %d", k.s, *k.p)
		}
	}
	for p := range r.pairs.All() {
		if want := fmt.Sprintf("name %d", *p.p); p.s != want {
			t.Errorf("a pair of %q and %d", p.s, *p.p)
		}
	}
	runtime.KeepAlive(kept)
	runtime.KeepAlive(value)
}

// keyring is what the test above stores in.
type keyring struct {
	byName      [5]weakmap.Map[string, record]
	byStruct    weakmap.Map[pair, record]
	byPointer   weakmap.Map[*int, record]
	byAny       weakmap.Map[any, record]
	pairs       weakmap.Interner[pair]
	names, same weakmap.Interner[string]
}

type pair struct {
	s string
	p *int
}

// store stores what would be on its stack, if the compiler took it that nothing keeps it.
//
//go:noinline
func (r *keyring) store(i int, value *record) (held []any) {
	var digits [32]byte
	b := fmt.Appendf(digits[:0], "name %d", i)
	x, y, z := i, i, i
	r.byName[0].Store(string(b), value)
	r.byName[1].LoadOrStore(string(b), value)
	r.byName[2].Swap(string(b), value)
	r.byName[3].LoadOrCompute(string(b), func() (*record, error) { return value, nil })
	r.byName[4].Compute(string(b), func(*record) *record { return value })
	r.byStruct.Store(pair{string(b), &z}, value)
	r.byPointer.LoadOrStore(&x, value)
	r.byAny.LoadOrStore(string(b), value)
	held = append(held, r.pairs.Intern(pair{string(b), &y}), r.names.Intern(string(b)), r.same.Intern(string(b)))
	clear(b)
	x += deep(10) - 10
	return held
}

//go:noinline
func deep(n int) int {
	var frame [64]int
	if n == 0 {
		return 0
	}
	frame[n%64] = deep(n - 1)
	return frame[n%64] + 1
}
