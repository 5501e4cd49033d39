// Package seeded: a field of a local variable that nothing else has.
package seeded

import "github.com/go-weak/weakmap"

type User struct{ name [32]byte }

var names weakmap.Set[[32]byte]

func Note(u User) { names.Add(&u.name) }
