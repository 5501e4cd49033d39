// Package cycle finds paths from a value to an object, by reflection. Packages
// weakdebug and weaktest share it: a value of a KeyMap that reaches its own key keeps
// both alive.
//
// It reads without any lock, unexported fields too. It cannot look into functions,
// unsafe.Pointers, uintptrs and channels; weak pointers hold nothing, and the types of
// package weakmap are left out, since what they hold is not in their fields.
package cycle

import (
	"cmp"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A Goal is where an object lies. It does not hold the object.
type Goal struct{ from, size uintptr }

// GoalOf returns where the object of a pointer lies. It panics if pointer is none.
func GoalOf(pointer any) Goal {
	v := reflect.ValueOf(pointer)
	return GoalAt(v.Pointer(), v.Type().Elem().Size())
}

// GoalAt is GoalOf for an object of which only the address and the size are known.
func GoalAt(from, size uintptr) Goal { return Goal{from, max(size, 1)} }

// Has reports whether address is in the object.
func (g Goal) Has(address uintptr) bool { return address-g.from < g.size }

// Meets reports whether the object shares memory with the size bytes at address: then a pointer to these
// keeps it.
func (g Goal) Meets(address, size uintptr) bool { return g.Has(address) || g.from-address < size }

// A Walk looks for goals, at a bounded number of objects in all.
type Walk struct {
	left int // objects that it may still look at
	seen map[place]bool
	now  []spot // of the breadth-first search: those as far from the value as this one,
	next []spot // and those one step farther
	goal Goal
}

// NewWalk returns a walk that looks at max objects at most: what a pointer or an
// interface refers to, and each element of a slice, an array or a map.
func NewWalk(max int) *Walk { return &Walk{left: max} }

// GaveUp reports whether the walk has looked at as many objects as it may, so that
// there may be ways that it has not found.
func (w *Walk) GaveUp() bool { return w.left < 0 }

// A place is what need not be looked at twice.
type place struct {
	address unsafe.Pointer
	t       reflect.Type
	length  int // of a slice
}

// A spot is a value on the way, and how it was reached.
type spot struct {
	v   reflect.Value
	way *way
}

// A way is a list of steps, the last one first.
type way struct {
	before *way
	step   string
}

func (w *way) String() string {
	var steps []string
	for ; w != nil; w = w.before {
		steps = append(steps, w.step)
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteString(steps[i])
	}
	return b.String()
}

// Find returns a shortest way from value to a pointer into the goal, or to memory around it, such as
// ".view.of", and false if there is none, or none was found before the walk gave up.
// The way is "the value itself" if that is such a pointer. Nothing is held afterwards.
func (w *Walk) Find(value any, goal Goal) (steps string, found bool) {
	w.goal, w.seen = goal, make(map[place]bool)
	defer func() { w.seen, w.now, w.next = nil, nil, nil }()
	if value == nil {
		return "", false
	}
	// A copy that has an address, so that fields which are not exported can be read.
	root := reflect.New(reflect.TypeOf(value)).Elem()
	root.Set(reflect.ValueOf(value))
	w.now = []spot{{root, nil}}
	for len(w.now) > 0 {
		for _, s := range w.now {
			if end, found := w.look(s); found {
				return cmp.Or(end.String(), "the value itself"), true
			}
			if w.GaveUp() {
				return "", false
			}
		}
		w.now, w.next = w.next, w.now[:0]
	}
	return "", false
}

// look follows what s holds within its own memory, and puts off what that refers to.
// It returns the way to the goal if s points into that, or to memory around it.
func (w *Walk) look(s spot) (end *way, found bool) {
	v := s.v
	if !pointers.in(v.Type()) {
		return nil, false
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil, false
		}
		if w.goal.Meets(v.Pointer(), v.Type().Elem().Size()) {
			return s.way, true
		}
		if w.first(place{v.UnsafePointer(), v.Type(), 0}) {
			step := "" // p.f is a step from a pointer too
			if v.Type().Elem().Kind() != reflect.Struct {
				step = ".*"
			}
			w.later(v.Elem(), s.way, step)
		}
	case reflect.Interface:
		if !v.IsNil() {
			w.later(v.Elem(), s.way, ".("+TypeName(v.Elem().Type())+")")
		}
	case reflect.Struct:
		return w.lookInStruct(s)
	case reflect.Array:
		for i := range v.Len() {
			if end, found := w.element(v.Index(i), s.way, "["+strconv.Itoa(i)+"]"); found || w.GaveUp() {
				return end, found
			}
		}
	case reflect.Slice:
		if v.Cap() > 0 && w.goal.Meets(v.Pointer(), uintptr(v.Cap())*v.Type().Elem().Size()) {
			return s.way, true
		}
		if v.IsNil() || !w.first(place{v.UnsafePointer(), v.Type(), v.Len()}) {
			return nil, false
		}
		for i := range v.Len() {
			if end, found := w.element(v.Index(i), s.way, "["+strconv.Itoa(i)+"]"); found || w.GaveUp() {
				return end, found
			}
		}
	case reflect.Map:
		if v.IsNil() || !w.first(place{v.UnsafePointer(), v.Type(), 0}) {
			return nil, false
		}
		for entries := v.MapRange(); entries.Next(); {
			if end, found := w.element(entries.Key(), s.way, "[key]"); found || w.GaveUp() {
				return end, found
			}
			if end, found := w.element(entries.Value(), s.way, "[…]"); found || w.GaveUp() {
				return end, found
			}
		}
	}
	return nil, false
}

