package weaktest

import (
	"fmt"
	"reflect"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap/internal/cycle"
	"github.com/go-weak/weakmap/internal/inspect"
)

// holders says what is known of the holders of the object of p: a line for each
// fact, and then what cannot be known.
func holders[T any](p weak.Pointer[T]) string {
	var lines []string
	facts := undying(p)
	for _, fact := range facts {
		lines = append(lines, "It never dies: "+fact+".")
	}
	if len(facts) == 0 {
		mentions := mentions(stacks(), placeOf(p))
		if len(mentions) > 0 {
			lines = append(lines, "Calls that have its address among their arguments (after which ? stands: perhaps only once had):")
			lines = append(lines, mentions...)
		} else {
			lines = append(lines, "No call under way has its address among the arguments that a stack trace shows.")
		}
		lines = append(lines, elsewhere...)
	}
	return "\t" + strings.Join(lines, "\n\t")
}

// elsewhere is where to look beyond what the runtime can be asked.
var elsewhere = []string{
	"The runtime does not say which variable or object refers to it. Look for",
	"  - a variable of the test: make and drop the object in a function of its own;",
	"  - a map, slice, channel or package variable, and a goroutine that waits;",
	"  - a closure that captured it: of a timer, a cleanup, a finalizer, OnReap, compute;",
	"  - a value of a KeyMap that refers to its own key;",
	"  - a runtime finalizer in a cycle of objects, or one that brings its object back;",
	"  - something that looks it up again and again while the collector runs.",
}

// undying returns why the object of p will never die, or nothing if it may.
func undying[T any](p weak.Pointer[T]) (reasons []string) {
	t := reflect.TypeFor[T]()
	switch {
	case t.Size() == 0:
		return []string{fmt.Sprintf("a %v has size zero, and all such objects share one address", t)}
	case isImmortal(p):
		return []string{"it is no object of the heap but a package variable, or part of one"}
	case t.Size() < tinyBlock && !hasPointers(t):
		return []string{fmt.Sprintf("a %v has %d bytes and no pointers; the runtime keeps several such objects in one block of %d bytes, "+
			"which dies as a whole if at all. A pointer field helps (unless this is a part of a larger object)", t, t.Size(), tinyBlock)}
	}
	return nil
}

// tinyBlock is the size of the runtime's blocks for small pointer-free objects.
const tinyBlock = 16

// isImmortal reports whether the object of p is none of those that go: the
// runtime attaches no cleanup to these.
func isImmortal[T any](p weak.Pointer[T]) bool {
	object := p.Value()
	if object == nil {
		return false
	}
	cleanup := runtime.AddCleanup(object, func(struct{}) {}, struct{}{})
	cleanup.Stop()
	runtime.KeepAlive(object)
	return cleanup == runtime.Cleanup{}
}

// hasPointers reports whether the collector finds pointers in values of type t.
func hasPointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && hasPointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasPointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return false
	}
	return true
}

// placeOf returns where the object of p lies, without holding it. Objects of the heap do not move.
func placeOf[T any](p weak.Pointer[T]) cycle.Goal {
	object := p.Value()
	return cycle.GoalAt(uintptr(unsafe.Pointer(object)), unsafe.Sizeof(*object))
}

// attached returns the ways from values of KeyMaps to the object of p, if it finds
// any, without holding it.
func attached[T any](p weak.Pointer[T]) string {
	if len(undying(p)) > 0 {
		return ""
	}
	entries, ok := inspect.Attached(nil)
	if !ok {
		return ""
	}
	object, w := placeOf(p), cycle.NewWalk(objectsLimit)
	var lines []string
	for key, value := range entries {
		steps, found := w.Find(value, object)
		if found {
			whose := "whose key is a " + cycle.TypeName(reflect.TypeOf(key))
			if object.Has(reflect.ValueOf(key).Pointer()) {
				whose = "whose key it is itself, so that both live"
			}
			lines = append(lines, fmt.Sprintf("weaktest: it is held by a value in a KeyMap %s: *%s → %s", whose, cycle.TypeName(reflect.TypeFor[T]()), steps))
		}
		if len(lines) == pathsLimit || w.GaveUp() {
			break
		}
	}
	return strings.Join(lines, "\n")
}

const (
	// objectsLimit is how many objects are looked at to find the holders of one.
	objectsLimit = 1_000_000

	// pathsLimit is how many holders are named.
	pathsLimit = 10
)

// stacks returns the stack traces of all goroutines.
func stacks() string {
	for size := 1 << 16; ; size *= 2 {
		trace := make([]byte, size)
		if n := runtime.Stack(trace, true); n < size {
			return string(trace[:n])
		}
	}
}

// word matches a word among the arguments of a call in a stack trace.
var word = regexp.MustCompile(`0x[0-9a-f]+`)

// mentions returns the calls in a trace that have an address in the object among their
// arguments: the goroutine, the call, and the line of source.
func mentions(trace string, object cycle.Goal) (calls []string) {
	for _, goroutine := range strings.Split(trace, "\n\n") {
		lines := strings.Split(goroutine, "\n")
		for i, call := range lines {
			at := strings.LastIndexByte(call, '(')
			if at < 0 || i+1 == len(lines) || strings.HasPrefix(call, ownFrames) || strings.HasPrefix(call, "\t") {
				continue
			}
			for _, w := range word.FindAllString(call[at:], -1) {
				if address, err := strconv.ParseUint(w, 0, 64); err == nil && object.Has(uintptr(address)) {
					source, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " +")
					calls = append(calls, fmt.Sprintf("  %s %s at %s", strings.TrimSuffix(lines[0], ":"), call, source))
					break
				}
			}
		}
	}
	return calls
}

// ownFrames begins the names of this package's functions.
const ownFrames = "github.com/go-weak/weakmap/weaktest."
