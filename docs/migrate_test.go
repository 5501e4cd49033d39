package docs_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unique"
	"weak"

	"github.com/go-weak/weakmap"
)

// The code of migrate.md. What stands between a line "doc: name" and a line "end" is the
// block of that name there, and TestCodeOfTheDocs compares them.

type Page struct {
	Name  string
	Lines []string
}

// reads counts the calls of read.
var reads int

func read(name string) (*Page, error) {
	reads++
	return &Page{Name: name, Lines: strings.Split("one\ntwo", "\n")}, nil
}

// doc: weak cache, before

type weakCache struct {
	pages sync.Map // of string to weak.Pointer[Page]
}

func (c *weakCache) Get(name string) (*Page, error) {
	var made *Page
	for {
		bound, ok := c.pages.Load(name)
		if ok {
			if p := bound.(weak.Pointer[Page]).Value(); p != nil {
				return p, nil
			}
			// Dead, and its cleanup has not come yet.
			c.pages.CompareAndDelete(name, bound)
			continue
		}
		if made == nil {
			var err error
			if made, err = read(name); err != nil {
				return nil, err
			}
		}
		w := weak.Make(made)
		if _, loaded := c.pages.LoadOrStore(name, w); !loaded {
			runtime.AddCleanup(made, func(w weak.Pointer[Page]) {
				// Only this binding: the name may be bound again.
				c.pages.CompareAndDelete(name, w)
			}, w)
			return made, nil
		}
	}
}

// end

func Example_weakCacheBefore() {
	var c weakCache
	a, _ := c.Get("index")
	b, _ := c.Get("index")
	fmt.Println(a == b)
	runtime.KeepAlive(a)
	// Output:
	// true
}

// doc: weak cache, after

type cache struct {
	pages weakmap.Map[string, Page]
}

func (c *cache) Get(name string) (*Page, error) {
	p, _, err := c.pages.LoadOrCompute(name, func() (*Page, error) { return read(name) })
	return p, err
}

// end

func Example_weakCacheAfter() {
	var c cache
	reads = 0
	a, _ := c.Get("index")
	b, _ := c.Get("index")
	fmt.Println(a == b, reads)
	runtime.KeepAlive(a)
	// Output:
	// true 1
}

// doc: unique, before

type event struct {
	source unique.Handle[string]
	text   string
}

func newEvent(source, text string) event {
	return event{unique.Make(source), text}
}

func (e event) sameSource(other event) bool { return e.source == other.source }

func (e event) String() string { return e.source.Value() + ": " + e.text }

// end

func Example_uniqueBefore() {
	a, b := newEvent("disk", "full"), newEvent("disk", "empty")
	fmt.Println(a, a.sameSource(b))
	// Output:
	// disk: full true
}

// doc: unique, after

var sources weakmap.Interner[string]

type record struct {
	source *string // canonical: compare it, never change what it points to
	text   string
}

func newRecord(source, text string) record {
	return record{sources.Intern(source), text}
}

func (r record) sameSource(other record) bool { return r.source == other.source }

func (r record) String() string { return *r.source + ": " + r.text }

// end

func Example_uniqueAfter() {
	a, b := newRecord("disk", "full"), newRecord("disk", "empty")
	fmt.Println(a, a.sameSource(b), sources.Len())
	// Output:
	// disk: full true 1
}

// doc: strong cache, before

type strongCache struct {
	mu    sync.Mutex
	pages map[string]*Page // grows for ever
}

func (c *strongCache) Get(name string) (*Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p, ok := c.pages[name]; ok {
		return p, nil
	}
	p, err := read(name) // all others wait
	if err != nil {
		return nil, err
	}
	if c.pages == nil {
		c.pages = make(map[string]*Page)
	}
	c.pages[name] = p
	return p, nil
}

// end

func Example_strongCacheBefore() {
	var c strongCache
	a, _ := c.Get("index")
	b, _ := c.Get("index")
	fmt.Println(a == b)
	// Output:
	// true
}

// doc: strong cache, after

type recentCache struct {
	pages  weakmap.Map[string, Page]
	mu     sync.Mutex
	recent [64]*Page // strong: what was asked for last stays
	next   int
}

func (c *recentCache) Get(name string) (*Page, error) {
	p, _, err := c.pages.LoadOrCompute(name, func() (*Page, error) { return read(name) })
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent[c.next%len(c.recent)] = p
	c.next++
	return p, nil
}

// end

// What was asked for last stays without anybody holding it, the rest goes.
func Example_strongCacheAfter() {
	var c recentCache
	for i := range 100 {
		if _, err := c.Get(fmt.Sprint("page ", i)); err != nil {
			fmt.Println(err)
		}
	}
	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(c.pages.Len())
	_, first := c.pages.Load("page 0")
	_, last := c.pages.Load("page 99")
	fmt.Println(first, last)
	runtime.KeepAlive(&c)
	// Output:
	// 64
	// false true
}

// doc: side table, before

type labels struct {
	mu     sync.Mutex
	byPage map[*Page]string // keeps every page that was ever labelled
}

func (l *labels) Set(p *Page, label string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byPage == nil {
		l.byPage = make(map[*Page]string)
	}
	l.byPage[p] = label
}

func (l *labels) Get(p *Page) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byPage[p]
}

// end

func Example_sideTableBefore() {
	var l labels
	p := &Page{Name: "index"}
	l.Set(p, "start here")
	fmt.Println(l.Get(p))
	// Output:
	// start here
}

// doc: side table, after

var labelOf weakmap.KeyMap[Page, string]

func setLabel(p *Page, label string) { labelOf.Store(p, label) }

func label(p *Page) string {
	text, _ := labelOf.Load(p)
	return text
}

// end

func Example_sideTableAfter() {
	func() {
		p := &Page{Name: "index"}
		setLabel(p, "start here")
		fmt.Println(label(p))
		runtime.KeepAlive(p)
	}()
	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(labelOf.Len())
	// Output:
	// start here
	// 0
}
