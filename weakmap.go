package weakmap

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/escape"
)

// A Map is a concurrent map from keys to weakly held values: a value stays only
// as long as something else refers to it, and when the garbage collector finds
// it dead, its entry is removed. Python calls it a WeakValueDictionary.
//
// The zero Map is empty and ready to use. A Map must not be copied after first
// use. All methods may be called by any number of goroutines at once; lookups
// take no lock. In the terminology of the Go memory model, a call that binds a
// value synchronizes before any call that returns it.
//
// A dead value is never returned and never counts as bound. A value is held by a
// pointer to it, or into it, until that pointer's last use: see
// [runtime.KeepAlive]. A copy of what the pointer points to does not hold it: a
// Map[string, []byte] forgets its *[]byte although the bytes are in use. So V
// should be the struct that callers keep a pointer to.
//
// A key is kept as long as it is bound. Of a short struct or array of strings and integers
// a copy is kept that has the bytes of the strings.
//
// A key that is not equal to itself, such as a NaN, can be stored but never
// loaded; its entry goes when its value dies. A key whose dynamic type cannot
// be hashed panics as in a built-in map.
//
// Fields are settings: set them before the first use, never after.
type Map[K comparable, V any] struct {
	Config Config

	// Hash replaces the built-in hash. It must return the same for keys that
	// are equal; how well it spreads others affects only speed. It must not keep
	// its argument, whose strings may be on the stack of a caller of Load, nor, while
	// it runs, convert it to an interface, as calls of fmt and encoding/json do: what
	// is on the heap must not refer to a stack.
	Hash func(K) uint64 `json:"-" xml:"-"`

	// OnReap, if not nil, is called once for each entry that was removed because
	// its value had been collected, whatever removed it. Calls for one Map never
	// run at the same time; they run on a goroutine of this package and with no
	// lock held, so they may block and may use any map. By the time of the call the
	// key may be bound again. There are no calls after the Map itself was collected.
	// A panic crashes the program.
	OnReap func(key K) `json:"-" xml:"-"`

	core    core
	flights flights
}

// ErrNilValue is returned by LoadOrCompute, of [Map] and [Cell], and by
// [Map.LoadOrComputeContext] when compute returned neither a value nor an error.
var ErrNilValue = errors.New("weakmap: compute returned a nil value")

func (m *Map[K, V]) open() *table {
	return m.core.open(func() options { return mapOptions(m.Config, m.Hash, m.OnReap) })
}

// mapOptions returns the options of a Map with keys of type K. It is compiled once for each K, not in
// each open.
//
//go:noinline
func mapOptions[K comparable](config Config, hash func(K) uint64, onReap func(K)) options {
	class := classOf(reflect.TypeFor[K](), hash != nil)
	o := options{config: config, keys: keyingOf(class, hash)}
	if onReap != nil {
		keys := o.keys
		o.onReap = func(r reaped) { onReap(storedKey[K](&keys, r.ref, r.bits)) }
	}
	return o
}

func mustBeValue(value unsafe.Pointer) {
	if value == nil {
		panic("weakmap: nil value")
	}
}

// insert binds key to value if c is met, and returns what it was bound to.
func insert[K comparable](t *table, key K, value unsafe.Pointer, c condition) (old unsafe.Pointer, inserted bool) {
	escape.Reveal(key) // What it refers to is kept.
	b, inserted := t.insert(t.keys.at(escape.Hide(unsafe.Pointer(&key))), bound{referent: value}, c)
	return b.referent, inserted
}

// remove unbinds key if cond is met, and returns what it was bound to.
func remove[K comparable](c *core, key K, cond condition) (old unsafe.Pointer, removed bool) {
	t := c.table.Load()
	if t == nil {
		mustBeHashable(key)
		return nil, false
	}
	b, removed := t.update(t.keys.at(escape.Hide(unsafe.Pointer(&key))), nil, cond)
	return b.referent, removed
}

