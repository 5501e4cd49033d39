// Package seeded: a small object whose allocation stands elsewhere.
package seeded

import "runtime"

type ID uint32

func Track(id *ID, done func(int)) { runtime.AddCleanup(id, done, 1) }
