// Package seeded: an interned value that is thrown away.
package seeded

import "github.com/go-weak/weakmap"

var words weakmap.Interner[string]

func Preload(all []string) {
	for _, w := range all {
		words.Intern(w)
	}
}
