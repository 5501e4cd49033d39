package suite

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap"
)

// inAllShapes runs a test with Strings of each reclaim mode, with and without retention, of one
// shard and of several.
func inAllShapes(t *testing.T, test func(t *testing.T, s *weakmap.Strings)) {
	t.Helper()
	for _, c := range []weakmap.Config{
		{},
		{Shards: 1},
		{Reclaim: weakmap.PerValue},
		{Retain: 1, Stats: true},
	} {
		t.Run(fmt.Sprintf("reclaim=%s/shards=%d/retain=%d", nameOf(c.Reclaim), c.Shards, c.Retain), func(t *testing.T) {
			test(t, &weakmap.Strings{Config: c})
		})
	}
}

// sameBytes reports whether two equal strings share their bytes.
func sameBytes(a, b string) bool { return unsafe.StringData(a) == unsafe.StringData(b) }

// lengths are those at which something changes: an object of its own, the hash, what is recorded.
var lengths = []int{1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 128, 129, 240, 241, 1000, 1<<16 - 2, 1<<16 - 1, 1 << 16, 1<<16 + 1, 300_000}

func TestEqualStringsShareTheirBytes(t *testing.T) {
	inAllShapes(t, func(t *testing.T, s *weakmap.Strings) {
		var held []string
		for _, n := range lengths {
			for _, last := range []string{"a", "b"} {
				v := strings.Repeat("x", n-1) + last
				first := s.Intern(v)
				if first != v || sameBytes(first, v) {
					t.Fatalf("%d bytes: Intern returns what it was given, or another", n)
				}
				held = append(held, first)
				for _, again := range []string{s.Intern(strings.Clone(v)), s.InternBytes([]byte(v)), s.Intern(first)} {
					if again != v || !sameBytes(again, first) {
						t.Errorf("%d bytes: an equal string has other bytes", n)
					}
				}
				if found, ok := s.Lookup(strings.Clone(v)); !ok || !sameBytes(found, first) {
					t.Errorf("%d bytes: Lookup finds %t", n, ok)
				}
			}
		}
		if got, want := s.Len(), len(held); got != want {
			t.Errorf("Len = %d, want %d", got, want)
		}
		seen := map[string]bool{}
		for v := range s.All() {
			if seen[v] {
				t.Errorf("a string of %d bytes comes twice", len(v))
			}
			seen[v] = true
		}
		for _, v := range held {
			if !seen[v] {
				t.Errorf("All leaves out a string of %d bytes", len(v))
			}
		}
		runtime.KeepAlive(held)
	})
}

func TestTheEmptyStringIsNoEntry(t *testing.T) {
	var s weakmap.Strings
	if got := s.Intern(""); got != "" {
		t.Errorf("Intern of the empty string = %q", got)
	}
	if got := s.InternBytes(nil); got != "" {
		t.Errorf("InternBytes(nil) = %q", got)
	}
	if got, ok := s.Lookup(""); got != "" || !ok {
		t.Errorf("Lookup of the empty string = %q, %t", got, ok)
	}
	if _, ok := s.Lookup("a"); ok {
		t.Error("Lookup finds what nobody has stored")
	}
	if n := s.Len(); n != 0 {
		t.Errorf("Len = %d, want 0", n)
	}
}

// A string, or a part of one, is all that need be held.
func TestASubstringKeepsTheEntry(t *testing.T) {
	inAllShapes(t, func(t *testing.T, s *weakmap.Strings) {
		part := s.Intern(strings.Repeat("a", 10) + "bcd")[10:12]
		elsewhere(func() { s.Intern("nobody holds this one") })
		eventually(t, "the other goes", func() bool { return s.Len() == 1 })
		for range 4 {
			runtime.GC()
		}
		whole, ok := s.Lookup(strings.Repeat("a", 10) + "bcd")
		if !ok || unsafe.StringData(whole[10:]) != unsafe.StringData(part) {
			t.Errorf("a substring is held, and the entry is gone (%t)", ok)
		}
		if part != "bc" {
			t.Errorf("the substring is %q", part)
		}
	})
}

