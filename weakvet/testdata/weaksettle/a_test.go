package weaksettle

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
)

func made() weak.Pointer[page] { return weak.Make(&page{}) }

func TestPointer(t *testing.T) {
	w := made()
	runtime.GC()
	if w.Value() != nil { // want `this expects a death after exactly one runtime\.GC\(\), which now and then is one too few`
		t.Fatal("leaked")
	}
}

func TestInit(t *testing.T) {
	w := made()
	runtime.GC()
	if p := w.Value(); p != nil { // want `this expects a death`
		t.Errorf("leaked %v", p)
	}
}

func TestRef(t *testing.T) {
	r := weakmap.NewRef(&page{}, nil)
	runtime.GC()
	if r.Value() != nil { // want `this expects a death`
		t.Fatal("leaked")
	}
}

func TestFlag(t *testing.T) {
	ran := false
	var runs atomic.Int32
	runtime.AddCleanup(&page{}, func(int) { ran = true }, 0)
	runtime.SetFinalizer(&page{}, func(*page) { runs.Add(1) })
	runtime.GC()
	if !ran { // want `this expects that a cleanup has run`
		t.Fatal("no cleanup")
	}
	runtime.GC()
	if runs.Load() != 1 { // want `this expects that a cleanup has run`
		t.Fatal("no finalizer")
	}
}

func TestEntries(t *testing.T) {
	var pages weakmap.Map[string, page]
	pages.Store("a", &page{})
	runtime.GC()
	if n := pages.Len(); n != 0 { // want `this expects that entries have left`
		t.Fatal(n)
	}
}

func dies[T any](t *testing.T, w weak.Pointer[T]) {
	runtime.GC()
	if w.Value() != nil { // want `this expects a death`
		t.Fatal("leaked")
	}
}

func TestGood(t *testing.T) {
	w, held := made(), &page{}
	v := weak.Make(held)
	runtime.GC()
	if v.Value() == nil {
		t.Fatal("must live")
	}
	runtime.KeepAlive(held)
	for range 10 {
		runtime.GC()
		if w.Value() != nil {
			t.Log("not yet")
		}
	}
	runtime.GC()
	runtime.GC()
	if w.Value() != nil {
		t.Fatal("leaked")
	}
	ran := make(chan bool, 1)
	runtime.AddCleanup(&page{}, func(int) { ran <- true }, 0)
	runtime.GC()
	select {
	case <-ran:
	case <-time.After(time.Second):
		t.Fatal("no cleanup")
	}
	runtime.GC()
	if w.Value() != nil {
		t.Log("lives")
	}
}

// A computation is no callback: it has run when LoadOrCompute returns.
func TestComputed(t *testing.T) {
	var current weakmap.Cell[page]
	computed := false
	p, _, _ := current.LoadOrCompute(func() (*page, error) {
		computed = true
		return &page{}, nil
	})
	runtime.GC()
	if !computed {
		t.Fatal("not computed")
	}
	runtime.KeepAlive(p)
}
