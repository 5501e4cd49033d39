// Package seeded: a lock for each key.
package seeded

import (
	"sync"

	"github.com/go-weak/weakmap"
)

var locks weakmap.Map[string, sync.Mutex]

func Lock(name string) *sync.Mutex {
	l, _, _ := locks.LoadOrCompute(name, func() (*sync.Mutex, error) { return new(sync.Mutex), nil })
	return l
}
