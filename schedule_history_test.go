//go:build weakmapsched

package weakmap

import (
	"fmt"
	"strings"
)

// What the goroutines of a schedule did, and whether some order of it explains what they saw.

// A cell is a value of the scenarios' maps and a key of their KeyMaps.
type cell struct{ _ [2]*cell }

// cells are at the same addresses in every run.
var cells = func() (cs [64]*cell) {
	for i := range cs {
		cs[i] = new(cell)
	}
	return cs
}()

// An operation is a call on the container. Keys and values are small numbers: those of objects
// where they are objects, and from attached on the values of a KeyMap.
type operation struct {
	actor     string
	name      string
	key       int
	old, arg  int // 0 = none
	got       int // 0 = none
	did       bool
	call, ret int
}

// attached is above the number of every object.
const attached = 64

func (o operation) String() string {
	return fmt.Sprintf("%3d to %3d  %-10s %-16s key %d, old %d, new %d: %d, %t", o.call, o.ret, o.actor, o.name, o.key, o.old, o.arg, o.got, o.did)
}

// A history is what was done in one run.
type history []operation

func (r *run) tick() int {
	r.now++
	return r.now
}

// call begins an operation of the actor that runs.
func (r *run) call() int {
	n := r.tick()
	if a := r.running; a != nil {
		a.since = n
	}
	return n
}

// record adds an operation that began at o.call and ends now.
func (r *run) record(o operation) {
	o.actor, o.ret = "afterwards", r.tick()
	if a := r.running; a != nil {
		o.actor = a.name
		r.forget()
	} else if len(r.actors) == 0 {
		o.actor = "before"
	}
	r.history = append(r.history, o)
}

func (h history) String() string {
	lines := make([]string, len(h))
	for i, o := range h {
		lines[i] = "  " + o.String()
	}
	return strings.Join(lines, "\n")
}

// A state is what a container must look like to its users: reclamation has no part in it.
type state struct {
	bound [128]uint8
	dead  uint64 // a bit for each object
}

// live returns what is bound to key, 0 if that is dead.
func (s *state) live(key int) int {
	v := int(s.bound[key])
	if v < attached && s.dead>>v&1 != 0 {
		return 0
	}
	return v
}

// apply does o, and reports whether the result is that of the run.
func (s *state) apply(o *operation) bool {
	live := s.live(o.key)
	switch o.name {
	case "kill":
		s.dead |= 1 << o.got
		return true
	case "Load":
		return o.got == live
	case "Store":
		s.bound[o.key] = uint8(o.arg)
		return true
	case "Swap":
		s.bound[o.key] = uint8(o.arg)
		return o.got == live
	case "LoadAndDelete":
		s.bound[o.key] = 0
		return o.got == live
	case "Intern":
		if live == 0 {
			s.bound[o.key] = uint8(o.got)
			return s.live(o.key) == o.got
		}
		return o.got == live
	case "LoadOrStore", "LoadOrCompute":
		if live == 0 {
			s.bound[o.key] = uint8(o.arg)
			return o.got == o.arg && !o.did
		}
		return o.got == live && o.did
	case "CompareAndSwap", "CompareAndDelete":
		if o.did != (live == o.old) {
			return false
		}
		if o.did {
			s.bound[o.key] = uint8(o.arg)
		}
		return true
	case "Compute": // Nothing becomes old, and old becomes arg.
		if live == 0 {
			s.bound[o.key] = uint8(o.old)
		} else if live == o.old {
			s.bound[o.key] = uint8(o.arg)
		}
		return o.got == int(s.bound[o.key])
	case "Clear":
		s.bound = [128]uint8{}
		return true
	}
	panic("no operation: " + o.name)
}

// deletions returns how many entries the callers have removed or replaced, if the history tells:
// the living ones. The rest of what is gone had died.
func (h history) deletions() (n int, tells bool) {
	for _, o := range h {
		switch {
		case o.name == "Clear" || o.name == "Compute":
			return 0, false
		case (o.name == "Swap" || o.name == "LoadAndDelete") && o.got != 0,
			(o.name == "CompareAndSwap" || o.name == "CompareAndDelete") && o.did:
			n++
		}
	}
	return n, true
}

// mayBeCut reports whether o is a computation during which its key was deleted, or returned what
// such a one did, for which it may have waited.
func (h history) mayBeCut(o *operation) bool {
	if o.name != "LoadOrCompute" {
		return false
	}
	for i := range h {
		switch c := &h[i]; {
		case c.call > o.ret || o.call > c.ret || c.name != "Clear" && c.key != o.key:
		case !o.did && (c.name == "LoadAndDelete" || c.name == "Clear"),
			o.did && c.name == "LoadOrCompute" && !c.did && c.got == o.got && h.mayBeCut(c):
			return true
		}
	}
	return false
}

// explained reports whether the operations, each done at one moment between its call and its
// return, have the results that they had.
func (h history) explained() bool {
	done := make([]bool, len(h))
	// Operations are in the order in which they returned, so the first that is left bounds when
	// the next may have been called.
	var explain func(s *state, from int) bool
	explain = func(s *state, from int) bool {
		for from < len(h) && done[from] {
			from++
		}
		if from == len(h) {
			return true
		}
		for i := from; i < len(h); i++ {
			if o := &h[i]; !done[i] && o.call <= h[from].ret {
				done[i] = true
				if after := *s; after.apply(o) && explain(&after, from) {
					return true
				}
				if h.mayBeCut(o) && (o.did || s.live(o.key) == 0) && explain(s, from) {
					return true // What it returned was never bound.
				}
				done[i] = false
			}
		}
		return false
	}
	return explain(new(state), 0)
}