func TestStringsOfAllLengthsDie(t *testing.T) {
	inAllShapes(t, func(t *testing.T, s *weakmap.Strings) {
		elsewhere(func() {
			for _, n := range lengths {
				s.Intern(strings.Repeat("y", n))
			}
		})
		if s.Config.Retain == 0 {
			settle(t)
		}
		eventually(t, "all go", func() bool { return s.Len() == 0 })
		if st := s.Stats(); st.Inserts != uint64(len(lengths)) || st.Reaped != st.Inserts {
			t.Errorf("Stats = %+v, want all %d reaped", st, len(lengths))
		}
	})
}

// What is passed in may be written to later.
func TestStringsKeepNothingOfWhatTheyAreGiven(t *testing.T) {
	var s weakmap.Strings
	b := bytes.Repeat([]byte("k"), 40)
	v := s.InternBytes(b)
	for i := range b {
		b[i] = 'z'
	}
	if v != strings.Repeat("k", 40) {
		t.Errorf("the string changed with the bytes: %q", v)
	}
	if _, ok := s.Lookup(strings.Repeat("k", 40)); !ok {
		t.Error("the string is not found any more")
	}
	runtime.KeepAlive(v)
}

func TestStringsThatAreThereAllocateNothing(t *testing.T) {
	inAllShapes(t, func(t *testing.T, s *weakmap.Strings) {
		for _, n := range []int{1, 21, 40, 300, 70_000} {
			v := strings.Repeat("q", n)
			b := []byte(v)
			held := s.Intern(v)
			for name, f := range map[string]func(){
				"Intern":         func() { s.Intern(v) },
				"InternBytes":    func() { s.InternBytes(b) },
				"Lookup":         func() { s.Lookup(v) },
				"Lookup, a miss": func() { s.Lookup(v[1:]) },
			} {
				if n := testing.AllocsPerRun(100, f); n != 0 {
					t.Errorf("%s of %d bytes: %.0f allocations", name, len(v), n)
				}
			}
			runtime.KeepAlive(held)
		}
	})
}

func TestClearedStringsGetOtherBytes(t *testing.T) {
	inAllShapes(t, func(t *testing.T, s *weakmap.Strings) {
		first := s.Intern("a string that is held")
		s.Clear()
		if _, ok := s.Lookup("a string that is held"); ok || s.Len() != 0 {
			t.Error("Clear leaves an entry")
		}
		if again := s.Intern(first); again != first || sameBytes(again, first) {
			t.Error("after Clear, Intern returns the old bytes")
		}
	})
}

func TestStringsCountHitsAndMisses(t *testing.T) {
	s := weakmap.Strings{Config: weakmap.Config{Stats: true}}
	held := s.Intern("one")
	s.Intern("one")
	s.Lookup("one")
	s.Lookup("two")
	if st := s.Stats(); st.Hits != 2 || st.Misses != 2 || st.Inserts != 1 {
		t.Errorf("Stats = %+v, want 2 hits, 2 misses, 1 insert", st)
	}
	runtime.KeepAlive(held)
}

// Beside a map that holds everything: an equal string that is held has the same bytes, whatever
// the collector does.
func TestStringsBesideAModel(t *testing.T) {
	inAllShapes(t, func(t *testing.T, s *weakmap.Strings) {
		stop := collectInBackground()
		defer stop()
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(g), 7))
				held := map[string]string{} // of this goroutine
				for range scaled(20_000) {
					v := fmt.Sprintf("%0*d", 1+random.IntN(40), random.IntN(300))
					switch random.IntN(4) {
					case 0:
						delete(held, v)
					case 1:
						if mine, ok := held[v]; ok {
							if found, ok := s.Lookup(v); !ok || !sameBytes(found, mine) {
								t.Errorf("%q is held, and Lookup finds another, or %t", v, ok)
								return
							}
						}
					default:
						got := s.Intern(v)
						if mine, ok := held[v]; got != v || ok && !sameBytes(got, mine) {
							t.Errorf("%q is held, and Intern returns another", v)
							return
						}
						held[v] = got
					}
				}
			})
		}
		wg.Wait()
		if s.Config.Retain == 0 {
			settle(t)
		}
		eventually(t, "all go", func() bool { return s.Len() == 0 })
	})
}
