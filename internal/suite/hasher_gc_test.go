package suite

import (
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/go-weak/weakmap"
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
