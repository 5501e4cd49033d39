package weaktest_test

import (
	"fmt"
	"runtime"
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/weaktest"
)

// printing stands in for the *testing.T of a real test: it prints what that would report.
type printing struct{ testing.TB }

func (printing) Helper()                        {}
func (printing) Errorf(format string, a ...any) { fmt.Printf(format+"\n", a...) }

var t printing

// What a test lets go of dies, though not at once.
func ExampleDies() {
	type page struct{ _ [4 << 10]byte }
	open := func() weak.Pointer[page] {
		p := &page{}
		return weak.Make(p)
	}
	fmt.Println(weaktest.Dies(t, open()))
	// Output:
	// true
}

// A weak pointer that refers to nothing proves nothing.
func ExampleDies_zero() {
	var p weak.Pointer[[64]byte]
	fmt.Println(weaktest.Dies(t, p))
	// Output:
	// weaktest: Dies: a zero weak.Pointer[[64]uint8], which refers to nothing
	// false
}

// What is used after the check lives until then.
func ExampleLives() {
	type session struct{ _ [64]byte }
	s := &session{}
	fmt.Println(weaktest.Lives(t, weak.Make(s)))
	runtime.KeepAlive(s)
	// Output:
	// true
}

// A container whose values are not held has no entries left.
func ExampleEmpty() {
	type page struct{ _ [4 << 10]byte }
	var pages weakmap.Map[string, page]
	func() {
		pages.Store("index", &page{})
		pages.Store("about", &page{})
	}()
	fmt.Println(weaktest.Empty(t, &pages))
	// Output:
	// true
}

// A test can wait for anything that a collection brings about.
func ExampleCollect() {
	type file struct{ _ [64]byte }
	var closed, opened int
	done := make(chan string, 1)
	func() {
		opened++
		weakmap.Finalize(&file{}, func(name string) { done <- name }, "a.txt")
	}()
	fmt.Println(weaktest.Collect(t, "the file is closed", func() bool {
		select {
		case <-done:
			closed++
		default:
		}
		return closed == opened
	}))
	// Output:
	// true
}
