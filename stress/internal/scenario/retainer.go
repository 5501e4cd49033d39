package scenario

import (
	"iter"
	"math/rand/v2"
	"weak"

	"github.com/go-weak/weakmap"
)

// A retainer is a container that retains. It holds objects, as keys, values or elements, and
// each has a number.
type retainer interface {
	// add binds a new object with the number.
	add(id int64) *object
	// use looks an object up in one of several ways, and reports whether it was found. A container
	// that cannot be asked for a number is asked for what o leads to.
	use(rng *rand.Rand, id int64, o weak.Pointer[object]) (found bool)
	// remove unbinds o in one of several ways, and reports whether the container has any.
	remove(rng *rand.Rand, o *object) (possible bool)
	// each yields all objects, and that is a use.
	each() iter.Seq[*object]

	Clear()
	Len() int
	Stats() weakmap.Stats
	String() string
}

// retainers returns one container of each kind, which holds what it has for that many collections.
func retainers(c configuration, collections int) []retainer {
	return retaining(c, weakmap.Config{Retain: collections})
}

// retaining returns one container of each kind, with the reclamation and the shards of c, and what
// config says of retention.
func retaining(c configuration, config weakmap.Config) []retainer {
	config.Reclaim, config.Shards = c.reclaim, c.shards
	m, in := newMap[int64](c), newInterner[object](c)
	m.Config, in.Config = config, config
	return []retainer{
		retainingMap{m},
		retainingKeyMap{&weakmap.KeyMap[object, int64]{Config: config}},
		retainingSet{&weakmap.Set[object]{Config: config}},
		retainingInterner{in},
	}
}

type retainingMap struct{ *weakmap.Map[int64, object] }

func (m retainingMap) String() string          { return "Map" }
func (m retainingMap) each() iter.Seq[*object] { return m.Values() }

func (m retainingMap) add(id int64) *object {
	o := &object{id: id}
	m.Store(id, o)
	return o
}

func (m retainingMap) use(rng *rand.Rand, id int64, o weak.Pointer[object]) (found bool) {
	var v *object
	switch rng.IntN(4) {
	case 0:
		v, _ = m.LoadOrStore(id, &object{id: id})
	case 1:
		v, _, _ = m.LoadOrCompute(id, func() (*object, error) { return &object{id: id}, nil })
	case 2:
		v = m.Compute(id, func(current *object) *object { return current })
	default:
		v, _ = m.Load(id)
	}
	return v != nil && weak.Make(v) == o
}

func (m retainingMap) remove(rng *rand.Rand, o *object) (possible bool) {
	other := &object{id: o.id}
	switch rng.IntN(9) {
	case 0:
		m.Delete(o.id)
	case 1:
		m.LoadAndDelete(o.id)
	case 2:
		m.CompareAndDelete(o.id, o)
	case 3:
		m.DeleteFunc(func(_ int64, v *object) bool { return v == o })
	case 4:
		m.Compute(o.id, func(*object) *object { return nil })
	case 5:
		m.Store(o.id, other)
	case 6:
		m.Swap(o.id, other)
	case 7:
		m.CompareAndSwap(o.id, o, other)
	case 8:
		m.Compute(o.id, func(*object) *object { return other })
	}
	return true
}

type retainingKeyMap struct {
	*weakmap.KeyMap[object, int64]
}

func (m retainingKeyMap) String() string          { return "KeyMap" }
func (m retainingKeyMap) each() iter.Seq[*object] { return m.Keys() }

func (m retainingKeyMap) add(id int64) *object {
	o := &object{id: id}
	m.Store(o, id)
	return o
}

func (m retainingKeyMap) use(rng *rand.Rand, _ int64, o weak.Pointer[object]) (found bool) {
	key := o.Value()
	if key == nil {
		return false
	}
	switch rng.IntN(4) {
	case 0:
		_, found = m.LoadOrStore(key, key.id)
	case 1:
		_, found, _ = m.LoadOrCompute(key, func() (int64, error) { return key.id, nil })
	case 2:
		_, found = m.Swap(key, key.id) // The new entry holds what the old one held.
	default:
		_, found = m.Load(key)
	}
	return found
}

func (m retainingKeyMap) remove(rng *rand.Rand, o *object) (possible bool) {
	switch rng.IntN(4) {
	case 0:
		m.Delete(o)
	case 1:
		m.LoadAndDelete(o)
	case 2:
		m.DeleteFunc(func(key *object, _ int64) bool { return key == o })
	case 3:
		m.Compute(o, func(int64, bool) (int64, bool) { return 0, false })
	}
	return true
}

type retainingSet struct{ *weakmap.Set[object] }

func (s retainingSet) String() string          { return "Set" }
func (s retainingSet) each() iter.Seq[*object] { return s.All() }

func (s retainingSet) add(id int64) *object {
	o := &object{id: id}
	s.Add(o)
	return o
}

func (s retainingSet) use(rng *rand.Rand, _ int64, o weak.Pointer[object]) (found bool) {
	switch elem := o.Value(); {
	case elem == nil:
		return false
	case rng.IntN(2) == 0:
		return !s.Add(elem)
	default:
		return s.Contains(elem)
	}
}

func (s retainingSet) remove(rng *rand.Rand, o *object) (possible bool) {
	if rng.IntN(2) == 0 {
		s.Remove(o)
	} else {
		s.RetainFunc(func(elem *object) bool { return elem != o })
	}
	return true
}

type retainingInterner struct {
	*weakmap.Interner[object]
}

func (in retainingInterner) String() string                  { return "Interner" }
func (in retainingInterner) each() iter.Seq[*object]         { return in.All() }
func (in retainingInterner) add(id int64) *object            { return in.Intern(object{id: id}) }
func (in retainingInterner) remove(*rand.Rand, *object) bool { return false }

func (in retainingInterner) use(rng *rand.Rand, id int64, o weak.Pointer[object]) (found bool) {
	if rng.IntN(2) == 0 {
		return weak.Make(in.Intern(object{id: id})) == o
	}
	canonical, ok := in.Lookup(object{id: id})
	return ok && weak.Make(canonical) == o
}
