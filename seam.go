package weakmap

import "github.com/go-weak/weakmap/internal/seam"

// What the containers need of the seam: see package seam.

type mutex = seam.Mutex

func interleave(at string) { seam.Interleave(at) }

// await waits for a computation to end.
func await(done <-chan struct{}) { seam.Await(done) }

// submit has f, which is not the user's, run soon, on another goroutine.
func submit(f func()) { seam.Submit(f, callbacks.Chore) }

// collections returns how many collections have ended so far.
func collections() uint64 { return seam.Collections(collectionsEnded) }
