package suite

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
	"github.com/go-weak/weakmap/internal/inspect"
)

// The harness that other packages use too.
var (
	eventually          = gctest.Eventually
	within              = gctest.Within
	await               = gctest.Await
	elsewhere           = gctest.Elsewhere
	panicText           = gctest.PanicText
	mustPanic           = gctest.MustPanic
	collectInBackground = gctest.CollectInBackground
	withProcs           = gctest.WithProcs
	heapBytes           = gctest.HeapBytes
)

// settle calls weakmap.Settle, which must succeed.
func settle(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), gctest.Patience)
	defer cancel()
	if err := weakmap.Settle(ctx); err != nil {
		t.Fatalf("Settle: %v", err)
	}
}

// record is the value type of most tests. It holds a pointer, so the collector reports the
// death of each one by itself. It is of some size, since the runtime keeps what it knows of
// the weak pointers and cleanups of a page's objects in one list that it walks.
type record struct {
	id   int
	link *record
	_    [48]byte
}

// configuration is one cell of the table that the suite runs over.
type configuration struct {
	reclaim weakmap.Reclaim
	shards  int
	hash    string
}

func (c configuration) String() string {
	shards := "default"
	if c.shards != 0 {
		shards = fmt.Sprint(c.shards)
	}
	return fmt.Sprintf("reclaim=%s/shards=%s/hash=%s", nameOf(c.reclaim), shards, c.hash)
}

func nameOf(r weakmap.Reclaim) string {
	if r == weakmap.PerValue {
		return "PerValue"
	}
	return "PerCycle"
}

// collides says whether the configuration's hash makes large maps slow.
func (c configuration) collides() bool { return c.hash != "builtin" }

// everywhere runs a test as a subtest of half of all configurations, in which any two settings meet. A
// long run by hand takes all.
func everywhere(t *testing.T, test func(t *testing.T, c configuration)) {
	t.Helper()
	_, all := os.LookupEnv(longRun)
	for r, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		for s, shards := range []int{1, 2, 0} {
			for h, hash := range []string{"builtin", "constant", "4bits"} {
				if c := (configuration{reclaim, shards, hash}); all || (r+s+h)%2 == 0 {
					t.Run(c.String(), func(t *testing.T) { test(t, c) })
				}
			}
		}
	}
}

// inBothModes runs a test as a subtest of each reclaim mode, for tests whose subject has
// nothing to do with shards or hashes.
func inBothModes(t *testing.T, test func(t *testing.T, c configuration)) {
	t.Helper()
	for _, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		t.Run("reclaim="+nameOf(reclaim), func(t *testing.T) { test(t, configuration{reclaim: reclaim, hash: "builtin"}) })
	}
}

var testSeed = maphash.MakeSeed()

// newMap returns an unused map set up as the configuration says.
func newMap[K comparable, V any](c configuration) *weakmap.Map[K, V] {
	return &weakmap.Map[K, V]{Config: c.config(), Hash: hashOf[K](c)}
}

// config is the settings of a configuration.
func (c configuration) config() weakmap.Config {
	return weakmap.Config{Reclaim: c.reclaim, Shards: c.shards}
}

// hashOf returns the Hash of a configuration.
func hashOf[K comparable](c configuration) func(K) uint64 {
	switch c.hash {
	case "builtin":
		return nil
	case "constant":
		return func(K) uint64 { return 42 }
	case "4bits":
		return func(key K) uint64 { return maphash.Comparable(testSeed, key) & 15 }
	}
	panic("unknown hash " + c.hash)
}

const longRun = "WEAKMAP_STRESS"

// scaled is the size of a loop that is worth n rounds in a long run. A run of all tests takes a
// fifth of it, so that it is over in a minute, and a short run a tenth.
//
// WEAKMAP_STRESS multiplies n instead, for a long run by hand.
func scaled(n int) int {
	if times, err := strconv.Atoi(os.Getenv(longRun)); err == nil {
		return n * times
	}
	if testing.Short() {
		return max(n/10, 1)
	}
	return max(n/5, 1)
}

