package suite

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

// What the tests of KeyMap, Set and Interner share.

// newRecords returns n objects, each with an allocation of its own.
func newRecords(n int) []*record {
	objects := make([]*record, n)
	for i := range objects {
		objects[i] = &record{id: i}
	}
	return objects
}

// eachConfig runs a test as a subtest of every configuration without a hash.
func eachConfig(t *testing.T, test func(t *testing.T, c configuration)) {
	t.Helper()
	for _, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		for _, shards := range []int{1, 2, 0} {
			c := configuration{reclaim: reclaim, shards: shards, hash: "builtin"}
			t.Run(c.String(), func(t *testing.T) { test(t, c) })
		}
	}
}

// eachKeying is eachConfig, and has configurations in which KeyMap and Set get a Hasher: one by
// which an object is the same as itself alone. So what is promised without a Hasher holds.
func eachKeying(t *testing.T, test func(t *testing.T, c configuration)) {
	t.Helper()
	eachConfig(t, test)
	for _, c := range []configuration{
		{weakmap.PerCycle, 2, "hasher"},
		{weakmap.PerValue, 0, "hasher"},
		{weakmap.PerCycle, 1, "hasher4bits"},
	} {
		t.Run(c.String(), func(t *testing.T) { test(t, c) })
	}
}

// newKeyMap returns an unused KeyMap set up as the configuration says.
func newKeyMap[K, V any](c configuration) *weakmap.KeyMap[K, V] {
	return &weakmap.KeyMap[K, V]{Config: c.config(), Hasher: hasherOf[K](c)}
}

// newSet is newKeyMap for a Set.
func newSet[T any](c configuration) *weakmap.Set[T] {
	return &weakmap.Set[T]{Config: c.config(), Hasher: hasherOf[T](c)}
}

func hasherOf[T any](c configuration) weakmap.Hasher[*T] {
	switch c.hash {
	case "builtin":
		return nil
	case "hasher":
		return byAddress[T]{^uintptr(0)}
	case "hasher4bits":
		return byAddress[T]{0xf0}
	}
	panic("unknown hash " + c.hash)
}

// byAddress is a Hasher by which an object is the same as itself alone.
type byAddress[T any] struct{ mask uintptr }

func (b byAddress[T]) Hash(h *maphash.Hash, x *T) {
	maphash.WriteComparable(h, addressOf(x)&b.mask)
}
func (byAddress[T]) Equal(x, y *T) bool { return x == y }

// crowds reports whether h gives many objects one hash. Then a writer notes which of them it has
// asked about, and that may take memory.
func crowds[T any](h weakmap.Hasher[*T]) bool {
	by, ok := h.(byAddress[T])
	return ok && by.mask != ^uintptr(0)
}

// eachKeyMap runs a test in every configuration with an unused KeyMap, which lives until the
// test has returned.
func eachKeyMap[K, V any](t *testing.T, test func(t *testing.T, m *weakmap.KeyMap[K, V])) {
	t.Helper()
	eachKeying(t, func(t *testing.T, c configuration) {
		m := newKeyMap[K, V](c)
		test(t, m)
		runtime.KeepAlive(m)
	})
}

// eachSet is eachKeyMap with two unused Sets.
func eachSet[T any](t *testing.T, test func(t *testing.T, a, b *weakmap.Set[T])) {
	t.Helper()
	eachKeying(t, func(t *testing.T, c configuration) {
		a, b := newSet[T](c), newSet[T](c)
		test(t, a, b)
		runtime.KeepAlive(a)
		runtime.KeepAlive(b)
	})
}

// eachInterner is eachKeyMap with an unused Interner, and with every hash.
func eachInterner[T comparable](t *testing.T, test func(t *testing.T, in *weakmap.Interner[T])) {
	t.Helper()
	everywhere(t, func(t *testing.T, c configuration) {
		in := newInterner[T](c)
		test(t, in)
		runtime.KeepAlive(in)
	})
}

// bothInterners runs a test in each reclaim mode with an unused Interner, for tests whose subject
// has nothing to do with shards or hashes.
func bothInterners[T comparable](t *testing.T, test func(t *testing.T, in *weakmap.Interner[T])) {
	t.Helper()
	inBothModes(t, func(t *testing.T, c configuration) {
		in := newInterner[T](c)
		test(t, in)
		runtime.KeepAlive(in)
	})
}

// newInterner returns an unused Interner set up as the configuration says.
func newInterner[T comparable](c configuration) *weakmap.Interner[T] {
	return &weakmap.Interner[T]{Config: c.config(), Hash: hashOf[T](c)}
}

