package places

import (
	"crypto/sha256"
	"errors"
	"runtime"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

// A shader is compiled once for all users of equal sources, for as long as there is one.

type shader struct {
	id     [sha256.Size]byte
	handle *int
}

func compile(source string) (*shader, error) {
	if source == "" {
		return nil, errors.New("empty source")
	}
	return &shader{id: sha256.Sum256([]byte(source)), handle: new(int)}, nil
}

// before: shaders

type shadersByHand struct {
	byID sync.Map // of a hash to weak.Pointer[shader]
}

func (s *shadersByHand) Get(source string) (*shader, error) {
	id := sha256.Sum256([]byte(source))
	var made *shader
	for {
		bound, ok := s.byID.Load(id)
		if ok {
			if found := bound.(weak.Pointer[shader]).Value(); found != nil {
				return found, nil
			}
			s.byID.CompareAndDelete(id, bound) // Dead, and its cleanup has not come yet.
			continue
		}
		if made == nil {
			var err error
			if made, err = compile(source); err != nil { // as others may at the same time
				return nil, err
			}
		}
		w := weak.Make(made)
		if _, loaded := s.byID.LoadOrStore(id, w); !loaded {
			runtime.AddCleanup(made, func(w weak.Pointer[shader]) { s.byID.CompareAndDelete(id, w) }, w)
			return made, nil
		}
	}
}

// after: shaders

type shaders struct {
	byID weakmap.Map[[sha256.Size]byte, shader]
}

func (s *shaders) Get(source string) (*shader, error) {
	found, _, err := s.byID.LoadOrCompute(sha256.Sum256([]byte(source)), func() (*shader, error) { return compile(source) })
	return found, err
}

// end

func (s *shadersByHand) Len() int { return lenOf(&s.byID) }

func (s *shaders) Len() int { return s.byID.Len() }
