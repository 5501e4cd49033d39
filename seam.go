package weakmap

import "github.com/go-weak/weakmap/internal/seam"

// What package seam needs to know of the engine.

// submit has f, which is not the user's, run soon, on another goroutine.
func submit(f func()) { seam.Submit(f, callbacks.Chore) }

// collections returns how many collections have ended so far.
func collections() uint64 { return seam.Collections(collectionsEnded) }