// lookup returns what key is bound to, or nil. It does not count.
func lookup[K comparable](c *core, key K) (bound unsafe.Pointer, ok bool) {
	t := c.table.Load()
	if t == nil {
		mustBeHashable(key)
		return nil, false
	}
	bound = t.searchAt(escape.Hide(unsafe.Pointer(&key)))
	return bound, bound != nil
}

// storeIfAbsent binds key to value, unless it is bound or unless is set, and returns what it is bound
// to, or value.
func storeIfAbsent[K comparable](t *table, key K, value unsafe.Pointer, unless *atomic.Bool) (actual unsafe.Pointer, loaded bool) {
	c := ifAbsent
	c.unless = unless
	if old, _ := insert(t, key, value, c); old != nil {
		return old, true
	}
	return value, false
}

// Load returns the value bound to key. It misses only if, at some moment during
// the call, the key was unbound or what was bound to it was unreachable.
func (m *Map[K, V]) Load(key K) (value *V, ok bool) {
	p := m.core.load(unsafe.Pointer(&key), m.Config.Stats, keysOf[K]{})
	return (*V)(p), p != nil
}

// Store binds key to value. The binding keeps value alive only if Config says so:
// a value that nothing else holds is gone after the next collection. A nil value
// panics.
func (m *Map[K, V]) Store(key K, value *V) {
	m.Swap(key, value)
}

// Swap binds key to value and returns what was bound before, if anything. A nil
// value panics.
func (m *Map[K, V]) Swap(key K, value *V) (previous *V, loaded bool) {
	mustBeValue(unsafe.Pointer(value))
	old, _ := insert(m.open(), key, unsafe.Pointer(value), anyway)
	return (*V)(old), old != nil
}

// LoadOrStore returns the value bound to key, or else binds it to value and
// returns that. loaded tells which. Hold what it returns: as with Store, the
// binding keeps it alive only if Config says so. A nil value panics.
func (m *Map[K, V]) LoadOrStore(key K, value *V) (actual *V, loaded bool) {
	mustBeValue(unsafe.Pointer(value))
	if actual, loaded = m.Load(key); loaded {
		return actual, true
	}
	p, loaded := storeIfAbsent(m.open(), key, unsafe.Pointer(value), nil)
	return (*V)(p), loaded
}

// LoadOrCompute returns the value bound to key, or else calls compute and binds
// key to what it returns. At most one computation for a key runs at a time:
// other callers with the same key wait for it and get the same pointer, callers
// with other keys never wait. Of those that get a value, loaded is false only for
// the one whose value was stored. Hold what it returns: the binding keeps it alive only
// if Config says so.
//
// No lock is held while compute runs, and it may use the Map. But loads that wait
// for each other in a cycle wait forever: a load of the same key from inside its own
// compute, or two goroutines each of which computes what the other's compute loads.
// With the build tag weakmapcheck that panics, unless compute loads on another
// goroutine.
//
// In a bubble of testing/synctest, a call does not wait for a computation in another
// bubble: it computes itself, and what is stored first wins.
//
// An error of compute is returned to its caller and to those that waited, with a nil
// actual, and nothing is stored. If it returns nil and no error, that error is [ErrNilValue]. A
// panic or [runtime.Goexit] in compute goes to its caller, and one of those that
// waited computes instead. A value that another call stores while compute runs wins,
// even over an error, and all callers get it. With a key that is not equal to itself
// every call computes.
//
// [Map.Delete], [Map.LoadAndDelete] and [Map.Clear] cut off a computation that is
// running. What it returns goes to its caller, with loaded false, and to those that
// were waiting, with loaded true, whatever is stored later; it is not stored itself.
// Calls that begin after the Delete has returned start a computation of their own. So
// a value computed from outdated data is not bound: change the data, and then call
// Delete.
func (m *Map[K, V]) LoadOrCompute(key K, compute func() (*V, error)) (actual *V, loaded bool, err error) {
	if actual, loaded = m.Load(key); loaded {
		return actual, true, nil
	}
	return m.compute(noContext, key, func(context.Context) (unsafe.Pointer, error) {
		v, err := compute()
		return unsafe.Pointer(v), err
	})
}

