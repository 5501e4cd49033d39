package weakdebug

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
	"github.com/go-weak/weakmap/internal/inspect"
	"github.com/go-weak/weakmap/weaktest"
)

// item is a value that dies by itself: it shares no block with others.
type item struct{ _ [48]byte }

// publish publishes a container until the test ends.
func publish[T any, C interface {
	*T
	Stats() weakmap.Stats
}](t *testing.T, name string, container C) {
	t.Helper()
	Publish(name, container)
	t.Cleanup(func() {
		Unpublish(name)
		runtime.KeepAlive(container)
	})
}

// names returns those of the containers shown now.
func names() (all []string) {
	for _, r := range newReport().Containers {
		all = append(all, r.Name)
	}
	return all
}

func shown(name string) bool { return slices.Contains(names(), name) }

// mustPanic checks that f panics with a text that starts with want.
func mustPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := fmt.Sprint(recover()); !strings.HasPrefix(got, want) {
			t.Errorf("panic %q, want one that starts with %q", got, want)
		}
	}()
	f()
}

func TestEveryContainerIsShown(t *testing.T) {
	m := new(weakmap.Map[string, item])
	k := new(weakmap.KeyMap[item, int])
	s := new(weakmap.Set[item])
	in := new(weakmap.Interner[string])
	publish(t, "c map", m)
	publish(t, "a keymap", k)
	publish(t, "b set", s)
	publish(t, "d interner", in)
	held := &item{}
	m.Store("x", held)
	m.Store("y", held)
	k.Store(held, 1)
	s.Add(held)
	canonical := in.Intern("hello")

	rows := newReport().Containers
	want := []row{
		{Name: "a keymap", Type: "KeyMap[weakdebug.item,int]"},
		{Name: "b set", Type: "Set[weakdebug.item]"},
		{Name: "c map", Type: "Map[string,weakdebug.item]"},
		{Name: "d interner", Type: "Interner[string]"},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, entries := range []int{1, 1, 2, 1} {
		r := rows[i]
		if r.Name != want[i].Name || r.Type != want[i].Type || r.Stats.Entries != entries || r.Stats.Inserts != uint64(entries) {
			t.Errorf("row %d is %+v, want %+v with %d entries", i, r, want[i], entries)
		}
	}
	runtime.KeepAlive(held)
	runtime.KeepAlive(canonical)
}

func TestAShownContainerIsCollected(t *testing.T) {
	handle := func() weak.Pointer[weakmap.Map[string, item]] {
		m := new(weakmap.Map[string, item])
		Publish("short-lived", m)
		m.Store("x", &item{})
		if !shown("short-lived") {
			t.Error("it is not shown while it lives")
		}
		runtime.KeepAlive(m)
		return weak.Make(m)
	}()
	weaktest.Dies(t, handle)
	if shown("short-lived") {
		t.Error("its row is there although it is dead")
	}
	if Unpublish("short-lived") {
		t.Error("Unpublish says that it lives")
	}
}

func TestNamesOfTheDeadAreForgotten(t *testing.T) {
	handle := func() weak.Pointer[weakmap.Set[item]] {
		s := new(weakmap.Set[item])
		Publish("forgotten", s)
		return weak.Make(s)
	}()
	weaktest.Dies(t, handle)
	publish(t, "another", new(weakmap.Set[item]))
	published.mu.Lock()
	defer published.mu.Unlock()
	if _, kept := published.byName["forgotten"]; kept {
		t.Error("the listing of a dead container is kept")
	}
}

// global never dies, and can be shown all the same.
var global weakmap.Map[int, item]

func TestAPackageVariableIsShown(t *testing.T) {
	publish(t, "global", &global)
	for range 3 {
		runtime.GC()
	}
	if !shown("global") {
		t.Error("it is not shown")
	}
}

func TestANameIsTakenWhileItsContainerLives(t *testing.T) {
	first, second := new(weakmap.Set[item]), new(weakmap.Set[item])
	publish(t, "taken", first)
	const want = "weakmap: weakdebug.Publish: the name taken is taken by a container that lives"
	mustPanic(t, want, func() { Publish("taken", second) })
	mustPanic(t, want, func() { Publish("taken", first) })
	if !Unpublish("taken") || Unpublish("taken") {
		t.Error("Unpublish does not return true and then false")
	}
	publish(t, "taken", second)
	runtime.KeepAlive(first)
}

func TestPublishRefuses(t *testing.T) {
	mustPanic(t, "weakmap: weakdebug.Publish: nil container", func() { Publish[weakmap.Set[item]]("nil", nil) })
	mustPanic(t, "weakmap: weakdebug.Publish: a name must be UTF-8 and not empty", func() { Publish("", new(weakmap.Set[item])) })
	mustPanic(t, "weakmap: weakdebug.Publish: a name must be UTF-8 and not empty", func() { Publish("\xff", new(weakmap.Set[item])) })
}

// A spy looks like a container and notices whether more than its Stats are asked for.
type spy struct {
	mu    sync.Mutex
	stats weakmap.Stats
	asked int
	other []string
}

func (s *spy) Stats() weakmap.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.stats
}

