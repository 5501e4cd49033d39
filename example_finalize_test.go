package weakmap_test

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/go-weak/weakmap"
)

// settled waits until everything dropped is gone. A program does not need it;
// the examples do, to have something to print.
func settled() {
	if err := weakmap.Settle(context.Background()); err != nil {
		panic(err)
	}
}

type image struct {
	name string
	_    [4096]byte // its pixels
}

// A Ref reports its object's death, as long as the Ref is kept.
func ExampleNewRef() {
	img := &image{name: "sunset"}
	ref := weakmap.NewRef(img, func() { fmt.Println("the image is gone") })
	fmt.Println("alive:", ref.Value().name)
	runtime.KeepAlive(img) // until here, and no longer

	settled()
	fmt.Println("dead:", ref.Value() == nil)
	runtime.KeepAlive(ref) // A Ref that was dropped would not have called back.
	// Output:
	// alive: sunset
	// the image is gone
	// dead: true
}

// What Finalize returns need not be kept.
func ExampleFinalize() {
	img := &image{name: "sunset"}
	weakmap.Finalize(img, func(name string) { fmt.Println("bye,", name) }, img.name)
	fmt.Println("alive:", img.name)
	runtime.KeepAlive(img)

	settled()
	// Output:
	// alive: sunset
	// bye, sunset
}

// A cache forgets what a function made when the function has returned.
func ExampleMap_vanishing() {
	var cache weakmap.Map[string, image]
	func() {
		img := &image{name: "sunset"}
		cache.Store(img.name, img)
		fmt.Println("inside:", cache.Len())
		runtime.KeepAlive(img)
	}()

	settled()
	fmt.Println("outside:", cache.Len())
	// Output:
	// inside: 1
	// outside: 0
}

// A TempDir is a temporary directory that removes itself: when it is dropped,
// when Remove is called, or at exit, and only once.
type TempDir struct {
	Path    string
	remover *weakmap.Finalizer[string]
}

func NewTempDir() (*TempDir, error) {
	path, err := os.MkdirTemp("", "example-*")
	if err != nil {
		return nil, err
	}
	d := &TempDir{Path: path}
	// The function refers to the path, not to the TempDir, which would never be dropped.
	d.remover = weakmap.Finalize(d, func(path string) {
		os.RemoveAll(path)
		fmt.Println("removed once")
	}, path)
	return d, nil
}

// Remove removes the directory, unless that was done already.
func (d *TempDir) Remove() { d.remover.Call() }

// Removed reports whether the directory was removed.
func (d *TempDir) Removed() bool { return !d.remover.Alive() }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A directory that removes itself. In a program, main begins with
//
//	defer weakmap.RunAtExit()
func ExampleFinalizer() {
	for _, end := range []string{"removed by hand", "dropped", "left to the exit"} {
		dir, err := NewTempDir()
		if err != nil {
			fmt.Println(err)
			return
		}
		path := dir.Path
		fmt.Printf("%s: exists %t, removed %t\n", end, exists(path), dir.Removed())
		switch end {
		case "removed by hand":
			dir.Remove()
			dir.Remove() // does nothing
			fmt.Println("removed", dir.Removed())
		case "dropped":
			dir = nil
			settled()
		case "left to the exit":
			weakmap.RunAtExit()
			fmt.Println("removed", dir.Removed())
		}
		fmt.Println("exists", exists(path))
	}
	// Output:
	// removed by hand: exists true, removed false
	// removed once
	// removed true
	// exists false
	// dropped: exists true, removed false
	// removed once
	// exists false
	// left to the exit: exists true, removed false
	// removed once
	// removed true
	// exists false
}

// A Window shows what happens as long as it is open.
type Window struct{ title string }

func (w *Window) Show(event string) { fmt.Printf("%s: %s\n", w.title, event) }

// An Observers is a list that does not keep its observers alive.
type Observers struct {
	methods []weakmap.Method[Window, string]
}

func (o *Observers) Add(w *Window) {
	o.methods = append(o.methods, weakmap.Bind(w, (*Window).Show))
}

// Notify notifies those that are still there, and forgets the others.
func (o *Observers) Notify(event string) {
	kept := o.methods[:0]
	for _, m := range o.methods {
		if m.Call(event) {
			kept = append(kept, m)
		}
	}
	o.methods = kept
}

func ExampleBind() {
	var observers Observers
	first, second := &Window{"first"}, &Window{"second"}
	observers.Add(first)
	observers.Add(second)
	observers.Notify("saved")
	runtime.KeepAlive(second)
	second = nil

	settled()
	observers.Notify("closed")
	fmt.Println("observers:", len(observers.methods))
	runtime.KeepAlive(first)
	// Output:
	// first: saved
	// second: saved
	// first: closed
	// observers: 1
}
