package weakmap_test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/go-weak/weakmap"
)

// A lock for each user, which is there as long as a goroutine has it or waits for it. The lock needs
// the pointer: objects of less than 16 bytes without one share memory, and may never die.
func ExampleMap_LoadOrStore() {
	type lock struct {
		sync.Mutex
		_ *byte
	}
	var locks weakmap.Map[string, lock]
	lockOf := func(user string) *lock {
		if l, ok := locks.Load(user); ok {
			return l
		}
		l, _ := locks.LoadOrStore(user, new(lock))
		return l
	}

	balance := map[string]*int{"ann": new(int), "bob": new(int)}
	var paying sync.WaitGroup
	for user := range balance {
		for range 100 {
			paying.Go(func() {
				l := lockOf(user)
				l.Lock()
				defer l.Unlock()
				*balance[user]++
			})
		}
	}
	paying.Wait()
	fmt.Println(*balance["ann"], *balance["bob"])

	settled()
	fmt.Println(locks.Len(), "locks are left")
	// Output:
	// 100 100
	// 0 locks are left
}

// Clients with equal settings share one transport, and so its connections. It is built once, and
// its idle connections are closed when the last client is gone.
func ExampleMap_LoadOrCompute_transports() {
	type settings struct{ serverName string }
	type transport struct{ *http.Transport }
	var transports weakmap.Map[settings, transport]

	type client struct {
		*http.Client
		shared *transport // holds it: the http.Client has the inner one
	}
	newClient := func(s settings) *client {
		t, _, err := transports.LoadOrCompute(s, func() (*transport, error) {
			fmt.Println("build", s.serverName)
			inner := &http.Transport{TLSClientConfig: &tls.Config{ServerName: s.serverName}}
			t := &transport{inner}
			weakmap.Finalize(t, func(inner *http.Transport) {
				inner.CloseIdleConnections()
				fmt.Println("close", inner.TLSClientConfig.ServerName)
			}, inner)
			return t, nil
		})
		if err != nil {
			panic(err)
		}
		return &client{&http.Client{Transport: t.Transport}, t}
	}

	a, b := newClient(settings{"example.org"}), newClient(settings{"example.org"})
	fmt.Println("shared:", a.shared == b.shared, "transports:", transports.Len())
	runtime.KeepAlive(a)

	settled() // b is in use.
	fmt.Println("transports:", transports.Len())
	runtime.KeepAlive(b)

	settled()
	fmt.Println("transports:", transports.Len())
	// Output:
	// build example.org
	// shared: true transports: 1
	// transports: 1
	// close example.org
	// transports: 0
}

// The limit changes for all limiters in use, wherever they are. There is no need to take out those of
// connections that have ended.
func ExampleSet_All() {
	type limiter struct {
		owner     string
		perSecond int
	}
	var limiters weakmap.Set[limiter]
	connect := func(owner string) *limiter {
		l := &limiter{owner, 100}
		limiters.Add(l)
		return l
	}
	ann, bob := connect("ann"), connect("bob")
	limit := func(perSecond int) {
		var owners []string
		for l := range limiters.All() {
			l.perSecond = perSecond
			owners = append(owners, l.owner)
		}
		slices.Sort(owners)
		fmt.Println(owners, perSecond)
	}
	limit(50)
	runtime.KeepAlive(bob) // Bob's connection ends here.

	settled()
	limit(20)
	fmt.Println(ann.perSecond)
	// Output:
	// [ann bob] 50
	// [ann] 20
	// 20
}

// What is derived from a configuration is made once for each object, and goes with that. It must
// not refer to the object, or both would stay.
func ExampleKeyMap_LoadOrCompute_derived() {
	type config struct{ allowed string }
	type rules struct{ names []string }
	var derived weakmap.KeyMap[config, *rules]
	rulesOf := func(c *config) *rules {
		r, _, _ := derived.LoadOrCompute(c, func() (*rules, error) {
			fmt.Println("parse", c.allowed)
			return &rules{strings.Split(c.allowed, ",")}, nil
		})
		return r
	}

	old := &config{"ann,bob"}
	first := rulesOf(old)
	fmt.Println(first.names, rulesOf(old) == first)
	reloaded := &config{"ann,bob,cat"} // takes the place of the old one
	fmt.Println(rulesOf(reloaded).names)
	fmt.Println("derived:", derived.Len())
	runtime.KeepAlive(old)

	settled()
	fmt.Println("derived:", derived.Len())
	runtime.KeepAlive(reloaded)
	// Output:
	// parse ann,bob
	// [ann bob] true
	// parse ann,bob,cat
	// [ann bob cat]
	// derived: 2
	// derived: 1
}

// Listeners are found by their receivers, so each can be removed again, and one whose receiver is
// gone is removed by itself. The value is a method expression, which keeps no receiver.
func ExampleKeyMap_Delete() {
	var listeners weakmap.KeyMap[Panel, func(*Panel, string)]
	notify := func(event string) {
		for panel, listener := range listeners.All() {
			listener(panel, event)
		}
	}
	left, right, top := &Panel{name: "left"}, &Panel{name: "right"}, &Panel{name: "top"}
	listeners.Store(left, (*Panel).Show)
	listeners.Store(right, (*Panel).Show)
	listeners.Store(top, (*Panel).ShowLoudly)
	notify("saved")
	fmt.Println(left.events, right.events, top.events)

	listeners.Delete(right)
	notify("closed")
	fmt.Println(left.events, right.events, top.events)
	runtime.KeepAlive(top)

	settled()
	fmt.Println("listeners:", listeners.Len())
	runtime.KeepAlive(left)
	// Output:
	// [saved] [saved] [SAVED]
	// [saved closed] [saved] [SAVED CLOSED]
	// listeners: 1
}

// A Panel is what listens in an example.
type Panel struct {
	name   string
	events []string
}

func (p *Panel) Show(event string)       { p.events = append(p.events, event) }
func (p *Panel) ShowLoudly(event string) { p.Show(strings.ToUpper(event)) }
