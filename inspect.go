package weakmap

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/go-weak/weakmap/internal/inspect"
)

// What package weakdebug shows beyond Stats, without an exported name.

func init() { inspect.Engine = source{} }

type source struct{}

func (source) Figures(container any) (f inspect.Figures, ok bool) {
	c, ok := container.(interface {
		figures() (inspect.Figures, bool)
	})
	if !ok {
		return f, false
	}
	return c.figures()
}

func (source) CallbacksDue() int { return callbacks.waiting() }

func (m *Map[K, V]) figures() (inspect.Figures, bool)    { return m.core.figures() }
func (m *KeyMap[K, V]) figures() (inspect.Figures, bool) { return m.core.figures() }
func (s *Set[T]) figures() (inspect.Figures, bool)       { return s.core.figures() }
func (in *Interner[T]) figures() (inspect.Figures, bool) { return in.core.figures() }

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
	t.lastPass.mu.Lock()
	f.LastPass = t.lastPass.pass
	t.lastPass.mu.Unlock()
	return f, true
}

// passFigures are those of the last pass over one table.
type passFigures struct {
	mu   sync.Mutex
	pass inspect.Pass // Guarded by mu.
}

func (f *passFigures) set(p inspect.Pass) {
	f.mu.Lock()
	f.pass = p
	f.mu.Unlock()
}

// lastCollection returns when the last collection ended.
func lastCollection() time.Time {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	return stats.LastGC
}
