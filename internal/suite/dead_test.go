package suite

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

// Stats.Dead: of the misses, those that met what had died. Where a test wants an exact number,
// cleanups and passes do not run, so that dead entries stay where lookups meet them.

// countsDead checks a map with three dead entries under keys 0 to 2, a live one under 3 and none
// under 4.
func countsDead[K comparable](t *testing.T, m *weakmap.Map[K, record], key func(int) K) {
	t.Helper()
	m.Config.Stats = true
	release := stallCleanups(t)
	awaitDeath(t, storeDoomed(m, key(0), key(1), key(2)))
	v := &record{}
	m.Store(key(3), v)
	for _, step := range []struct {
		call               string
		f                  func()
		hits, misses, dead uint64
	}{
		{"Load of what died", func() { m.Load(key(0)) }, 0, 1, 1},
		{"Load of that again", func() { m.Load(key(0)) }, 0, 1, 1},
		{"Load of what lives", func() { m.Load(key(3)) }, 1, 0, 0},
		{"Load of what never was", func() { m.Load(key(4)) }, 0, 1, 0},
		{"calls that are no lookups", func() {
			m.CompareAndSwap(key(0), v, v)
			m.CompareAndDelete(key(0), v)
			m.Compute(key(0), func(current *record) *record { return current })
			m.Range(func(K, *record) bool { return true })
			m.DeleteFunc(func(K, *record) bool { return false })
		}, 0, 0, 0},
		{"LoadOrStore over what died", func() { m.LoadOrStore(key(0), v) }, 0, 1, 1},
		{"LoadOrStore that loads", func() { m.LoadOrStore(key(0), v) }, 1, 0, 0},
		{"LoadOrCompute over what died", func() { m.LoadOrCompute(key(1), func() (*record, error) { return v, nil }) }, 0, 1, 1},
		{"Delete of what died", func() { m.Delete(key(2)) }, 0, 0, 0},
		{"Load of what died and was deleted", func() { m.Load(key(2)) }, 0, 1, 0},
	} {
		before := m.Stats()
		step.f()
		after := m.Stats()
		got := [3]uint64{after.Hits - before.Hits, after.Misses - before.Misses, after.Dead - before.Dead}
		if want := [3]uint64{step.hits, step.misses, step.dead}; got != want {
			t.Errorf("%s counted hits, misses and dead %d, want %d", step.call, got, want)
		}
	}
	release()
	runtime.KeepAlive(v)
}

func TestDeadCountsMissesOfWhatDied(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		t.Run("numbers", func(t *testing.T) { countsDead(t, newMap[int, record](c), func(n int) int { return n }) })
		t.Run("texts", func(t *testing.T) {
			countsDead(t, newMap[string, record](c), func(n int) string { return fmt.Sprint("key ", n) })
		})
		t.Run("boxes", func(t *testing.T) {
			countsDead(t, newMap[[2]int, record](c), func(n int) [2]int { return [2]int{n, -n} })
		})
		c.hash = "constant"
		t.Run("one hash", func(t *testing.T) { countsDead(t, newMap[int, record](c), func(n int) int { return n }) })
	})
}

// An element that is added in the place of an equal one that has died has met that.
func TestDeadOfAddedElements(t *testing.T) {
	s := &weakmap.Set[record]{Hasher: byID{}, Config: weakmap.Config{Stats: true}}
	defer stallCleanups(t)()
	var dead weak.Pointer[record]
	elsewhere(func() {
		r := &record{id: 1}
		dead = weak.Make(r)
		s.Add(r)
		runtime.KeepAlive(r)
	})
	awaitDeath(t, []weak.Pointer[record]{dead})
	member, loaded := s.LoadOrAdd(&record{id: 1})
	again, found := s.LoadOrAdd(&record{id: 1})
	if got := s.Stats(); loaded || !found || again != member || got.Hits != 1 || got.Misses != 1 || got.Dead != 1 {
		t.Errorf("LoadOrAdd: loaded %t and then %t; %+v, want one hit, one miss, one of the dead", loaded, found, got)
	}
	runtime.KeepAlive(member)
}

func TestDeadIsNotCountedUnlessAskedFor(t *testing.T) {
	m := newMap[int, record](configuration{hash: "builtin"})
	defer stallCleanups(t)()
	awaitDeath(t, storeDoomed(m, 0))
	m.Load(0)
	if s := m.Stats(); s.Dead != 0 || s.Misses != 0 {
		t.Errorf("Stats = %+v without Config.Stats, want no misses and none dead", s)
	}
}

// What was reaped is a miss like any other.
func TestDeadEndsWithTheEntry(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		m.Config.Stats = true
		storeDoomed(m, numbers(10)...)
		eventually(t, "all entries have left", func() bool { return m.Len() == 0 })
		before := m.Stats()
		for _, key := range numbers(10) {
			m.Load(key)
		}
		if after := m.Stats(); after.Dead != before.Dead || after.Misses != before.Misses+10 {
			t.Errorf("Stats = %+v after 10 lookups of entries that had left, before %+v", after, before)
		}
	})
}

