package suite

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

// atOnce runs all operations on several goroutines, in random order, while collections run. Each
// gets a random number.
func atOnce(milliseconds int, operations ...func(n int)) {
	defer collectInBackground()()
	end := underPressure(milliseconds)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for time.Now().Before(end) {
				for range 50 {
					operations[rand.IntN(len(operations))](rand.IntN(1 << 20))
				}
			}
		})
	}
	wg.Wait()
}

// Every method with every other, on keys that are held and on keys that die. Catches data races,
// deadlocks, and an entry that is counted twice or never: afterwards the counts balance, and
// what is no longer held goes.
func TestKeyMapEverythingAtOnce(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, *record]) { //weakvet:ignore weakcycle cleared in the end
		keys := newRecords(40)
		var reported sync.Map
		m.OnReap = func(v *record) {
			if _, again := reported.LoadOrStore(v, true); again {
				t.Error("a value is reported twice")
			}
		}
		key := func(n int) *record {
			if n%4 == 0 {
				return &record{}
			}
			return keys[n%len(keys)]
		}
		look := func(v *record) { // What was written before the value was bound is seen.
			if v != nil && v.id < 0 {
				t.Error("a value that was never stored")
			}
		}
		value := func(n int) *record { return &record{id: n} }
		atOnce(100,
			func(n int) { m.Store(key(n), value(n)) },
			func(n int) { m.Store(key(n), value(n)) },
			func(n int) { v, _ := m.Load(key(n)); look(v) },
			func(n int) { v, _ := m.LoadOrStore(key(n), value(n)); look(v) },
			func(n int) { v, _ := m.Swap(key(n), value(n)); look(v) },
			func(n int) { v, _ := m.LoadAndDelete(key(n)); look(v) },
			func(n int) { m.Delete(key(n)) },
			func(n int) {
				v, _, _ := m.LoadOrCompute(key(n), func() (*record, error) { return value(n), nil })
				look(v)
			},
			func(n int) {
				m.Compute(key(n), func(v *record, _ bool) (*record, bool) { look(v); return value(n), n%3 > 0 })
			},
			func(n int) {
				if n%8 == 0 {
					m.DeleteFunc(func(_, v *record) bool { look(v); return v.id%5 == 0 })
				}
			},
			func(n int) {
				if n%16 == 0 {
					m.Clear()
				}
			},
			func(n int) {
				for _, v := range m.All() {
					if look(v); n%7 == 0 {
						break
					}
				}
			},
			func(int) { m.Len(); m.Stats() },
			func(n int) {
				if n%4 == 0 {
					m.Reap()
				}
			},
		)
		balanced(t, m)
		for _, k := range keys {
			m.Delete(k)
		}
		wantLen(t, m, 0)
		settle(t)
		n := uint64(0)
		reported.Range(func(any, any) bool { n++; return true })
		if s := balanced(t, m); s.Reaped != n {
			t.Errorf("%d values reported, Stats = %+v", n, s)
		}
		runtime.KeepAlive(keys)
	})
}

