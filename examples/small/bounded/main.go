// Bounded keeps two pages at most, besides those that the program still holds.
package main

import (
	"fmt"
	"runtime"

	"github.com/go-weak/weakmap"
)

type page struct{ text string }

var pages = weakmap.Map[string, page]{Config: weakmap.Config{RetainMax: 2}}

func load(name string) *page {
	p, _, _ := pages.LoadOrCompute(name, func() (*page, error) {
		fmt.Println("reads", name)
		return &page{"the text of " + name}, nil
	})
	return p
}

func main() {
	index := load("index")
	for _, name := range []string{"a", "b", "c", "c"} {
		load(name)
	}
	runtime.GC()
	fmt.Println("kept:", pages.Stats().Retained)
	fmt.Println("the same index, which the program holds:", load("index") == index)
	load("a")
	runtime.KeepAlive(index)
}
