package peer

import (
	"runtime"
	"testing"
)

func TestKeyMapsHoldWhatHasAHeldKey(t *testing.T) {
	for _, p := range KeyMaps[object]() {
		t.Run(p.Name, func(t *testing.T) { testHeldKeys(t, p.New(0)) })
	}
}

// An object is found by its address.
type object [2]uint64

func testHeldKeys(t *testing.T, m Map[*object]) {
	const n = 1000
	keys := make([]*object, n)
	for i := range keys {
		keys[i] = new(object)
		m.Store(keys[i], new(Value))
		m.Store(keys[i], new(Value))
	}
	runtime.GC()
	runtime.GC()
	for _, key := range keys {
		if m.Load(key) == nil {
			t.Fatalf("Load(%p) misses a key that is held", key)
		}
	}
	if m.Load(new(object)) != nil {
		t.Error("a key that was never stored is found")
	}
	if got := m.Len(); got != n || m.Within(n-1) || !m.Within(n) {
		t.Errorf("Len() = %d, Within(%d) = %v, Within(%d) = %v; want %d, false, true", got, n-1, m.Within(n-1), n, m.Within(n), n)
	}
	runtime.KeepAlive(keys)
}

func TestEntriesOfDeadKeysGo(t *testing.T) {
	for _, p := range choose(KeyMaps[object](), Weak) {
		t.Run(p.Name, func(t *testing.T) {
			m := p.New(0)
			held := new(object)
			m.Store(held, new(Value))
			for range 1000 {
				m.Store(new(object), new(Value))
			}
			collectUntil(t, "one entry left", func() bool { return m.Within(1) })
			if m.Load(held) == nil {
				t.Error("the key that is held is not found")
			}
		})
	}
}

func choose[S any](participants []Participant[S], kind Kind) []Participant[S] {
	var chosen []Participant[S]
	for _, p := range participants {
		if p.Kind == kind {
			chosen = append(chosen, p)
		}
	}
	return chosen
}
