package places

import (
	"image"
	"runtime"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

// What a renderer knows of an image that belongs to its user: which part it must send to the
// graphics card again.

// before: images

type imageStatesByHand struct {
	mu    sync.Mutex
	dirty map[weak.Pointer[image.RGBA]]image.Rectangle
}

func (s *imageStatesByHand) Mark(img *image.RGBA, part image.Rectangle) {
	w := weak.Make(img)
	s.mu.Lock()
	defer s.mu.Unlock()
	before, there := s.dirty[w]
	if !there {
		if s.dirty == nil {
			s.dirty = make(map[weak.Pointer[image.RGBA]]image.Rectangle)
		}
		runtime.AddCleanup(img, s.forget, w)
	}
	s.dirty[w] = before.Union(part)
}

func (s *imageStatesByHand) forget(w weak.Pointer[image.RGBA]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.dirty, w)
}

// Take returns what is to be sent, and starts over.
func (s *imageStatesByHand) Take(img *image.RGBA) image.Rectangle {
	w := weak.Make(img)
	s.mu.Lock()
	defer s.mu.Unlock()
	part := s.dirty[w]
	delete(s.dirty, w)
	return part
}

// after: images

type imageStates struct {
	dirty weakmap.KeyMap[image.RGBA, image.Rectangle]
}

func (s *imageStates) Mark(img *image.RGBA, part image.Rectangle) {
	s.dirty.Compute(img, func(before image.Rectangle, _ bool) (image.Rectangle, bool) { return before.Union(part), true })
}

// Take returns what is to be sent, and starts over.
func (s *imageStates) Take(img *image.RGBA) image.Rectangle {
	part, _ := s.dirty.LoadAndDelete(img)
	return part
}

// end

func (s *imageStatesByHand) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dirty)
}

func (s *imageStates) Len() int { return s.dirty.Len() }
