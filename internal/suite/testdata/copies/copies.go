// Package copies does what go vet must report: it copies a Map.
package copies

import "github.com/go-weak/weakmap"

func copied(m *weakmap.Map[string, int]) int {
	c := *m
	return c.Len()
}
