package suite

import (
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/inspect"
)

// KeyMap and Set with a Hasher under the collector.

// Objects die one by one, and each entry goes, whatever has the same hash: nothing asks a
// Hasher about what is dead.
func TestEqualObjectsGo(t *testing.T) {
	eachSchema(t, func(t *testing.T, m *weakmap.KeyMap[schema, int], s *weakmap.Set[schema]) {
		var reaped []int
		m.OnReap = func(v int) { reaped = append(reaped, v) }
		const n = 200
		name := func(i int) string {
			return strings.Repeat("n", 1+i%7) + string(rune('a'+i%26)) + string(rune('A'+i/26))
		}
		held := make([]*schema, 0, n/2)
		elsewhere(func() {
			for i := range n {
				key := newSchema(i, name(i))
				m.Store(key, i)
				s.Add(key)
				if i%2 == 0 {
					held = append(held, key)
				}
			}
		})
		wantLen(t, m, n/2)
		wantLen(t, s, n/2)
		for i := range n {
			v, ok := m.Load(newSchema(-1, name(i)))
			if ok != (i%2 == 0) || ok && v != i || s.Contains(newSchema(-1, name(i))) != ok {
				t.Errorf("Load(%d) = %d, %v", i, v, ok)
			}
		}
		for i := 1; i < n; i += 2 { // Those that died come again.
			key := newSchema(i, name(i))
			if _, loaded := m.LoadOrStore(key, i); loaded {
				t.Errorf("%d is there although it died", i)
			}
			s.Add(key)
			held = append(held, key)
		}
		if m.Len() != n || s.Len() != n {
			t.Errorf("Len = %d and %d, want %d", m.Len(), s.Len(), n)
		}
		runtime.KeepAlive(held)
		held = nil
		wantLen(t, m, 0)
		wantLen(t, s, 0)
		settle(t)
		if st := balanced(t, m); st.Reaped != n+n/2 || len(reaped) != n+n/2 {
			t.Errorf("%d reported, Stats = %+v", len(reaped), st)
		}
	})
}

// What a loop over All finds replaced by an equal key before its turn is yielded once, by the new
// key.
func TestAnIterationYieldsAReplacedKeyOnce(t *testing.T) {
	eachSchema(t, func(t *testing.T, m *weakmap.KeyMap[schema, int], _ *weakmap.Set[schema]) {
		const n = 100
		old, fresh := make([]*schema, n), make([]*schema, n)
		name := func(i int) string { return strings.Repeat("n", i+1) }
		for i := range n {
			old[i], fresh[i] = newSchema(i, name(i)), newSchema(n+i, name(i))
			m.Store(old[i], i)
		}
		settle(t) // What is replaced now gets another place in its journal.
		next, stop := iter.Pull2(m.All())
		defer stop()
		seen := map[int]int{}
		key, _, _ := next()
		seen[key.id%n]++
		for i, k := range fresh {
			m.Store(k, n+i)
		}
		for {
			key, v, ok := next()
			if !ok {
				break
			}
			if v%n != key.id%n || (v < n) != (key.id < n) {
				t.Errorf("yields key %d with %d", key.id, v)
			}
			seen[key.id%n]++
		}
		for i := range n {
			if seen[i] != 1 {
				t.Errorf("key %d was yielded %d times", i, seen[i])
			}
		}
		runtime.KeepAlive(old)
		runtime.KeepAlive(fresh)
	})
}

// A dead object whose hash is that of a key hides no live one behind it.
func TestADeadObjectHidesNoEqualOne(t *testing.T) {
	m := &weakmap.KeyMap[schema, int]{Config: weakmap.Config{Shards: 1}, Hasher: byFields{"constant"}}
	s := &weakmap.Set[schema]{Config: weakmap.Config{Shards: 1}, Hasher: byFields{"constant"}}
	resume := inspect.HoldPasses()
	defer resume()
	const n = 12 // of one hash: more than a bucket
	var last *schema
	var first []weak.Pointer[schema]
	elsewhere(func() {
		for i := range n {
			key := newSchema(i, string(rune('a'+i)))
			m.Store(key, i)
			s.Add(key)
			if last = key; i < n-1 {
				first = append(first, weak.Make(key))
			}
		}
	})
	eventually(t, "all but the last are dead", func() bool {
		runtime.GC()
		return !slices.ContainsFunc(first, func(p weak.Pointer[schema]) bool { return p.Value() != nil })
	})
	equal := newSchema(-1, string(rune('a'+n-1)))
	if key, v, ok := m.LoadKey(equal); !ok || v != n-1 || key != last {
		t.Errorf("LoadKey = %p, %d, %t, want %p, %d", key, v, ok, last, n-1)
	}
	if member, ok := s.Load(equal); !ok || member != last {
		t.Errorf("Load = %p, %t, want %p", member, ok, last)
	}
	runtime.KeepAlive(last)
}

// A Delete of an equal key cuts off what is being computed.
func TestADeleteOfAnEqualKeyCutsOff(t *testing.T) {
	for name, invalidate := range map[string]func(m *weakmap.KeyMap[schema, int], key *schema){
		"Delete":        (*weakmap.KeyMap[schema, int]).Delete,
		"LoadAndDelete": func(m *weakmap.KeyMap[schema, int], key *schema) { m.LoadAndDelete(key) },
		"Clear":         func(m *weakmap.KeyMap[schema, int], _ *schema) { m.Clear() },
	} {
		m := &weakmap.KeyMap[schema, int]{Hasher: byFields{}}
		key := newSchema(1, "a")
		v, loaded, err := m.LoadOrCompute(key, func() (int, error) {
			invalidate(m, newSchema(2, "a"))
			return 7, nil
		})
		if v != 7 || loaded || err != nil {
			t.Errorf("%s: LoadOrCompute = %d, %t, %v, want 7", name, v, loaded, err)
		}
		if v, ok := m.Load(key); ok {
			t.Errorf("%s: %d is bound, which was computed before", name, v)
		}
		runtime.KeepAlive(key)
	}
}
