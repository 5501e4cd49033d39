package weakmap

import (
	"hash/maphash"
	"runtime"
	"testing"
)

// moody is a Hasher of things that are all the same, and panics when it is asked to.
type moody struct{ panics *bool }

func (moody) Hash(*maphash.Hash, *thing) {}
func (m moody) Equal(x, y *thing) bool {
	if *m.panics {
		panic("asked")
	}
	return true
}

// What an insertion prepares is undone if the Hasher panics: with PerValue, a cleanup on the
// key, which may live long. Without the discard of judge, 101 are left.
func TestAHasherThatPanicsLeavesNoCleanup(t *testing.T) {
	panics := false
	m := KeyMap[thing, int]{Config: Config{Reclaim: PerValue}, Hasher: moody{&panics}}
	bound, key := new(thing), new(thing)
	m.Store(bound, 1)
	panics = true
	for range 100 {
		func() {
			defer func() {
				if p := recover(); p != "asked" {
					t.Errorf("panic %v", p)
				}
			}()
			m.Store(key, 2)
		}()
	}
	if left := m.core.table.Load().tickets.n(); left != 1 {
		t.Errorf("%d cleanups are due, want that of what is bound", left)
	}
	runtime.KeepAlive(bound)
	runtime.KeepAlive(key)
}

// Claims go with the calls that took them, however these end.
func TestClaimsGoWithTheirCalls(t *testing.T) {
	panics := false
	m := KeyMap[thing, int]{Hasher: moody{&panics}}
	key := new(thing)
	for name, compute := range map[string]func() (int, error){
		"a value": func() (int, error) { return 1, nil },
		"a panic": func() (int, error) { panic("mine") },
		"Goexit":  func() (int, error) { runtime.Goexit(); return 0, nil },
		"another load, whose Hasher panics": func() (int, error) {
			panics = true
			defer func() { panics = false }()
			v, _, err := m.LoadOrCompute(new(thing), func() (int, error) { return 2, nil })
			return v, err
		},
	} {
		m.Delete(key)
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() { _ = recover() }()
			_, _, _ = m.LoadOrCompute(key, func() (int, error) {
				if n := len(m.claims.taken.of); n != 1 {
					t.Errorf("%d claims while one key is computed", n)
				}
				return compute()
			})
		}()
		<-done
		if m.claims.taken != nil {
			t.Errorf("after %s, %d claims are left", name, len(m.claims.taken.of))
		}
	}
	runtime.KeepAlive(key)
}
