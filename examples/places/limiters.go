package places

import (
	"runtime"
	"sync"
	"sync/atomic"
	"weak"

	"github.com/go-weak/weakmap"
)

// Rate limiters belong to connections. A new rate is for all of them, and a connection that is
// dropped need not be taken out.

type limiter struct {
	perSecond atomic.Int64
	owner     *string
}

// before: limiters

type limitersByHand struct {
	mu  sync.Mutex
	all map[weak.Pointer[limiter]]struct{}
}

func (s *limitersByHand) Add(l *limiter) {
	w := weak.Make(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.all[w]; there {
		return // It has its cleanup.
	}
	if s.all == nil {
		s.all = make(map[weak.Pointer[limiter]]struct{})
	}
	s.all[w] = struct{}{}
	runtime.AddCleanup(l, s.remove, w)
}

func (s *limitersByHand) Remove(l *limiter) { s.remove(weak.Make(l)) }

func (s *limitersByHand) remove(w weak.Pointer[limiter]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, w)
}

func (s *limitersByHand) SetRate(perSecond int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.all {
		if l := w.Value(); l != nil {
			l.perSecond.Store(perSecond)
		}
	}
}

// after: limiters

type limiters struct {
	all weakmap.Set[limiter]
}

func (s *limiters) Add(l *limiter)    { s.all.Add(l) }
func (s *limiters) Remove(l *limiter) { s.all.Remove(l) }

func (s *limiters) SetRate(perSecond int64) {
	for l := range s.all.All() {
		l.perSecond.Store(perSecond)
	}
}

// end

func (s *limitersByHand) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

func (s *limiters) Len() int { return s.all.Len() }
