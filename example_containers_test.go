package weakmap_test

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/go-weak/weakmap"
)

// A side table: what a linter knows about the nodes of a syntax tree that the parser owns. It
// neither changes the nodes' type nor keeps them.
func ExampleKeyMap() {
	type Node struct {
		Name     string
		Children []*Node
	}
	tree := &Node{Name: "file", Children: []*Node{{Name: "func"}, {Name: "var"}}}

	var warnings weakmap.KeyMap[Node, []string]
	warn := func(n *Node, text string) {
		warnings.Compute(n, func(all []string, _ bool) ([]string, bool) { return append(all, text), true })
	}
	warn(tree.Children[0], "too long")
	warn(tree.Children[0], "no comment")
	warn(tree.Children[1], "not used")

	for _, n := range append(tree.Children, tree) {
		if all, ok := warnings.Load(n); ok {
			fmt.Println(n.Name, all)
		}
	}

	// The parser drops one node, and its entry in the side table goes with it.
	tree.Children = slices.Delete(tree.Children, 1, 2)
	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(warnings.Len(), "node with warnings")
	runtime.KeepAlive(tree)

	// Output:
	// func [too long no comment]
	// var [not used]
	// 1 node with warnings
}

// OnReap releases what belongs to an object once the object is gone.
func ExampleKeyMap_onReap() {
	type Document struct{ Text *string }
	open := weakmap.KeyMap[Document, string]{
		OnReap: func(tempFile string) { fmt.Println("remove", tempFile) },
	}
	document := &Document{}
	open.Store(document, "draft.tmp")
	runtime.KeepAlive(document)
	// Nothing refers to document any more.
	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(open.Len(), "open")
	// Output:
	// remove draft.tmp
	// 0 open
}

// A value is made once for each key, whichever goroutine asks first.
func ExampleKeyMap_LoadOrCompute() {
	type Image struct{ Pixels []byte }
	var checksums weakmap.KeyMap[Image, int]
	image := &Image{Pixels: []byte{1, 2, 3}}
	for range 2 {
		sum, loaded, err := checksums.LoadOrCompute(image, func() (int, error) {
			sum := 0
			for _, p := range image.Pixels {
				sum += int(p)
			}
			return sum, nil
		})
		fmt.Println(sum, loaded, err)
	}
	// Output:
	// 6 false <nil>
	// 6 true <nil>
}

// The live connections of a server: a handler adds its connection and need not take it out.
func ExampleSet() {
	type Conn struct {
		Peer string
		net.Conn
	}
	var live weakmap.Set[Conn]
	serve := func(peer string) *Conn {
		c := &Conn{Peer: peer}
		live.Add(c)
		return c
	}
	alice, bob := serve("alice"), serve("bob")
	fmt.Println(live.Contains(alice), live.Len())

	var peers []string
	for c := range live.All() {
		peers = append(peers, c.Peer)
	}
	slices.Sort(peers)
	fmt.Println(peers)

	runtime.KeepAlive(bob) // Bob's handler returns here.
	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	for c := range live.All() {
		fmt.Println(c.Peer, "is left")
	}
	runtime.KeepAlive(alice)
	// Output:
	// true 2
	// [alice bob]
	// alice is left
}

// Sets combine lazily.
func ExampleDifference() {
	type Player struct{ Name string }
	ann, ben, cat := &Player{"Ann"}, &Player{"Ben"}, &Player{"Cat"}
	var online, playing weakmap.Set[Player]
	online.AddSeq(slices.Values([]*Player{ann, ben, cat}))
	playing.Add(ben)

	var idle []string
	for p := range weakmap.Difference(&online, &playing) {
		idle = append(idle, p.Name)
	}
	slices.Sort(idle)
	fmt.Println(idle)
	fmt.Println(playing.IsSubset(&online), playing.IsDisjoint(&online))
	runtime.KeepAlive([]*Player{ann, ben, cat})
	// Output:
	// [Ann Cat]
	// true false
}

