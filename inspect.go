package weakmap

import (
	"iter"

	"github.com/go-weak/weakmap/internal/inspect"
)

// What package weakdebug shows beyond Stats, without an exported name.

func init() {
	inspect.Engine = source{}
	inspect.Attached = attachedTo
	inspect.HoldPasses = reaper.blockPasses
}

type source struct{}

func (source) Figures(container any) (f inspect.Figures, ok bool) {
	c, ok := container.(interface{ engine() *core })
	if !ok {
		return f, false
	}
	return c.engine().figures()
}

func (source) CallbacksDue() int { return callbacks.Waiting() }

func (m *Map[K, V]) engine() *core    { return &m.core }
func (m *KeyMap[K, V]) engine() *core { return &m.core }
func (s *Set[T]) engine() *core       { return &s.core }
func (in *Interner[T]) engine() *core { return &in.core }
func (s *Strings) engine() *core      { return &s.core }

func (c *core) figures() (f inspect.Figures, ok bool) {
	t := c.table.Load()
	if t == nil {
		return f, false
	}
	l := t.layout.Load()
	f.Shards = make([]int, len(l.shards))
	for i := range l.shards {
		f.Shards[i] = l.shards[i].used()
	}
	f.ReportsDue = t.reports.waiting()
	f.Counts = t.hits != nil
	if r := t.retention; r != nil {
		f.RetainMax = int(r.max)
	}
	if p := t.lastPass.Load(); p != nil {
		f.LastPass = *p
	}
	return f, true
}

// attachedTo implements inspect.Attached.
func attachedTo(container any) (entries iter.Seq2[any, any], ok bool) {
	if container != nil {
		c, ok := container.(interface {
			attached(yield func(key, value any) bool)
		})
		if !ok {
			return nil, false
		}
		return c.attached, true
	}
	return func(yield func(key, value any) bool) {
		more := true
		for t := range reaper.live {
			if t.attached != nil {
				t.attached(t, func(key, value any) bool { more = yield(key, value); return more })
			}
			if !more {
				return
			}
		}
	}, true
}

func (m *KeyMap[K, V]) attached(yield func(key, value any) bool) {
	if t := m.core.table.Load(); t != nil {
		t.attached(t, yield)
	}
}
