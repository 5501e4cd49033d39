package weakdebug_test

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"runtime"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/inspect"
	"github.com/go-weak/weakmap/weakdebug"
	"github.com/go-weak/weakmap/weaktest"
)

// shownContainer is what the JSON says of one container.
type shownContainer struct {
	Name, Type string
	Stats      weakmap.Stats
	Shards     []int
	RetainMax  *int
}

// shown returns what the handler shows of the containers published now.
func shown(t *testing.T) map[string]shownContainer {
	t.Helper()
	w := httptest.NewRecorder()
	weakdebug.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/?format=json", nil))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	var report struct{ Containers []shownContainer }
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]shownContainer)
	for _, c := range report.Containers {
		all[c.Name] = c
	}
	return all
}

// The bound of a real container is shown once it has entries, and no bound where there is none.
func TestTheBoundIsShown(t *testing.T) {
	bounded := &weakmap.Map[int, sheet]{Config: weakmap.Config{RetainMax: 10, Shards: 1}}
	timed := &weakmap.Set[sheet]{Config: weakmap.Config{Retain: 5}}
	weakdebug.Publish("bound/map", bounded)
	weakdebug.Publish("bound/set", timed)
	if c := shown(t)["bound/map"]; c.RetainMax != nil {
		t.Errorf("an unused container has the bound %d", *c.RetainMax)
	}
	for i := range 25 {
		bounded.Store(i, new(sheet))
		timed.Add(new(sheet))
	}
	all := shown(t)
	if c := all["bound/map"]; c.RetainMax == nil || *c.RetainMax != 10 || c.Stats.Retained != 10 || c.Stats.Evicted != 15 {
		t.Errorf("shown as %+v, want 10 held, a bound of 10 and 15 evictions", c)
	}
	if c := all["bound/set"]; c.RetainMax != nil || c.Stats.Evicted != 0 {
		t.Errorf("shown as %+v, want no bound and no evictions", c)
	}
	runtime.KeepAlive(bounded)
	runtime.KeepAlive(timed)
}

// Each container that has Stats is shown with what its engine tells.
func TestEveryContainerIsShown(t *testing.T) {
	config := weakmap.Config{Stats: true, Shards: 2}
	m := &weakmap.Map[string, sheet]{Config: config}
	k := &weakmap.KeyMap[sheet, int]{Config: config}
	o := &weakmap.KeyMap[weakmap.Object, int]{Config: config}
	s := &weakmap.Set[sheet]{Config: config}
	so := &weakmap.Set[weakmap.Object]{Config: config}
	in := &weakmap.Interner[string]{Config: config}
	texts := &weakmap.Strings{Config: config}
	weakdebug.Publish("each/map", m)
	weakdebug.Publish("each/keymap", k)
	weakdebug.Publish("each/keymap of objects", o)
	weakdebug.Publish("each/set", s)
	weakdebug.Publish("each/set of objects", so)
	weakdebug.Publish("each/interner", in)
	weakdebug.Publish("each/strings", texts)
	object, channel := new(sheet), make(chan int)
	m.Store("a", object)
	m.Load("a")
	k.Store(object, 1)
	k.Load(object)
	o.Store(weakmap.ObjectOf(channel), 1)
	o.Load(weakmap.ObjectOf(channel))
	s.Add(object)
	s.Contains(object)
	so.Add(weakmap.ObjectOf(channel))
	so.Contains(weakmap.ObjectOf(channel))
	canonical := in.Intern("a")
	in.Lookup("a")
	interned := texts.Intern("a text of some length")
	texts.Lookup("a text of some length")
	all := shown(t)
	for _, container := range []any{m, k, o, s, so, in, texts} { // Publish does not keep them.
		runtime.KeepAlive(container)
	}
	for name, kind := range map[string]string{
		"map": "Map[string,weakdebug_test.sheet]", "keymap": "KeyMap[weakdebug_test.sheet,int]", "keymap of objects": "KeyMap[weakmap.Object,int]",
		"set": "Set[weakdebug_test.sheet]", "set of objects": "Set[weakmap.Object]", "interner": "Interner[string]", "strings": "Strings",
	} {
		c := all["each/"+name]
		if c.Type != kind || len(c.Shards) != 2 || c.Shards[0]+c.Shards[1] != 1 || c.Stats.Entries != 1 || c.Stats.Hits != 1 {
			t.Errorf("%s is shown as %+v, want a %s with one entry in two shards and one hit", name, c, kind)
		}
		weakdebug.Unpublish("each/" + name)
	}
	runtime.KeepAlive(object)
	runtime.KeepAlive(channel)
	runtime.KeepAlive(canonical)
	runtime.KeepAlive(interned)
}

// A value that leads to the object that its key stands for is a cycle.
func TestCyclesOfObjects(t *testing.T) {
	var m weakmap.KeyMap[weakmap.Object, *view] //weakvet:ignore weakcycle a cycle that is to be found
	page, other := new(Page), make(chan int)
	m.Store(weakmap.ObjectOf(page), &view{page})
	m.Store(weakmap.ObjectOf(other), &view{page})
	paths := weakdebug.Cycles(&m, 100)
	if len(paths) != 1 || paths[0].String() != "*Object → .of" {
		t.Errorf("paths %v, want one", paths)
	}
	runtime.KeepAlive(page)
	runtime.KeepAlive(other)
}

// The count of misses that met a dead value is the container's own.
func TestDeadIsShown(t *testing.T) {
	m := &weakmap.Map[int, sheet]{Config: weakmap.Config{Stats: true}}
	weakdebug.Publish("dead", m)
	defer weakdebug.Unpublish("dead")
	defer inspect.HoldPasses()() // The entry stays where a lookup meets it.
	handle := func() weak.Pointer[sheet] {
		v := new(sheet)
		m.Store(1, v)
		return weak.Make(v)
	}()
	weaktest.Dies(t, handle)
	m.Load(1)
	m.Load(1)
	m.Load(2)
	if s := shown(t)["dead"].Stats; s.Misses != 3 || s.Dead != 2 {
		t.Errorf("shown as %+v, want 3 misses, 2 of them dead", s)
	}
	runtime.KeepAlive(m)
}
