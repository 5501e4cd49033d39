package suite

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/go-weak/weakmap"
)

func TestNilValuePanicsAndLeavesTheMapUsable(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		v := &record{id: 1}
		check := func(when string) {
			for call, f := range map[string]func(){
				"Store":                       func() { m.Store("k", nil) },
				"LoadOrStore":                 func() { m.LoadOrStore("k", nil) },
				"Swap":                        func() { m.Swap("k", nil) },
				"CompareAndSwap(old bound)":   func() { m.CompareAndSwap("k", v, nil) },
				"CompareAndSwap(old unbound)": func() { m.CompareAndSwap("k", &record{}, nil) },
				"CompareAndSwap(nil, nil)":    func() { m.CompareAndSwap("k", nil, nil) },
			} {
				mustPanic(t, call+" "+when, "weakmap: nil value", f)
			}
		}
		check("on an unused map")
		m.Store("k", v)
		check("on a bound key")
		if got, ok := m.Load("k"); !ok || got != v {
			t.Errorf("Load = %p, %t after the panics, want the binding as it was: %p, true", got, ok, v)
		}
		mustStillWork(t, m, "other")
		runtime.KeepAlive(v)
	})
}

// inserts returns every method that can insert, as calls on the map.
func inserts(m *weakmap.Map[string, record], v *record) map[string]func() {
	return map[string]func(){
		"Store":         func() { m.Store("k", v) },
		"LoadOrStore":   func() { m.LoadOrStore("k", v) },
		"LoadOrCompute": func() { m.LoadOrCompute("k", func() (*record, error) { return v, nil }) },
		"Swap":          func() { m.Swap("k", v) },
		"Compute":       func() { m.Compute("k", func(*record) *record { return v }) },
	}
}

func TestNegativeSettingsPanicAtTheFirstInsertion(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		for setting, config := range map[string]weakmap.Config{
			"Shards":   {Reclaim: c.reclaim, Shards: -1},
			"Capacity": {Reclaim: c.reclaim, Capacity: -1},
		} {
			for call := range inserts(nil, nil) {
				m := &weakmap.Map[string, record]{Config: config}
				for range 2 { // it must not be silent, or hang, the second time
					mustPanic(t, call+" with negative "+setting, "weakmap:", inserts(m, &record{})[call])
				}
			}
		}
	})
}

func TestMapIsUsableAfterANegativeSettingWasCorrected(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		m.Config.Shards = -1
		mustPanic(t, "Store", "weakmap:", func() { m.Store("k", &record{}) })
		m.Config.Shards = 1
		mustStillWork(t, m, "k")
	})
}

func TestUnhashableKeyPanicsAsInABuiltInMap(t *testing.T) {
	const want = "hash of unhashable type" // what the runtime and hash/maphash both say
	everywhere(t, func(t *testing.T, c configuration) {
		for name, key := range map[string]any{
			"slice":             []int{1},
			"map":               map[string]int{},
			"func":              func() {},
			"struct with slice": struct{ s []int }{},
			"array of slices":   [1]any{[]int{}},
		} {
			m := newMap[any, record](c)
			check := func(when string) {
				v := &record{}
				for call, f := range map[string]func(){
					"Load":        func() { m.Load(key) },
					"Store":       func() { m.Store(key, v) },
					"LoadOrStore": func() { m.LoadOrStore(key, v) },
					"LoadOrCompute": func() {
						m.LoadOrCompute(key, func() (*record, error) { return v, nil })
					},
					"LoadAndDelete":    func() { m.LoadAndDelete(key) },
					"Swap":             func() { m.Swap(key, v) },
					"CompareAndSwap":   func() { m.CompareAndSwap(key, v, v) },
					"CompareAndDelete": func() { m.CompareAndDelete(key, v) },
					"Compute":          func() { m.Compute(key, func(*record) *record { return v }) },
					"Delete":           func() { m.Delete(key) },
				} {
					if got := panicText(f); !strings.Contains(got, want) {
						t.Errorf("%s of a %s %s: panic %q, want one about %q", call, name, when, got, want)
					}
				}
				if m.Len() != 0 {
					t.Errorf("Len = %d after the panics on a %s, want 0", m.Len(), name)
				}
			}
			check("on an unused map")
			mustStillWork(t, m, any("good key"))
			check("on a used map")
			mustStillWork(t, m, any(1))
		}
	})
}

func TestUnhashableKeyDoesNotDisturbItsNeighbours(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[any, record](c)
		held := storeHeld(m, any(1), any("two"), any(3.0))
		if panicText(func() { m.Store([]int{}, held[0]) }) == "" {
			t.Error("Store of a slice did not panic")
		}
		for i, key := range []any{1, "two", 3.0} {
			if got, ok := m.Load(key); !ok || got != held[i] {
				t.Errorf("Load(%v) = %p, %t, want %p, true", key, got, ok, held[i])
			}
		}
		if n := m.Len(); n != 3 {
			t.Errorf("Len = %d, want 3", n)
		}
		runtime.KeepAlive(held)
	})
}

func TestPanicInTheUsersHashLeavesTheMapUsable(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[string, record](c)
		m.Hash = func(key string) uint64 {
			if key == "bad" {
				panic("bad key")
			}
			return 1
		}
		held := storeHeld(m, "good")
		for range 3 {
			mustPanic(t, "Store", "bad key", func() { m.Store("bad", held[0]) })
			mustPanic(t, "Load", "bad key", func() { m.Load("bad") })
		}
		mustStillWork(t, m, "other")
		runtime.KeepAlive(held)
	})
}

func TestPanicInUserCodeLeavesTheMapUsable(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		held := storeHeld(m, numbers(20)...)
		for call, f := range map[string]func(){
			"Compute":       func() { m.Compute(1, func(*record) *record { panic("mine") }) },
			"LoadOrCompute": func() { m.LoadOrCompute(99, func() (*record, error) { panic("mine") }) },
			"DeleteFunc":    func() { m.DeleteFunc(func(int, *record) bool { panic("mine") }) },
			"Range":         func() { m.Range(func(int, *record) bool { panic("mine") }) },
			"All": func() {
				for range m.All() {
					panic("mine")
				}
			},
		} {
			mustPanic(t, call, "mine", f)
			mustStillWork(t, m, 1000)
		}
		if n := m.Len(); n != 20 {
			t.Errorf("Len = %d, want all 20 bindings as they were", n)
		}
		runtime.KeepAlive(held)
	})
}

func TestErrNilValueSaysWhatWasWrong(t *testing.T) {
	if got, want := weakmap.ErrNilValue.Error(), "weakmap: compute returned a nil value"; got != want {
		t.Errorf("ErrNilValue = %q, want %q", got, want)
	}
	if !errors.Is(fmt.Errorf("wrapped: %w", weakmap.ErrNilValue), weakmap.ErrNilValue) {
		t.Error("ErrNilValue cannot be found by errors.Is")
	}
}

func TestVetReportsACopiedMap(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("runs the go command")
	}
	out, err := exec.Command("go", "vet", "./testdata/copies").CombinedOutput()
	if err == nil {
		t.Fatal("go vet has nothing against a copied Map")
	}
	if !strings.Contains(string(out), "copies lock") && !strings.Contains(string(out), "passes lock by value") {
		t.Errorf("go vet failed for another reason: %v\n%s", err, out)
	}
}
