package weakmap

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// What the engine's speed and size rest on.

func TestSum64WordIsXXH64OfTheLittleEndianBytes(t *testing.T) {
	for range 10_000 {
		w := rand.Uint64()
		var b [8]byte
		for i := range b {
			b[i] = byte(w >> (8 * i))
		}
		if got, want := sum64Word(w), xxhash.Sum64(b[:]); got != want {
			t.Fatalf("sum64Word(%#x) = %#x, xxhash.Sum64 says %#x", w, got, want)
		}
	}
}

func TestNarrowIntegersHashAsTheyAreZeroExtended(t *testing.T) {
	u8, i16, u32 := uint8(200), int16(-3), uint32(1<<31+7)
	for _, c := range []struct{ got, want uint64 }{
		{wordOf(&u8), 200}, {wordOf(&i16), 1<<16 - 3}, {wordOf(&u32), 1<<31 + 7},
	} {
		if c.got != c.want {
			t.Errorf("wordOf = %d, want %d", c.got, c.want)
		}
	}
}

func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("sizes are stated for 64 bits")
	}
	type value [64]byte
	for _, c := range []struct {
		name      string
		got, want uintptr
	}{
		{"an entry with a string key", unsafe.Sizeof(entry[value, string]{}), 32},
		{"an entry with an integer key", unsafe.Sizeof(entry[value, uint64]{}), 24},
		{"an element of a set", unsafe.Sizeof(entry[value, struct{}]{}), 16},
		{"a bucket", unsafe.Sizeof(bucket[value, string]{}), 64},
		{"a shard", unsafe.Sizeof(shard[value, string]{}), 128},
		{"a Map", unsafe.Sizeof(Map[string, value]{}), 88},
	} {
		if c.got != c.want {
			t.Errorf("%s takes %d bytes, want %d", c.name, c.got, c.want)
		}
	}
}

// The most that a map of ten entries may take, on the heap and off it. A built-in
// map of weak pointers with a cleanup for each takes 2.1 KiB.
func TestAMapOfTenEntriesIsSmall(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the limit is stated for 64 bits")
	}
	type value [64]byte
	const maps, entries, limit = 4000, 10, 1843
	keys := make([]string, entries)
	for i := range keys {
		keys[i] = fmt.Sprintf("key number %d", i)
	}
	values := make([]value, maps*entries)
	all := make([]Map[string, value], maps)
	before := memoryInUse()
	for m := range all {
		for i, key := range keys {
			all[m].Store(key, &values[m*entries+i])
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
// passes that run meanwhile leave garbage.
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
		byString Map[string, int]
		byWord   Map[uint16, int]
		byStruct Map[key, int]
		custom   = Map[string, int]{Hash: func(s string) uint64 { return uint64(len(s)) }}
		counted  = Map[string, int]{Config: Config{Stats: true}}
		keyMap   KeyMap[int, string]
		set      Set[int]
		strings  Interner[string]
		structs  Interner[key]
		unused   Map[string, int]
	)
	v, stranger := new(int), new(int)
	byString.Store("a", v)
	byWord.Store(7, v)
	byStruct.Store(key{"a", "b"}, v)
	custom.Store("a", v)
	counted.Store("a", v)
	keyMap.Store(v, "a")
	set.Add(v)
	held, bytes := strings.Intern("a"), []byte("a")
	heldStruct := structs.Intern(key{"a", "b"})
	for name, lookup := range map[string]func() bool{
		"Load, string":                   func() bool { _, ok := byString.Load("a"); return ok },
		"Load, integer":                  func() bool { _, ok := byWord.Load(7); return ok },
		"Load, struct":                   func() bool { _, ok := byStruct.Load(key{"a", "b"}); return ok },
		"Load, custom hash":              func() bool { _, ok := custom.Load("a"); return ok },
		"Load, counted":                  func() bool { _, ok := counted.Load("a"); return ok },
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

// Map.Load is one call, to find, in which the hash of an integer is no call at all.
func TestInlining(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the package once more")
	}
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, function := range []string{"sum64Word", "tagOf", "matching", "slotOf", "avalanche"} {
		if !strings.Contains(string(out), "can inline "+function+"\n") {
			t.Errorf("%s is not inlined any more", function)
		}
	}
}

// floodPassed and floodAlike are far from what honest keys do, even with every shard full. The
// hashes are the same in every run: one run in a thousand of others would go past
// half the bound, with nothing wrong.
func TestHonestKeysAreNoFlood(t *testing.T) {
	worst, alike := 0, 0
	hashes := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{4, 32, 256, 4096, 32768} {
		for range max(1, 32768/n/8) {
			row := makeBuckets[int, struct{}](n, 1)
			for range row.limit() {
				hash, others := hashes.Uint32(), 0
				row.search(hash, func(*entry[int, struct{}]) bool {
					others++
					return false
				})
				alike = max(alike, others)
				worst = max(worst, row.insert(&entry[int, struct{}]{hash: hash}))
			}
		}
	}
	if t.Logf("the most buckets passed: %d", worst); worst > floodPassed/2 {
		t.Errorf("an honest key passed %d buckets; floodPassed is %d", worst, floodPassed)
	}
	if t.Logf("the most entries met under a key's tag: %d", alike); alike > floodAlike/2 {
		t.Errorf("an honest key met %d entries under its tag; floodAlike is %d", alike, floodAlike)
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
		if l.kind != hashSeeded {
			t.Errorf("with Shards = %d the table is under hash %d after a flood, want %d", shards, l.kind, hashSeeded)
		}
		if n := l.len() * slotsPerBucket; n > 16*len(values) {
			t.Errorf("with Shards = %d the flood has made the table grow to %d slots", shards, n)
		}
		for i := range values {
			if v, ok := m.Load(fmt.Sprint(i)); !ok || v != &values[i] {
				t.Fatalf("with Shards = %d key %d is lost", shards, i)
			}
		}
	}
}
