package places

import (
	"runtime"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

// Requests of one session go one after the other. The lock of a session is needed as long as a
// request has it or waits for it.

// A sessionLock has a pointer, since the runtime would put small objects without one together.
type sessionLock struct {
	sync.Mutex
	_ *byte
}

// before: sessions

type sessionLocksByHand struct {
	mu   sync.Mutex
	byID map[string]weak.Pointer[sessionLock]
}

func (s *sessionLocksByHand) Of(id string) *sessionLock {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.byID[id].Value(); l != nil {
		return l
	}
	l := new(sessionLock)
	w := weak.Make(l)
	if s.byID == nil {
		s.byID = make(map[string]weak.Pointer[sessionLock])
	}
	s.byID[id] = w
	runtime.AddCleanup(l, func(w weak.Pointer[sessionLock]) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.byID[id] == w { // Another may have been made since.
			delete(s.byID, id)
		}
	}, w)
	return l
}

// after: sessions

type sessionLocks struct {
	byID weakmap.Map[string, sessionLock]
}

func (s *sessionLocks) Of(id string) *sessionLock {
	l, ok := s.byID.Load(id)
	if !ok {
		l, _ = s.byID.LoadOrStore(id, new(sessionLock))
	}
	return l
}

// end

func (s *sessionLocksByHand) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}

func (s *sessionLocks) Len() int { return s.byID.Len() }
