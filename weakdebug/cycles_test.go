package weakdebug_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/weakdebug"
	"github.com/go-weak/weakmap/weaktest"
)

type Page struct {
	title string
	_     [48]byte
}

type view struct{ of *Page }

type holder struct{ view view }

// texts returns what Cycles finds, without an upper bound that matters.
func texts(m *weakmap.KeyMap[Page, any]) (all []string) {
	for _, p := range weakdebug.Cycles(m, 10_000) {
		all = append(all, p.String())
	}
	return all
}

type list struct {
	next *list
	page *Page
}

type embedding struct{ holder }

func TestCyclesNamesEachStep(t *testing.T) {
	key := &Page{title: "key"}
	other := &Page{title: "other"}
	long := &list{}
	last := long
	for range 100 {
		last.next = &list{}
		last = last.next
	}
	last.next, last.page = long, key // a cycle of its own beside
	var shared sync.Map
	shared.Store("a", &view{key})
	var swapped atomic.Pointer[view]
	swapped.Store(&view{key})
	for _, c := range []struct {
		value any
		want  string // "" for none
	}{
		{holder{view{key}}, "*Page → .view.of"},
		{&holder{view{key}}, "*Page → .view.of"},
		{key, "*Page → the value itself"},
		{embedding{holder{view{key}}}, "*Page → .holder.view.of"},
		{[]*Page{other, nil, key}, "*Page → [2]"},
		{[2]view{1: {key}}, "*Page → [1].of"},
		{map[string][]view{"secret": {{other}, {key}}}, "*Page → […][1].of"},
		{map[*Page]bool{key: true}, "*Page → [key]"},
		{[]any{1, "b", &view{key}}, "*Page → [2].(*view).of"},
		{long, "*Page → " + strings.Repeat(".next", 100) + ".page"},
		{&key.title, "*Page → the value itself"},
		{&shared, "*Page → […].(*view).of"},
		{&swapped, "*Page → .of"},
		{&[]*Page{key}, "*Page → .*[0]"},
		{view{other}, ""},
		{*key, ""},
		{weak.Make(key), ""},
		{func() *Page { return key }, ""}, // cannot be seen
		{nil, ""},
		{uint8(1), ""},
		{(*view)(nil), ""},
		{[]any(nil), ""},
	} {
		var m weakmap.KeyMap[Page, any]
		m.Store(key, c.value)
		got := texts(&m)
		if want := []string{c.want}; c.want == "" && got != nil || c.want != "" && !slices.Equal(got, want) {
			t.Errorf("%T: %q, want %q", c.value, got, c.want)
		}
	}
	runtime.KeepAlive(key)
	runtime.KeepAlive(other)
}

func TestCyclesOfEachEntry(t *testing.T) {
	var m weakmap.KeyMap[Page, *view] //weakvet:ignore weakcycle cycles that are to be found
	keys := make([]*Page, 10)
	for i := range keys {
		keys[i] = new(Page)
	}
	for i, key := range keys {
		m.Store(key, &view{keys[i/2]}) // the first is its own, the others are not
	}
	paths := weakdebug.Cycles(&m, 1000)
	if len(paths) != 1 || paths[0].String() != "*Page → .of" {
		t.Errorf("paths %v, want one", paths)
	}
	for _, key := range keys {
		m.Store(key, &view{key})
	}
	if paths := weakdebug.Cycles(&m, 1000); len(paths) != 10 {
		t.Errorf("%d paths, want 10", len(paths))
	}
	runtime.KeepAlive(keys)

	var itself weakmap.KeyMap[Page, *Page] //weakvet:ignore weakcycle cycles that are to be found
	itself.Store(keys[0], keys[0])
	if paths := weakdebug.Cycles(&itself, 10); len(paths) != 1 || paths[0].String() != "*Page → the value itself" {
		t.Errorf("paths %v of a value that is its key", paths)
	}
	runtime.KeepAlive(keys[0])
}

// A pointer or slice that leads to memory around the key keeps it too.
func TestCyclesOfWhatTheKeyIsPartOf(t *testing.T) {
	type book struct {
		_    [16]byte
		page Page
	}
	keys := weakmap.KeyMap[Page, any]{} //weakvet:ignore weakcycle cycles that are to be found
	whole, array, slice := new(book), new([3]Page), make([]Page, 3)
	keys.Store(&whole.page, whole)
	keys.Store(&array[2], array)
	keys.Store(&slice[2], [][]Page{slice[:1:1], slice[:1]})
	keys.Store(&slice[0], new(book))
	if paths := texts(&keys); len(paths) != 3 {
		t.Errorf("paths %q, want three", paths)
	}
	runtime.KeepAlive(whole)
	runtime.KeepAlive(array)
	runtime.KeepAlive(slice)
}

func TestCyclesGivesUp(t *testing.T) {
	var m weakmap.KeyMap[Page, any]
	key := new(Page)
	value := make([]*int, 1000)
	m.Store(key, value)
	for _, max := range []int{0, 1, 10, 999} {
		paths := weakdebug.Cycles(&m, max)
		if len(paths) != 1 || !strings.HasPrefix(paths[0].String(), fmt.Sprintf("gave up after %d objects, in the 1st entry", max)) {
			t.Errorf("with %d objects at most: %v, want that it gave up", max, paths)
		}
	}
	if paths := weakdebug.Cycles(&m, 2000); len(paths) > 0 {
		t.Errorf("%v, want none", paths)
	}
	runtime.KeepAlive(key)
	var unused weakmap.KeyMap[Page, any]
	if paths := weakdebug.Cycles(&unused, 0); paths != nil {
		t.Errorf("%v of an empty map", paths)
	}
}

// Numbers without pointers cost nothing.
func TestCyclesPassesOverNumbers(t *testing.T) {
	var m weakmap.KeyMap[Page, []byte]
	key := new(Page)
	m.Store(key, make([]byte, 1<<20))
	if paths := weakdebug.Cycles(&m, 1); len(paths) > 0 {
		t.Errorf("%v, want none", paths)
	}
	runtime.KeepAlive(key)
}

func TestCyclesKeepsNothingAlive(t *testing.T) {
	m := new(weakmap.KeyMap[Page, *view])
	paths, key, value := func() ([]weakdebug.Path, weak.Pointer[Page], weak.Pointer[view]) {
		k := new(Page)
		v := &view{k}
		m.Store(k, v)
		return weakdebug.Cycles(m, 100), weak.Make(k), weak.Make(v)
	}()
	if len(paths) != 1 {
		t.Fatalf("paths %v, want one", paths)
	}
	weaktest.Lives(t, key) // the cycle
	m.Clear()
	weaktest.Dies(t, key)
	weaktest.Dies(t, value)
	runtime.KeepAlive(m)
	runtime.KeepAlive(paths)
}

// Entries that are no cycles leave as they do otherwise.
func TestCyclesDoesNotHoldEntries(t *testing.T) {
	var m weakmap.KeyMap[Page, string]
	func() {
		k := new(Page)
		m.Store(k, "note")
		weakdebug.Cycles(&m, 100)
		runtime.KeepAlive(k)
	}()
	weaktest.Empty(t, &m)
}

func ExampleCycles() {
	var views weakmap.KeyMap[Page, *holder] //weakvet:ignore weakcycle a cycle that is to be found
	page := &Page{title: "index"}
	views.Store(page, &holder{view{page}})
	for _, path := range weakdebug.Cycles(&views, 1000) {
		fmt.Println(path)
	}
	runtime.KeepAlive(page)
	// Output:
	// *Page → .view.of
}
