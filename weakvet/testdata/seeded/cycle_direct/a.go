// Package seeded: a value that is its own key.
package seeded

import "github.com/go-weak/weakmap"

type Node struct{ name string }

var Parents weakmap.KeyMap[Node, *Node]
