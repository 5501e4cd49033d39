package scenario

import (
	"fmt"
	"hash/maphash"
	"runtime"
	"weak"

	"github.com/go-weak/weakmap"
)

// An object is what the scenarios keep weakly. It has a pointer, so that the collector reports
// the death of each one by itself.
type object struct {
	id   int64
	link *object
	_    [48]byte
}

// A configuration is how the containers of a round are set up.
type configuration struct {
	reclaim weakmap.Reclaim
	shards  int
	hash    string
}

// configurations returns all of them.
func configurations() (all []configuration) {
	for _, reclaim := range []weakmap.Reclaim{weakmap.PerCycle, weakmap.PerValue} {
		for _, shards := range []int{1, 2, 0} {
			for _, hash := range []string{good, constant, fourBits} {
				all = append(all, configuration{reclaim, shards, hash})
			}
		}
	}
	return all
}

const (
	good     = "good"
	constant = "constant"
	fourBits = "4 bits"
)

func (c configuration) String() string {
	return fmt.Sprintf("%v, shards %d, %s hash", c.reclaim, c.shards, c.hash)
}

func (c configuration) config() weakmap.Config {
	return weakmap.Config{Reclaim: c.reclaim, Shards: c.shards}
}

// many returns n, or less where all keys collide and so every operation is slow.
func (c configuration) many(n int) int {
	if c.hash == good {
		return n
	}
	return max(n/10, 1)
}

var seed = maphash.MakeSeed()

// hashOf returns the hash function of a configuration; nil is the built-in one.
func hashOf[K comparable](c configuration) func(K) uint64 {
	switch c.hash {
	case constant:
		return func(K) uint64 { return 42 }
	case fourBits:
		return func(key K) uint64 { return maphash.Comparable(seed, key) & 15 }
	}
	return nil
}

// newMap returns an unused map.
func newMap[K comparable](c configuration) *weakmap.Map[K, object] {
	return &weakmap.Map[K, object]{Config: c.config(), Hash: hashOf[K](c)}
}

// newInterner returns an unused interner.
func newInterner[T comparable](c configuration) *weakmap.Interner[T] {
	return &weakmap.Interner[T]{Config: c.config(), Hash: hashOf[T](c)}
}

// elsewhere runs f on a goroutine of its own, so that no frame of the caller keeps what f made.
//
//go:noinline
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// alive returns how many of the handles lead to a living object.
func alive[T any](handles []weak.Pointer[T]) (n int) {
	for _, h := range handles {
		if h.Value() != nil {
			n++
		}
	}
	return n
}

// held is a row of objects that a goroutine holds, each until it is replaced.
type held []*object

// keep replaces a random one.
func (h held) keep(w *worker, o *object) { h[w.rng.IntN(len(h))] = o }

// release lets all go that were held up to here.
func (h held) release() { runtime.KeepAlive(h); clear(h) }
