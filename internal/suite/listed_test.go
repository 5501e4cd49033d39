package suite

import (
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-weak/weakmap"
)

// What an iteration has come to is told from all else that is bound, and is still what it was when a body
// or DeleteFunc goes by it.

// Strings that share their first bytes have one address. Here all have one value and one hash as well, or one
// tag in some cases.
func TestDeleteFuncTellsApartStringsThatShareBytes(t *testing.T) {
	text := strings.Repeat("a/", 40)
	for name, hash := range map[string]func(string) uint64{
		"builtin":  nil,
		"constant": func(string) uint64 { return 42 },
		"4bits":    func(s string) uint64 { return uint64(len(s) % 16) },
	} {
		for deleted := 1; deleted <= len(text); deleted++ {
			m := weakmap.Map[string, record]{Hash: hash}
			value := new(record)
			for n := 1; n <= len(text); n++ {
				m.Store(text[:n], value)
			}
			if n := m.DeleteFunc(func(key string, _ *record) bool { return len(key) == deleted }); n != 1 {
				t.Fatalf("%s: DeleteFunc = %d for one key", name, n)
			}
			for n := 1; n <= len(text); n++ {
				if _, ok := m.Load(text[:n]); ok == (n == deleted) {
					t.Fatalf("%s: once the first %d bytes are deleted, the first %d are bound: %t", name, deleted, n, ok)
				}
			}
			runtime.KeepAlive(value)
		}
	}
}

// A key that is not equal to itself is yielded although the table grows meanwhile, and takes another hash.
func TestIterationsYieldKeysThatAreNotEqualToThemselves(t *testing.T) {
	const n, few, more = 300, 20, 5000 // few in one bucket are no flood
	values, numbers := make([]*record, n), make([]float64, more)
	for i := range values {
		values[i] = &record{id: i}
	}
	for name, m := range map[string]*weakmap.Map[float64, record]{
		"built-in hash":  {},
		"one hash":       {Hash: func(f float64) uint64 { return math.Float64bits(math.Abs(f)) }},
		"one, retaining": {Hash: func(f float64) uint64 { return math.Float64bits(math.Abs(f)) }, Config: weakmap.Config{Retain: 1}},
	} {
		seen := make(map[*record]int)
		for _, v := range values[:few] {
			m.Store(math.NaN(), v)
		}
		for _, v := range m.All() {
			if seen[v]++; len(seen) == 1 {
				for _, v := range values[few:] {
					m.Store(math.NaN(), v)
				}
				for i := range more {
					m.Store(float64(i), values[0])
				}
			}
		}
		for _, v := range values[1:few] {
			if seen[v] != 1 {
				t.Fatalf("%s: value %d of a NaN was yielded %d times", name, v.id, seen[v])
			}
		}
		asked := 0
		if got := m.DeleteFunc(func(f float64, _ *record) bool { asked++; return math.IsNaN(f) }); got != n || m.Len() != more {
			t.Errorf("%s: of %d NaNs %d were deleted; %d entries are left, want %d", name, n, got, m.Len(), more)
		}
		runtime.KeepAlive(values)
	}

	interned := weakmap.Interner[float64]{}
	set := weakmap.Set[float64]{Hasher: weakmap.Comparable[float64]()}
	var held []*float64
	for range n {
		held = append(held, interned.Intern(math.NaN()))
		set.Add(held[len(held)-1])
	}
	for name, all := range map[string]func() []*float64{
		"Interner": func() (all []*float64) {
			for p := range interned.All() {
				if all = append(all, p); len(all) == 1 {
					for i := range numbers {
						held = append(held, interned.Intern(float64(i)))
					}
				}
			}
			return all
		},
		"Set": func() (all []*float64) {
			for p := range set.All() {
				if all = append(all, p); len(all) == 1 {
					for i := range numbers {
						set.Add(&numbers[i])
					}
				}
			}
			return all
		},
	} {
		yielded := maps.Collect(func(yield func(*float64, bool) bool) {
			for _, p := range all() {
				if !yield(p, true) {
					return
				}
			}
		})
		for _, p := range held[:n] {
			if !yielded[p] {
				t.Fatalf("%s: a NaN that is there all the time was not yielded", name)
			}
		}
	}
	runtime.KeepAlive(held)
}

