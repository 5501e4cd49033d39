package workload

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// minStream is the least number of lookups before a stream of keys repeats itself, so that the
// branch predictor cannot learn a small map's order.
const minStream = 1 << 14

func loads() []Cell {
	usual := []peer.Kind{peer.Weak, peer.Strong, peer.LookupFloor}
	all := append(usual, peer.OtherStrong)
	return []Cell{
		loadHit(stringKeys, size{1_000, Full}, usual),
		loadHit(uint64Keys, size{1_000, Full}, usual),
		loadHit(stringKeys, size{100_000, Full | Quick}, all),
		loadHit(uint64Keys, size{100_000, Full | Quick}, usual),
		loadHit(structKeys, size{100_000, Full}, usual),
		loadHit(stringKeys, size{1_000_000, Full}, usual),
		loadHit(uint64Keys, size{1_000_000, Extra}, usual),
		loadHit(storedKeys, size{1_000, Extra}, usual),
		loadHit(storedKeys, size{100_000, Extra}, usual),
		loadHit(stringKeys, size{100, Smoke}, all),
		loadHit(uint64Keys, size{100, Smoke}, usual),
		loadHit(structKeys, size{100, Smoke}, usual),
		loadHit(storedKeys, size{100, Smoke}, usual),
		loadMiss(stringKeys, size{1_000, Extra}),
		loadMiss(uint64Keys, size{1_000, Extra}),
		loadMiss(stringKeys, size{100_000, Full | Quick}),
		loadMiss(uint64Keys, size{100_000, Extra}),
		loadMiss(stringKeys, size{1_000_000, Extra}),
		loadMiss(uint64Keys, size{1_000_000, Extra}),
		loadMiss(stringKeys, size{100, Smoke}),
		loadMiss(uint64Keys, size{100, Smoke}),
	}
}

// loadHit measures Load on all processors, in a map of live values that does not change. The keys
// come in random order. No collection runs during that; what collections cost is measured
// elsewhere.
func loadHit[K comparable](kind keyKind[K], s size, kinds []peer.Kind) Cell {
	return lookups(lookupCell("LoadHit", "key="+kind.name, s), mapPeers[K](kinds...), true,
		func(p mapPeer[K]) (func(K) *peer.Value, []K, any) {
			keys := kind.some(0, s.n)
			m := p.New(s.n)
			return m.Load, kind.stream(keys, 0, minStream), fill(m, keys)
		})
}

// loadMiss looks up keys of the same form that are not there.
func loadMiss[K comparable](kind keyKind[K], s size) Cell {
	return lookups(lookupCell("LoadMiss", "key="+kind.name, s), mapPeers[K](storing...), false,
		func(p mapPeer[K]) (func(K) *peer.Value, []K, any) {
			m := p.New(s.n)
			keys := kind.some(0, s.n)
			return m.Load, kind.stream(keys, s.n, minStream), fill(m, keys)
		})
}

func keyLoads() []Cell {
	return []Cell{
		keyLoad(objects16, size{100_000, Full}, true),
		keyLoad(objects64, size{100_000, Full | Quick}, true),
		keyLoad(objects256, size{100_000, Full}, true),
		keyLoad(objects64, size{100_000, Full}, false),
		keyLoad(objects64, size{100, Smoke}, true),
		keyLoad(objects64, size{100, Smoke}, false),
	}
}

// keyLoad measures lookups by the identity of objects that are held weakly, all of which live.
// Those of a miss were never stored.
func keyLoad[T any](kind keyKind[*T], s size, hit bool) Cell {
	workload := "KeyLoadMiss"
	if hit {
		workload = "KeyLoadHit"
	}
	return lookups(lookupCell(workload, "object="+kind.name, s), choose(peer.KeyMaps[T](), storing...), hit,
		func(p peer.Participant[peer.Map[*T]]) (func(*T) *peer.Value, []*T, any) {
			keys := kind.some(0, s.n)
			m := p.New(s.n)
			fill(m, keys)
			if hit {
				return m.Load, kind.stream(keys, 0, minStream), keys
			}
			return m.Load, kind.stream(kind.some(s.n, s.n), s.n, minStream), keys
		})
}

func internHits() []Cell {
	return []Cell{
		internHit("InternHit", stringKeys, size{1_000, Full}),
		internHit("InternHit", stringKeys, size{100_000, Full | Quick}),
		internHit("InternHit", stringKeys, size{1_000_000, Extra}),
		internHit("InternHit", stringKeys, size{100, Smoke}),
		internHit("InternStructHit", structKeys, size{100_000, Full}),
		internHit("InternStructHit", structKeys, size{100, Smoke}),
	}
}

// internHit makes values canonical whose canonical form is held already.
func internHit[T comparable](workload string, kind keyKind[T], s size) Cell {
	return lookups(lookupCell(workload, "key="+kind.name, s), choose(peer.Interners[T](), storing...), true,
		func(p peer.Participant[peer.Interner[T]]) (func(T) any, []T, any) {
			values := kind.some(0, s.n)
			in := p.New(s.n)
			held := make([]any, len(values))
			for i, value := range values {
				held[i] = in.Intern(value)
			}
			return in.Intern, kind.stream(values, 0, minStream), held
		})
}

func lookupCell(workload, param string, s size) Cell {
	return Cell{
		Workload: workload,
		Params:   fmt.Sprintf("%s/size=%d", param, s.n),
		Sets:     s.sets,
		Cost:     250*time.Millisecond + time.Duration(s.n)*1900*time.Nanosecond,
	}
}

// lookups makes c a cell of lookups on all processors. prepare returns the lookup, what to look up
// one after the other, and what must be held for that. A lookup is a hit if it returns no zero
// value, and all must be hits, or none.
func lookups[S, K any, R comparable](c Cell, participants []peer.Participant[S], hit bool,
	prepare func(peer.Participant[S]) (look func(K) R, stream []K, held any)) Cell {
	c.Impls = names(participants)
	c.start = func(impl string) func(*testing.B) {
		var look func(K) R
		var stream []K
		var held any
		return func(b *testing.B) {
			if look == nil {
				percent := debug.SetGCPercent(-1) // preparing takes half of the time without collections
				look, stream, held = prepare(find(participants, impl))
				debug.SetGCPercent(percent)
				runtime.GC()
			}
			time.Sleep(pause)
			b.ReportAllocs()
			wrong := lookUp(b, look, stream, hit)
			b.StopTimer()
			if wrong != 0 {
				b.Fatalf("%d of %d lookups of %v: hit = %v, want %v", wrong, b.N, c, !hit, hit)
			}
			runtime.KeepAlive(held)
		}
	}
	return c
}

// lookUp is the timed loop. It returns how many lookups did not end as they should.
func lookUp[K any, R comparable](b *testing.B, look func(K) R, stream []K, hit bool) int64 {
	var wrong atomic.Int64
	var goroutines atomic.Int64
	procs := runtime.GOMAXPROCS(0)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		next := int(goroutines.Add(1)-1) % procs * len(stream) / procs
		hits, lookups := int64(0), int64(0)
		var missing R
		for pb.Next() {
			if look(stream[next]) != missing {
				hits++
			}
			lookups++
			if next++; next == len(stream) {
				next = 0
			}
		}
		if hit {
			wrong.Add(lookups - hits)
		} else {
			wrong.Add(hits)
		}
	})
	return wrong.Load()
}