// LoadOrComputeContext is [Map.LoadOrCompute] for callers that may leave. A bound value is
// returned whatever ctx says. Otherwise, if ctx has ended, its [context.Cause] is the
// error, and compute is not called; a nil ctx panics.
//
// A caller whose ctx ends while it waits leaves, with the cause as its error. The
// computation goes on for the others, so the end of one caller's context is never the
// error of another. compute's context has the values of its first caller's, but neither
// its deadline nor its cancellation; it is cancelled when all callers have left, with the
// cause of the last one. Such a computation is abandoned: nothing of it is stored, and the
// next caller begins another. If it has returned just before, the last caller gets its
// result.
//
// At most one computation for a key runs at a time, not counting those that were
// abandoned or cut off, and callers of LoadOrCompute share it. At most one caller sees
// loaded false: the one that began, unless it has left.
//
// compute runs on another goroutine, in the caller's bubble of testing/synctest and
// under its profiler labels. If it panics, one of the callers that have not left panics
// with an error that has the value and the stack of compute's panic in its text, and that
// [errors.As] and [errors.Is] see through; if it calls [runtime.Goexit], one of them
// exits in the same way. One of the others computes instead. If an abandoned computation
// panics, the program crashes.
//
// A caller outside compute's bubble, or in a bubble while compute is in none, waits for
// it where LoadOrCompute would, but does not keep it from being abandoned; if it is, the
// caller computes itself.
func (m *Map[K, V]) LoadOrComputeContext(ctx context.Context, key K, compute func(context.Context) (*V, error)) (actual *V, loaded bool, err error) {
	if actual, loaded = m.Load(key); loaded {
		return actual, true, nil
	}
	mustBeContext(ctx)
	return m.compute(ctx, key, func(ctx context.Context) (unsafe.Pointer, error) {
		v, err := compute(ctx)
		return unsafe.Pointer(v), err
	})
}

// compute is LoadOrCompute after a miss, or LoadOrComputeContext if ctx is not nil.
func (m *Map[K, V]) compute(ctx context.Context, key K, compute func(context.Context) (unsafe.Pointer, error)) (actual *V, loaded bool, err error) {
	p, loaded, err := m.flights.do(key, request{
		ctx:     ctx,
		lookup:  func() (unsafe.Pointer, bool) { return lookup(&m.core, key) },
		compute: compute,
		store: func(v unsafe.Pointer, unless *atomic.Bool) (unsafe.Pointer, bool) {
			return storeIfAbsent(m.open(), key, v, unless)
		},
	})
	return (*V)(p), loaded, err
}

// LoadAndDelete unbinds key and returns what was bound, if anything. It cuts off a
// computation for key, as [Map.LoadOrCompute] says.
func (m *Map[K, V]) LoadAndDelete(key K) (value *V, loaded bool) {
	cutOff(&m.flights, key)
	old, _ := remove(&m.core, key, anyway)
	return (*V)(old), old != nil
}

// Delete unbinds key. It cuts off a computation for key, as [Map.LoadOrCompute] says.
func (m *Map[K, V]) Delete(key K) {
	cutOff(&m.flights, key)
	remove(&m.core, key, anyway)
}

// CompareAndSwap binds key to new if it is bound to old, and reports whether it
// did. A nil old matches nothing; a nil new panics.
func (m *Map[K, V]) CompareAndSwap(key K, old, new *V) (swapped bool) {
	mustBeValue(unsafe.Pointer(new))
	if bound, _ := lookup(&m.core, key); bound != unsafe.Pointer(old) || old == nil {
		return false
	}
	_, swapped = insert(m.open(), key, unsafe.Pointer(new), sameAs(unsafe.Pointer(old)))
	return swapped
}

