package weakmap_test

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

// patience is how long a test waits for what must happen: far longer than it ever takes, so
// that only a hang or a leak reaches it.
const patience = 20 * time.Second

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

// everywhere runs a test as a subtest of every configuration.
func everywhere(t *testing.T, test func(t *testing.T, c configuration)) {
	t.Helper()
	for _, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		for _, shards := range []int{1, 2, 0} {
			for _, hash := range []string{"builtin", "constant", "4bits"} {
				c := configuration{reclaim, shards, hash}
				t.Run(c.String(), func(t *testing.T) { test(t, c) })
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
	m := new(weakmap.Map[K, V])
	m.Config.Reclaim = c.reclaim
	m.Config.Shards = c.shards
	switch c.hash {
	case "builtin":
	case "constant":
		m.Hash = func(K) uint64 { return 42 }
	case "4bits":
		m.Hash = func(key K) uint64 { return maphash.Comparable(testSeed, key) & 15 }
	default:
		panic("unknown hash " + c.hash)
	}
	return m
}

// scaled shrinks the size of a loop for short runs and under the race detector.
//
// WEAKMAP_STRESS multiplies all of them, for a long run by hand.
func scaled(n int) int {
	if times, err := strconv.Atoi(os.Getenv("WEAKMAP_STRESS")); err == nil {
		return n * times
	}
	switch {
	case testing.Short():
		return max(n/10, 1)
	case raceEnabled:
		return max(n/5, 1)
	}
	return n
}

// eventually waits until cond holds, with a collection between any two attempts. How many
// collections a death takes is the collector's affair: a frame that was preempted is scanned
// conservatively, and a pass that met a collection keeps what it looked at for another cycle.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		runtime.GC()
		runtime.Gosched()
	}
}

// within is eventually without the collections, for what must happen by itself.
func within(t *testing.T, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		runtime.Gosched()
	}
}

// await waits for a channel to be closed or to deliver.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("not within %v: %s", patience, what)
	}
}

// elsewhere runs f on a goroutine of its own and waits for it, so that no stack frame and no
// register of the test keeps what f made. f must not call t.Fatal.
//
//go:noinline
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
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

// settle calls Settle, which must succeed.
func settle(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := weakmap.Settle(ctx); err != nil {
		t.Fatalf("Settle: %v", err)
	}
}

// numbers returns 0 to n-1.
func numbers(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// awaitBalance waits until the map's counters balance: Inserts == Reaped + Deleted + Entries
// holds whenever nothing is in progress, and a pass may still be.
func awaitBalance[K comparable, V any](t *testing.T, m *weakmap.Map[K, V]) weakmap.Stats {
	t.Helper()
	var s weakmap.Stats
	within(t, "Inserts == Reaped + Deleted + Entries", func() bool {
		s = m.Stats()
		return s.Inserts == s.Reaped+s.Deleted+uint64(s.Entries) && s.Entries == m.Len()
	})
	return s
}

// panicText runs f and returns the text of its panic; "" means that it did not panic.
func panicText(f func()) (text string) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			text = r.Error()
		default:
			text = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

// mustPanic checks that f panics with a text that starts with want. It does not wait for ever
// for one that hangs on a lock which an earlier panic left held.
func mustPanic(t *testing.T, call, want string, f func()) {
	t.Helper()
	var got string
	done := make(chan struct{})
	go func() {
		defer close(done)
		got = panicText(f)
	}()
	await(t, call+" returns", done)
	if !strings.HasPrefix(got, want) {
		t.Errorf("%s: panic %q, want one that starts with %q", call, got, want)
	}
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

// collectInBackground runs collections in a loop until the returned function is called.
func collectInBackground() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
				runtime.GC()
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// withProcs sets GOMAXPROCS until the test ends. With two processors the runtime has one
// cleanup goroutine, with sixteen it has four, and goroutines are preempted at other places.
func withProcs(t *testing.T, n int) {
	old := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(old) })
}

// awaitParked waits until n goroutines stand still inside the named method.
func awaitParked(t *testing.T, n int, method string) {
	t.Helper()
	buf := make([]byte, 1<<20)
	within(t, fmt.Sprintf("%d goroutines wait inside %s", n, method), func() bool {
		parked := 0
		for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			head, frames, _ := strings.Cut(g, "\n")
			if strings.Contains(frames, ")."+method+"(") &&
				!strings.Contains(head, "[running") && !strings.Contains(head, "[runnable") {
				parked++
			}
		}
		return parked >= n
	})
}

// stallCleanups keeps the runtime from running any cleanup, and the reaper from any pass, until
// the returned function is called: each goroutine that runs cleanups is given one that blocks.
// Values die meanwhile, and whatever removes their entries is what the test called. Settle would
// wait.
func stallCleanups(t *testing.T) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	resumePasses := weakmap.HoldPasses()
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
