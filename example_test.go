package weakmap_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/go-weak/weakmap"
)

// Two values are stored inside a function. When it has returned, nothing refers to them, and
// the collector takes them and their entries.
func Example() {
	type image struct{ _ [64 << 10]byte }
	var images weakmap.Map[string, image]

	show := func() {
		logo, photo := new(image), new(image)
		images.Store("logo.png", logo)
		images.Store("photo.jpg", photo)
		fmt.Println("inside:", images.Len())
		runtime.KeepAlive(logo)
		runtime.KeepAlive(photo)
	}
	show()

	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("after:", images.Len())
	// Output:
	// inside: 2
	// after: 0
}

// A cache that keeps nothing that is not in use: each text is parsed once for as long as the
// result is held.
func ExampleMap_LoadOrCompute() {
	type document struct{ words []string }
	var cache weakmap.Map[string, document]
	parse := func(text string) (*document, error) {
		d, _, err := cache.LoadOrCompute(text, func() (*document, error) {
			fmt.Printf("parsing %q\n", text)
			if text == "" {
				return nil, errors.New("empty text")
			}
			return &document{strings.Fields(text)}, nil
		})
		return d, err
	}

	a, _ := parse("to be or not to be")
	b, _ := parse("to be or not to be") // a is held: no parsing
	fmt.Println(a == b, len(a.words))
	_, err := parse("")
	fmt.Println(err)
	// Output:
	// parsing "to be or not to be"
	// true 6
	// parsing ""
	// empty text
}

func ExampleMap_All() {
	type session struct{ user string }
	var sessions weakmap.Map[int, session]
	ann, bob := &session{"ann"}, &session{"bob"}
	sessions.Store(1, ann)
	sessions.Store(2, bob)

	var users []string
	for id, s := range sessions.All() {
		users = append(users, fmt.Sprint(id, ":", s.user))
		if s.user == "bob" {
			sessions.Delete(id) // the body may use the map
		}
	}
	slices.Sort(users) // the order of an iteration is not specified
	fmt.Println(users, sessions.Len())
	runtime.KeepAlive(ann)
	runtime.KeepAlive(bob)
	// Output:
	// [1:ann 2:bob] 1
}

// OnReap tells which keys have lost their values.
func ExampleMap_onReap() {
	type connection struct{ _ *string }
	closed := make(chan string, 10)
	connections := weakmap.Map[string, connection]{
		OnReap: func(name string) { closed <- name },
	}
	func() {
		connections.Store("db-1", &connection{})
	}()
	if err := weakmap.Settle(context.Background()); err != nil { // also waits for OnReap
		fmt.Println(err)
	}
	fmt.Println(<-closed, "is gone")
	fmt.Println("left:", connections.Len())
	// Output:
	// db-1 is gone
	// left: 0
}

// An owner withdraws its own binding, and no other.
func ExampleMap_CompareAndDelete() {
	type worker struct{ name string }
	var byRole weakmap.Map[string, worker]
	first, second := &worker{"first"}, &worker{"second"}
	byRole.Store("leader", first)
	byRole.Store("leader", second) // takes over

	fmt.Println(byRole.CompareAndDelete("leader", first))
	leader, ok := byRole.Load("leader")
	fmt.Println(leader.name, ok)
	fmt.Println(byRole.CompareAndDelete("leader", second))
	fmt.Println(byRole.Len())
	// Output:
	// false
	// second true
	// true
	// 0
}

// Compute replaces a value by one that is made from it, and never loses an update.
func ExampleMap_Compute() {
	type counter struct{ hits int }
	var pages weakmap.Map[string, counter]
	hit := func(current *counter) *counter {
		if current == nil {
			return &counter{1}
		}
		return &counter{current.hits + 1}
	}
	held := pages.Compute("/index", hit)
	held = pages.Compute("/index", hit)
	fmt.Println(held.hits)
	// Output:
	// 2
}
