package weakdebug

import (
	"bytes"
	"fmt"
	"iter"
	"reflect"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/cycle"
	"github.com/go-weak/weakmap/internal/inspect"
)

// A Path leads from a value of a KeyMap back to the value's own key, so that both
// stay alive as long as the map. It holds neither.
type Path struct{ text string }

// String returns the type of the key, and the steps from the value to it: fields by
// their names, elements of slices and arrays by their numbers, and [key], […], .(T)
// and .* for the key of a map, the element of a map, what is in an interface and what
// a pointer to something other than a struct points to.
//
//	*Page → .view.of
//
// A value that is the key has no steps. The last Path says so if [Cycles] gave up:
// its text begins with "gave up".
func (p Path) String() string { return p.text }

// Cycles returns a path for each live entry of m whose value leads back to its own
// key. It looks at max objects at most, in all: what pointers and interfaces refer
// to, and the elements of slices, arrays and maps. If that is too few, it gives up,
// and the last Path says so.
//
// It cannot look into functions, so a closure that has captured the key is not found;
// nor into channels, unsafe pointers and the types of package weakmap. Nor does it see
// that a pointer to one element of an array or slice, or to one field of a struct, keeps
// a key that is another.
//
// Cycles reads the values, unexported fields too, without any lock. While it runs,
// nothing may write to what the values reach: that would be a data race, and a
// built-in map that is written at that time ends the program. With Config.Retain each
// entry counts as used. Nothing is kept alive afterwards. Cycles looks at each object
// once: not for every request of a busy program. A nil m panics.
func Cycles[K, V any](m *weakmap.KeyMap[K, V], max int) []Path {
	if m == nil {
		panic("weakmap: weakdebug.Cycles: nil KeyMap")
	}
	entries, _ := inspect.Attached(m)
	return cycles(entries, max)
}

func cycles(entries iter.Seq2[any, any], most int) (paths []Path) {
	most = max(most, 0)
	w, looked := cycle.NewWalk(most), 0
	for key, value := range entries {
		steps, found := w.Find(value, cycle.GoalOf(key))
		if found {
			paths = append(paths, Path{cycle.TypeName(reflect.TypeOf(key)) + " → " + steps})
		}
		if w.GaveUp() {
			return append(paths, Path{fmt.Sprintf("gave up after %d objects, in the %s entry: there may be more", most, ordinal(looked+1))})
		}
		looked++
	}
	return paths
}

// cyclesLimit is how many objects the handler lets Cycles look at: some tens of
// milliseconds' worth.
const cyclesLimit = 100_000

// cyclesCost is what the button says before it is pressed.
const cyclesCost = "Looks at up to 100,000 objects that the values reach, for some 10 to 100 ms, and reads them without a lock: " +
	"if the program writes to them meanwhile, that is a data race, and a map that is written ends the program. " +
	"With Config.Retain each entry counts as used."

// writeCycles writes each path once, with how many entries have it.
func writeCycles(w *bytes.Buffer, name string, paths []Path) {
	if len(paths) == 0 {
		fmt.Fprintf(w, "%s: no value leads back to its own key, as far as can be seen without looking into functions.\n", name)
		return
	}
	count := make(map[string]int)
	for _, p := range paths {
		count[p.text]++
	}
	fmt.Fprintf(w, "%s: values that lead back to their own key, so that both stay alive, and how many:\n\n", name)
	for _, p := range paths {
		if n := count[p.text]; n > 0 {
			fmt.Fprintf(w, "%7d  %s\n", n, p.text)
			delete(count, p.text)
		}
	}
}

// ordinal writes 1st, 2nd, 3rd and so on.
func ordinal(n int) string {
	switch {
	case n%100/10 == 1:
	case n%10 == 1:
		return fmt.Sprintf("%dst", n)
	case n%10 == 2:
		return fmt.Sprintf("%dnd", n)
	case n%10 == 3:
		return fmt.Sprintf("%drd", n)
	}
	return fmt.Sprintf("%dth", n)
}
