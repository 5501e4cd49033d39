//go:build weakmapsched

package weakmap

import (
	"runtime"
	"testing"
	"unsafe"
	"weak"
)

// A pause runs something once, when the engine comes to a moment of the given name.
type pause struct {
	at string
	do func()
}

func (p *pause) yield(at string, _ func() bool) {
	if at == p.at {
		schedule = nil
		p.do()
	}
}

func (p *pause) refer(unsafe.Pointer) life { panic("a reference was made amid a pause") }
func (p *pause) submit(func())             { panic("something was submitted amid a pause") }

// A lookup has read the tags of a layout that is replaced just then, and its key is unbound. What
// it is to find in the slot is kept by nothing but the layout, and that by nothing but the lookup.
func TestSchedulesOfALayoutReplacedAmidALookup(t *testing.T) {
	release := HoldPasses()
	defer release()
	for name, lookup := range map[string]func(m *Map[int, int]) (*entry[int, int], *int){
		"find":   func(m *Map[int, int]) (*entry[int, int], *int) { return m.core.find(1, false) },
		"search": func(m *Map[int, int]) (*entry[int, int], *int) { return m.core.search(1, false) },
	} {
		t.Run(name, func(t *testing.T) {
			var m Map[int, int]
			v := new(int)
			m.Store(1, v)
			replaced := weak.Make(m.core.table.Load().layout.Load())
			kept := false
			schedule = &pause{"tags read", func() {
				m.Clear()
				for range 3 {
					runtime.GC()
				}
				kept = replaced.Value() != nil
			}}
			defer func() { schedule = nil }()
			if e, found := lookup(&m); e == nil || e.attached != 1 || found != v {
				t.Errorf("the lookup found %v and %p, want what was bound when it read the tags, %p", e, found, v)
			}
			if !kept {
				t.Error("the layout was collected while a lookup was about to read a slot")
			}
			runtime.KeepAlive(v)
			runtime.KeepAlive(&m)
		})
	}
}
