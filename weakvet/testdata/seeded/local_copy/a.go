// Package seeded: a copy of what a caller passes.
package seeded

import "github.com/go-weak/weakmap"

type User struct{ name string }

type Users struct{ weakmap.Map[string, User] }

func (s *Users) Put(u User) { s.Store(u.name, &u) }
