package places

import (
	"fmt"
	"image"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-weak/weakmap/weaktest"
)

// A subject is one place, before or after, as the shared test uses it.
type subject struct {
	// hold uses the place for a number, and returns what keeps the entry. What is held under a
	// number is found by the next hold of it, unless the entry is of an object that the caller
	// makes: then there is again.
	hold func(n int) any

	// again takes out the entry of what is held and puts it in once more. nil where callers
	// cannot: there the number is bound again when what it was bound to has died.
	again func(held any)

	// found reports whether the entry of what is held is there.
	found func(n int, held any) bool

	len func() int
}

// byNumber is a subject where a number leads to one object.
func byNumber[T any](get func(n int) *T, entries func() int) subject {
	return subject{
		hold:  func(n int) any { return get(n) },
		found: func(n int, held any) bool { return get(n) == held.(*T) },
		len:   entries,
	}
}

// byObject is a subject whose entries are of objects that callers make.
func byObject[T any](make func(n int) *T, put func(*T), take func(*T), found func(*T) bool, entries func() int) subject {
	return subject{
		hold: func(n int) any {
			object := make(n)
			put(object)
			return object
		},
		again: func(held any) {
			take(held.(*T))
			put(held.(*T))
		},
		found: func(_ int, held any) bool { return found(held.(*T)) },
		len:   entries,
	}
}

// What both sides of a place have in common.
type (
	limiterSet interface {
		Add(*limiter)
		Remove(*limiter)
		SetRate(perSecond int64)
		Len() int
	}
	conversionTable interface {
		Of(*settings) *converted
		Changed(*settings)
		Len() int
	}
	ruleCacheTable interface {
		Of(*program) *ruleCache
		Forget(*program)
		Len() int
	}
	sessionLockTable interface {
		Of(id string) *sessionLock
		Len() int
	}
	rootTable interface {
		Open(path string) (*root, error)
		Len() int
	}
	evictorOfCaches interface {
		Watch(*agingCache)
		Unwatch(*agingCache)
		Evict(before time.Time)
		Len() int
	}
	shaderTable interface {
		Get(source string) (*shader, error)
		Len() int
	}
	imageStateTable interface {
		Mark(*image.RGBA, image.Rectangle)
		Take(*image.RGBA) image.Rectangle
		Len() int
	}
	loggerTable interface {
		Of(scope) *slog.Logger
		Len() int
	}
)

func ofLimiters(s limiterSet) subject {
	rate := int64(0)
	return byObject(func(n int) *limiter { return &limiter{owner: new(string)} }, s.Add, s.Remove, func(l *limiter) bool {
		rate++
		s.SetRate(rate)
		return l.perSecond.Load() == rate
	}, s.Len)
}

func ofSettings(s conversionTable) subject {
	known := make(map[*converted]bool) // of what lives
	put := func(o *settings) { known[s.Of(o)] = true }
	return byObject(func(n int) *settings { return &settings{text: strings.Repeat("a word ", n)} }, put, s.Changed, func(o *settings) bool {
		return known[s.Of(o)] && s.Of(o).words == len(o.text)/len("a word ")*2 // not made again
	}, s.Len)
}

func ofRules(s ruleCacheTable) subject {
	return byObject(func(n int) *program { return &program{types: make([]string, n)} }, func(p *program) {
		s.Of(p).known.Store("a type", true)
	}, s.Forget, func(p *program) bool {
		_, known := s.Of(p).known.Load("a type")
		return known
	}, s.Len)
}

func ofSessions(s sessionLockTable) subject {
	return byNumber(func(n int) *sessionLock { return s.Of(fmt.Sprint("session ", n)) }, s.Len)
}

func ofRoots(t *testing.T, s rootTable) subject {
	folder := t.TempDir()
	return byNumber(func(n int) *root {
		path := filepath.Join(folder, fmt.Sprint(n))
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}, s.Len)
}

func ofEvictors(s evictorOfCaches) subject {
	return byObject(func(n int) *agingCache { return &agingCache{since: make(map[string]time.Time)} }, s.Watch, s.Unwatch, func(c *agingCache) bool {
		c.since["old"], c.since["new"] = time.Unix(1, 0), time.Unix(3, 0)
		s.Evict(time.Unix(2, 0))
		_, old := c.since["old"]
		_, new := c.since["new"]
		return !old && new
	}, s.Len)
}

