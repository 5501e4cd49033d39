package peer

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// collectUntil forces collections until done reports true, and fails after a while.
func collectUntil(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

func decimal(i int) string { return strconv.Itoa(i) }
func number(i int) uint64  { return uint64(i) }

// eachMap runs a test for every participant of the kinds, with both kinds of key.
func eachMap(t *testing.T, kinds []Kind, str func(*testing.T, Map[string], func(int) string), num func(*testing.T, Map[uint64], func(int) uint64)) {
	for _, kind := range kinds {
		for _, p := range Maps[string]() {
			if p.Kind == kind {
				t.Run(p.Name+"/string", func(t *testing.T) { str(t, p.New(0), decimal) })
			}
		}
		for _, p := range Maps[uint64]() {
			if p.Kind == kind {
				t.Run(p.Name+"/uint64", func(t *testing.T) { num(t, p.New(0), number) })
			}
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Maps[string]() {
		id := fmt.Sprint(p.Name, p.Kind)
		if seen[id] {
			t.Errorf("two participants are called %s", id)
		}
		seen[id] = true
	}
}

func TestMapsKeepWhatIsHeld(t *testing.T) {
	eachMap(t, []Kind{Weak, Strong, OtherStrong}, testHeld[string], testHeld[uint64])
}

func testHeld[K comparable](t *testing.T, m Map[K], keyOf func(int) K) {
	const n = 1000
	values := make([]*Value, n)
	for i := range values {
		values[i] = &Value{ID: uint64(i)}
		m.Store(keyOf(i), values[i])
	}
	runtime.GC()
	runtime.GC()
	for i, want := range values {
		if got := m.Load(keyOf(i)); got != want {
			t.Fatalf("Load(%v) = %p, want %p", keyOf(i), got, want)
		}
	}
	if got := m.Load(keyOf(n)); got != nil {
		t.Errorf("Load of an unbound key = %p, want nil", got)
	}
	if got := m.Len(); got != n {
		t.Errorf("Len() = %d, want %d", got, n)
	}
	if m.Within(n-1) || !m.Within(n) {
		t.Errorf("with %d entries Within(%d) = %v, Within(%d) = %v; want false, true", n, n-1, m.Within(n-1), n, m.Within(n))
	}
	seen := make(map[K]bool, n)
	for key, value := range m.All {
		seen[key] = values[value.ID] == value && key == keyOf(int(value.ID))
	}
	if len(seen) != n {
		t.Errorf("All yields %d keys, want %d", len(seen), n)
	}
	for key, right := range seen {
		if !right {
			t.Errorf("All yields another value with %v", key)
		}
	}
	for range m.All {
		break // without a panic
	}
	replacement := &Value{ID: n}
	m.Store(keyOf(0), replacement)
	if got := m.Load(keyOf(0)); got != replacement {
		t.Errorf("Load after a second Store = %p, want the second value %p", got, replacement)
	}
	runtime.KeepAlive(values)
}

func TestEntriesOfDeadValuesGo(t *testing.T) {
	eachMap(t, []Kind{Weak}, testDeath[string], testDeath[uint64])
}

func testDeath[K comparable](t *testing.T, m Map[K], key func(int) K) {
	const n = 1000
	held := &Value{}
	m.Store(key(n), held)
	for i := range n {
		m.Store(key(i), &Value{ID: uint64(i)})
	}
	collectUntil(t, "one entry left", func() bool { return m.Within(1) })
	if got := m.Load(key(0)); got != nil {
		t.Errorf("Load of a dead value = %p, want nil", got)
	}
	for key, value := range m.All {
		if value != held {
			t.Errorf("All yields %v with %p, want the held value %p alone", key, value, held)
		}
	}
	if got := m.Load(key(n)); got != held {
		t.Errorf("Load of the held value = %p, want %p", got, held)
	}
	if got := m.Len(); got != 1 {
		t.Errorf("Len() = %d, want 1", got)
	}
}

func TestReinsertionDuringReclamationIsNotLost(t *testing.T) {
	eachMap(t, []Kind{Weak}, testReinsertion[string], testReinsertion[uint64])
}

func testReinsertion[K comparable](t *testing.T, m Map[K], key func(int) K) {
	const n, rounds = 64, 30
	var held [n]*Value
	for round := range rounds {
		for i := range held {
			held[i] = nil
		}
		runtime.GC() // the cleanups of the last round are queued now, and race with this one
		for i := range held {
			held[i] = &Value{ID: uint64(round)}
			m.Store(key(i), held[i])
		}
		for pass := range 3 {
			for i, want := range held {
				if got := m.Load(key(i)); got != want {
					t.Fatalf("round %d, pass %d: Load(%v) = %p, want %p", round, pass, key(i), got, want)
				}
			}
			runtime.Gosched()
		}
	}
	collectUntil(t, "only the last round's entries are left", func() bool { return m.Within(n) })
	if got := m.Len(); got != n {
		t.Errorf("Len() = %d, want %d", got, n)
	}
	runtime.KeepAlive(&held)
}

func TestLookupFloorReturnsStoredValues(t *testing.T) {
	const n = 100
	m := lookupFloor[string](n)
	values := make(map[*Value]bool, n)
	for i := range n {
		value := &Value{ID: uint64(i)}
		values[value] = true
		m.Store(decimal(i), value)
	}
	for i := range 10 * n {
		if got := m.Load(decimal(i)); !values[got] {
			t.Fatalf("Load(%d) = %p, which was never stored", i, got)
		}
	}
}