// A key that is deleted and stored again before its turn comes is deleted by what it is bound to then.
func TestDeleteFuncDeletesWhatItWasShown(t *testing.T) {
	text := []string{"a", "b", "c", "d"}
	pair := [][2]string{{"a"}, {"b"}, {"c"}, {"d"}}
	for _, same := range []bool{true, false} {
		old := new(record)
		other := old
		if !same {
			other = new(record)
		}
		var texts weakmap.Map[string, record]
		var pairs weakmap.Map[[2]string, record]
		for i := range text {
			texts.Store(text[i], old)
			pairs.Store(pair[i], old)
		}
		again := func() {
			for i := range text {
				texts.Delete(text[i])
				texts.Store(strings.Clone(text[i]), other)
				pairs.Delete(pair[i])
				pairs.Store([2]string{strings.Clone(pair[i][0])}, other)
			}
		}
		var shown []string
		all := texts.DeleteFunc(func(key string, v *record) bool {
			if len(shown) == 0 {
				again()
				shown = append(shown, key)
				return false
			}
			shown = append(shown, key)
			return v == other
		})
		if slices.Sort(shown); !slices.Equal(shown, text) || all != len(text)-1 || texts.Len() != 1 {
			t.Errorf("strings, the same value: %t: DeleteFunc was asked about %q and deleted %d; %d are left", same, shown, all, texts.Len())
		}
		calls := 0
		all = pairs.DeleteFunc(func(_ [2]string, v *record) bool {
			if calls++; calls == 1 {
				again()
				return false
			}
			return v == other
		})
		if calls != len(pair) || all != len(pair)-1 || pairs.Len() != 1 {
			t.Errorf("structs, the same value: %t: DeleteFunc was asked %d times and deleted %d; %d are left", same, calls, all, pairs.Len())
		}
		runtime.KeepAlive(old)
		runtime.KeepAlive(other)
	}
}

// A KeyMap's key may be bound to another value by the same object: then the word of its weak pointer is the
// same as before. An iteration shows what a key is bound to when its turn comes, and that is what DeleteFunc
// deletes and what counts as used.
func TestAnIterationOfAKeyMapShowsWhatIsBound(t *testing.T) {
	for name, hasher := range map[string]weakmap.Hasher[*record]{"identity": nil, "hasher": byID{}} {
		keys := []*record{{id: 0}, {id: 1}, {id: 2}, {id: 3}}
		m := weakmap.KeyMap[record, int]{Hasher: hasher, Config: weakmap.Config{Shards: 1}}
		for _, key := range keys {
			m.Store(key, 1)
		}
		calls := 0
		deleted := m.DeleteFunc(func(_ *record, value int) bool {
			if calls++; calls == 1 {
				for _, key := range keys {
					m.Store(key, 2)
				}
				return false
			}
			return value == 2
		})
		if calls != len(keys) || deleted != len(keys)-1 || m.Len() != 1 {
			t.Errorf("%s: DeleteFunc was asked %d times and deleted %d; %d are left", name, calls, deleted, m.Len())
		}
		runtime.KeepAlive(keys)

		used := weakmap.KeyMap[record, int]{Hasher: hasher, Config: weakmap.Config{Retain: 1, Shards: 1}}
		for _, key := range keys[:2] {
			used.Store(key, 1)
		}
		calls = 0
		for key := range used.All() {
			if calls++; calls == 1 {
				used.Store(keys[1-key.id], 2)
				eventually(t, "all are let go", func() bool { return used.Stats().Retained == 0 })
			}
		}
		if got := used.Stats().Retained; got != 1 {
			t.Errorf("%s: %d are held after the yield of one that was let go", name, got)
		}
		runtime.KeepAlive(keys)
	}
}

// A key that was replaced by an equal object, and has another place since, is shown with the value that it has
// when its turn comes, although its journal was moved to a larger chunk in between.
func TestAReplacedKeyIsShownWithItsValue(t *testing.T) {
	t.Run("the first chunk is replaced", func(t *testing.T) {
		isShownWithItsValue(t, 33, 8) // One more than are taken at a time, and as many as the first chunk has no room for.
	})
	t.Run("the table grows", func(t *testing.T) {
		isShownWithItsValue(t, 128, 1000) // As many as are in a chunk: that of the replaced one stays as it is.
	})
}

func isShownWithItsValue(t *testing.T, n, more int) {
	m := weakmap.KeyMap[record, int]{Hasher: byID{}, Config: weakmap.Config{Shards: 1}}
	var keys []*record
	store := func(id, value int) *record {
		key := &record{id: id}
		keys = append(keys, key)
		m.Store(key, value)
		return key
	}
	for id := range n {
		store(id, id)
	}
	m.Store(keys[0], 0)
	calls := 0
	deleted := m.DeleteFunc(func(key *record, value int) bool {
		if calls++; calls == 1 {
			var other weakmap.Map[int, record]
			elsewhere(func() { other.Store(0, new(record)) })
			eventually(t, "a pass comes, and what is bound is no longer young", func() bool { return other.Len() == 0 })
			last := store(n-1, 1000)
			for id := range more {
				store(n+id, 0)
			}
			m.Store(last, 2000)
			return false
		}
		return key.id == n-1
	})
	if _, ok := m.Load(&record{id: n - 1}); ok || deleted != 1 {
		t.Errorf("DeleteFunc deleted %d, and left the key that it was asked about: %t", deleted, ok)
	}
	runtime.KeepAlive(keys)
}
