package places

import (
	"os"
	"runtime"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

// A folder is opened once for all its users, and closed when the last of them is done.

type root struct {
	*os.Root
}

func closeRoot(r *os.Root) { _ = r.Close() }

// before: roots

type rootsByHand struct {
	mu     sync.Mutex
	byPath map[string]weak.Pointer[root]
}

func (s *rootsByHand) Open(path string) (*root, error) {
	s.mu.Lock() // Others wait, for other folders too.
	defer s.mu.Unlock()
	if r := s.byPath[path].Value(); r != nil {
		return r, nil
	}
	opened, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	r := &root{opened}
	w := weak.Make(r)
	if s.byPath == nil {
		s.byPath = make(map[string]weak.Pointer[root])
	}
	s.byPath[path] = w
	runtime.AddCleanup(r, closeRoot, opened)
	runtime.AddCleanup(r, func(w weak.Pointer[root]) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.byPath[path] == w {
			delete(s.byPath, path)
		}
	}, w)
	return r, nil
}

// after: roots

type roots struct {
	byPath weakmap.Map[string, root]
}

func (s *roots) Open(path string) (*root, error) {
	r, _, err := s.byPath.LoadOrCompute(path, func() (*root, error) {
		opened, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		r := &root{opened}
		weakmap.Finalize(r, closeRoot, opened)
		return r, nil
	})
	return r, err
}

// end

func (s *rootsByHand) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byPath)
}

func (s *roots) Len() int { return s.byPath.Len() }
