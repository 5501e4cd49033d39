// Package seeded: the copy that a loop makes.
package seeded

import "github.com/go-weak/weakmap"

type User struct{ name string }

var byName weakmap.Map[string, User]

func Index(users []User) {
	for _, u := range users {
		byName.Store(u.name, &u)
	}
}