func ofShaders(t *testing.T, s shaderTable) subject {
	return byNumber(func(n int) *shader {
		found, err := s.Get(fmt.Sprint("shader ", n))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}, s.Len)
}

func ofImages(s imageStateTable) subject {
	part := image.Rect(1, 2, 3, 4)
	return byObject(func(n int) *image.RGBA { return image.NewRGBA(image.Rect(0, 0, 4, 4)) },
		func(img *image.RGBA) { s.Mark(img, part) },
		func(img *image.RGBA) { s.Take(img) },
		func(img *image.RGBA) bool {
			found := s.Take(img) == part
			s.Mark(img, part)
			return found
		}, s.Len)
}

func ofLoggers(s loggerTable) subject {
	return byNumber(func(n int) *slog.Logger { return s.Of(scope{fmt.Sprint("scope ", n), "v1"}) }, s.Len)
}

func TestPlaces(t *testing.T) {
	for _, place := range []struct {
		name          string
		before, after func(t *testing.T) subject
	}{
		{"limiters", func(*testing.T) subject { return ofLimiters(new(limitersByHand)) }, func(*testing.T) subject { return ofLimiters(new(limiters)) }},
		{"settings", func(*testing.T) subject { return ofSettings(new(conversionsByHand)) }, func(*testing.T) subject { return ofSettings(new(conversions)) }},
		{"rules", func(*testing.T) subject { return ofRules(new(ruleCachesByHand)) }, func(*testing.T) subject { return ofRules(new(ruleCaches)) }},
		{"sessions", func(*testing.T) subject { return ofSessions(new(sessionLocksByHand)) }, func(*testing.T) subject { return ofSessions(new(sessionLocks)) }},
		{"roots", func(t *testing.T) subject { return ofRoots(t, new(rootsByHand)) }, func(t *testing.T) subject { return ofRoots(t, new(roots)) }},
		{"evictors", func(*testing.T) subject { return ofEvictors(new(evictorByHand)) }, func(*testing.T) subject { return ofEvictors(new(evictor)) }},
		{"shaders", func(t *testing.T) subject { return ofShaders(t, new(shadersByHand)) }, func(t *testing.T) subject { return ofShaders(t, new(shaders)) }},
		{"images", func(*testing.T) subject { return ofImages(new(imageStatesByHand)) }, func(*testing.T) subject { return ofImages(new(imageStates)) }},
		{"loggers", func(*testing.T) subject { return ofLoggers(new(loggersByHand)) }, func(*testing.T) subject { return ofLoggers(new(loggers)) }},
	} {
		t.Run(place.name+"/before", func(t *testing.T) { behaves(t, place.before(t)) })
		t.Run(place.name+"/after", func(t *testing.T) { behaves(t, place.after(t)) })
	}
}

// behaves says what is asked of a place, whatever it is made of.
func behaves(t *testing.T, s subject) {
	const n, turns = 40, 6
	held := make([]any, n)
	for i := range held {
		held[i] = s.hold(i)
	}
	allFound := func(when string) {
		t.Helper()
		for i, h := range held {
			if !s.found(i, h) {
				t.Fatalf("%s: the entry of number %d, which is held, is not there", when, i)
			}
		}
		if got := s.len(); got != n {
			t.Fatalf("%s: %d entries, want the %d of what is held", when, got, n)
		}
	}
	allFound("at once")
	for range 3 {
		collect(t)
	}
	allFound("present while held")

	// The end of an entry that was there before takes nothing away from the one that is there now.
	for turn := range turns {
		release := stallCleanups(t)
		for i := turn % 2; i < n; i += 2 {
			if s.again != nil {
				s.again(held[i])
				continue
			}
			held[i] = nil
		}
		runtime.GC() // What was let go is dead, and its cleanups are due,
		for i := range held {
			if held[i] == nil {
				held[i] = s.hold(i)
			}
		}
		release() // and come when the entry is there again.
		collect(t)
		allFound(fmt.Sprint("no wrong deletion, turn ", turn))
	}

	clear(held)
	weaktest.Collect(t, "gone after the collection", func() bool { return s.len() == 0 })
}

