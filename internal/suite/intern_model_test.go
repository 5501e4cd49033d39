package suite

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
)

// A ledger knows which canonical pointers are held.
type ledger[T comparable] struct {
	mu   sync.Mutex
	held map[T]*holding[T]
}

type holding[T comparable] struct {
	pointer *T
	holders int
}

// take notes that the caller, which holds p, got it for v. It fails if another pointer for an
// equal value is held. Both are held at this moment, so it does not matter whose Intern
// returned first.
func (l *ledger[T]) take(v T, p *T) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.held[v]
	if h == nil {
		h = new(holding[T])
		l.held[v] = h
	}
	if h.holders > 0 && h.pointer != p {
		return fmt.Errorf("%v: got %p while %d hold %p", v, p, h.holders, h.pointer)
	}
	h.pointer = p
	h.holders++
	return nil
}

// give notes that the caller is about to let go what it got for v.
func (l *ledger[T]) give(v T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.held[v]
	if h.holders--; h.holders == 0 {
		h.pointer = nil
	}
}

// While a canonical pointer is held, all callers get it. Goroutines intern a few values that
// come and go, while others that only come make the table grow and shrink and the collector
// runs. Catches two insertions of equal values that both win, a reclaim that removes the new
// entry of a value that was interned again, and bytes that the caller still owns.
func TestInternerAllHoldersAgree(t *testing.T) {
	const workers, values = 4, 8
	everywhere(t, func(t *testing.T, c configuration) {
		in, pairs := newInterner[string](c), newInterner[key](c)
		words, structs := &ledger[string]{held: map[string]*holding[string]{}}, &ledger[key]{held: map[key]*holding[key]{}}
		noise := func(r *record) { in.Intern("noise " + strconv.Itoa(r.id)) }
		if c.collides() {
			noise = func(r *record) { in.Intern("noise " + strconv.Itoa(r.id%30)) }
		}
		defer pressure(noise)()
		end := underPressure(60)
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				buf := make([]byte, 0, 40)
				for i := w; time.Now().Before(end) && !t.Failed(); i++ {
					buf = strconv.AppendInt(append(buf[:0], "a value that is interned "...), int64(i%values), 10)
					s := string(buf)
					var p *string
					if i%3 == 0 {
						p = weakmap.InternBytes(in, buf)
						clear(buf) // The caller's bytes are the caller's.
					} else {
						p = in.Intern(s)
					}
					if err := words.take(s, p); err != nil {
						t.Error(err)
					}
					v := key{s[:10], s}
					q := pairs.Intern(v)
					if err := structs.take(v, q); err != nil {
						t.Error(err)
					}
					if i%5 == 0 {
						runtime.Gosched()
					}
					if got, ok := in.Lookup(s); got != p || !ok || *p != s {
						t.Errorf("Lookup of a held value = %p, %v, want %p, to %q", got, ok, p, *p)
					}
					if got := pairs.Intern(v); got != q || *q != v {
						t.Errorf("Intern of a held value = %p, want %p, to %v", got, q, *q)
					}
					words.give(s)
					structs.give(v)
					runtime.KeepAlive(p)
					runtime.KeepAlive(q)
				}
			})
		}
		wg.Wait()
		runtime.KeepAlive(in)
		runtime.KeepAlive(pairs)
	})
}

// A first meeting: all goroutines intern the same new values at once and hold what they get.
// Catches a value that is inserted twice when it is new.
func TestInternerFirstComersAgree(t *testing.T) {
	everywhere(t, func(t *testing.T, c configuration) {
		in := newInterner[string](c)
		const workers, values = 4, 200
		var got [workers][values]*string
		var start, wg sync.WaitGroup
		start.Add(workers)
		for w := range workers {
			wg.Go(func() {
				start.Done()
				start.Wait()
				for i := range values {
					got[w][i] = in.Intern("value " + strconv.Itoa(i))
				}
			})
		}
		wg.Wait()
		for w := range workers {
			if got[w] != got[0] {
				t.Errorf("goroutines 0 and %d got different pointers", w)
			}
		}
		if s := balanced(t, in); s.Entries != values || s.Inserts != values {
			t.Errorf("Stats = %+v with %d values", s, values)
		}
		runtime.KeepAlive(&got)
		runtime.KeepAlive(in)
	})
}

