package browsertest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/weakdebug"
)

// A page is a value that a program might cache.
type page struct{ text string }

type set = weakmap.Set[page]

// live runs a program with containers of every kind until the test ends, so that
// there is something to see: some are busy, one is not, and one has a long name.
func live(t *testing.T) {
	stats := weakmap.Config{Stats: true}
	files := &weakmap.Map[string, page]{Config: stats, OnReap: func(string) { time.Sleep(time.Millisecond) }}
	authors := &weakmap.KeyMap[page, string]{Config: stats}
	recent := &set{Config: stats}
	words := &weakmap.Interner[string]{Config: stats}
	idle, sessions := &weakmap.Map[int, page]{}, &weakmap.Map[[16]byte, map[string][]*page]{}
	longName := strings.Repeat("github.com/example/", 3) + "sessions-by-remote-address"
	weakdebug.Publish("files", files)
	weakdebug.Publish("authors", authors)
	weakdebug.Publish("recent pages", recent)
	weakdebug.Publish("words", words)
	weakdebug.Publish("idle", idle)
	weakdebug.Publish(longName, sessions)

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		held := make([]*page, 4000)
		for i, tick := 0, time.Tick(5*time.Millisecond); ; i++ {
			select {
			case <-stop:
				return
			case <-tick:
			}
			for range rand.IntN(60) {
				name := fmt.Sprintf("page-%d", int(rand.ExpFloat64()*1500))
				p, _, _ := files.LoadOrCompute(name, func() (*page, error) { return &page{text: name}, nil })
				held[rand.IntN(len(held))] = p
				if _, known := authors.Load(p); !known {
					authors.Store(p, name)
				}
				if !recent.Contains(p) {
					recent.Add(p)
				}
				recent.Remove(held[0])
				words.Intern(name)
			}
			if i%80 == 0 {
				runtime.GC()
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		for _, name := range []string{"files", "authors", "recent pages", "words", "idle", longName} {
			weakdebug.Unpublish(name)
		}
		runtime.KeepAlive(idle)
		runtime.KeepAlive(sessions)
	})
}