// storeDoomed stores a record under each key and holds none of them. It returns weak pointers
// to the records.
func storeDoomed[K comparable](m *weakmap.Map[K, record], keys ...K) []weak.Pointer[record] {
	handles := make([]weak.Pointer[record], len(keys))
	elsewhere(func() {
		for i, key := range keys {
			r := &record{id: i}
			handles[i] = weak.Make(r)
			m.Store(key, r)
		}
	})
	return handles
}

// storeHeld stores a record under each key and returns the records: the bindings live as long
// as the slice.
func storeHeld[K comparable](m *weakmap.Map[K, record], keys ...K) []*record {
	held := make([]*record, len(keys))
	for i, key := range keys {
		held[i] = &record{id: i}
		m.Store(key, held[i])
	}
	return held
}

// awaitDeath waits until every handle is dead. The entries may still be there.
func awaitDeath[V any](t *testing.T, handles []weak.Pointer[V]) {
	t.Helper()
	eventually(t, "every value that nobody holds is dead", func() bool {
		for _, h := range handles {
			if h.Value() != nil {
				return false
			}
		}
		return true
	})
}

// numbers returns 0 to n-1.
func numbers(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// mustStillWork checks that the map takes, finds and gives up a binding: no lock was left
// held, nothing was left half done. It uses a key that the test does not.
func mustStillWork[K comparable](t *testing.T, m *weakmap.Map[K, record], key K) {
	t.Helper()
	done := make(chan struct{})
	var err error
	go func() {
		defer close(done)
		v := &record{id: -1}
		before := m.Len()
		m.Store(key, v)
		if got, ok := m.Load(key); !ok || got != v {
			err = errors.Join(err, fmt.Errorf("Load after Store = %p, %t, want %p, true", got, ok, v))
		}
		for range m.Keys() {
		}
		m.Delete(key)
		if _, ok := m.Load(key); ok {
			err = errors.Join(err, errors.New("Load after Delete hits"))
		}
		if after := m.Len(); after != before {
			err = errors.Join(err, fmt.Errorf("Len = %d, want %d as before", after, before))
		}
	}()
	await(t, "the map answers", done)
	if err != nil {
		t.Errorf("map is not usable any more: %v", err)
	}
}

// underWay are what goroutines are said to do, or to wait for, that go on by themselves: none of
// them waits for what the test does.
var underWay = []string{"[running", "[runnable", "[preempted", "[sync.Mutex.Lock", "[sync.RWMutex", "[semacquire", "[GC assist", "[GC worker", "[stopping the world", "[copystack"}

// awaitParked waits until n goroutines stand still inside the named method.
func awaitParked(t *testing.T, n int, method string) {
	t.Helper()
	buf := make([]byte, 1<<20)
	within(t, fmt.Sprintf("%d goroutines wait inside %s", n, method), func() bool {
		parked := 0
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			head, frames, _ := strings.Cut(g, "\n")
			goesOn := slices.ContainsFunc(underWay, func(state string) bool { return strings.Contains(head, state) })
			if strings.Contains(frames, ")."+method+"(") && !goesOn {
				parked++
			}
		}
		return parked >= n
	})
}

// stallCleanups keeps the runtime from running any cleanup, and the reaper from any pass, until
// the returned function is called: each goroutine that runs cleanups is given one that blocks.
// Values die in that time, and what removes their entries is what the test called. Settle would
// wait.
func stallCleanups(t *testing.T) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	resumePasses := inspect.HoldPasses()
	release = sync.OnceFunc(func() {
		close(gate)
		resumePasses()
	})
	t.Cleanup(release)
	eventually(t, "the runtime's cleanups stand still", func() bool {
		for range 1000 { // several blocks of cleanups for each goroutine that there can be
			runtime.AddCleanup(new(record), func(gate chan struct{}) { <-gate }, gate)
		}
		var ran atomic.Bool
		runtime.AddCleanup(new(record), func(ran *atomic.Bool) { ran.Store(true) }, &ran)
		for range 3 {
			runtime.GC()
			for range 100 {
				runtime.Gosched()
			}
		}
		return !ran.Load()
	})
	return release
}
