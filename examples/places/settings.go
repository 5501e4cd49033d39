package places

import (
	"runtime"
	"strings"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

// Settings are what a user wrote; a program works with what they convert to, which is made once
// for each settings object and goes with it.

type settings struct {
	text string
}

type converted struct {
	words int
}

// convert must not keep s.
func convert(s *settings) *converted { return &converted{words: len(strings.Fields(s.text))} }

// before: settings

type conversionsByHand struct {
	byObject sync.Map // of weak.Pointer[settings] to a func() *converted
}

func (c *conversionsByHand) Of(s *settings) *converted {
	w := weak.Make(s)
	once, loaded := c.byObject.Load(w)
	if !loaded {
		// The function must not have s, or s would never die.
		once, loaded = c.byObject.LoadOrStore(w, sync.OnceValue(func() *converted { return convert(w.Value()) }))
		if !loaded {
			runtime.AddCleanup(s, func(w weak.Pointer[settings]) { c.byObject.Delete(w) }, w)
		}
	}
	result := once.(func() *converted)()
	runtime.KeepAlive(s) // Up to here w.Value() must not be nil.
	return result
}

func (c *conversionsByHand) Changed(s *settings) { c.byObject.Delete(weak.Make(s)) }

// after: settings

type conversions struct {
	byObject weakmap.KeyMap[settings, *converted]
}

func (c *conversions) Of(s *settings) *converted {
	result, _, _ := c.byObject.LoadOrCompute(s, func() (*converted, error) { return convert(s), nil })
	return result
}

func (c *conversions) Changed(s *settings) { c.byObject.Delete(s) }

// end

func (c *conversionsByHand) Len() int { return lenOf(&c.byObject) }

func (c *conversions) Len() int { return c.byObject.Len() }

// lenOf returns how many entries a sync.Map has.
func lenOf(m *sync.Map) (n int) {
	for range m.Range {
		n++
	}
	return n
}
