// Package seeded: the object in a struct that is the argument.
package seeded

import "runtime"

type Client struct{ name string }

type state struct {
	client *Client
	reason string
}

func drop(s *state) {}

func New(name string) *Client {
	c := &Client{name}
	runtime.AddCleanup(c, drop, &state{client: c})
	return c
}
