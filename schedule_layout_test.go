//go:build weakmapsched

package weakmap

import (
	"runtime"
	"strings"
	"testing"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// A pause runs something once, when the engine comes to a moment of the given name.
type pause struct {
	seam.Scheduler // nil: nothing else may happen up to there.
	at             string
	do             func()
}

func (p *pause) Yield(at string, _ func() bool) {
	if at == p.at {
		seam.Schedule = nil
		p.do()
	}
}

func (p *pause) Strong(unsafe.Pointer) {}

// A lookup has read the tags of a layout that is replaced just then, and its key is unbound. What
// it is to find in the slot is kept only by the layout, and that only by the lookup.
func TestSchedulesOfALayoutReplacedDuringALookup(t *testing.T) {
	release := reaper.blockPasses()
	defer release()
	find := reader{func(c *core, at unsafe.Pointer) unsafe.Pointer { return c.load(at, false, nil) }, "slot read"}
	search := reader{func(c *core, at unsafe.Pointer) unsafe.Pointer { return c.table.Load().searchAt(at) }, "tags read"}
	t.Run("text", func(t *testing.T) {
		for name, f := range map[string]reader{"find": find, "search": search} {
			t.Run(name, func(t *testing.T) { replaceDuring(t, new(Map[string, int]), strings.Repeat("k", 20), f) })
		}
	})
	t.Run("long text", func(t *testing.T) {
		replaceDuring(t, new(Map[string, int]), strings.Repeat("k", longText+1), search)
	})
	t.Run("word", func(t *testing.T) {
		for name, f := range map[string]reader{"find": find, "search": search} {
			t.Run(name, func(t *testing.T) { replaceDuring(t, new(Map[int, int]), 1, f) })
		}
	})
	t.Run("box", func(t *testing.T) {
		for name, f := range map[string]reader{"find": find, "search": search} {
			t.Run(name, func(t *testing.T) { replaceDuring(t, new(Map[[2]string, int]), [2]string{"a", "b"}, f) })
		}
	})
}

// A reader is a lookup of a key at an address, and a moment before it is done with a slot.
type reader struct {
	of func(c *core, at unsafe.Pointer) unsafe.Pointer
	at string
}

func replaceDuring[K comparable](t *testing.T, m *Map[K, int], key K, f reader) {
	v := new(int)
	m.Store(key, v)
	table := m.core.table.Load()
	replaced := weak.Make(table.layout.Load())
	kept := false
	seam.Schedule = &pause{at: f.at, do: func() {
		m.Clear()
		for range 3 {
			runtime.GC()
		}
		kept = replaced.Value() != nil
	}}
	defer func() { seam.Schedule = nil }()
	if found := f.of(&m.core, unsafe.Pointer(&key)); found != unsafe.Pointer(v) {
		t.Errorf("the lookup found %p, want what was bound when it began, %p", found, v)
	}
	if !kept {
		t.Error("the layout was collected while a lookup was not done with a slot")
	}
	runtime.KeepAlive(v)
	runtime.KeepAlive(m)
}

// What an eviction comes to is used each time before it lets go. One must go in the end, and its next
// use holds it again, of which a hit knows by a mark alone.
func TestSchedulesOfAnEvictionOfWhatIsAlwaysUsed(t *testing.T) {
	release := reaper.blockPasses()
	defer release()
	const n = 4
	m := &Map[int, thing]{Config: Config{Shards: 1, RetainMax: n}}
	var values [n]thing
	for i := range values {
		m.Store(i, &values[i])
	}
	table := m.core.table.Load()
	l := table.layout.Load()
	s := &l.shards[0]
	s.mu.Lock()
	p := &pause{at: "to let go"}
	p.do = func() {
		for i := range l.Len() {
			for at := range uintptr(row.Slots) {
				l.Head(uint32(i)).Use(at)
			}
		}
		seam.Schedule = p
	}
	seam.Schedule = p
	evicted := table.evict(s)
	seam.Schedule = nil
	table.unlock(s)
	if held := m.Stats().Retained; !evicted || held != n-1 {
		t.Fatalf("evict = %t, and %d are held, want true and %d", evicted, held, n-1)
	}
	for i := range values {
		m.Load(i)
	}
	if held := m.Stats().Retained; held != n {
		t.Errorf("%d are held once each was used, want %d", held, n)
	}
	runtime.KeepAlive(&values)
}

// A layout is replaced. Before its uses are carried, a lookup notes in it the use of a binding that is gone,
// whose slot is that of one that has let go of its referent: a hit of that must hold it again.
func TestSchedulesOfAUseThatIsLate(t *testing.T) {
	release := reaper.blockPasses()
	defer release()
	m := &Map[int, thing]{Config: Config{Shards: 1, RetainMax: 1}}
	var values [2]thing
	m.Store(1, &values[0])
	m.Store(2, &values[1])
	table := m.core.table.Load()
	l := table.layout.Load()
	old, slot := slotOf(l, 1)
	table.growth.Lock()
	table.lockAll(l)
	seam.Schedule = &pause{at: "layout in use", do: func() { l.HeadOf(old).Use(slot) }}
	table.relayout(l, 16, allStays)
	seam.Schedule = nil
	table.unlockAll(l)
	table.growth.Unlock()
	b, at := slotOf(table.layout.Load(), 1)
	if held(b.Word(at)) {
		t.Fatal("the first value is held")
	}
	if m.Load(1); !held(b.Word(at)) {
		t.Error("what was used after it was let go is not held")
	}
	runtime.KeepAlive(&values)
}
