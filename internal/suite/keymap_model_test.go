package suite

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

// A dumbMap is a KeyMap that is obviously correct: a mutex, a map, and strong keys. It lets
// a key go when it is told that the key is dropped.
type dumbMap struct {
	mu sync.Mutex
	m  map[*record]int
}

func (d *dumbMap) load(key *record) (int, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.m[key]
	return v, ok
}

func (d *dumbMap) set(key *record, v int, bound bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if bound {
		d.m[key] = v
	} else {
		delete(d.m, key)
	}
}

// keyMapScript runs operations, two bytes for each, on m and on a dumbMap, and compares all
// that they return. The keys come from a pool; when one is dropped, a new object takes its
// place there.
func keyMapScript(t *testing.T, m *weakmap.KeyMap[record, int], script []byte) {
	t.Helper()
	dumb := &dumbMap{m: map[*record]int{}}
	pool := newRecords(24)
	mine := errors.New("mine")
	for i := 0; i+1 < len(script); i += 2 {
		op, slot := script[i]%18, int(script[i+1])%len(pool)
		key := pool[slot]
		old, bound := dumb.load(key)
		same := func(what string, v int, ok bool, want int, wantOK bool) {
			t.Helper()
			if v != want || ok != wantOK {
				t.Fatalf("step %d: %s = %v, %v, want %v, %v", i/2, what, v, ok, want, wantOK)
			}
		}
		switch op {
		case 0, 1, 2:
			v, ok := m.Load(key)
			same("Load", v, ok, old, bound)
		case 3, 4:
			m.Store(key, i)
			dumb.set(key, i, true)
		case 5:
			v, loaded := m.Swap(key, i)
			same("Swap", v, loaded, old, bound)
			dumb.set(key, i, true)
		case 6, 7:
			v, loaded := m.LoadOrStore(key, i)
			if !bound {
				old = i
			}
			same("LoadOrStore", v, loaded, old, bound)
			dumb.set(key, old, true)
		case 8:
			v, loaded, err := m.LoadOrCompute(key, func() (int, error) { return i, nil })
			if !bound {
				old = i
			}
			same("LoadOrCompute", v, loaded, old, bound)
			dumb.set(key, old, true)
			if err != nil {
				t.Fatalf("LoadOrCompute: %v", err)
			}
		case 9:
			if v, loaded, err := m.LoadOrCompute(key, func() (int, error) { return i, mine }); bound {
				same("LoadOrCompute", v, loaded, old, true)
			} else if loaded || err != mine {
				t.Fatalf("step %d: LoadOrCompute that fails = %v, %v", i/2, loaded, err)
			}
		case 10:
			m.Delete(key)
			dumb.set(key, 0, false)
		case 11:
			v, loaded := m.LoadAndDelete(key)
			same("LoadAndDelete", v, loaded, old, bound)
			dumb.set(key, 0, false)
		case 12, 13:
			keep := op == 12
			v, ok := m.Compute(key, func(v int, loaded bool) (int, bool) {
				same("Compute's argument", v, loaded, old, bound)
				return v + i, keep
			})
			if ok != keep || keep && v != old+i {
				t.Fatalf("step %d: Compute = %v, %v", i/2, v, ok)
			}
			dumb.set(key, old+i, keep)
		case 14, 15: // The object is let go; its entry has no owner.
			dumb.set(key, 0, false)
			pool[slot] = &record{}
		case 16:
			want := 0
			for key, v := range dumb.m {
				if v%3 == 0 {
					delete(dumb.m, key)
					want++
				}
			}
			dead := 0 // Those let go may be there still: they are asked about, and count.
			n := m.DeleteFunc(func(key *record, v int) bool {
				if v%3 == 0 && !slices.Contains(pool, key) {
					dead++
				}
				return v%3 == 0
			})
			if n != want+dead {
				t.Fatalf("step %d: DeleteFunc = %d, want %d", i/2, n, want+dead)
			}
		case 17:
			if script[i+1]%8 == 0 {
				m.Clear()
				clear(dumb.m)
			}
			if script[i+1]%32 == 1 {
				runtime.GC()
				m.Reap()
			}
		}
	}
	seen := map[*record]int{}
	for key, v := range m.All() {
		if want, bound := dumb.load(key); bound && v != want || !bound && slices.Contains(pool, key) {
			t.Fatalf("All yields %d, want %d, %v", v, want, bound)
		} else if bound {
			seen[key] = v
		}
	}
	if len(seen) != len(dumb.m) {
		t.Fatalf("All yields %d of %d", len(seen), len(dumb.m))
	}
	if s := m.Stats(); m.Len() < len(seen) || s.Inserts < uint64(m.Len()) {
		t.Fatalf("Len = %d with %d live entries, Stats = %+v", m.Len(), len(seen), s)
	}
	clear(seen)
	balanced(t, m)
	wantLen(t, m, len(dumb.m))
	runtime.KeepAlive(pool)
}

func TestKeyMapAgainstDumbMap(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		keyMapScript(t, m, randomScript(scaled(10_000)))
	})
}

// randomScript returns random steps of two bytes each.
func randomScript(steps int) []byte {
	script := make([]byte, 2*steps)
	for i := range script {
		script[i] = byte(rand.Uint32())
	}
	return script
}

