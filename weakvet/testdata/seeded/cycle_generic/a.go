// Package seeded: a generic entry that holds its key.
package seeded

import "github.com/go-weak/weakmap"

type entry[K any] struct{ of *K }

type Cache[K any] struct{ m weakmap.KeyMap[K, *entry[K]] }
