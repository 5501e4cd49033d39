package weakmap_test

import (
	"fmt"
	"runtime"
	"time"

	"github.com/go-weak/weakmap"
)

// A cache of bounded size. What it has let go of is found as long as the program holds it
// elsewhere, and is not loaded a second time. One shard makes the bound exact.
func ExampleConfig_retainMax() {
	type page struct{ name string }
	pages := weakmap.Map[string, page]{Config: weakmap.Config{RetainMax: 2, Shards: 1}}
	load := func(name string) *page {
		p, _, _ := pages.LoadOrCompute(name, func() (*page, error) {
			fmt.Println("load", name)
			return &page{name}, nil
		})
		return p
	}

	shown := load("a")
	load("b")
	load("b") // used since it came, so it stays
	load("c") // takes the place of a
	settled()
	fmt.Println(pages.Stats().Retained, "held,", pages.Len(), "found")

	fmt.Println("the same a:", load("a") == shown) // in place of c, which was not used again
	settled()
	fmt.Println(pages.Stats().Retained, "held,", pages.Len(), "found")
	load("b")
	load("c")
	fmt.Println(pages.Stats().Evicted, "evicted")
	runtime.KeepAlive(shown)
	// Output:
	// load a
	// load b
	// load c
	// 2 held, 3 found
	// the same a: true
	// 2 held, 2 found
	// load c
	// 3 evicted
}

// A limiter for each client is held until it has gone unused for an hour, however often the
// collector runs, and so forgets no call. A session goes some time after its time is over.
func ExampleConfig_retainFor() {
	type limiter struct{ calls int }
	limiters := weakmap.Map[string, limiter]{Config: weakmap.Config{RetainFor: time.Hour}}
	for range 3 {
		l, _, _ := limiters.LoadOrCompute("ann", func() (*limiter, error) { return new(limiter), nil })
		l.calls++
		runtime.GC()
	}
	l, _ := limiters.Load("ann")
	fmt.Println(l.calls, "calls")

	type session struct{ user string }
	sessions := weakmap.Map[int, session]{Config: weakmap.Config{RetainFor: time.Millisecond}}
	sessions.Store(1, &session{"bob"})
	for sessions.Len() > 0 {
		runtime.GC() // Time is checked after a collection.
		time.Sleep(time.Millisecond)
	}
	fmt.Println(sessions.Len(), "sessions")
	// Output:
	// 3 calls
	// 0 sessions
}
