package stress

import (
	"context"
	"go/version"
	"runtime"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

// A record is big enough to die by itself.
type record struct {
	link *record
	_    [48]byte
}

func fresh() (*record, error) { return new(record), nil }

// soon calls cond again and again, with a collection in between, until it is true.
func soon(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within ten seconds: %s", what)
		}
		runtime.GC()
	}
}

// LoadOrCompute gave a caller what that caller had seen deleted before the call, when the
// computation that had made it was just ending.
//
// To meet a computation at that point: when colliding keys flood a map, the insertion that goes
// too far waits for its turn to change the table after its value was bound, and a Reap of many
// entries takes that turn for milliseconds. Only one thing is left to chance: that a call of Reap
// does not end in the tenth of a millisecond that this test takes to notice.
//
// Without the fix it fails 5 times out of 5.
func TestIssue01(t *testing.T) {
	const (
		colliding = 1000
		crowd     = 300_000
	)
	value := new(record)
	m := &weakmap.Map[int, record]{
		Config: weakmap.Config{Shards: 1, Capacity: crowd + colliding},
		Hash:   func(key int) uint64 { return uint64(max(key, colliding)) },
	}
	for key := range crowd {
		m.Store(colliding+1+key, value)
	}
	over, reaped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(reaped)
		for {
			select {
			case <-over:
				return
			default:
				m.Reap()
			}
		}
	}()
	met := 0
	for key := range colliding {
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			m.LoadOrCompute(key, fresh)
		}()
		first, ok := m.Load(key)
		for ; !ok; first, ok = m.Load(key) {
			runtime.Gosched()
		}
		select {
		case <-returned:
			continue
		case <-time.After(100 * time.Microsecond):
		}
		m.CompareAndDelete(key, first)
		if second, loaded, _ := m.LoadOrCompute(key, fresh); second == first {
			t.Errorf("key %d: LoadOrCompute gives what was deleted before, loaded = %t", key, loaded)
		}
		<-returned
		met++
	}
	close(over)
	<-reaped
	if met == 0 {
		t.Error("no call was met between the binding of its value and its end")
	}
	runtime.KeepAlive(value)
}

// In an Interner with Config.Retain, looking up one value counted as a use of another with the
// same hash, which stayed held. Without the fix it fails 5 times out of 5.
func TestIssue02(t *testing.T) {
	in := &weakmap.Interner[string]{
		Config: weakmap.Config{Shards: 1, Retain: 20}, // More collections than go by between two rounds of lookups.
		Hash:   func(string) uint64 { return 42 },
	}
	func() { in.Intern("not used again") }()
	wanted := in.Intern("wanted again and again")
	soon(t, "what nobody has looked up is gone", func() bool {
		for range 100 {
			if p, ok := in.Lookup("wanted again and again"); !ok || p != wanted {
				t.Fatalf("Lookup = %p, %t, but %p is held", p, ok, wanted)
			}
		}
		return in.Len() == 1
	})
	runtime.KeepAlive(wanted)
}

// Settle returned while values were still to die behind a chain of objects with runtime
// finalizers, of which each collection takes one. Without the fix it fails 5 times out of 5.
func TestIssue03(t *testing.T) {
	links := 5
	if version.Compare(runtime.Version(), "go1.26") < 0 {
		links = 3 // Nothing tells how many finalizers have run.
	}
	var m weakmap.Map[int, record]
	made := make(chan struct{})
	go func() { // No frame of the test is to keep the chain.
		defer close(made)
		value := new(record)
		m.Store(1, value)
		for link, i := value, 0; i < links; i++ {
			link = &record{link: link}
			runtime.SetFinalizer(link, func(*record) {})
		}
	}()
	<-made
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := weakmap.Settle(ctx); err != nil {
		t.Fatalf("Settle: %v", err)
	}
	if n := m.Len(); n != 0 {
		t.Errorf("Len = %d after Settle, want 0: the value was unreachable at the call", n)
	}
}

// The pass after a collection waited for the runtime's cleanups, which may be held up: by one that
// blocks, or, when GOMAXPROCS is lowered, by the runtime itself. Until then no entry left, and
// nothing that Config.Retain held. Without the fix it fails 3 times out of 3.
func TestIssue04(t *testing.T) {
	gate, blocked := make(chan struct{}), make(chan struct{}, 64)
	defer close(gate)
	func() {
		for range cap(blocked) {
			runtime.AddCleanup(new(record), func(gate chan struct{}) { blocked <- struct{}{}; <-gate }, gate)
		}
	}()
	soon(t, "a cleanup blocks", func() bool { return len(blocked) > 0 })
	m := weakmap.Map[int, record]{Config: weakmap.Config{Retain: 2}}
	for i := range 100 {
		m.Store(i, new(record))
	}
	soon(t, "the entries go", func() bool { return m.Len() == 0 })
}

// A table whose keys were replaced, and never removed, grew with each collection: a replacement after
// one takes another place in the journal, and only removals closed the holes.
//
// Without the fix it fails 5 times out of 5: the heap grows by 2.5 MB.
func TestIssue05(t *testing.T) {
	const keys, rounds = 1000, 100
	var m weakmap.Map[int, record]
	value := new(record)
	heap := func(rounds int) uint64 {
		for range rounds {
			for key := range keys {
				m.Store(key, value)
			}
			if err := weakmap.Settle(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before := heap(5)
	if after := heap(rounds); after > before+rounds*keys*8 {
		t.Errorf("the heap grew from %d to %d bytes while %d keys were replaced %d times", before, after, keys, rounds)
	}
	runtime.KeepAlive(value)
	runtime.KeepAlive(&m)
}
