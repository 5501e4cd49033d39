package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unique"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/examples/internal/trial"
)

// A plan is the work for one variant.
type plan struct {
	Variant    string
	Paths      []string
	Goroutines int
}

// A result is one variant's row of the table, and what all rows share. Numbers of entries are -1
// where the variant cannot tell.
type result struct {
	Tokens, Distinct, HalfDistinct, Skipped int // distinct as a built-in map counts

	Elapsed     time.Duration
	Peak        uint64 // memory of the process when all was interned
	Memory      uint64 // what the handles and the table behind them take, garbage aside
	Entries     int
	HalfMemory  uint64 // as Memory, without the handles of every second directory
	HalfEntries int
	NoneEntries int
}

var variants = []struct {
	name    string
	measure func(plan, *atomic.Int64) (result, error)
}{
	{"weakmap Intern", func(p plan, done *atomic.Int64) (result, error) {
		var in weakmap.Interner[string]
		return measureHow(p, done, how[string, *string]{intern: in.Intern, name: deref, table: &in})
	}},
	{"weakmap InternBytes", func(p plan, done *atomic.Int64) (result, error) {
		var in weakmap.Interner[string]
		intern := func(name []byte) *string { return weakmap.InternBytes(&in, name) }
		return measureHow(p, done, how[[]byte, *string]{intern: intern, name: deref, table: &in})
	}},
	{"weakmap Strings", func(p plan, done *atomic.Int64) (result, error) {
		var in weakmap.Strings
		return measureHow(p, done, how[string, string]{intern: in.Intern, name: same, table: &in})
	}},
	{"weakmap Strings, bytes", func(p plan, done *atomic.Int64) (result, error) {
		var in weakmap.Strings
		return measureHow(p, done, how[[]byte, string]{intern: in.InternBytes, name: same, table: &in})
	}},
	{"sync.Map by hand", func(p plan, done *atomic.Int64) (result, error) {
		var in byHand
		return measureHow(p, done, how[string, string]{intern: in.intern, name: same, table: &in, late: true})
	}},
	{"unique.Make", func(p plan, done *atomic.Int64) (result, error) {
		return measureHow(p, done, how[string, unique.Handle[string]]{
			intern: unique.Make[string], name: unique.Handle[string].Value,
		})
	}},
	{"unique.Make.Value", func(p plan, done *atomic.Int64) (result, error) {
		return measureHow(p, done, how[string, string]{intern: uniqueString, name: same})
	}},
	{"plain strings", func(p plan, done *atomic.Int64) (result, error) {
		return measureHow(p, done, how[string, string]{intern: strings.Clone, name: same})
	}},
}

func deref(s *string) string { return *s }

func same(name string) string { return name }

// how says how names become handles and handles names.
type how[T text, H comparable] struct {
	intern func(name T) H
	name   func(handle H) string
	table  interface{ Len() int } // nil if the variant cannot count
	late   bool                   // entries go some time after Settle: it does not wait for cleanups of others
}

// measure does the work of a plan. It runs in a process of its own.
func measure(p plan, done *atomic.Int64) (result, error) {
	for _, v := range variants {
		if v.name == p.Variant {
			return v.measure(p, done)
		}
	}
	return result{}, fmt.Errorf("no variant %q", p.Variant)
}

func measureHow[T text, H comparable](p plan, done *atomic.Int64, h how[T, H]) (r result, err error) {
	// Scanning is no part of what is measured, so it takes as many goroutines as can run at once.
	sources, skipped := scan[T](p.Paths, runtime.GOMAXPROCS(0), done)
	r.Skipped = skipped
	before := trial.HeldMemory()

	handles := make([][]H, len(sources))
	start := time.Now()
	share(len(sources), p.Goroutines, func(i int) {
		handles[i] = make([]H, len(sources[i].ends))
		for j, name := range sources[i].all {
			handles[i][j] = h.intern(name)
		}
		done.Add(1)
	})
	r.Elapsed = time.Since(start)
	r.Peak = trial.PeakMemory()
	r.Memory = since(before)
	if err := check(&r, sources, handles, h); err != nil {
		return r, err
	}
	if r.Entries, err = h.left(r.Distinct); err != nil {
		return r, fmt.Errorf("everything held: %w", err)
	}

	for i := range sources {
		if sources[i].pkg%2 == 1 {
			handles[i] = nil
		}
	}
	if r.HalfEntries, err = h.left(r.HalfDistinct); err != nil {
		return r, fmt.Errorf("half of the packages held: %w", err)
	}
	r.HalfMemory = since(before)
	// The names were there before, so they must not go before the last look at the memory.
	runtime.KeepAlive(sources)
	runtime.KeepAlive(handles)

	if r.NoneEntries, err = h.left(0); err != nil {
		return r, fmt.Errorf("nothing held: %w", err)
	}
	return r, nil
}

// since returns by how much more memory is held than before.
func since(before uint64) uint64 {
	return max(trial.HeldMemory(), before) - before
}

// check returns an error unless every handle has its name, and equal names have equal handles. It
// counts the names for r.
func check[T text, H comparable](r *result, sources []source[T], handles [][]H, h how[T, H]) error {
	type seen struct {
		handle H
		kept   bool // in a directory that stays when half of them are dropped
	}
	names := make(map[string]*seen)
	for i := range sources {
		kept := sources[i].pkg%2 == 0
		for j, text := range sources[i].all {
			handle := handles[i][j]
			if name := h.name(handle); name != string(text) {
				return fmt.Errorf("the handle of %q is that of %q", string(text), name)
			}
			s := names[string(text)]
			if s == nil {
				s = &seen{handle: handle}
				names[string(text)] = s
			}
			if s.handle != handle {
				return fmt.Errorf("two handles of %q", string(text))
			}
			if kept && !s.kept {
				s.kept = true
				r.HalfDistinct++
			}
		}
		r.Tokens += len(handles[i])
	}
	r.Distinct = len(names)
	return nil
}

// left returns how many entries are left once all are gone that will go, and an error unless it
// is as many as there should be. If that is unknown, it returns -1.
func (h how[T, H]) left(want int) (int, error) {
	if h.table == nil {
		return -1, nil
	}
	// A few collections are enough; the time is for machines that have other things to do.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := weakmap.Settle(ctx); err != nil {
		return 0, fmt.Errorf("waiting for the entries to go: %w", err)
	}
	n := h.table.Len()
	for ; n != want && h.late && ctx.Err() == nil; n = h.table.Len() {
		time.Sleep(10 * time.Millisecond)
		runtime.GC()
	}
	if n != want {
		return n, fmt.Errorf("%d entries where %d were expected", n, want)
	}
	return want, nil
}
