// Package inspect is how the engine shows package weakdebug what Stats does not
// tell. It exists so that these figures need no exported name of package weakmap.
package inspect

import (
	"iter"
	"time"
)

// Engine gives figures. Package weakmap sets it when it is initialized, and it does
// not change after that.
var Engine Source

// Watched says whether Figures.LastPass is used. Package weakdebug sets it when it is initialized,
// and it does not change after that.
var Watched bool

// Attached returns the live entries of a KeyMap, which is given as a pointer: each
// key, as a pointer, and its value. For nil it returns those of all KeyMaps that have
// entries. ok is false for what is no KeyMap of package weakmap. That package sets it,
// as it does Engine.
//
// A key that is yielded is held until the next one is.
var Attached func(container any) (entries iter.Seq2[any, any], ok bool)

// HoldPasses lets no pass begin until release is called, whatever the collector finds. It waits
// for one that is under way. Settle waits as well. It is for tests. Package weakmap sets it, as
// it does Engine.
var HoldPasses func() (release func())

// A Source gives figures without taking the lock of a shard and without
// allocating anything that grows with the number of entries.
type Source interface {
	// Figures returns those of a container, which is given as a pointer, and
	// false if it is none of package weakmap or was not used yet.
	Figures(container any) (f Figures, ok bool)

	// CallbacksDue returns how many functions wait for a goroutine to run them:
	// callbacks of references, finalizers, and at most one function for each
	// container that has something to report to its OnReap.
	CallbacksDue() int
}

// Figures are what a container's table knows about itself.
type Figures struct {
	Shards     []int // the number of entries of each shard
	LastPass   Pass  // the last search through all entries for dead ones; zero if there was none, or Watched is not set
	ReportsDue int   // calls of OnReap that have not begun
	Counts     bool  // whether hits and misses are counted
	RetainMax  int   // Config.RetainMax
}

// A Pass is one search through all entries of a container for dead ones.
type Pass struct {
	Collection uint64        // how many collections had ended when it began
	Lag        time.Duration // from the end of the last of them to the end of the pass
	Entries    int           // there were when it began
	Dead       int           // of these, which it removed
}
