// Broadcast sends to every client that is connected. The Set keeps none of them alive: one that
// goes without a word is out of it.
package main

import (
	"fmt"
	"runtime"

	"github.com/go-weak/weakmap"
)

type client struct {
	name  string
	inbox chan string
}

var online weakmap.Set[client]

func connect(name string) *client {
	c := &client{name, make(chan string, 1)}
	online.Add(c)
	return c
}

func main() {
	ann, bob := connect("Ann"), connect("Bob")
	connect("Eve") // Nothing holds this one.
	runtime.GC()
	reached := 0
	for c := range online.All() {
		c.inbox <- "hello"
		reached++
	}
	fmt.Println("reached", reached)
	fmt.Println(ann.name, "reads", <-ann.inbox)
	fmt.Println(bob.name, "reads", <-bob.inbox)
}
