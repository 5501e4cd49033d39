package weakdebug_test

import (
	"bufio"
	"expvar"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/weakdebug"
)

type file struct{ _ [4 << 10]byte }

var files weakmap.Map[string, file]

// A program names its containers and serves their figures, here as a Prometheus
// server would read them.
func Example() {
	weakdebug.Publish("open files", &files)
	readme := &file{}
	files.Store("README.md", readme)

	mux := http.NewServeMux()
	mux.Handle("/debug/weakmap", weakdebug.Handler())
	server := httptest.NewServer(mux)
	defer server.Close()

	response, err := http.Get(server.URL + "/debug/weakmap?format=prometheus")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if line := lines.Text(); strings.Contains(line, "weakmap_entries") {
			fmt.Println(line)
		}
	}
	runtime.KeepAlive(readme)
	weakdebug.Unpublish("open files")
	// Output:
	// # HELP weakmap_entries Entries, which may include some whose value has died and that are not removed yet.
	// # TYPE weakmap_entries gauge
	// weakmap_entries{container="open files"} 1
}

// A container that takes over a name cannot wait until the previous one has been
// collected.
func ExampleUnpublish() {
	first, second := new(weakmap.Set[file]), new(weakmap.Set[file])
	weakdebug.Publish("recent", first)
	fmt.Println(weakdebug.Unpublish("recent"))
	weakdebug.Publish("recent", second)
	fmt.Println(weakdebug.Unpublish("recent"))
	fmt.Println(weakdebug.Unpublish("recent"))
	runtime.KeepAlive(first)
	runtime.KeepAlive(second)
	// Output:
	// true
	// true
	// false
}

// Vars is a variable of package expvar.
func ExampleVars() {
	var weakmaps expvar.Var = weakdebug.Vars{}
	fmt.Println(strings.HasPrefix(weakmaps.String(), `{"Time":"`))
	// Output:
	// true
}
