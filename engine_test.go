package weakmap

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
	"github.com/go-weak/weakmap/internal/xxh"
)

// What the engine's speed and size rest on.

func TestNarrowIntegersAreKeysAsTheyAreZeroExtended(t *testing.T) {
	u8, i16, u32, i := uint8(200), int16(-3), uint32(1<<31+7), -1
	for _, c := range []struct {
		got  key
		want uint64
	}{
		{numberAt(&u8), 200}, {numberAt(&i16), 1<<16 - 3}, {numberAt(&u32), 1<<31 + 7}, {numberAt(&i), math.MaxUint64},
	} {
		if c.got.n != uintptr(c.want) || c.got.at != nil {
			t.Errorf("the key is %d, want %d", c.got.n, uintptr(c.want))
		}
	}
	if got := storedKey[int16](words, nil, uint64(numberAt(&i16).n)); got != i16 {
		t.Errorf("the key %d comes back as %d", i16, got)
	}
}

// numberAt returns the number at p as a key.
func numberAt[K comparable](p *K) key {
	keys := keyingOf[K](words, nil)
	return keys.at(unsafe.Pointer(p))
}

func TestClasses(t *testing.T) {
	type named string
	type pair struct{ _, _ int }
	for _, c := range []struct {
		of     reflect.Type
		custom bool
		want   class
	}{
		{reflect.TypeFor[string](), false, texts},
		{reflect.TypeFor[named](), true, texts},
		{reflect.TypeFor[int](), false, words},
		{reflect.TypeFor[uint8](), false, words},
		{reflect.TypeFor[int](), true, boxes},
		{reflect.TypeFor[*int](), false, pointers},
		{reflect.TypeFor[*int](), true, pointers},
		{reflect.TypeFor[chan int](), false, pointers},
		{reflect.TypeFor[unsafe.Pointer](), false, pointers},
		{reflect.TypeFor[pair](), false, boxes},
		{reflect.TypeFor[float64](), false, boxes},
		{reflect.TypeFor[bool](), false, boxes},
		{reflect.TypeFor[any](), false, boxes},
	} {
		if got := classOf(c.of, c.custom); got != c.want {
			t.Errorf("keys of type %v, custom hash %t, are %v, want %v", c.of, c.custom, got, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	if n := unsafe.Sizeof(shard{}); n != 128 {
		t.Errorf("a shard takes %d bytes, want 128, which are whole cache lines", n)
	}
	if ptrSize != 8 {
		t.Skip("sizes are stated for 64 bits")
	}
	type value [64]byte
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"a bucket and its head", unsafe.Sizeof(row.Bucket{}) + unsafe.Sizeof(row.Head{}), 144},
		{"a Map", unsafe.Sizeof(Map[string, value]{}), 112},
	} {
		if c.got != c.want {
			t.Errorf("%s takes %d bytes, want %d", c.name, c.got, c.want)
		}
	}
}

// The most that a map of ten entries may take, on the heap and off it. A built-in
// map of weak pointers with a cleanup for each takes 2.1 KiB, and this one 1,890 bytes.
func TestAMapOfTenEntriesIsSmall(t *testing.T) {
	if ptrSize != 8 {
		t.Skip("the limit is stated for 64 bits")
	}
	type value [64]byte
	const maps, entries, limit = 4000, 10, 1843
	keys := make([]string, entries)
	for i := range keys {
		keys[i] = fmt.Sprintf("key number %d", i)
	}
	values := make([]*value, maps*entries) // Each by itself: the runtime walks a list of all weak pointers into a page.
	for i := range values {
		values[i] = new(value)
	}
	all := make([]Map[string, value], maps)
	before := memoryInUse()
	for m := range all {
		for i, key := range keys {
			all[m].Store(key, values[m*entries+i])
		}
	}
	per := int(memoryInUse()-before)/maps + int(unsafe.Sizeof(all[0]))
	if t.Logf("a map of %d entries takes %d bytes", entries, per); per > limit {
		t.Errorf("a map of %d entries takes %d bytes, want at most %d", entries, per, limit)
	}
	runtime.KeepAlive(values)
	runtime.KeepAlive(all)
}

// memoryInUse returns the bytes of live objects and of what the runtime has
// taken for weak pointers and the like: the least of some attempts, since
// passes that run at the same time leave garbage.
func memoryInUse() uint64 {
	least := uint64(math.MaxUint64)
	for range 10 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		least = min(least, m.HeapAlloc+m.OtherSys)
	}
	return least
}