// CompareAndDelete unbinds key if it is bound to old, and reports whether it
// did. A nil old matches nothing. It cuts off no computation.
func (m *Map[K, V]) CompareAndDelete(key K, old *V) (deleted bool) {
	if bound, _ := lookup(&m.core, key); bound != unsafe.Pointer(old) || old == nil {
		return false
	}
	_, deleted = remove(&m.core, key, sameAs(unsafe.Pointer(old)))
	return deleted
}

// Compute binds key to what f returns for the value bound now, which is nil if
// there is none, and returns that. If f returns its argument nothing changes;
// if it returns nil, key is unbound.
//
// No lock is held while f runs, and it may use the Map. If the binding changes
// before the result is stored, f is called again: so an f that binds key itself
// is called forever.
func (m *Map[K, V]) Compute(key K, f func(current *V) *V) (actual *V) {
	for {
		current, _ := lookup(&m.core, key)
		next := f((*V)(current))
		if unsafe.Pointer(next) == current || replaceIf(&m.core, m.open, key, current, unsafe.Pointer(next)) {
			return next
		}
	}
}

// replaceIf binds key to next, or unbinds it if next is nil, if it is bound to current.
func replaceIf[K comparable](c *core, open func() *table, key K, current, next unsafe.Pointer) (updated bool) {
	if next == nil {
		_, updated = remove(c, key, sameAs(current))
	} else {
		_, updated = insert(open(), key, next, sameAs(current))
	}
	runtime.KeepAlive(current)
	return updated
}

// DeleteFunc unbinds the keys for which del returns true, and returns how many
// it unbound. It calls del with no lock held, for what [Map.All] yields; a
// binding that was replaced before it could be deleted stays. It cuts off no
// computation.
func (m *Map[K, V]) DeleteFunc(del func(key K, value *V) bool) (deleted int) {
	if t := m.core.table.Load(); t != nil {
		deleted = t.deleteFunc(func(e listed) bool { return del(storedKey[K](&t.keys, e.ref, e.bits), (*V)(e.referent)) })
	}
	return deleted
}

// Clear unbinds all keys. It cuts off all computations, as [Map.LoadOrCompute] says.
func (m *Map[K, V]) Clear() {
	m.flights.cutOffAll()
	m.core.clear()
}

// Range calls yield for each binding that [Map.All] yields, until it returns false.
func (m *Map[K, V]) Range(yield func(key K, value *V) bool) {
	if t := m.core.table.Load(); t != nil {
		t.all(func(e listed) bool { return yield(storedKey[K](&t.keys, e.ref, e.bits), (*V)(e.referent)) })
	}
}

// All returns an iterator over the bindings, in no particular order. No lock is
// held while it yields, and the body may use the Map. No key comes twice. Every
// binding that is there throughout, with its value held, is yielded; one that is
// made, replaced or deleted during the iteration may or may not be.
func (m *Map[K, V]) All() iter.Seq2[K, *V] { return m.Range }

// Keys returns an iterator over the keys, as [Map.All] does over bindings.
func (m *Map[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		m.Range(func(key K, _ *V) bool { return yield(key) })
	}
}

// Values returns an iterator over the values, as [Map.All] does over bindings.
func (m *Map[K, V]) Values() iter.Seq[*V] {
	return func(yield func(*V) bool) {
		m.Range(func(_ K, value *V) bool { return yield(value) })
	}
}

// Len returns the number of entries. It may include some whose value has died
// but that are not removed yet.
func (m *Map[K, V]) Len() int { return m.core.length() }

// Reap removes the entries of values found dead by the collections so far, and
// returns how many it removed. It runs no collection, and asks no value if none has
// ended since the last search for dead entries. Entries are removed without it too;
// call it to have them gone now.
func (m *Map[K, V]) Reap() (removed int) { return m.core.reap() }

// Stats returns the counts of the Map.
func (m *Map[K, V]) Stats() Stats { return m.core.stats() }
