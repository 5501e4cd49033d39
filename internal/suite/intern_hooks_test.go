package suite

import (
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/go-weak/weakmap"
)

// Hash and Clone are the user's: they run with no lock held, may use the interner, and may
// panic, which leaves it usable.
func TestInternerHooks(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		in := newInterner[string](c)
		var cloned []string
		var clones []*byte
		in.Clone = func(s string) string {
			switch cloned = append(cloned, s); s {
			case "panics":
				panic("mine")
			case "outer":
				if *in.Intern("inner") != "inner" {
					t.Error("Intern from within Clone")
				}
				in.Lookup("outer")
				for range in.All() {
				}
			}
			s = strings.Clone(s)
			clones = append(clones, unsafe.StringData(s))
			return s
		}
		wantPanic(t, "mine", func() { in.Intern("panics") })
		wantPanic(t, "mine", func() { in.Intern("panics") })
		cloned = nil
		p := in.Intern("x")
		if unsafe.StringData(*p) != clones[0] {
			t.Error("the canonical value is not what Clone returned")
		}
		in.Intern("x")
		in.Lookup("x")
		in.Lookup("y")
		if !slices.Equal(cloned, []string{"x"}) {
			t.Errorf("Clone was called for %q", cloned)
		}
		outer := in.Intern("outer")
		if *outer != "outer" || in.Intern("outer") != outer {
			t.Error("Intern of a value whose Clone uses the interner")
		}
		runtime.KeepAlive(p)
		runtime.KeepAlive(outer)

		panics := true
		hashed := &weakmap.Interner[string]{Config: c.config(), Hash: func(s string) uint64 {
			if panics {
				panic("mine")
			}
			return uint64(len(s))
		}}
		wantPanic(t, "mine", func() { hashed.Intern("x") })
		panics = false
		p = hashed.Intern("x")
		panics = true
		wantPanic(t, "mine", func() { hashed.Intern("x") })
		wantPanic(t, "mine", func() { hashed.Lookup("x") })
		panics = false
		if hashed.Intern("x") != p || hashed.Intern("y") == p {
			t.Error("Intern after a panic in Hash")
		}
		runtime.KeepAlive(p)
	})
}

func TestInternerCountsHitsAndMisses(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		in := newInterner[string](c)
		in.Config.Stats = true
		in.Lookup("a")
		a := in.Intern("a")
		in.Intern("a")
		in.Lookup("a")
		in.Lookup("b")
		weakmap.InternBytes(in, []byte("a"))
		b := weakmap.InternBytes(in, []byte("b"))
		if s := balanced(t, in); s.Hits != 3 || s.Misses != 4 || s.Inserts != 2 {
			t.Errorf("Stats = %+v, want 3 hits, 4 misses, 2 inserts", s)
		}
		runtime.KeepAlive(a)
		runtime.KeepAlive(b)
	})
}

func TestInternBytes(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[string]) {
		b := []byte("some bytes")
		p := weakmap.InternBytes(in, b)
		copy(b, "SOME")
		if *p != "some bytes" {
			t.Fatalf("what was interned became %q", *p)
		}
		if got := in.Intern("some bytes"); got != p {
			t.Error("Intern and InternBytes give different pointers")
		}
		if got := weakmap.InternBytes(in, []byte("some bytes")); got != p {
			t.Error("InternBytes of equal bytes gives another pointer")
		}
		if got := weakmap.InternBytes(in, b); got == p || *got != "SOME bytes" {
			t.Errorf("InternBytes of other bytes gives %q", *got)
		}
		empty := in.Intern("")
		if weakmap.InternBytes(in, nil) != empty || weakmap.InternBytes(in, []byte{}) != empty || *empty != "" {
			t.Error("no bytes are not the empty string")
		}
		runtime.KeepAlive(p)
		runtime.KeepAlive(empty)
	})
	// A Clone that copies nothing is no licence to keep the caller's bytes.
	everywhere(t, func(t *testing.T, c configuration) {
		in := newInterner[string](c)
		in.Clone = func(s string) string { return s }
		b := []byte("some bytes")
		p := weakmap.InternBytes(in, b)
		copy(b, "SOME")
		if *p != "some bytes" || in.Intern("some bytes") != p {
			t.Errorf("what was interned became %q", *p)
		}
		runtime.KeepAlive(p)
	})
}

func TestInternerHitsDoNotAllocate(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[string]) {
		p, b := in.Intern("interned already"), []byte("interned already")
		zeroAllocs(t, "Intern, hit", func() { in.Intern("interned already") })
		zeroAllocs(t, "InternBytes, hit", func() { weakmap.InternBytes(in, b) })
		zeroAllocs(t, "Lookup, hit", func() { in.Lookup("interned already") })
		zeroAllocs(t, "Lookup, miss", func() { in.Lookup("never interned") })
		runtime.KeepAlive(p)
	})
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[key]) {
		p := in.Intern(key{"some directory", "some file"})
		zeroAllocs(t, "Intern of a struct, hit", func() { in.Intern(key{"some directory", "some file"}) })
		zeroAllocs(t, "Lookup of a struct, miss", func() { in.Lookup(key{"some directory", "no file"}) })
		runtime.KeepAlive(p)
	})
}