// element looks at an element of an array, a slice or a map, which counts as an object.
func (w *Walk) element(v reflect.Value, from *way, step string) (end *way, found bool) {
	if !pointers.in(v.Type()) {
		return nil, false
	}
	w.left--
	return w.look(spot{v, &way{from, step}})
}

func (w *Walk) lookInStruct(s spot) (end *way, found bool) {
	v, t := s.v, s.v.Type()
	switch special(t) {
	case opaque:
		return nil, false
	case atomicPointer:
		// Its first field has the type only, [0]*T, and the last the pointer.
		if !v.CanAddr() {
			return nil, false
		}
		p := (*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(v.UnsafeAddr()), t.Field(t.NumField()-1).Offset))
		return w.look(spot{reflect.NewAt(t.Field(0).Type.Elem().Elem(), atomic.LoadPointer(p)), s.way})
	case syncMap:
		if !v.CanAddr() {
			return nil, false
		}
		m := (*sync.Map)(unsafe.Pointer(v.UnsafeAddr()))
		for key, value := range m.Range {
			if end, found = w.element(held(key), s.way, "[key]"); !found && !w.GaveUp() {
				end, found = w.element(held(value), s.way, "[…]")
			}
			if found || w.GaveUp() {
				return end, found
			}
		}
		return nil, false
	}
	for i := range v.NumField() {
		if end, found := w.look(spot{v.Field(i), &way{s.way, "." + t.Field(i).Name}}); found || w.GaveUp() {
			return end, found
		}
	}
	return nil, false
}

// held returns a value of type any that is x, so that a nil is one too.
func held(x any) reflect.Value { return reflect.ValueOf(&x).Elem() }

// later puts off an object.
func (w *Walk) later(v reflect.Value, from *way, step string) {
	w.left--
	if step != "" {
		from = &way{from, step}
	}
	if pointers.in(v.Type()) {
		w.next = append(w.next, spot{v, from})
	}
}

// first reports whether a place is looked at for the first time.
func (w *Walk) first(p place) bool {
	if w.seen[p] {
		return false
	}
	w.seen[p] = true
	return true
}

// A kind of structs whose fields do not tell what they hold.
type kind uint8

const (
	ordinary kind = iota
	opaque
	atomicPointer
	syncMap
)

func special(t reflect.Type) kind {
	switch path := t.PkgPath(); {
	case path == "weak":
		return opaque
	case path == library || strings.HasPrefix(path, library+"/v"):
		return opaque
	case path == "sync" && t.Name() == "Map":
		return syncMap
	case path == "sync/atomic" && strings.HasPrefix(t.Name(), "Pointer["):
		return atomicPointer
	}
	return ordinary
}

const library = "github.com/go-weak/weakmap"

// pointers knows which types can lead anywhere.
var pointers typeSet

type typeSet struct{ known sync.Map } // of bool, by reflect.Type

// in reports whether a value of type t can lead to an object.
func (s *typeSet) in(t reflect.Type) bool {
	if known, ok := s.known.Load(t); ok {
		return known.(bool)
	}
	leads := false
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		leads = true
	case reflect.Array:
		leads = t.Len() > 0 && s.in(t.Elem())
	case reflect.Struct:
		switch special(t) {
		case atomicPointer, syncMap:
			leads = true
		case ordinary:
			for i := 0; i < t.NumField() && !leads; i++ {
				leads = s.in(t.Field(i).Type)
			}
		}
	}
	s.known.Store(t, leads)
	return leads
}

// qualifier matches what stands before the name of a type: package and path.
var qualifier = regexp.MustCompile(`[^\s\[\](){},;*.]*(?:[./][^\s\[\](){},;*.]+)*[./]`)

// TypeName returns the name of a type without packages.
func TypeName(t reflect.Type) string { return qualifier.ReplaceAllString(t.String(), "") }
