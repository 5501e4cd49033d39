package weakblind

import (
	"runtime"

	"github.com/go-weak/weakmap"
)

var (
	current weakmap.Cell[page]
	index   weakmap.Cell[entry]
)

func badNewer(p *page) {
	weakmap.Finalize(p, func(int) { current.Clear() }, 0)                      // want `the function given to weakmap\.Finalize clears the Cell whatever is in it by then`
	runtime.AddCleanup(p, func(c *weakmap.Cell[page]) { c.Clear() }, &current) // want `the function given to runtime\.AddCleanup clears the Cell`
}

func goodNewer(p *page) {
	weakmap.Finalize(p, func(int) { index.Clear() }, 0) // what was made of p
	weakmap.Finalize(p, func(string) { library.Clear() }, "")
	current.Clear()
}