func (s *spy) note(what string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.other = append(s.other, what)
	return 0
}

func (s *spy) Reap() int { return s.note("Reap") }
func (s *spy) Len() int  { return s.note("Len") }
func (s *spy) Clear()    { s.note("Clear") }

func TestReadingAsksForStatsOnly(t *testing.T) {
	s := &spy{stats: weakmap.Stats{Entries: 5}}
	publish(t, "spy", s)
	for _, form := range []string{"", "json", "prometheus"} {
		get(t, "?format="+form)
	}
	if s.asked != 3 || len(s.other) > 0 {
		t.Errorf("Stats was called %d times, want 3; and %v, want nothing else", s.asked, s.other)
	}
}

// Reading costs the same whatever the number of entries: it cannot have looked at them.
func TestReadingDoesNotLookAtEntries(t *testing.T) {
	// Allocations are those of the whole process. What a pass allocates is no part of it.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	cost := func(entries int) float64 {
		m := &weakmap.Map[int, item]{Config: weakmap.Config{Shards: 4}}
		held := make([]item, entries)
		for i := range held {
			m.Store(i, &held[i])
		}
		publish(t, fmt.Sprint("sized ", entries), m)
		r := published.byName[fmt.Sprint("sized ", entries)]
		gctest.Eventually(t, "a pass has come by, which is shown from then on", func() bool {
			row, ok := r.read()
			return ok && row.LastPass != nil
		})
		allocations := testing.AllocsPerRun(1000, func() {
			if row, ok := r.read(); !ok || row.Stats.Entries != entries {
				t.Errorf("read returns %+v, %t", row, ok)
			}
		})
		runtime.KeepAlive(held)
		return allocations
	}
	if few, many := cost(10), cost(20_000); few != many {
		t.Errorf("%v allocations with few entries, %v with many", few, many)
	}
}

// engine is a stand-in for the engine's own source of figures.
type engine struct {
	figures map[any]inspect.Figures
	due     int
}

func (e engine) Figures(container any) (inspect.Figures, bool) {
	f, ok := e.figures[container]
	return f, ok
}

func (e engine) CallbacksDue() int { return e.due }

// withEngine has e tell figures until the test ends.
func withEngine(t *testing.T, e inspect.Source) {
	old := inspect.Engine
	inspect.Engine = e
	t.Cleanup(func() { inspect.Engine = old })
}

func TestNamesOfTypes(t *testing.T) {
	for got, want := range map[string]string{
		kindOf[weakmap.Map[string, inspect.Figures]]():            "Map[string,inspect.Figures]",
		kindOf[weakmap.Map[string, *inspect.Figures]]():           "Map[string,*inspect.Figures]",
		kindOf[weakmap.Map[[2]string, map[inspect.Pass][]byte]](): "Map[[2]string,map[inspect.Pass][]uint8]",
		kindOf[spy](): "weakdebug.spy",
	} {
		if got != want {
			t.Errorf("kindOf = %q, want %q", got, want)
		}
	}
}

func TestReadersPublishersAndWritersAtOnce(t *testing.T) {
	m := &weakmap.Map[int, item]{Config: weakmap.Config{Stats: true}}
	publish(t, "busy", m)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			held := make([]*item, 200)
			for i := range held {
				held[i] = &item{}
				m.Store(g*1000+i, held[i])
				m.Load(i)
			}
		})
		all.Go(func() {
			for i := range 20 {
				name := fmt.Sprintf("passing %d %d", g, i)
				s := new(weakmap.Set[item])
				Publish(name, s)
				if !shown(name) || !Unpublish(name) {
					t.Errorf("%s is not shown, or was not there", name)
				}
				runtime.KeepAlive(s)
			}
		})
		all.Go(func() {
			for range 20 {
				if s := (Vars{}).String(); !strings.Contains(s, `"busy"`) {
					t.Errorf("Vars does not show it: %s", s)
				}
			}
		})
	}
	all.Wait()
}

// What an insertion and a lookup cost while the page is not read, and while it is read
// a hundred times a second.
func BenchmarkStoreLoad(b *testing.B) {
	for _, read := range []bool{false, true} {
		b.Run(fmt.Sprintf("read=%t", read), func(b *testing.B) {
			m := &weakmap.Map[int, item]{Config: weakmap.Config{Stats: true}}
			Publish("benchmark", m)
			defer Unpublish("benchmark")
			stop := make(chan struct{})
			var reader sync.WaitGroup
			if read {
				reader.Go(func() {
					for tick := time.Tick(10 * time.Millisecond); ; {
						select {
						case <-stop:
							return
						case <-tick:
							newReport()
						}
					}
				})
			}
			held := &item{}
			for i := 0; b.Loop(); i++ {
				m.Store(i%1000, held)
				m.Load(i % 1000)
			}
			close(stop)
			reader.Wait()
		})
	}
}

func TestCyclesOfNoKeyMapPanics(t *testing.T) {
	var none *weakmap.KeyMap[int, int]
	mustPanic(t, "weakmap: weakdebug.Cycles: nil KeyMap", func() { Cycles(none, 1) })
}
