// Package history judges recorded histories of concurrent operations on weak containers: is
// there an order of the operations, each at one moment between its call and its return, in which
// every result was right?
//
// Values are numbered. A value is pinned while a client holds it; a client that makes one, or is
// given one by an operation, pins it until it records a Release. A value that is not pinned may
// die, and the moment is not seen: only that a lookup misses it, or that a Death is recorded. Death
// is final. Reclamation is not an operation: it may only unbind what is dead, which cannot be seen.
package history

import "fmt"

// A Kind is what an operation does.
type Kind uint8

const (
	Load             Kind = iota // OK: found Value
	Store                        // binds New
	LoadOrStore                  // OK: found Value; else binds New
	LoadOrCompute                // as LoadOrStore
	Swap                         // binds New; OK: Value was bound
	CompareAndSwap               // OK: Old was bound, New is
	CompareAndDelete             // OK: Old was bound
	Delete                       // unbinds
	LoadAndDelete                // unbinds; OK: Value was bound
	Compute                      // its function was given Value (0: nothing) and returned New (0: delete)
	Intern                       // Value is canonical; its first appearance says that it was made now
	Release                      // Value is not held by this holder any more
	Death                        // the weak pointer to Value was seen to be nil
	kinds
)

var kindNames = [kinds]string{"Load", "Store", "LoadOrStore", "LoadOrCompute", "Swap", "CompareAndSwap",
	"CompareAndDelete", "Delete", "LoadAndDelete", "Compute", "Intern", "Release", "Death"}

func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText writes the name into files.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// A Value is the number of a value, from 1. 0 is none.
type Value uint16

// An Operation is one line of a history.
type Operation struct {
	Client int // the goroutine
	Kind   Kind
	Key    int   // of what has one
	New    Value `json:",omitempty"` // what was to be bound
	Old    Value `json:",omitempty"` // what was compared
	Value  Value `json:",omitempty"` // what came back, or is released or dead
	OK     bool  // loaded, found, swapped, deleted
	Call   int64 // when it began, in nanoseconds
	Return int64 // when it had ended
}

func (o Operation) String() string {
	switch o.Kind {
	case Release, Death:
		return fmt.Sprintf("%v(%d)", o.Kind, o.Value)
	case Load, LoadAndDelete:
		return fmt.Sprintf("%v(k%d) = %s", o.Kind, o.Key, o.found())
	case Intern:
		return fmt.Sprintf("%v(k%d) = %d", o.Kind, o.Key, o.Value)
	case Compute:
		return fmt.Sprintf("%v(k%d) %d -> %d", o.Kind, o.Key, o.Value, o.New)
	case CompareAndSwap, CompareAndDelete:
		return fmt.Sprintf("%v(k%d, %d, %d) = %t", o.Kind, o.Key, o.Old, o.New, o.OK)
	case Store, Delete:
		return fmt.Sprintf("%v(k%d, %d)", o.Kind, o.Key, o.New)
	}
	return fmt.Sprintf("%v(k%d, %d) = %s", o.Kind, o.Key, o.New, o.found())
}

func (o Operation) found() string {
	if o.OK {
		return fmt.Sprint(o.Value)
	}
	return "none"
}

// gives returns the value that the operation gave to its caller, which pins it from then on.
func (o Operation) gives() Value {
	switch o.Kind {
	case Load, LoadOrStore, LoadOrCompute, Swap, LoadAndDelete:
		if o.OK {
			return o.Value
		}
	case Compute, Intern:
		return o.Value
	}
	return 0
}
