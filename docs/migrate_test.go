package docs_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"unique"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap"
)

// The code of migrate.md, except what needs other modules: that is in examples/places. The lines
// between "doc: name" and "end" are the block of that name there, and TestCodeOfTheDocs compares them.

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
	pages map[string]*Page // grows forever
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

// A Map that holds 64 pages, and finds all others that are in use.
var pages = weakmap.Map[string, Page]{Config: weakmap.Config{RetainMax: 64}}

func Get(name string) (*Page, error) {
	p, _, err := pages.LoadOrCompute(name, func() (*Page, error) { return read(name) })
	return p, err
}

// end

// Of pages that come once, the last 64 stay without being held elsewhere, the rest goes.
func Example_strongCacheAfter() {
	for i := range 100 {
		if _, err := Get(fmt.Sprint("page ", i)); err != nil {
			fmt.Println(err)
		}
	}
	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(pages.Len())
	_, first := pages.Load("page 0")
	_, last := pages.Load("page 99")
	fmt.Println(first, last)
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

func fetch(ctx context.Context, name string) (*Page, error) {
	p, err := read(name)
	return p, errors.Join(err, ctx.Err())
}

// doc: singleflight, after

type contextCache struct {
	pages weakmap.Map[string, Page]
}

func (c *contextCache) Get(ctx context.Context, name string) (*Page, error) {
	p, _, err := c.pages.LoadOrComputeContext(ctx, name, func(ctx context.Context) (*Page, error) {
		return fetch(ctx, name)
	})
	return p, err
}

func (c *contextCache) Invalidate(name string) { c.pages.Delete(name) }

// end

func Example_singleflightAfter() {
	var c contextCache
	ctx := context.Background()
	a, _ := c.Get(ctx, "index")
	b, _ := c.Get(ctx, "index")
	fmt.Println(a == b)
	c.Invalidate("index")
	b, _ = c.Get(ctx, "index")
	fmt.Println(a == b)
	runtime.KeepAlive(a)
	// Output:
	// true
	// false
}

// doc: unique strings, before

type sample struct {
	host unique.Handle[string]
}

func newSample(host []byte) sample { return sample{unique.Make(string(host))} }

func (s sample) Host() string { return s.host.Value() }

// end

func Example_uniqueStringsBefore() {
	a, b := newSample([]byte("db-1")), newSample([]byte("db-1"))
	fmt.Println(a.Host(), a == b)
	// Output:
	// db-1 true
}

// doc: unique strings, after

var hosts weakmap.Strings

type point struct {
	Host string
}

func newPoint(host []byte) point { return point{hosts.InternBytes(host)} }

// end

func Example_uniqueStringsAfter() {
	a, b := newPoint([]byte("db-1")), newPoint([]byte("db-1"))
	fmt.Println(a.Host, a == b, unsafe.StringData(a.Host) == unsafe.StringData(b.Host), hosts.Len())
	runtime.KeepAlive(a.Host)
	// Output:
	// db-1 true true 1
}

// doc: locks, before

type keyLocks struct {
	mu    sync.Mutex
	locks map[string]*sync.Mutex // grows forever
}

func (k *keyLocks) Lock(key string) (unlock func()) {
	k.mu.Lock()
	l := k.locks[key]
	if l == nil {
		if k.locks == nil {
			k.locks = make(map[string]*sync.Mutex)
		}
		l = new(sync.Mutex)
		k.locks[key] = l
	}
	k.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// end

// doc: locks, after

type lock struct {
	sync.Mutex
	_ *byte // so that each is an object of its own
}

type weakLocks struct {
	locks weakmap.Map[string, lock]
}

func (k *weakLocks) Lock(key string) (unlock func()) {
	l, ok := k.locks.Load(key)
	if !ok {
		l, _ = k.locks.LoadOrStore(key, new(lock))
	}
	l.Lock()
	return l.Unlock // holds l
}

// end

func Example_locks() {
	var weak weakLocks
	for _, lock := range []func(string) func(){new(keyLocks).Lock, weak.Lock} {
		n := 0
		var working sync.WaitGroup
		for range 100 {
			working.Go(func() {
				defer lock("n")()
				n++
			})
		}
		working.Wait()
		fmt.Println(n)
	}
	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(weak.locks.Len())
	// Output:
	// 100
	// 100
	// 0
}
