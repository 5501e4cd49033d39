//go:build weakmapcheck

package suite

import (
	"context"
	"strings"
	"testing"

	"github.com/go-weak/weakmap"
)

// A load that waits for itself panics with the tag weakmapcheck; without it, it hangs. What it
// had begun is given up, and can be loaded later.

func TestALoadOfItsOwnKeyPanics(t *testing.T) {
	var m weakmap.Map[string, record]
	mustPanic(t, "LoadOrCompute from its own compute", "weakmap: LoadOrCompute waits for itself, by a cycle of loads with keys of type string", func() {
		m.LoadOrCompute("a", func() (*record, error) {
			m.LoadOrCompute("a", func() (*record, error) { return new(record), nil })
			return new(record), nil
		})
	})
	mustStillWork(t, &m, "b")
}

func TestALoadOfAnEqualKeyPanics(t *testing.T) {
	m := weakmap.KeyMap[record, int]{Hasher: byID{}}
	key, equal := &record{id: 1}, &record{id: 1}
	mustPanic(t, "LoadOrCompute from its own compute", "weakmap: LoadOrCompute waits for itself, by a cycle of loads with keys of type *suite.record", func() {
		m.LoadOrCompute(key, func() (int, error) {
			m.LoadOrCompute(equal, func() (int, error) { return 1, nil })
			return 1, nil
		})
	})
	if v, _, err := m.LoadOrCompute(key, func() (int, error) { return 2, nil }); v != 2 || err != nil {
		t.Errorf("LoadOrCompute = %d, %v afterwards", v, err)
	}
}

// A compute with a context runs on another goroutine, and waits for itself all the same. The call
// that began it panics, and so does one in the middle of the cycle; none is left.
func TestALoadWithAContextOfItsOwnKeyPanics(t *testing.T) {
	var m weakmap.Map[string, record]
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	const want = "weakmap: LoadOrCompute waits for itself, by a cycle of loads with keys of type string"
	again := func(context.Context) (*record, error) { return new(record), nil }
	load := func(key string, compute func()) {
		m.LoadOrComputeContext(ctx, key, func(context.Context) (*record, error) { compute(); return new(record), nil })
	}
	for what, f := range map[string]func(){
		"itself": func() { load("a", func() { m.LoadOrComputeContext(ctx, "a", again) }) },
		"itself by LoadOrCompute": func() {
			load("a", func() { m.LoadOrCompute("a", func() (*record, error) { return new(record), nil }) })
		},
		"itself by another": func() { load("a", func() { load("b", func() { load("a", func() {}) }) }) },
		"LoadOrCompute by a context": func() {
			m.LoadOrCompute("a", func() (*record, error) { load("b", func() { load("a", func() {}) }); return nil, nil })
		},
	} {
		text := panicText(f)
		if !strings.Contains(text, want) {
			t.Errorf("%s: panic %q, want one with %q", what, text, want)
		}
		mustStillWork(t, &m, "a")
	}
}

// Each of two goroutines computes one key and needs the other's. One of them panics, and the
// other one, which took over, gets what it needs.
func TestLoadsThatNeedEachOtherPanic(t *testing.T) {
	var names weakmap.Map[string, record]
	var attached weakmap.KeyMap[record, int]
	key := new(record)
	begun := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	var texts [2]string
	done := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	go func() {
		defer close(done[0])
		texts[0] = panicText(func() {
			names.LoadOrCompute("a", func() (*record, error) {
				close(begun[0])
				<-begun[1]
				attached.LoadOrCompute(key, func() (int, error) { return 1, nil })
				return new(record), nil
			})
		})
	}()
	go func() {
		defer close(done[1])
		texts[1] = panicText(func() {
			attached.LoadOrCompute(key, func() (int, error) {
				close(begun[1])
				<-begun[0]
				names.LoadOrCompute("a", func() (*record, error) { return new(record), nil })
				return 2, nil
			})
		})
	}()
	await(t, "the first load ends", done[0])
	await(t, "the second load ends", done[1])
	text := texts[0] + texts[1]
	for _, want := range []string{"weakmap: LoadOrCompute waits for itself, by a cycle of loads with keys of type ", "string", "*suite.record"} {
		if !strings.Contains(text, want) {
			t.Errorf("panics %q, want one with %q", texts, want)
		}
	}
	if texts[0] != "" && texts[1] != "" {
		t.Errorf("both panic: %q", texts)
	}
}

// Loads that wait in a row, and for what others have done, are no cycle.
func TestLoadsInARowDoNotPanic(t *testing.T) {
	var m weakmap.Map[int, record]
	const depth = 50
	var load func(key int) (*record, error)
	load = func(key int) (*record, error) {
		v, _, err := m.LoadOrCompute(key, func() (*record, error) {
			if key == depth {
				return new(record), nil
			}
			next, err := load(key + 1)
			return &record{id: key, link: next}, err
		})
		return v, err
	}
	for range 20 {
		m.Clear()
		done := make(chan struct{}, 8)
		for i := range cap(done) {
			go func() {
				load(i % 4)
				done <- struct{}{}
			}()
		}
		for range cap(done) {
			await(t, "all loads end", done)
		}
	}
}