func FuzzKeyMap(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 1, 0, 1, 14, 1, 0, 1, 17, 1, 3, 1})           // stored, dropped, collected, stored
	f.Add([]byte{12, 2, 12, 2, 13, 2, 9, 2, 8, 2, 16, 0})         // computed
	f.Add([]byte{6, 3, 5, 3, 11, 3, 10, 3, 17, 0, 6, 3, 7, 3})    // bound, unbound, cleared
	f.Add([]byte{3, 0, 3, 1, 3, 2, 3, 3, 3, 4, 3, 5, 14, 2, 16})  // an odd end
	f.Add(append(slices.Repeat([]byte{4, 7, 15, 7}, 50), 17, 9))  // one place, many objects
	f.Add(append(slices.Repeat([]byte{3, 9, 10, 9}, 100), 17, 1)) // one object, many entries
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
			m := &weakmap.KeyMap[record, int]{Config: weakmap.Config{Reclaim: reclaim, Shards: 1 + len(script)%2}}
			keyMapScript(t, m, script)
			runtime.KeepAlive(m)
		}
	})
}

// pressure inserts objects through insert and lets them go, batch by batch, with collections
// in between, until the returned function is called: so the container grows, is reaped and
// shrinks while a test uses it.
func pressure(insert func(*record)) (stop func()) {
	stopGC := collectInBackground()
	quit := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-quit:
				return
			default:
			}
			for _, r := range newRecords(300) {
				insert(r)
			}
			runtime.Gosched()
		}
	})
	return func() { close(quit); wg.Wait(); stopGC() }
}

// underPressure is the end of an oracle's run of that many milliseconds, fewer in short runs.
func underPressure(milliseconds int) time.Time {
	return time.Now().Add(time.Duration(scaled(milliseconds)) * time.Millisecond)
}

// The oracle that needs no log: a goroutine that owns a key and holds it must find what it
// bound, always. Catches a reclaim that removes a live binding, a growth or shrinkage that
// loses one, and a lookup that takes a slot being rewritten for a miss.
func TestKeyMapOwnerAlwaysHits(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		defer pressure(func(r *record) { m.Store(r, -1) })()
		end := underPressure(120)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				keys := newRecords(5)
				for i, key := range keys {
					m.Store(key, i)
				}
				for round := len(keys); time.Now().Before(end); round++ {
					for i, key := range keys {
						if v, ok := m.Load(key); !ok || v%len(keys) != i {
							t.Errorf("Load of a key that its owner holds = %v, %v, want %d", v, ok, i)
							return
						}
					}
					i := round % len(keys)
					next := i + round*len(keys)
					switch round % 4 {
					case 0:
						if v, loaded := m.Swap(keys[i], next); !loaded || v%len(keys) != i {
							t.Errorf("Swap of an owner = %v, %v", v, loaded)
						}
					case 1:
						if v, loaded := m.LoadAndDelete(keys[i]); !loaded || v%len(keys) != i {
							t.Errorf("LoadAndDelete of an owner = %v, %v", v, loaded)
						}
						if v, ok := m.Load(keys[i]); ok {
							t.Errorf("Load of a key that its owner deleted = %v", v)
						}
						m.Store(keys[i], next)
					case 2:
						m.Compute(keys[i], func(v int, loaded bool) (int, bool) {
							if !loaded || v%len(keys) != i {
								t.Errorf("Compute of an owner gets %v, %v", v, loaded)
							}
							return next, true
						})
					case 3: // A new object under a new name.
						keys[i] = &record{}
						if v, loaded := m.LoadOrStore(keys[i], next); loaded {
							t.Errorf("LoadOrStore of an owner's new key loads %v", v)
						}
					}
				}
			})
		}
		wg.Wait()
	})
}

// An iteration under growth, shrinkage and reaping yields what is held all the time, once, and
// nothing dead. Catches a snapshot that misses an entry which growth moves, or has it twice.
func TestKeyMapIterationUnderPressure(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		held := bindHeld(m, numbers(100)...)
		defer pressure(func(r *record) { m.Store(r, -1) })()
		for end := underPressure(120); time.Now().Before(end); {
			seen := map[*record]bool{}
			mine := 0
			for key, v := range m.All() {
				if key == nil || seen[key] {
					t.Fatalf("All yields %p twice or dead", key)
				}
				seen[key] = true
				if v >= 0 {
					mine++
				}
			}
			if mine != len(held) {
				t.Fatalf("All yields %d of %d that are held", mine, len(held))
			}
		}
		runtime.KeepAlive(held)
	})
}

// No lock is held while an iteration yields: any method may be called from the body, for the
// key at hand and for others, and the iteration goes on. What the body binds or deletes may be
// yielded or not, but no key comes twice.
func TestKeyMapIterationBodyMayUseTheMap(t *testing.T) {
	eachKeyMap(t, func(t *testing.T, m *weakmap.KeyMap[record, int]) {
		keys := bindHeld(m, numbers(100)...)
		var made []*record
		seen := map[*record]bool{}
		var first *record
		for key, v := range m.All() {
			if first == nil {
				first = key
			}
			if seen[key] {
				t.Fatalf("a key comes twice: %d", v)
			}
			seen[key] = true
			if len(made) < 500 {
				made = append(made, &record{})
				m.Store(made[len(made)-1], len(keys)+len(made))
			}
			m.Delete(key) // and bound again: still the same key
			m.Store(key, v)
			m.Store(first, v)
			m.Compute(key, func(v int, _ bool) (int, bool) { return v, true })
			for range m.Keys() {
				break
			}
			m.DeleteFunc(func(*record, int) bool { return false })
			m.Len()
			m.Reap()
		}
		for _, key := range keys {
			if !seen[key] {
				t.Errorf("key %d was not yielded", key.id)
			}
		}
		if n := m.DeleteFunc(func(key *record, _ int) bool {
			m.Load(key)
			m.Swap(key, 1)
			return false
		}); n != 0 {
			t.Errorf("DeleteFunc = %d", n)
		}
		for key := range m.Keys() {
			m.Clear()
			m.Store(key, 1)
		}
		runtime.KeepAlive(keys)
		runtime.KeepAlive(made)
	})
}