// wantPanic checks that f panics with exactly this text.
func wantPanic(t *testing.T, want string, f func()) {
	t.Helper()
	if got := panicText(f); got != want {
		t.Errorf("panic %q, want %q", got, want)
	}
}

// A container is what all of them have in common.
type container interface {
	Len() int
	Reap() int
	Clear()
	Stats() weakmap.Stats
}

// balanced checks the accounting of a container on which no operation is in
// progress. A pass of the reaper may be, so it looks until it has looked
// between two of its steps.
func balanced(t *testing.T, c container) weakmap.Stats {
	t.Helper()
	var s weakmap.Stats
	within(t, "Inserts == Reaped + Deleted + Entries, which Len returns", func() bool {
		s = c.Stats()
		return s.Inserts == s.Reaped+s.Deleted+uint64(s.Entries) && s.Entries == c.Len()
	})
	return s
}

// wantLen checks that a container gets to n entries, all of them live.
func wantLen(t *testing.T, c container, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("Len() == Stats().Entries == %d", n), func() bool {
		return c.Len() == n && c.Stats().Entries == n
	})
	balanced(t, c)
}

// zeroAllocs checks that f allocates nothing. f is called a thousand and one
// times; a stray allocation of the runtime does not count.
func zeroAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(1000, f); n != 0 {
		t.Errorf("%s: %v allocations", what, n)
	}
}

// addressOf is for comparison only.
func addressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

// once checks that seq yields exactly want, each one once.
func once[T any](t *testing.T, what string, seq func(func(*T) bool), want ...*T) {
	t.Helper()
	got := map[*T]int{}
	for p := range seq {
		if got[p]++; got[p] > 1 {
			t.Errorf("%s yields %p %d times", what, p, got[p])
		}
		if !slices.Contains(want, p) {
			t.Errorf("%s yields %p, which it should not", what, p)
		}
	}
	if len(got) < len(want) {
		t.Errorf("%s yields %d of %d", what, len(got), len(want))
	}
}

// bindDoomed binds a new key to each of the values and holds none of the keys. It returns weak
// pointers to them.
func bindDoomed[V any](m *weakmap.KeyMap[record, V], values ...V) []weak.Pointer[record] {
	handles := make([]weak.Pointer[record], len(values))
	elsewhere(func() {
		for i, v := range values {
			key := &record{id: i}
			handles[i] = weak.Make(key)
			m.Store(key, v)
		}
	})
	return handles
}

// bindHeld binds a new key to each of the values and returns the keys.
func bindHeld[V any](m *weakmap.KeyMap[record, V], values ...V) []*record {
	keys := newRecords(len(values))
	for i, v := range values {
		m.Store(keys[i], v)
	}
	return keys
}

// atReusedAddresses has objects die whose entries stay, and calls newcomer for new objects,
// many of which have the address of a dead one. insert makes the entry of an object, reap
// removes the entries of the dead, and dead tells how many of these there are. It fails if no
// newcomer met an entry of a dead object at its address. Where many have one hash, crowded, there
// are fewer of them: each is compared with all.
func atReusedAddresses(t *testing.T, crowded bool, insert func(*record), dead, reap func() int, newcomer func(*record)) {
	t.Helper()
	defer stallCleanups(t)()
	n, met := 2000, 0
	if crowded {
		n = 500
	}
	for range 3 {
		old := make(map[uintptr]bool, n)
		handles := make([]weak.Pointer[record], n)
		elsewhere(func() {
			for i := range handles {
				r := &record{id: -1}
				insert(r)
				old[addressOf(r)] = true
				handles[i] = weak.Make(r)
			}
		})
		awaitDeath(t, handles)
		newcomers := newRecords(2 * n)
		for _, r := range newcomers {
			if old[addressOf(r)] && dead() > 0 {
				met++
			}
			newcomer(r)
		}
		runtime.KeepAlive(newcomers)
		reap()
	}
	if met == 0 {
		t.Error("no newcomer had the address of a dead object with an entry: the test shows nothing")
	}
}

// wantShrunk checks that the capacity, which was full, has fallen after a mass death. No call is
// needed for that.
func wantShrunk(t *testing.T, c container, full int) {
	t.Helper()
	eventually(t, fmt.Sprintf("Stats().Capacity falls from %d to an eighth", full), func() bool {
		return c.Stats().Capacity <= max(full/8, 8192)
	})
}
