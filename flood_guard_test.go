package weakmap

import (
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
	"github.com/go-weak/weakmap/internal/xxh"
)

// What the guard takes for a flood, and what not.

// What honest keys do is far from a flood, in shards that fill and in shards that are kept at their
// limit, by a removal before each insertion. The hashes are the same in every run: with others, some
// runs would exceed half a bound, with nothing wrong. The bounds in grow.go follow from
//
//	WEAKMAP_STRESS=600 go test -v -run HonestKeys .
//
// which prints the most buckets that a key passed, and the most bindings that it met under its tag.
func TestHonestKeysAreNoFlood(t *testing.T) {
	times, _ := strconv.Atoi(os.Getenv("WEAKMAP_STRESS"))
	hashes := rand.New(rand.NewPCG(1, 2))
	word := unsafe.Pointer(new(int))
	type met struct{ most, second, insertions int }
	piled := 0               // the most bindings that passed one bucket while a quarter of the limit was free
	var passed, alike [5]met // by the quarters of the limit that are free; the last is of those kept there
	for _, n := range []int{4, 28, 320, 4096, 28672} {
		for range max(1, 32768/n/8) * max(times, 1) {
			l := &layout{Row: row.Make(n, 1), shards: make([]shard, 1)}
			s := &l.shards[0]
			present := make([]uint32, 0, l.Limit())
			for i := range 2 * l.Limit() {
				kept := i >= l.Limit()
				pos := uint32(len(present))
				if kept {
					pos = hashes.Uint32N(pos)
					b, k, _ := l.Find(present[pos], func(b *row.Bucket, k uintptr) bool { return l.Pos(b, k) == pos })
					l.Remove(present[pos], b, k)
				} else {
					present = append(present, 0)
					s.inserted.Add(1)
				}
				hash, others := hashes.Uint32(), 0
				present[pos] = hash
				l.Find(hash, func(*row.Bucket, uintptr) bool {
					others++
					return false
				})
				full := l.Insert(hash, row.Binding{Word: word, Pos: pos})
				at := quartersFree(s.used(), l.Limit())
				if kept {
					at = 4
				}
				for _, c := range []struct {
					of *met
					n  int
				}{{&passed[at], full}, {&alike[at], others}} {
					c.of.insertions++
					c.of.second = max(c.of.second, min(c.n, c.of.most))
					c.of.most = max(c.of.most, c.n)
				}
				if i%max(l.Limit()/16, 1) == 0 && i < l.Limit()*3/4 {
					for n := range l.Len() {
						by, _ := row.PassedBy(l.Tags(uint32(n)))
						piled = max(piled, by)
					}
				}
				if times == 0 && !kept && l.isFlooded(s, 2*full, 2*others) {
					t.Fatalf("with %d of %d bindings an honest key has passed %d buckets and met %d bindings under its tag: that is half a flood", s.used(), l.Limit(), full, others)
				}
			}
		}
	}
	for at, what := range []string{"nearly full", "a quarter free", "half free", "three quarters free", "kept at the limit"} {
		t.Logf("%s: in %d insertions the most buckets passed were %d and %d, and the most alike %d and %d",
			what, passed[at].insertions, passed[at].most, passed[at].second, alike[at].most, alike[at].second)
		if p, a := passed[at].most, alike[at].most; p > floodPassed || a > floodAlike {
			t.Logf("that would have been a flood")
		}
	}
	if t.Logf("with a quarter free at least, one bucket was passed by %d at most", piled); times == 0 && piled > pileUp {
		t.Errorf("honest keys are crowded after a table has shrunk: %d passed one bucket", piled)
	}
	runtime.KeepAlive(word)
}

