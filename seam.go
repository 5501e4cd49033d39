package weakmap

import "github.com/go-weak/weakmap/internal/seam"

// What the containers need of the seam: see package seam.

type mutex = seam.Mutex

func interleave(at string) { seam.Interleave(at) }

// await waits for a computation to end.
func await(done <-chan struct{}) { seam.Await(done) }

// awaitEither waits for a computation to end, or for its caller to leave.
func awaitEither(done, leaves <-chan struct{}) { seam.AwaitEither(done, leaves) }

// spawn has f run on another goroutine, in the caller's bubble and under its labels.
func spawn(f func()) { seam.Spawn(f) }

// submit has f, which is not the user's, run soon, on another goroutine.
func submit(f func()) { seam.Submit(f, callbacks.Chore) }

// collections returns how many collections have ended so far.
func collections() uint64 { return seam.Collections(collectionsEnded) }
