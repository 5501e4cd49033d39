// Package seeded: a cleanup on a counter.
package seeded

import "runtime"

func Count(done func(int)) *int64 {
	n := new(int64)
	runtime.AddCleanup(n, done, 1)
	return n
}