func TestLookupsAllocateNothing(t *testing.T) {
	type key struct{ a, b string }
	var (
		byString  Map[string, int]
		byWord    Map[uint16, int]
		byPointer Map[*string, int]
		byStruct  Map[key, int]
		byAny     Map[any, int]
		custom    = Map[string, int]{Hash: func(s string) uint64 { return uint64(len(s)) }}
		customInt = Map[int, int]{Hash: func(n int) uint64 { return uint64(n) }}
		counted   = Map[string, int]{Config: Config{Stats: true}}
		retaining = Map[string, int]{Config: Config{Retain: 3}}
		cleaned   = Map[string, int]{Config: Config{Reclaim: PerValue}}
		flooded   = Map[string, int]{Hash: func(string) uint64 { return 42 }}
		keyMap    KeyMap[int, string]
		set       Set[int]
		strings   Interner[string]
		structs   Interner[key]
		unused    Map[string, int]
	)
	v, stranger, long := new(int), new(int), string(make([]byte, longText+1))
	byString.Store("a", v)
	byString.Store(long, v)
	byWord.Store(7, v)
	name := new(string)
	byPointer.Store(name, v)
	byStruct.Store(key{"a", "b"}, v)
	byAny.Store(v, v)
	custom.Store("a", v)
	customInt.Store(7, v)
	counted.Store("a", v)
	retaining.Store("a", v)
	cleaned.Store("a", v)
	for i := range 100 {
		flooded.Store(fmt.Sprint(i), v)
	}
	if l := flooded.core.table.Load().layout.Load(); !l.hashing.seeded {
		t.Error("a table with 100 keys of one hash is not flooded")
	}
	keyMap.Store(v, "a")
	set.Add(v)
	held, bytes := strings.Intern("a"), []byte("a")
	heldStruct := structs.Intern(key{"a", "b"})
	for name, lookup := range map[string]func() bool{
		"Load, string":                   func() bool { _, ok := byString.Load("a"); return ok },
		"Load, long string":              func() bool { _, ok := byString.Load(long); return ok },
		"Load, integer":                  func() bool { _, ok := byWord.Load(7); return ok },
		"Load, pointer":                  func() bool { _, ok := byPointer.Load(name); return ok },
		"Load, struct":                   func() bool { _, ok := byStruct.Load(key{"a", "b"}); return ok },
		"Load, interface":                func() bool { _, ok := byAny.Load(v); return ok },
		"Load, custom hash":              func() bool { _, ok := custom.Load("a"); return ok },
		"Load, custom hash of integers":  func() bool { _, ok := customInt.Load(7); return ok },
		"Load, counted":                  func() bool { _, ok := counted.Load("a"); return ok },
		"Load, retaining":                func() bool { _, ok := retaining.Load("a"); return ok },
		"Load, PerValue":                 func() bool { _, ok := cleaned.Load("a"); return ok },
		"Load, flooded":                  func() bool { _, ok := flooded.Load("77"); return ok },
		"Load, miss":                     func() bool { _, ok := byString.Load("b"); return !ok },
		"LoadOrStore, bound":             func() bool { _, loaded := byString.LoadOrStore("a", stranger); return loaded },
		"LoadOrCompute, bound":           func() bool { _, loaded, _ := byString.LoadOrCompute("a", nil); return loaded },
		"CompareAndSwap, other":          func() bool { return !byString.CompareAndSwap("a", stranger, v) },
		"CompareAndDelete, other":        func() bool { return !byString.CompareAndDelete("a", stranger) },
		"Delete, unbound":                func() bool { byString.Delete("b"); return true },
		"KeyMap.Load":                    func() bool { _, ok := keyMap.Load(v); return ok },
		"KeyMap.Load, stranger":          func() bool { _, ok := keyMap.Load(stranger); return !ok },
		"KeyMap.LoadAndDelete, stranger": func() bool { _, ok := keyMap.LoadAndDelete(stranger); return !ok },
		"Set.Contains":                   func() bool { return set.Contains(v) && !set.Contains(stranger) },
		"Set.Add, present":               func() bool { return !set.Add(v) },
		"Intern, present":                func() bool { return strings.Intern("a") == held },
		"InternBytes, present":           func() bool { return InternBytes(&strings, bytes) == held },
		"Intern, struct":                 func() bool { return structs.Intern(key{"a", "b"}) == heldStruct },
		"unused": func() bool {
			_, ok := unused.Load("a")
			return !ok && unused.Len() == 0 && unused.Reap() == 0 && unused.Stats() == Stats{}
		},
	} {
		if !lookup() {
			t.Errorf("%s: wrong result", name)
		}
		if n := testing.AllocsPerRun(100, func() { lookup() }); n != 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
	runtime.KeepAlive(v)
}

// A lookup is one call, of core.load: a container's Load is inlined where it is called.
func TestLoadIsInlinedWhereItIsCalled(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	main := filepath.Join(t.TempDir(), "main.go")
	const program = `package main

import "github.com/go-weak/weakmap"

func main() {
	new(weakmap.Map[string, int]).Load("")
	new(weakmap.Map[uint64, int]).Load(0)
	new(weakmap.Map[[2]string, int]).Load([2]string{})
}
`
	if err := os.WriteFile(main, []byte(program), 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", "-o", os.DevNull, main).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, key := range []string{"string", "uint64", "[2]string"} {
		if want := "inlining call to weakmap.(*Map[go.shape." + key + ",go.shape.int]).Load\n"; !strings.Contains(string(out), want) {
			t.Errorf("Load with a key of type %s is not inlined any more:\n%s", key, out)
		}
	}
}

// What core.load does with buckets and numbers is inlined.
func TestInlining(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the package once more")
	}
	const packages = "./internal/"
	for folder, functions := range map[string][]string{
		packages + "row": {
			"Tag", "Matching", "SlotOf", "Passed", "(*Head).Tags", "(*Head).Version", "(*Bucket).Word", "(*Bucket).Key",
			"(*Bucket).KeyAt", "(*Head).Len", "(*Head).Marks", "(*Row).At", "(*Row).Head", "(*Row).Next", "(*Row).Shard",
		},
		packages + "xxh":     {"Word", "Mix", "fold", "avalanche", "read64", "read32"},
		packages + "seam":    {"Interleave", "Strong"},
		packages + "escape":  {"Hide"},
		packages + "journal": {"(*Journal).At", "(*Record).Word", "(*Record).Ref", "(*Record).Bits", "(*Journal).Young"},
		".":                  {"keyOfString", "(*table).keyOfObject", "key.text", "class.isReferent", "(*layout).glance", "sameBytes"},
	} {
		out, err := exec.Command("go", "build", "-gcflags=-m", folder).CombinedOutput()
		if err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
		for _, function := range functions {
			if !strings.Contains(string(out), "can inline "+function+"\n") {
				t.Errorf("%s: %s is not inlined any more", folder, function)
			}
		}
	}
}