// From 16 million buckets on, tags say less, and more bindings are alike.
func TestLargeTablesMeetMoreThatAreAlike(t *testing.T) {
	l := &layout{Row: row.Make(1, 1), shards: make([]shard, 1)}
	for shift, want := range map[int]int{0: floodAlike, 10: floodAlike, 24: floodAlike, 25: 2 * floodAlike, 27: 8 * floodAlike} {
		// A row of that size would take gigabytes: it only says so, in the words after its addresses.
		*(*[2]uint32)(unsafe.Add(unsafe.Pointer(&l.Row), 2*ptrSize)) = [2]uint32{1 << shift, 1 << shift}
		if l.Len() != 1<<shift || l.Limit() != row.LimitOf(1<<shift) {
			t.Fatalf("the row says that it has %d buckets and takes %d, want 2^%d", l.Len(), l.Limit(), shift)
		}
		s := &l.shards[0]
		s.inserted.Store(uint64(l.Limit()))
		if l.isFlooded(s, 0, want) || !l.isFlooded(s, 0, want+want/floodAlike) {
			t.Errorf("in 2^%d buckets %d that are alike are to be no flood, and more one", shift, want)
		}
	}
}

// Keys with one hash make the table change to a hash of its own, and stay found.
func TestAFloodedTableTakesAnotherHash(t *testing.T) {
	for _, shards := range []int{0, 1, 4} {
		m := Map[string, int]{Config: Config{Shards: shards}, Hash: func(string) uint64 { return 42 }}
		values := make([]int, 2000)
		for i := range values {
			m.Store(fmt.Sprint(i), &values[i])
		}
		l := m.core.table.Load().layout.Load()
		if !l.hashing.seeded || l.hashing.seed == (maphash.Seed{}) {
			t.Errorf("with Shards = %d the table is under no seed after a flood", shards)
		}
		if n := l.Len() * row.Slots; n > 16*len(values) {
			t.Errorf("with Shards = %d the flood has made the table grow to %d slots", shards, n)
		}
		for i := range values {
			if v, ok := m.Load(fmt.Sprint(i)); !ok || v != &values[i] {
				t.Fatalf("with Shards = %d key %d is lost", shards, i)
			}
		}
	}
}

// An equal tag and an equal length do not suffice for a lookup.
func TestKeysWithOneTagAreTold(t *testing.T) {
	v := new(int)
	var words Map[uint64, int]
	var texts Map[string, int]
	in, set := Interner[string]{}, Strings{}
	text := func(i int) string { return fmt.Sprintf("a text with a number: %08d", i) }
	canonical, shared := in.Intern(text(0)), set.Intern(text(0))
	words.Store(0, v)
	texts.Store(text(0), v)
	tag := func(h uint32) uint64 { return row.Tag(h) }
	word, str := tag(hashWord(0)), tag(uint32(xxh.String(text(0), processSeed)))
	met := 0
	for i := 1; i < 20_000; i++ {
		if tag(hashWord(uintptr(i))) == word {
			met++
			if _, ok := words.Load(uint64(i)); ok {
				t.Fatalf("%d is found, which is not there", i)
			}
		}
		if s := text(i); tag(uint32(xxh.String(s, processSeed))) == str {
			met++
			if _, ok := texts.Load(s); ok {
				t.Fatalf("%q is found, which is not there", s)
			}
			if _, ok := in.Lookup(s); ok {
				t.Fatalf("%q is canonical, which is not there", s)
			}
			if _, ok := set.Lookup(s); ok {
				t.Fatalf("%q is shared, which is not there", s)
			}
		}
	}
	if met < 10 {
		t.Errorf("%d keys have the tag of another", met)
	}
	runtime.KeepAlive(v)
	runtime.KeepAlive(canonical)
	runtime.KeepAlive(shared)
}

// Keys that a function compares are told although the 24 bits of hash that a slot has of them are the same.
func TestComparedKeysWithOneHashAreTold(t *testing.T) {
	type pair [2]uint64
	seen := map[uint32]pair{}
	met := 0
	for i := uint64(0); met < 3; i++ {
		key := pair{i, i}
		h := uint32(maphash.Comparable(comparableSeed, key)) & 0xffffff
		other, ok := seen[h]
		if seen[h] = key; !ok {
			continue
		}
		met++
		v := new(int)
		var m Map[pair, int]
		m.Store(key, v)
		if _, ok := m.Load(key); !ok {
			t.Errorf("%v is not found", key)
		}
		if _, ok := m.Load(other); ok {
			t.Errorf("%v is found, which is not there", other)
		}
		var in Interner[pair]
		canonical := in.Intern(key)
		if _, ok := in.Lookup(other); ok {
			t.Errorf("%v is canonical, which is not there", other)
		}
		runtime.KeepAlive(v)
		runtime.KeepAlive(canonical)
	}
}