// Interned identifiers: equal names are one string in memory and compare as pointers.
func ExampleInterner() {
	source := "for i := range n { sum += i }; for j := range m { sum += j }"
	var names weakmap.Interner[string]
	var tokens []*string
	for _, word := range strings.Fields(source) {
		tokens = append(tokens, names.Intern(word)) // does not keep source
	}
	fmt.Println(len(tokens), "tokens,", names.Len(), "distinct")
	fmt.Println(tokens[0] == tokens[10], *tokens[0], *tokens[10])

	runtime.KeepAlive(tokens)
	tokens = tokens[:0:0]
	if err := weakmap.Settle(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(names.Len(), "left, with", len(tokens), "tokens held")
	// Output:
	// 20 tokens, 12 distinct
	// true for for
	// 0 left, with 0 tokens held
}

// A decoder meets the same names again and again. Each is in memory once, as long as it is held.
func ExampleStrings() {
	var names weakmap.Strings
	line := []byte("region=eu zone=eu")
	region := names.InternBytes(line[7:9])
	zone := names.InternBytes(line[15:])
	fmt.Println(region, zone, names.Len())
	fmt.Println(unsafe.StringData(region) == unsafe.StringData(zone))
	// Output:
	// eu eu 1
	// true
}

// What is read into one buffer is interned without a string for each occurrence.
func ExampleInternBytes() {
	var hosts weakmap.Interner[string]
	buffer := make([]byte, 0, 64)
	var seen []*string
	for _, line := range []string{"GET example.org", "GET example.com", "PUT example.org"} {
		buffer = append(buffer[:0], line[4:]...)
		seen = append(seen, weakmap.InternBytes(&hosts, buffer))
	}
	fmt.Println(*seen[0], *seen[1], *seen[2])
	fmt.Println(seen[0] == seen[2], hosts.Len())
	// Output:
	// example.org example.com example.org
	// true 2
}

// A sorted copy that is made on demand, and goes when it is no longer used.
func ExampleCell() {
	peers := map[string]int{"c": 3, "a": 1, "b": 2}
	type List struct{ Names []string }
	var sorted weakmap.Cell[List]
	list := func() *List {
		l, loaded, _ := sorted.LoadOrCompute(func() (*List, error) {
			return &List{slices.Sorted(maps.Keys(peers))}, nil
		})
		fmt.Println(l.Names, "made before:", loaded)
		return l
	}
	held := list()
	list()

	// Clear drops what a change made outdated, and what is being made from the old peers
	// will not be stored.
	peers["d"] = 4
	sorted.Clear()
	held = list()
	runtime.KeepAlive(held)

	// Output:
	// [a b c] made before: false
	// [a b c] made before: true
	// [a b c d] made before: false
}

// The row of a database is changed, and then Delete called. A load that had read the row
// before is not stored.
func ExampleMap_Delete() {
	type User struct {
		Name string
		_    *byte
	}
	var users weakmap.Map[int, User]
	row := "Ann"
	read := func() (*User, error) { return &User{Name: row}, nil }

	slow, loaded, _ := users.LoadOrCompute(1, func() (*User, error) {
		u, err := read()
		row = "Anna" // another goroutine does this while we are slow
		users.Delete(1)
		return u, err
	})
	fmt.Println(slow.Name, loaded)
	now, loaded, _ := users.LoadOrCompute(1, read)
	fmt.Println(now.Name, loaded)

	// Output:
	// Ann false
	// Anna false
}

// A caller that has waited long enough leaves. The load goes on for the others, and is
// cancelled when the last caller has left.
func ExampleMap_LoadOrComputeContext() {
	type Page struct{ Text *string }
	var pages weakmap.Map[string, Page]
	cancelled := make(chan error)

	ctx, cancel := context.WithCancelCause(context.Background())
	_, _, err := pages.LoadOrComputeContext(ctx, "/", func(load context.Context) (*Page, error) {
		time.AfterFunc(time.Millisecond, func() { cancel(errors.New("too slow for me")) })
		<-load.Done() // a server that does not answer
		cancelled <- context.Cause(load)
		return nil, load.Err()
	})
	fmt.Println("left:", err)
	fmt.Println("load cancelled:", <-cancelled)

	page, loaded, err := pages.LoadOrComputeContext(context.Background(), "/", func(context.Context) (*Page, error) {
		text := "hello"
		return &Page{&text}, nil
	})
	fmt.Println(*page.Text, loaded, err)

	// Output:
	// left: too slow for me
	// load cancelled: too slow for me
	// hello false <nil>
}

// What belongs to an object that other code owns is made once, by a call that ends with
// its request.
func ExampleKeyMap_LoadOrComputeContext() {
	type Conn struct{ Addr *string }
	var versions weakmap.KeyMap[Conn, int]
	conn := &Conn{new(string)}
	for range 2 {
		version, loaded, err := versions.LoadOrComputeContext(context.Background(), conn, func(ctx context.Context) (int, error) {
			return 3, ctx.Err() // asks the other side
		})
		fmt.Println(version, loaded, err)
	}
	runtime.KeepAlive(conn)
	// Output:
	// 3 false <nil>
	// 3 true <nil>
}

// Labels for objects of any type, which need no field for a label, and which it does not keep.
func ExampleObjectOf() {
	type Server struct{ Addr *string }
	server, queue, routes := &Server{new(string)}, make(chan int), map[string]int{"/": 1}

	var labels weakmap.KeyMap[weakmap.Object, string]
	labels.Store(weakmap.ObjectOf(server), "the server")
	labels.Store(weakmap.ObjectOf(queue), "its queue")
	labels.Store(weakmap.ObjectOf(routes), "its routes")
	for _, x := range []any{routes, queue, server, &server.Addr, new(Server)} {
		label, ok := labels.Load(weakmap.ObjectOf(x))
		fmt.Printf("%T: %q %t\n", x, label, ok)
	}
	runtime.KeepAlive(server)

	// Output:
	// map[string]int: "its routes" true
	// chan int: "its queue" true
	// *weakmap_test.Server: "the server" true
	// **string: "the server" true
	// *weakmap_test.Server: "" false
}

// Two schemas are the same if their fields are.
type schema struct{ fields []string }

type byFields struct{}

func (byFields) Equal(x, y *schema) bool { return slices.Equal(x.fields, y.fields) }

func (byFields) Hash(h *maphash.Hash, s *schema) {
	for _, field := range s.fields {
		maphash.WriteComparable(h, field)
	}
}

// Equal schemas become one object, as long as any user holds it.
func ExampleSet_LoadOrAdd() {
	schemas := weakmap.Set[schema]{Hasher: byFields{}}
	first, _ := schemas.LoadOrAdd(&schema{[]string{"id", "name"}})
	second, loaded := schemas.LoadOrAdd(&schema{[]string{"id", "name"}})
	fmt.Println(first == second, loaded)
	third, loaded := schemas.LoadOrAdd(&schema{[]string{"id"}})
	fmt.Println(first == third, loaded)
	runtime.KeepAlive(first)
	// Output:
	// true true
	// false false
}

// Data attached to points, found by any equal point. The key that was stored must be held.
func ExampleComparable() {
	type point struct{ x, y *int } // with pointers: small objects without any may never die
	labels := weakmap.KeyMap[point, string]{Hasher: weakmap.Comparable[point]()}
	x, y := new(int), new(int)
	key := &point{x, y}
	labels.Store(key, "here")
	bound, label, ok := labels.LoadKey(&point{x, y})
	fmt.Println(bound == key, label, ok)
	runtime.KeepAlive(key)
	// Output: true here true
}
