package suite

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// newRef makes an object, lets use see it, and returns a Ref to it and what
// keeps it.
func newRef(callback func()) (*weakmap.Ref[record], *record) {
	r := &record{id: 1}
	return weakmap.NewRef(r, callback), r
}

func TestRefRefersWhileTheObjectLives(t *testing.T) {
	for _, c := range []struct {
		name     string
		callback func()
	}{
		{"without callback", nil},
		{"with callback", func() {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref, held := newRef(c.callback)
			runtime.GC()
			if got := ref.Value(); got != held {
				t.Errorf("Value = %p, want %p", got, held)
			}
			if got := ref.Pointer(); got != weak.Make(held) {
				t.Error("Pointer differs from weak.Make of the same pointer")
			}
			if other := weakmap.NewRef(held, nil); other.Pointer() != ref.Pointer() {
				t.Error("two Refs to one object have different Pointers")
			}
			if other, _ := newRef(nil); other.Pointer() == ref.Pointer() {
				t.Error("Refs to two objects have the same Pointer")
			}
			before := ref.Pointer()
			runtime.KeepAlive(held)
			held = nil
			eventually(t, "Value is nil", func() bool { return ref.Value() == nil })
			if ref.Pointer() != before {
				t.Error("Pointer changed with the object's death")
			}
		})
	}
}

func TestZeroRefIsDead(t *testing.T) {
	var ref weakmap.Ref[record]
	if ref.Value() != nil || ref.Stop() || ref.Pointer() != (weak.Pointer[record]{}) {
		t.Error("the zero Ref refers to something")
	}
}

// TestRefCallback covers which callbacks are called when an object dies.
func TestRefCallback(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(refs []*weakmap.Ref[record]) []*weakmap.Ref[record] // before the death: returns what is held through it
		want int32
	}{
		{"each Ref calls once", func(r []*weakmap.Ref[record]) []*weakmap.Ref[record] { return r }, 3},
		{"a stopped one does not", func(r []*weakmap.Ref[record]) []*weakmap.Ref[record] {
			r[1].Stop()
			return r
		}, 2},
		{"a dropped one does not", func(r []*weakmap.Ref[record]) []*weakmap.Ref[record] {
			r[0] = nil
			return r
		}, 2},
		{"none if all are dropped", func([]*weakmap.Ref[record]) []*weakmap.Ref[record] { return nil }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var calls atomic.Int32
			var refs []*weakmap.Ref[record]
			elsewhere(func() {
				held := &record{}
				all := make([]*weakmap.Ref[record], 3)
				for i := range all {
					all[i] = weakmap.NewRef(held, func() { calls.Add(1) })
				}
				refs = c.do(all)
				runtime.GC()
				runtime.KeepAlive(held)
			})
			settle(t)
			if got := calls.Load(); got != c.want {
				t.Errorf("%d callbacks after Settle, want %d", got, c.want)
			}
			settle(t)
			if got := calls.Load(); got != c.want {
				t.Errorf("%d callbacks after another Settle, want %d", got, c.want)
			}
			runtime.KeepAlive(refs)
		})
	}
}

func TestRefThatDiesWithItsObjectDoesNotCall(t *testing.T) {
	type node struct{ ref *weakmap.Ref[node] }
	var calls atomic.Int32
	var dead weak.Pointer[node]
	elsewhere(func() {
		n := new(node)
		n.ref = weakmap.NewRef(n, func() { calls.Add(1) })
		dead = weak.Make(n)
	})
	eventually(t, "a cycle through a Ref is collected", func() bool { return dead.Value() == nil })
	settle(t)
	if n := calls.Load(); n != 0 {
		t.Errorf("%d callbacks of a Ref that died with its object, want none", n)
	}
}

func TestRefStop(t *testing.T) {
	ref, held := newRef(func() { t.Error("callback after Stop") })
	if !ref.Stop() {
		t.Error("first Stop = false, want true")
	}
	if ref.Stop() {
		t.Error("second Stop = true, want false")
	}
	if ref.Value() != held {
		t.Error("Stop made the Ref forget its object")
	}
	plain, also := newRef(nil)
	if plain.Stop() {
		t.Error("Stop without callback = true, want false")
	}
	runtime.KeepAlive(also)
	runtime.KeepAlive(held)
	held = nil
	settle(t)
	runtime.KeepAlive(ref)
}

func TestRefStopAfterTheCallbackWasQueued(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var ref *weakmap.Ref[record]
	elsewhere(func() { ref, _ = newRef(func() { close(entered); <-leave }) })
	defer close(leave)
	eventually(t, "the callback runs", func() bool {
		select {
		case <-entered:
			return true
		default:
			return false
		}
	})
	if ref.Stop() {
		t.Error("Stop while the callback runs = true, want false")
	}
}