// A value is bound to two keys with one tag, of which the second is in the bucket of the first.
// Removing one of them must not remove the other, nor the other's place in the counts of what passed.
func TestOneValueUnderKeysWithOneTag(t *testing.T) {
	if !areWords {
		t.Skip("numbers of 64 bits are no words here")
	}
	const tag = 9
	m := Map[uint64, int]{Config: Config{Shards: 1, Capacity: 100}}
	v, others := new(int), new([2 * row.Slots]int)
	m.Store(0, v)
	m.Delete(0)
	table := m.core.table.Load()
	l := table.layout.Load()
	in0, in1 := hashTo(l.Len(), 0, tag), hashTo(l.Len(), 1, tag)
	first, second := wordWithHash(in1), wordWithHash(in0)
	m.Store(first, v)
	for i := range uint64(row.Slots) { // The home of the second is full.
		m.Store(wordWithHash(hashTo(l.Len(), 0, 7)|i<<32), &others[i])
	}
	m.Store(second, v)
	s := &l.shards[0]
	for _, step := range []struct {
		hash      uint64
		goes      uint64
		stay      []uint64
		remaining int
	}{
		{in0, second, []uint64{first}, row.Slots + 1},
		{in1, first, nil, row.Slots},
	} {
		if n, _ := row.PassedBy(l.Tags(0)); n != len(step.stay) {
			t.Errorf("%d bindings have passed the first bucket, want %d", n, len(step.stay))
		}
		s.mu.Lock()
		ok := table.unbindDead(l, s, uint32(step.hash), seam.Make(unsafe.Pointer(v)))
		table.unlock(s)
		if _, found := m.Load(step.goes); found || !ok {
			t.Errorf("the binding with hash %x was taken out: %t, and is found: %t", step.hash, ok, found)
		}
		for _, key := range step.stay {
			if _, found := m.Load(key); !found {
				t.Errorf("the binding of %x is not found, which was to stay", key)
			}
		}
		if n, _ := row.PassedBy(l.Tags(0)); n != 0 || m.Len() != step.remaining {
			t.Errorf("%d bindings have passed the first bucket, want none; %d are there, want %d", n, m.Len(), step.remaining)
		}
	}
	runtime.KeepAlive(others)
}

// Objects that die at one address leave bindings with one hash. They are no flood. Where they count as
// one, this fails in 20 of 20 runs.
func TestWhatHasDiedIsNoFlood(t *testing.T) {
	release := reaper.blockPasses()
	defer release()
	reaper.settlers.Add(1) // Writers do not remove what has died.
	defer reaper.settlers.Add(-1)
	type large [64 << 10]byte // It has its pages to itself, and the next one gets them.
	set := Set[large]{Config: Config{Shards: 1, Capacity: 1000}}
	at := make(map[uintptr]int) // how many have had an address
	most := 0
	added := func() (w weak.Pointer[large]) {
		done := make(chan weak.Pointer[large])
		go func() {
			elem := new(large)
			set.Add(elem)
			at[uintptr(unsafe.Pointer(elem))]++
			most = max(most, at[uintptr(unsafe.Pointer(elem))])
			done <- weak.Make(elem)
		}()
		return <-done
	}
	deadline := time.Now().Add(20 * time.Second)
	for most < 2*floodAlike {
		for w := added(); w.Value() != nil; runtime.GC() {
			if time.Now().After(deadline) {
				t.Fatalf("%d objects have had one address, want %d", most, 2*floodAlike)
			}
		}
	}
	if set.core.table.Load().layout.Load().hashing.seeded {
		t.Error("the table has taken another hash")
	}
}
