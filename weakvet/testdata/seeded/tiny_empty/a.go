// Package seeded: a set of tokens of size zero.
package seeded

import "github.com/go-weak/weakmap"

type Token struct{}

var tokens weakmap.Set[Token]

func Take() *Token {
	t := new(Token)
	tokens.Add(t)
	return t
}