// TestRefFreesItsCallback: what the callback holds goes with the Ref or with
// Stop, although the object lives on.
func TestRefFreesItsCallback(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(ref *weakmap.Ref[record]) (kept *weakmap.Ref[record])
	}{
		{"dropped", func(*weakmap.Ref[record]) *weakmap.Ref[record] { return nil }},
		{"stopped", func(ref *weakmap.Ref[record]) *weakmap.Ref[record] { ref.Stop(); return ref }},
	} {
		t.Run(c.name, func(t *testing.T) {
			object := new(record)
			var captured weak.Pointer[record]
			var kept *weakmap.Ref[record]
			elsewhere(func() {
				r := &record{id: 7}
				captured = weak.Make(r)
				kept = c.end(weakmap.NewRef(object, func() { r.id++ }))
			})
			eventually(t, "what the callback captured is collected", func() bool { return captured.Value() == nil })
			runtime.KeepAlive(object)
			runtime.KeepAlive(kept)
		})
	}
}

func TestRefCallbackMayUseRefs(t *testing.T) {
	done := make(chan struct{})
	var first, second *weakmap.Ref[record]
	elsewhere(func() {
		a := new(record)
		first = weakmap.NewRef(a, func() {
			if first.Value() != nil {
				t.Error("Value in the callback is not nil")
			}
			b := new(record)
			second = weakmap.NewRef(b, func() { close(done) })
		})
	})
	eventually(t, "a callback made in a callback runs", func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	})
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
}

// TestRefsThatComeAndGoLeaveNothing: a Ref that is dropped takes its cleanup
// off the object with it.
func TestRefsThatComeAndGoLeaveNothing(t *testing.T) {
	object := new(record)
	round := func() {
		elsewhere(func() {
			for range 2000 {
				weakmap.NewRef(object, func() {}) //weakvet:ignore weakdropped must not run
			}
		})
		settle(t)
	}
	round()
	before := heapBytes() + offHeap()
	for range 20 {
		round()
	}
	if grown := heapBytes() + offHeap() - before; grown > offHeapNoise {
		t.Errorf("40,000 dropped Refs left %d bytes, want next to none", grown)
	}
	runtime.KeepAlive(object)
}

func TestRefStopRacesWithCollection(t *testing.T) {
	n := scaled(20_000)
	stop := sync.OnceFunc(collectInBackground())
	defer stop()
	var called, stopped atomic.Int64
	refs := make([]*weakmap.Ref[record], n)
	var wg sync.WaitGroup
	for i := range refs {
		elsewhereEvery(i, func() {
			refs[i] = weakmap.NewRef(new(record), func() { called.Add(1) })
		})
	}
	for g := range 4 {
		wg.Go(func() {
			for i := g % 2; i < n; i += 2 { // two goroutines for each
				if refs[i].Stop() {
					stopped.Add(1)
				}
			}
		})
	}
	wg.Wait()
	stop()
	settle(t)
	if got := called.Load() + stopped.Load(); got != int64(n) {
		t.Errorf("%d called + %d stopped = %d, want %d", called.Load(), stopped.Load(), got, n)
	}
	runtime.KeepAlive(refs)
}

// elsewhereEvery runs f, on another goroutine now and then so that what it left
// on the stack is gone.
func elsewhereEvery(i int, f func()) {
	if i%1000 == 999 {
		elsewhere(f)
	} else {
		f()
	}
}

type widget struct {
	clicks []int
	self   *widget
}

func (w *widget) onClick(n int) { w.clicks = append(w.clicks, n) }

func TestMethod(t *testing.T) {
	w := new(widget)
	m := weakmap.Bind(w, (*widget).onClick)
	if !m.Alive() || !m.Call(1) || !m.Call(2) {
		t.Error("a Method with a live receiver is not alive or was not called")
	}
	if len(w.clicks) != 2 || w.clicks[0] != 1 || w.clicks[1] != 2 {
		t.Errorf("clicks = %v, want [1 2]", w.clicks)
	}
	again := m // Copies are the same Method.
	runtime.KeepAlive(w)
	w = nil
	eventually(t, "the receiver is collected though it is bound", func() bool { return !m.Alive() })
	if m.Call(3) || again.Call(3) || again.Alive() {
		t.Error("a Method without receiver was called")
	}
}

func TestMethodKeepsNoCycle(t *testing.T) {
	var m weakmap.Method[widget, int]
	elsewhere(func() {
		w := new(widget)
		w.self = w
		m = weakmap.Bind(w, (*widget).onClick)
	})
	eventually(t, "a receiver that refers to itself is collected", func() bool { return !m.Alive() })
}

func TestZeroMethodIsDead(t *testing.T) {
	var m weakmap.Method[widget, int]
	if m.Alive() || m.Call(1) {
		t.Error("the zero Method is alive")
	}
}