// The same for two sets.
func TestSetEverythingAtOnce(t *testing.T) {
	eachSet(t, func(t *testing.T, a, b *weakmap.Set[record]) {
		elems := newRecords(40)
		elem := func(n int) *record {
			if n%4 == 0 {
				return &record{}
			}
			return elems[n%len(elems)]
		}
		pick := func(n int) (s, other *weakmap.Set[record]) {
			if n%2 == 0 {
				return a, b
			}
			return b, a
		}
		atOnce(60,
			func(n int) { s, _ := pick(n); s.Add(elem(n / 2)) },
			func(n int) { s, _ := pick(n); s.Remove(elem(n / 2)) },
			func(n int) { s, _ := pick(n); s.Contains(elem(n / 2)) },
			func(n int) { s, _ := pick(n); s.AddSeq(slices.Values(elems[n%len(elems):])) },
			func(n int) { s, o := pick(n); s.RemoveSeq(weakmap.Intersection(s, o)) },
			func(n int) { s, o := pick(n); s.AddSeq(weakmap.Union(o, s)) },
			func(n int) { s, _ := pick(n); s.RetainFunc(func(r *record) bool { return r.id%3 > 0 }) },
			func(n int) { s, o := pick(n); s.IsSubset(o); s.IsDisjoint(o) },
			func(n int) {
				s, o := pick(n)
				for range weakmap.SymmetricDifference(s, o) {
				}
			},
			func(n int) { s, _ := pick(n); s.Len(); s.Stats(); s.Reap() },
			func(n int) {
				if s, _ := pick(n); n%32 < 2 {
					s.Clear()
				}
			},
		)
		for _, s := range []*weakmap.Set[record]{a, b} {
			s.RemoveSeq(slices.Values(elems))
			wantLen(t, s, 0)
		}
		runtime.KeepAlive(elems)
	})
}

// The same for an interner.
func TestInternerEverythingAtOnce(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[string]) {
		held := make([]*string, 20)
		for i := range held {
			held[i] = in.Intern("held " + strconv.Itoa(i))
		}
		word := func(n int) string { return "word " + strconv.Itoa(n%50) }
		check := func(p *string, want string) {
			if *p != want {
				t.Errorf("%q interned points to %q", want, *p)
			}
		}
		atOnce(40,
			func(n int) { check(in.Intern(word(n)), word(n)) },
			func(n int) { check(weakmap.InternBytes(in, []byte(word(n))), word(n)) },
			func(n int) {
				if p, ok := in.Lookup(word(n)); ok {
					check(p, word(n))
				}
			},
			func(n int) {
				if p := held[n%len(held)]; in.Intern("held "+strconv.Itoa(n%len(held))) != p {
					t.Errorf("Intern of a held value gives another pointer: %q", *p)
				}
			},
			func(int) {
				for p := range in.All() {
					if *p == "" {
						t.Error("All yields what was never interned")
					}
				}
			},
			func(int) { in.Len(); in.Stats(); in.Reap() },
		)
		once(t, "All", func(yield func(*string) bool) {
			for p := range in.All() {
				if slices.Contains(held, p) && !yield(p) {
					return
				}
			}
		}, held...)
		balanced(t, in)
		wantLen(t, in, len(held))
		runtime.KeepAlive(held)
	})
}

// A replacement must not cause a miss, and what was bound before a Load began is the oldest
// that it may return. One goroutine binds ever larger numbers to a few keys that are held, while
// strangers make the table grow, shrink and be reaped. Catches a reader that is left with an old
// layout, and one that finds neither the old entry nor the new.
func TestKeyMapReplacedKeysAlwaysHit(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		keys := newRecords(4)
		var bound [4]atomic.Int64
		for i, key := range keys {
			m.Store(key, i)
		}
		defer pressure(func(r *record) { m.Store(r, -1) })()
		end := underPressure(100)
		var wg sync.WaitGroup
		wg.Go(func() {
			for n := len(keys); time.Now().Before(end); n++ {
				key := keys[n%len(keys)]
				switch n / len(keys) % 3 {
				case 0:
					m.Store(key, n)
				case 1:
					m.Swap(key, n)
				case 2:
					m.Compute(key, func(int, bool) (int, bool) { return n, true })
				}
				bound[n%len(keys)].Store(int64(n))
			}
		})
		for range 2 {
			wg.Go(func() {
				for i := 0; time.Now().Before(end); i = (i + 1) % len(keys) {
					oldest := int(bound[i].Load())
					if v, ok := m.Load(keys[i]); !ok || v < oldest || v%len(keys) != i {
						t.Errorf("Load = %v, %v, after %d was bound", v, ok, oldest)
						return
					}
				}
			})
		}
		wg.Wait()
		runtime.KeepAlive(keys)
	})
}
