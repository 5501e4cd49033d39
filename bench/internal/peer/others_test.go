package peer

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"
	"weak"
)

func TestInternersGiveOneFormToEqualValues(t *testing.T) {
	for _, p := range Interners[string]() {
		if p.Kind == Nothing {
			continue
		}
		t.Run(p.Name, func(t *testing.T) {
			in := p.New(0)
			const n = 1000
			var first [n]any
			for i := range first {
				first[i] = in.Intern(decimal(i))
			}
			runtime.GC()
			for i := range first {
				if got := in.Intern(strings.Clone(decimal(i))); got != first[i] {
					t.Fatalf("the second form of %d differs from the first", i)
				}
				if got := in.Value(first[i]); got != decimal(i) {
					t.Fatalf("the form of %d has the value %q", i, got)
				}
			}
			if first[0] == first[1] {
				t.Error("different values have one form")
			}
		})
	}
}

func TestInternersKeepNeitherValueNorWhatItWasCutFrom(t *testing.T) {
	for _, p := range choose(Interners[string](), Weak) {
		t.Run(p.Name, func(t *testing.T) {
			in := p.New(0)
			whole := strings.Repeat("x", 1<<10)
			source := weak.Make(unsafe.StringData(whole))
			held := in.Intern(whole[:20])
			whole = ""
			collectUntil(t, "the source of a canonical value", func() bool { return source.Value() == nil })
			if got := in.Value(held); got != strings.Repeat("x", 20) {
				t.Errorf("the canonical value is %q", got)
			}
		})
	}
}

func TestComputersAgree(t *testing.T) {
	for _, p := range Computers() {
		t.Run(p.Name, func(t *testing.T) {
			m := p.New(0)
			for round := range 100 {
				var values [8]*Value
				var group sync.WaitGroup
				for i := range values {
					group.Go(func() {
						values[i] = m.LoadOrCompute(decimal(round), func() *Value { return &Value{ID: uint64(round)} })
					})
				}
				group.Wait()
				for _, value := range values {
					if value != values[0] || value.ID != uint64(round) {
						t.Fatalf("round %d: one gets %p, another %p with ID %d", round, values[0], value, value.ID)
					}
				}
				again := m.LoadOrCompute(decimal(round), func() *Value { return nil })
				if again != values[0] {
					t.Fatalf("round %d: the value is computed again while it is held", round)
				}
				runtime.KeepAlive(&values)
			}
		})
	}
}

func TestComputersForget(t *testing.T) {
	for _, p := range Computers() {
		t.Run(p.Name, func(t *testing.T) {
			m := p.New(0)
			computed := func() bool {
				fresh := false
				m.LoadOrCompute("key", func() *Value {
					fresh = true
					return new(Value)
				})
				return fresh
			}
			if !computed() {
				t.Error("the first value is not computed")
			}
			collectUntil(t, "the value computed again", computed)
		})
	}
}

func TestAttachersCallOnceForEachObject(t *testing.T) {
	for _, p := range Attachers[object]() {
		t.Run(p.Name, func(t *testing.T) {
			a := p.New(0)
			held := new(object)
			a.Attach(held)
			const n = 1000
			for range n {
				a.Attach(new(object))
			}
			collectUntil(t, "all called", func() bool { return a.Called() >= n })
			runtime.GC()
			if got := a.Called(); got != n {
				t.Errorf("%d calls for %d dead objects", got, n)
			}
			runtime.KeepAlive(held)
		})
	}
}

func TestRivalsAreAllButThisLibraryAndTheLimits(t *testing.T) {
	got := Rivals()
	want := []string{"syncmap", "rwmutex", "sharded", "xsync3", "xsync4", "unique", "singleflight", "addcleanup", "setfinalizer", "otter", "lru"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
