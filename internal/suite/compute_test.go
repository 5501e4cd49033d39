package suite

import (
	"math"
	"runtime"
	"testing"

	"github.com/go-weak/weakmap"
)

// TestComputeOfAKeyMapLeavesABindingAsItIs: where f returns what is bound, nothing is inserted and
// nothing is deleted. A value that cannot be compared is not taken for the bound one.
func TestComputeOfAKeyMapLeavesABindingAsItIs(t *testing.T) {
	var m weakmap.KeyMap[record, any]
	key := new(record)
	pointer, slice := new(int), []int{1}
	for _, c := range []struct {
		name        string
		bound, next any
		stored      bool
	}{
		{"an equal number", 1, 1, false},
		{"another number", 1, 2, true},
		{"a number of another type", 1, int64(1), true},
		{"an equal string", "x", string([]byte{'x'}), false},
		{"the same pointer", pointer, pointer, false},
		{"another pointer", pointer, new(int), true},
		{"nil", nil, nil, false},
		{"nil in place of something", 1, nil, true},
		{"equal structs", [2]any{1, "x"}, [2]any{1, "x"}, false},
		{"NaN, which is equal to nothing", math.NaN(), math.NaN(), true},
		{"a slice", slice, slice, true},
		{"a slice within an interface", [2]any{1, slice}, [2]any{1, slice}, true},
		{"a function", (func())(nil), (func())(nil), true},
	} {
		m.Store(key, c.bound)
		before := m.Stats()
		calls := 0
		_, ok := m.Compute(key, func(any, bool) (any, bool) { calls++; return c.next, true })
		after := m.Stats()
		if inserted, deleted := after.Inserts-before.Inserts, after.Deleted-before.Deleted; !ok || calls != 1 ||
			inserted != deleted || inserted > 1 || (inserted == 1) != c.stored {
			t.Errorf("%s: Compute called f %d times and returned %t with %d inserted and %d deleted; want it stored: %t",
				c.name, calls, ok, inserted, deleted, c.stored)
		}
	}
	runtime.KeepAlive(key)
}

// TestComputeThatChangesNothing: returns what is bound, whatever f did, and allocates nothing.
func TestComputeThatChangesNothing(t *testing.T) {
	var m weakmap.KeyMap[record, any]
	key := new(record)
	if v, ok := m.Compute(key, func(any, bool) (any, bool) { return nil, true }); v != nil || !ok || m.Len() != 1 {
		t.Errorf("Compute of the zero value for an unbound key = %v, %t with %d entries, want it stored", v, ok, m.Len())
	}
	m.Store(key, 1)
	calls := 0
	v, ok := m.Compute(key, func(current any, _ bool) (any, bool) {
		if calls++; calls == 1 {
			m.Store(key, 2)
		}
		return current, true
	})
	if v != 2 || !ok || calls != 2 {
		t.Errorf("Compute = %v, %t after %d calls of f, want 2, true, 2: the binding changed during the first", v, ok, calls)
	}
	v, ok = m.Compute(key, func(current any, _ bool) (any, bool) { m.Delete(key); return current, true })
	if v != nil && ok { // f is called again with nothing, and keeps that.
		t.Errorf("Compute = %v, %t though f deleted the key", v, ok)
	}
	m.Store(key, 3)
	stay := func(current any, _ bool) (any, bool) { return current, true }
	if n := testing.AllocsPerRun(100, func() { m.Compute(key, stay) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
	runtime.KeepAlive(key)
}