func TestDeadOfCanonicalValues(t *testing.T) {
	type pair struct{ a, b int }
	inBothModes(t, func(t *testing.T, c configuration) {
		config := weakmap.Config{Reclaim: c.reclaim, Stats: true}
		texts := weakmap.Interner[string]{Config: config}
		pairs := weakmap.Interner[pair]{Config: config}
		bytes := weakmap.Strings{Config: config}
		defer stallCleanups(t)()
		var text weak.Pointer[string]
		var two weak.Pointer[pair]
		var some weak.Pointer[byte]
		elsewhere(func() {
			p := texts.Intern("one that dies")
			text = weak.Make(p)
			q := pairs.Intern(pair{1, 2})
			two = weak.Make(q)
			s := bytes.Intern("one that dies")
			some = weak.Make(unsafe.StringData(s))
			runtime.KeepAlive(p)
			runtime.KeepAlive(q)
			runtime.KeepAlive(s)
		})
		awaitDeath(t, []weak.Pointer[string]{text})
		awaitDeath(t, []weak.Pointer[pair]{two})
		awaitDeath(t, []weak.Pointer[byte]{some})
		texts.Lookup("one that dies")
		texts.Lookup("another")
		again := weakmap.InternBytes(&texts, []byte("one that dies"))
		texts.Lookup("one that dies") // a hit, although the dead entry is there still
		pairs.Lookup(pair{1, 2})
		pairs.Lookup(pair{2, 1})
		q := pairs.Intern(pair{1, 2})
		pairs.Lookup(pair{1, 2})
		bytes.Lookup("one that dies")
		bytes.Lookup("another")
		s := bytes.InternBytes([]byte("one that dies"))
		bytes.Lookup("one that dies")
		for name, got := range map[string]weakmap.Stats{"Interner of strings": texts.Stats(), "Interner of structs": pairs.Stats(), "Strings": bytes.Stats()} {
			if got.Hits != 1 || got.Misses != 4 || got.Dead != 2 {
				t.Errorf("%s: %+v, want 1 hit, 4 misses, 2 of them dead", name, got)
			}
		}
		runtime.KeepAlive(again)
		runtime.KeepAlive(q)
		runtime.KeepAlive(s)
	})
}

// A lookup by identity cannot meet its own key dead, and does not count other dead keys.
func TestDeadIsNoneByIdentity(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		config := weakmap.Config{Reclaim: c.reclaim, Stats: true}
		m, s := weakmap.KeyMap[record, int]{Config: config}, weakmap.Set[record]{Config: config}
		defer stallCleanups(t)()
		handles := make([]weak.Pointer[record], 100)
		elsewhere(func() {
			for i := range handles {
				k := &record{id: i}
				handles[i] = weak.Make(k)
				m.Store(k, i)
				s.Add(k)
			}
		})
		awaitDeath(t, handles)
		const strangers = 1000 // some at addresses where keys were
		for range strangers {
			k := new(record)
			m.Load(k)
			s.Contains(k)
		}
		for name, got := range map[string]weakmap.Stats{"KeyMap": m.Stats(), "Set": s.Stats()} {
			if got.Misses != strangers || got.Dead != 0 {
				t.Errorf("%s: %+v, want %d misses, none dead", name, got, strangers)
			}
		}
	})
}

// Each of several goroutines meets each dead value as often as it asks, and a reader of the
// counts never sees more dead than misses.
func TestDeadIsCountedByConcurrentLookups(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		m.Config.Stats = true
		defer stallCleanups(t)()
		const keys, readers = 100, 4
		awaitDeath(t, storeDoomed(m, numbers(keys)...))
		times := 1000
		if raceEnabled {
			times = 100
		}
		var working sync.WaitGroup
		var over atomic.Bool
		var looks, worst uint64
		done := make(chan struct{})
		go func() {
			defer close(done)
			for !over.Load() {
				s := m.Stats()
				looks++
				worst = max(worst, s.Dead-min(s.Dead, s.Misses))
			}
		}()
		for range readers {
			working.Go(func() {
				for range times {
					for key := range keys { // All are dead, so one miss more or less shows.
						m.Load(key)
					}
				}
			})
		}
		working.Wait()
		over.Store(true)
		<-done
		if s, calls := m.Stats(), uint64(readers*times*keys); s.Hits != 0 || s.Misses != calls || s.Dead != calls {
			t.Errorf("Stats = %+v, want no hits and %d misses, all of them dead", s, calls)
		}
		if worst != 0 || looks == 0 {
			t.Errorf("in %d looks: up to %d more dead than misses", looks, worst)
		}
	})
}

// Beside the collector, the cleanups and the passes: what nothing holds is met dead at some time,
// and each lookup is counted once.
func TestDeadBesideTheCollector(t *testing.T) {
	inBothModes(t, func(t *testing.T, c configuration) {
		m := newMap[int, record](c)
		m.Config.Stats = true
		lookups := uint64(0)
		eventually(t, "a lookup meets what has died", func() bool {
			storeDoomed(m, numbers(1000)...)
			runtime.GC()
			for key := range 1000 {
				m.Load(key)
			}
			lookups += 1000
			s := m.Stats()
			if s.Hits+s.Misses != lookups || s.Dead > s.Misses {
				t.Fatalf("Stats = %+v after %d lookups", s, lookups)
			}
			return s.Dead > 0
		})
	})
}