// A table that has just grown is at least three fifths full, and is not laid out often.
func TestTablesGrowByHalf(t *testing.T) {
	for n, want := range map[int]int{0: 1, 1: 2, 4: 8, 8: 10, 10: 12, 14: 16, 16: 20, 28: 32, 1 << 20: 5 << 18} {
		if got := larger(n); got != want {
			t.Errorf("the number of buckets after %d is %d, want %d", n, got, want)
		}
	}
	defer reaper.hold()()
	value := new(thing)
	m := Map[uint64, thing]{Config: Config{Shards: 1}} // so that all of it is full when it grows
	var last *layout
	layouts := 0
	for key := range uint64(100_000) {
		m.Store(key, value)
		l := m.core.table.Load().layout.Load()
		if l == last {
			continue
		}
		layouts++
		if last = l; l.Len() > 512 && m.Len()*5 < row.LimitOf(l.Len())*3-5 {
			t.Errorf("a table of %d buckets has %d bindings when it has grown", l.Len(), m.Len())
		}
	}
	if layouts > 24 {
		t.Errorf("a table has had %d layouts until it took 100,000 bindings", layouts)
	}
	runtime.KeepAlive(value)
}

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

// Every byte counts, at every length.
func TestSameBytes(t *testing.T) {
	for n := range 70 {
		a := []byte(strings.Repeat("k", n))
		b := slices.Clone(a)
		if !sameBytes(unsafe.Pointer(unsafe.SliceData(a)), string(b)) {
			t.Errorf("%d equal bytes are not the same", n)
		}
		for i := range b {
			b[i] ^= 1
			if sameBytes(unsafe.Pointer(unsafe.SliceData(a)), string(b)) {
				t.Errorf("%d bytes of which one differs, at %d, are the same", n, i)
			}
			b[i] ^= 1
		}
	}
}

// Objects that die at one address leave bindings with one hash. They are no flood. Where they count as
// one, this fails in 20 of 20 runs.
func TestWhatHasDiedIsNoFlood(t *testing.T) {
	release := reaper.hold()
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
