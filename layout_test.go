package weakmap

import (
	"fmt"
	"runtime"
	"testing"
	"weak"
)

// named returns what the slots of l name, without keeping it.
func named[K comparable, P, A any](l *layout[K, P, A]) (entries []weak.Pointer[entry[P, A]]) {
	for i := range l.len() {
		b := l.at(uint32(i))
		for k := range b.slots {
			if e := b.slots[k].load(); e != nil {
				entries = append(entries, weak.Make(e))
			}
		}
	}
	return entries
}

// gone returns how many of entries have been collected.
func gone[E any](entries []weak.Pointer[E]) (n int) {
	for range 3 {
		runtime.GC()
	}
	for _, w := range entries {
		if w.Value() == nil {
			n++
		}
	}
	return n
}

// A lookup may be anywhere between a layout's tags and an entry when that layout is replaced and
// its entries are removed. The collector does not see what a slot names, so the layout keeps it,
// and only as long as somebody has the layout.
func TestAReplacedLayoutKeepsWhatItsSlotsName(t *testing.T) {
	release := HoldPasses()
	defer release()
	const n = 100
	for name, replace := range map[string]func(m *Map[int, int], values []*int){
		"growth": func(m *Map[int, int], values []*int) {
			for i := range 10 * n {
				m.Store(n+i, values[0])
			}
		},
		"shrinkage": func(m *Map[int, int], _ []*int) {
			for i := range n - 2 {
				m.Delete(i)
			}
		},
		"removal of holes": func(m *Map[int, int], values []*int) {
			m.Delete(0)
			for i := range 10 * n {
				m.Store(n+i, values[0])
			}
		},
		"Clear": func(m *Map[int, int], _ []*int) { m.Clear() },
		"mass death": func(m *Map[int, int], values []*int) {
			for i := range 10 * massDeath {
				m.Store(n+i, new(int))
			}
			clear(values)
			runtime.GC()
			m.Reap()
		},
		"flood": func(m *Map[int, int], values []*int) {
			for i := range 10 * n {
				m.Store(-i*1000, values[0])
			}
		},
	} {
		for _, shards := range []int{0, 1} { // The next layout has other shards, or the same.
			t.Run(fmt.Sprintf("%s, Shards = %d", name, shards), func(t *testing.T) {
				m := Map[int, int]{
					Config: Config{Shards: shards},
					Hash:   func(key int) uint64 { return uint64(max(key, 0)) },
				}
				values := make([]*int, n)
				for i := range values {
					values[i] = new(int)
					m.Store(i, values[i])
				}
				l := m.core.table.Load().layout.Load()
				replace(&m, values)
				if m.core.table.Load().layout.Load() == l {
					t.Fatal("the layout was not replaced")
				}
				entries := named(l)
				if len(entries) == 0 {
					t.Fatal("no slot of the replaced layout names anything")
				}
				for key := range m.All() {
					m.Delete(key)
				}
				if gone := gone(entries); gone > 0 {
					t.Errorf("%d of %d entries have been collected while their slots can be read", gone, len(entries))
				}
				runtime.KeepAlive(l)
				runtime.KeepAlive(values)
				m.Clear() // What has died since was not listed.
				if gone := gone(entries); gone < len(entries) {
					t.Errorf("%d of %d entries are kept by nobody's layout", len(entries)-gone, len(entries))
				}
				runtime.KeepAlive(&m)
			})
		}
	}
}

// The same, where a flood finds dead entries that cannot be given another hash.
func TestAReplacedLayoutKeepsWhatDiedBeforeAFlood(t *testing.T) {
	release := HoldPasses()
	defer release()
	strings := Interner[string]{
		Config: Config{Shards: 1, Capacity: 4000}, // It does not grow, which would remove the dead.
		Hash:   func(s string) uint64 { return uint64(len(s)) },
	}
	for i := range floodAlike {
		strings.Intern(fmt.Sprint(i))
	}
	runtime.GC()
	l := strings.core.table.Load().layout.Load()
	var held []*string
	for i := 1000; l.table.layout.Load() == l; i++ {
		held = append(held, strings.Intern(fmt.Sprint(i)))
	}
	if kind := l.table.layout.Load().kind; kind != hashSeeded {
		t.Fatalf("the table is under hash %d, want %d", kind, hashSeeded)
	}
	entries := named(l)
	if len(entries) <= len(held) {
		t.Fatalf("slots name %d entries, and %d canonical values are held: none that died", len(entries), len(held))
	}
	strings.Clear()
	if gone := gone(entries); gone > 0 {
		t.Errorf("%d of %d entries have been collected while their slots can be read", gone, len(entries))
	}
	runtime.KeepAlive(l)
	runtime.KeepAlive(held)
}