// internerScript runs operations, two bytes for each, on in and on the dumbest interner there
// is: a map from values to the pointers that the script holds. The values are parts of text.
func internerScript(t *testing.T, in *weakmap.Interner[string], text string, script []byte) {
	t.Helper()
	held := map[string]*string{}
	got := func(step int, what, value string, p *string) {
		t.Helper()
		if p == nil || *p != value {
			t.Fatalf("step %d: %s(%q) does not point to it", step, what, value)
		}
		if h := held[value]; h != nil && h != p {
			t.Fatalf("step %d: %s(%q) = %p, but %p is held", step, what, value, p, h)
		}
	}
	for i := 0; i+1 < len(script); i += 2 {
		op, arg := script[i]%12, int(script[i+1])
		from := min(arg%16, len(text))
		value := text[from:min(from+arg/16, len(text))]
		switch op {
		case 0, 1, 2:
			p := in.Intern(value)
			got(i/2, "Intern", value, p)
			held[strings.Clone(value)] = p
		case 3: // and let it go at once
			got(i/2, "Intern", value, in.Intern(value))
		case 4, 5:
			b := []byte(value)
			p := weakmap.InternBytes(in, b)
			for k := range b {
				b[k]++
			}
			got(i/2, "InternBytes", value, p)
			held[strings.Clone(value)] = p
		case 6, 7:
			if p, ok := in.Lookup(value); ok {
				got(i/2, "Lookup", value, p)
			} else if p != nil || held[value] != nil {
				t.Fatalf("step %d: Lookup(%q) misses with %p, %p is held", i/2, value, p, held[value])
			}
		case 8, 9:
			delete(held, value)
		case 10:
			if arg%8 == 0 {
				in.Clear()
				clear(held)
			}
		case 11:
			if arg%64 == 0 {
				runtime.GC()
				in.Reap()
			}
		}
	}
	seen := map[string]*string{}
	for p := range in.All() {
		if seen[*p] != nil {
			t.Fatalf("All yields two pointers to %q", *p)
		}
		got(len(script)/2, "All", *p, p)
		seen[*p] = p
	}
	for value := range held {
		if seen[value] == nil {
			t.Fatalf("All does not yield %q, which is held", value)
		}
	}
	clear(seen)
	balanced(t, in)
	wantLen(t, in, len(held))
	runtime.KeepAlive(held)
}

const someText = "the quick brown fox jumps over the lazy dog, again and again and again"

func TestInternerAgainstDumbInterner(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[string]) {
		internerScript(t, in, someText, randomScript(scaled(4000)))
	})
}

func FuzzInterner(f *testing.F) {
	f.Add("", []byte{})
	f.Add("", []byte{0, 0, 4, 0, 8, 0, 11, 0, 6, 0})                                            // nothing, interned
	f.Add("aaaaaaaaaaaaaaaaaaaa", []byte{0, 0x31, 0, 0x32, 4, 0x33, 6, 0x34, 8, 0x31, 7, 0x31}) // equal parts
	f.Add("a\x00b\x00\xff\xfe", []byte{0, 0x10, 1, 0x11, 2, 0x12, 4, 0x13, 5, 0x14, 11, 0x40, 3, 0x15})
	f.Add(someText, []byte{0, 0x44, 8, 0x44, 11, 0, 4, 0x44, 10, 0, 6, 0x44}) // dropped, collected, interned, cleared
	f.Add(strings.Repeat(someText, 20), slices.Repeat([]byte{3, 0xf1, 3, 0xf2, 4, 0xf3, 9, 0xf3}, 40))
	f.Fuzz(func(t *testing.T, text string, script []byte) {
		for _, c := range []configuration{
			{reclaim: weakmap.PerCycle, shards: 1, hash: "constant"},
			{reclaim: weakmap.PerValue, hash: "builtin"},
		} {
			in := newInterner[string](c)
			internerScript(t, in, text, script)
			runtime.KeepAlive(in)
		}
	})
}

// No lock is held while All yields: the body may use the interner, and what is held all the
// time is yielded once.
func TestInternerIterationBodyMayUseTheInterner(t *testing.T) {
	eachInterner(t, func(t *testing.T, in *weakmap.Interner[string]) {
		held := make([]*string, 60)
		for i := range held {
			held[i] = in.Intern(strconv.Itoa(i))
		}
		seen := map[*string]bool{}
		var made []*string
		for p := range in.All() {
			if seen[p] {
				t.Fatalf("All yields %q twice", *p)
			}
			seen[p] = true
			if len(made) < 200 {
				made = append(made, in.Intern("made "+strconv.Itoa(len(made))))
			}
			if in.Intern(*p) != p {
				t.Errorf("Intern of what All yields gives another pointer: %q", *p)
			}
			in.Reap()
			in.Len()
		}
		for _, p := range held {
			if !seen[p] {
				t.Errorf("All does not yield %q", *p)
			}
		}
		for range in.All() {
			in.Clear()
		}
		runtime.KeepAlive(held)
		runtime.KeepAlive(made)
	})
}