// collect runs a collection, and returns when the cleanups that it has queued have most
// probably run: those of objects that were dropped now have.
func collect(t *testing.T) {
	t.Helper()
	var ran atomic.Int32
	const fresh = 4
	for range fresh {
		runtime.AddCleanup(&limiter{owner: new(string)}, func(ran *atomic.Int32) { ran.Add(1) }, &ran)
	}
	weaktest.Collect(t, "cleanups have run", func() bool { return ran.Load() == fresh })
}

// stallCleanups keeps the runtime from running any cleanup until release is called: each goroutine
// that runs them is given one that blocks.
func stallCleanups(t *testing.T) (release func()) {
	t.Helper()
	gate := make(chan struct{})
	release = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(release)
	weaktest.Collect(t, "cleanups stand still", func() bool {
		for range 200 { // several blocks of cleanups for each goroutine that there can be
			runtime.AddCleanup(&limiter{owner: new(string)}, func(gate chan struct{}) { <-gate }, gate)
		}
		var ran atomic.Bool
		runtime.AddCleanup(&limiter{owner: new(string)}, func(ran *atomic.Bool) { ran.Store(true) }, &ran)
		for range 2 {
			runtime.GC()
			for range 100 {
				runtime.Gosched()
			}
		}
		return !ran.Load()
	})
	return release
}

// The handle of a folder is closed when the last user is done, and not before.
func TestRootsAreClosed(t *testing.T) {
	for name, s := range map[string]rootTable{"before": new(rootsByHand), "after": new(roots)} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir()
			opened := func() *os.Root {
				r, err := s.Open(path)
				if err != nil {
					t.Fatal(err)
				}
				collect(t)
				if _, err := r.Stat("."); err != nil {
					t.Errorf("in use: %v", err)
				}
				return r.Root
			}()
			weaktest.Collect(t, "the folder is closed", func() bool {
				_, err := opened.Stat(".")
				return err != nil
			})
			if _, err := s.Open(filepath.Join(path, "nowhere")); !os.IsNotExist(err) {
				t.Errorf("a folder that is not there: %v", err)
			}
		})
	}
}

// What many goroutines ask for at once is one object, once it is made: some of the places by hand
// make one for each that asks, and throw away all but one.
func TestOneForAll(t *testing.T) {
	for name, s := range map[string]subject{
		"sessions/before": ofSessions(new(sessionLocksByHand)), "sessions/after": ofSessions(new(sessionLocks)),
		"shaders/before": ofShaders(t, new(shadersByHand)), "shaders/after": ofShaders(t, new(shaders)),
		"loggers/before": ofLoggers(new(loggersByHand)), "loggers/after": ofLoggers(new(loggers)),
	} {
		t.Run(name, func(t *testing.T) {
			var asking sync.WaitGroup
			got := make([]any, 16)
			for i := range got {
				asking.Go(func() { got[i] = s.hold(7) })
			}
			asking.Wait()
			for i, g := range got {
				if g != got[0] {
					t.Errorf("number %d got %p, and the first %p", i, g, got[0])
				}
			}
		})
	}
}

// The table in the document says how many lines each place takes.
func TestTheDocumentKnowsTheLines(t *testing.T) {
	document, err := os.ReadFile("../../docs/migrate.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	places := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(file, ".go")
		m := regexp.MustCompile(`(?s)\n// before: ` + name + `\n(.*)\n// after: ` + name + `\n(.*)\n// end\n`).FindSubmatch(text)
		if m == nil {
			continue
		}
		places++
		before, after := lines(m[1]), lines(m[2])
		row := fmt.Sprintf("(../examples/places/%s) | %d | %d |", file, before, after)
		if !strings.Contains(string(document), row) || after >= before {
			t.Errorf("%s: %d lines before and %d after: the document lacks %q", file, before, after, row)
		}
	}
	if places != 9 {
		t.Errorf("%d places, want 9", places)
	}
}

// lines returns how many lines of code there are: comments and empty lines are none.
func lines(text []byte) (n int) {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	return n
}
