//go:build weakmapcheck

package weakmap

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
)

// With the build tag weakmapcheck, a LoadOrCompute that would wait for itself
// panics: its compute, or one that this waits for, loads what the call is to
// load. Loads that a compute leaves to other goroutines are not seen.

// A loader is the goroutine that computes in a flight.
type loader struct {
	key       string // its type. Guarded by loads.mu, as the next one.
	goroutine uint64 // 0 before it has begun and once it has ended
}

// loads are the computations that goroutines wait for.
var loads struct {
	mu    sync.Mutex
	waits map[uint64]*loader // by the number of the goroutine. Guarded by mu.
}

// beginLoad is called by the goroutine that computes, before it computes.
func beginLoad(l *loader, key any) {
	loads.mu.Lock()
	defer loads.mu.Unlock()
	l.key, l.goroutine = fmt.Sprintf("%T", key), goroutineID()
}

func endLoad(l *loader) {
	loads.mu.Lock()
	l.goroutine = 0
	loads.mu.Unlock()
}

// awaitLoad is called before a wait for l, and what it returns after it. It panics
// if l would never end, since it waits for the caller.
func awaitLoad(l *loader) (ended func()) {
	self := goroutineID()
	loads.mu.Lock()
	defer loads.mu.Unlock()
	var cycle []string
	for next := l; next != nil && next.goroutine != 0; next = loads.waits[next.goroutine] {
		cycle = append(cycle, next.key)
		if next.goroutine == self {
			panic("weakmap: LoadOrCompute waits for itself, by a cycle of loads with keys of type " + strings.Join(cycle, ", then "))
		}
	}
	if loads.waits == nil {
		loads.waits = make(map[uint64]*loader)
	}
	loads.waits[self] = l
	return func() {
		loads.mu.Lock()
		delete(loads.waits, self)
		loads.mu.Unlock()
	}
}

// goroutineID returns the goroutine's number, with which a stack trace begins.
func goroutineID() uint64 {
	var trace [64]byte
	digits, _, _ := bytes.Cut(bytes.TrimPrefix(trace[:runtime.Stack(trace[:], false)], []byte("goroutine ")), []byte(" "))
	id, _ := strconv.ParseUint(string(digits), 10, 64)
	return id
}
