package history

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// A Rules says what kind of container a history is of.
type Rules uint8

const (
	WeakValues Rules = iota // Map: the bound value may die; its maker pins it first
	Canonical               // Interner: the same, and values are made by Intern
	WeakKeys                // KeyMap, Set: callers pin the key, and nothing that is bound dies
)

// maxValues is how many values may come up in the operations of one key.
const maxValues = 63

// A state is that of one key. Values are numbered as they come up with that key.
type state struct {
	bound uint8            // 0 = none
	pins  [maxValues]uint8 // how often each value is held; of Canonical, unmade before it was made
	dead  [maxValues/8 + 1]uint8
}

const unmade = 255

func (s *state) isDead(v uint8) bool { return s.dead[v/8]>>(v%8)&1 != 0 }

// dies marks v as dead. It reports false if v is held.
func (s *state) dies(v uint8) bool {
	if s.pins[v-1] != 0 {
		return false
	}
	s.dead[v/8] |= 1 << (v % 8)
	if s.bound == v {
		s.bound = 0
	}
	return true
}

// A keyed is an operation as it concerns one key: its values are numbered as that key's are.
type keyed struct {
	Operation
	foreign       bool // of another key; all that matters is which client it gives a value
	new, old, out uint8
	immortal      bool // what is bound does not die
	cut           bool // a computation that a Delete or LoadAndDelete may have cut off, or one that waited for such
}

// hits gives v, which must be bound, to the caller.
func (o keyed) hits(s *state, v uint8) bool {
	if v == 0 || s.bound != v || s.isDead(v) {
		return false
	}
	if !o.immortal {
		s.pins[v-1]++
	}
	return true
}

// misses is legal if nothing is bound, or something that is not held: then it is dead forever.
func (o keyed) misses(s *state) bool {
	return s.bound == 0 || !o.immortal && s.dies(s.bound)
}

// step applies o to s and reports whether its result was right.
func (o keyed) step(s *state) bool {
	switch o.Kind {
	case Release:
		if s.pins[o.out-1] == 0 || s.pins[o.out-1] == unmade {
			return false
		}
		s.pins[o.out-1]--
		return true
	case Death:
		return s.dies(o.out)
	}
	if o.foreign { // A value that another key gave is alive and pinned.
		if s.isDead(o.out) {
			return false
		}
		s.pins[o.out-1]++
		return true
	}
	switch o.Kind {
	case Load:
		if o.OK {
			return o.hits(s, o.out)
		}
		return o.misses(s)
	case Store:
		s.bound = o.new
	case Delete:
		s.bound = 0
	case LoadOrStore, LoadOrCompute:
		if o.OK {
			return o.hits(s, o.out)
		}
		if !o.misses(s) {
			return false
		}
		s.bound = o.new
	case Swap, LoadAndDelete:
		if o.OK && !o.hits(s, o.out) || !o.OK && !o.misses(s) {
			return false
		}
		s.bound = o.new
	case CompareAndSwap, CompareAndDelete:
		if o.OK != (s.bound == o.old) {
			return false
		}
		if o.OK {
			s.bound = o.new
		}
	case Compute:
		if o.out != 0 && !o.hits(s, o.out) || o.out == 0 && !o.misses(s) {
			return false
		}
		s.bound = o.new
	case Intern:
		if s.pins[o.out-1] != unmade {
			return o.hits(s, o.out)
		}
		if !o.misses(s) {
			return false
		}
		s.pins[o.out-1], s.bound = 1, o.out
	}
	return true
}

// cutOff applies o to s as a computation that was cut off, or as one that waited for it, and reports
// whether that may be: the value goes to the caller and is not bound.
func (o keyed) cutOff(s *state) bool {
	if !o.OK {
		return o.misses(s)
	}
	if s.isDead(o.out) {
		return false
	}
	if !o.immortal {
		s.pins[o.out-1]++
	}
	return true
}

// modelFor returns the model of one key that starts in the given state.
func modelFor(start state) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{start} },
		Step: func(st, input, _ any) (next []any) {
			o := input.(keyed)
			if s := st.(state); o.step(&s) {
				next = append(next, s)
			}
			if s := st.(state); o.cut && o.cutOff(&s) {
				next = append(next, s)
			}
			return next
		},
		DescribeOperation: func(input, _ any) string { return input.(keyed).String() },
		DescribeState: func(st any) string {
			s := st.(state)
			return fmt.Sprintf("bound %d, pins %v", s.bound, s.pins[:8])
		},
	}
	return m.ToModel()
}
