package weakmap

import (
	"context"
	"iter"
	"reflect"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/go-weak/weakmap/internal/escape"
)

// A KeyMap attaches values to objects that other code owns: a concurrent map
// whose keys are pointers, compared by identity or by a [Hasher], and held weakly.
// When the garbage collector finds a key dead, its entry and the value are removed.
// Python calls it a WeakKeyDictionary.
//
// A value that reaches its own key keeps both alive: values are held strongly,
// and Go has no ephemerons. Such an entry stays until it is deleted or the KeyMap
// is dropped.
//
// The zero KeyMap is empty and ready to use. A KeyMap must not be copied after
// first use. All methods may be called by any number of goroutines at once;
// lookups take no lock. In the terminology of the Go memory model, a call that
// binds a value synchronizes before any call that returns it.
//
// Lookups and deletions leave no trace on the key. Two pointers are the same key
// if they are equal, so a pointer to an object and one into it are different
// keys. Pointer-free objects of less than 16 bytes share memory with others and
// may never die; zero-size and global ones never do, and of zero-size objects
// all may be one key.
//
// With a Hasher, a key is found by any object that is the same, which may be on the
// stack of the caller. One of these objects is bound, and the entry lives as long as
// that one: the one given to the last Store, Swap or Compute, or the first one given to
// LoadOrStore or LoadOrCompute. A lookup calls Hash once, and Equal for each key with
// the same hash; it allocates nothing.
//
// Fields are settings: set them before the first use, never after.
type KeyMap[K, V any] struct {
	Config Config

	// Hasher says which keys are the same. If it is nil, a key is the same only
	// as itself. [ByValue] and [Comparable] compare what keys point to.
	Hasher Hasher[*K] `json:"-" xml:"-"`

	// OnReap, if not nil, is called once with the value of each entry that was
	// removed because its key had been collected, whatever removed it. Calls for
	// one KeyMap never run at the same time; they run on a goroutine of this
	// package and with no lock held, so they may block and may use any container.
	// There are no calls after the KeyMap itself was collected. A panic crashes the
	// program.
	OnReap func(value V) `json:"-" xml:"-"`

	core    core
	flights flights
	claims  claims // of the keys in flights, with a Hasher
}

func (m *KeyMap[K, V]) open() *table {
	return m.core.open(func() options { return keyMapOptions(m.Config, m.Hasher, m.OnReap) })
}

func keyMapOptions[K, V any](config Config, h Hasher[*K], onReap func(V)) options {
	o := options{config: config, keys: keyingBy(h), values: true}
	o.keys.wordAt = uint32(wordAfter[V]())
	if onReap != nil {
		o.onReap = func(r reaped) { onReap(*(*V)(r.ref)) }
	}
	o.attached = func(t *table, yield func(key, value any) bool) {
		t.all(func(e listed) bool { return yield((*K)(e.referent), *(*V)(e.ref)) })
	}
	return o
}

// insert binds key to value if c is met, and returns the address of what it was bound to.
func (m *KeyMap[K, V]) insert(key *K, value V, c condition) (old *V, inserted bool) {
	t, p := m.open(), unsafe.Pointer(key)
	b := bound{referent: p}
	k := t.keyOfObject(p)
	if t.keys.class == alikes {
		b.value = unsafe.Pointer(newPaired(value))
	} else {
		v := value
		b.value = unsafe.Pointer(&v)
	}
	b, inserted = t.insert(k, b, c)
	return (*V)(b.value), inserted
}

// find returns the address of what key is bound to, and the key that is bound.
func (m *KeyMap[K, V]) find(key *K) (bound *K, value *V) {
	b := m.core.loadObject(escape.Hide(unsafe.Pointer(key)))
	runtime.KeepAlive(key)
	return (*K)(b.referent), (*V)(b.value)
}

func mustNotBeNil[K any](key *K) {
	if key == nil {
		panic("weakmap: nil key")
	}
}

// valueAt returns what p points to, or false if it is nil.
func valueAt[V any](p *V) (value V, ok bool) {
	if p == nil {
		return value, false
	}
	return *p, true
}

// Load returns the value bound to key. A nil key is bound to nothing.
func (m *KeyMap[K, V]) Load(key *K) (value V, ok bool) {
	_, bound := m.find(key)
	if m.Config.Stats {
		m.core.countObject(unsafe.Pointer(key), bound != nil)
	}
	return valueAt(bound)
}

// LoadKey is like [KeyMap.Load], but also returns the key that is bound: with a Hasher
// that may be another object than key, and without one it is key.
func (m *KeyMap[K, V]) LoadKey(key *K) (bound *K, value V, ok bool) {
	bound, at := m.find(key)
	if m.Config.Stats {
		m.core.countObject(unsafe.Pointer(key), at != nil)
	}
	value, ok = valueAt(at)
	return bound, value, ok
}

// Store binds key to value. The binding keeps value, but keeps key only if Config says so. A nil
// key panics.
func (m *KeyMap[K, V]) Store(key *K, value V) {
	m.Swap(key, value)
}

// Swap binds key to value and returns what was bound before, if anything. A nil
// key panics.
func (m *KeyMap[K, V]) Swap(key *K, value V) (previous V, loaded bool) {
	mustNotBeNil(key)
	old, _ := m.insert(key, value, anyway)
	return valueAt(old)
}

// LoadOrStore returns the value bound to key, or else binds key to value and
// returns that. loaded tells which. A nil key panics.
func (m *KeyMap[K, V]) LoadOrStore(key *K, value V) (actual V, loaded bool) {
	mustNotBeNil(key)
	if actual, loaded = m.Load(key); loaded {
		return actual, true
	}
	if old, _ := m.insert(key, value, ifAbsent); old != nil {
		return *old, true
	}
	return value, false
}

// LoadOrCompute returns the value bound to key, or else calls compute and binds
// key to what it returns. At most one computation for a key runs at a time:
// other callers with the same key wait for it and get the same value, callers
// with other keys never wait. Of those that get a value, loaded is false only for
// the one whose value was stored. A nil key panics.
//
// No lock is held while compute runs, and it may use the KeyMap. But loads that
// wait for each other in a cycle wait forever: a load of the same key from inside its
// own compute, or two goroutines each of which computes what the other's compute
// loads. With the build tag weakmapcheck that panics, unless compute loads on another
// goroutine.
//
// In a bubble of testing/synctest, a call does not wait for a computation in another
// bubble: it computes itself, and what is stored first wins.
//
// An error of compute is returned to its caller and to those that waited, and
// nothing is stored. A panic or [runtime.Goexit] in compute goes to its caller, and
// one of those that waited computes instead. A value that another call stores while
// compute runs wins, even over an error, and all callers get it.
//
// [KeyMap.Delete], [KeyMap.LoadAndDelete] and [KeyMap.Clear] cut off a computation
// that is running. What it returns goes to its caller, with loaded false, and to those
// that were waiting, with loaded true, whatever is stored later; it is not stored
// itself. Calls that begin after the Delete has returned start a computation of their
// own. So a value computed from outdated data is not bound: change the data, and then
// call Delete.
func (m *KeyMap[K, V]) LoadOrCompute(key *K, compute func() (V, error)) (actual V, loaded bool, err error) {
	mustNotBeNil(key)
	if actual, loaded = m.Load(key); loaded {
		return actual, true, nil
	}
	return m.compute(noContext, key, func(context.Context) (V, error) { return compute() })
}

// LoadOrComputeContext is [KeyMap.LoadOrCompute] for callers that may leave. A bound value is
// returned whatever ctx says. Otherwise, if ctx has ended, its [context.Cause] is the
// error, and compute is not called; a nil ctx panics. A nil key always panics.
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
func (m *KeyMap[K, V]) LoadOrComputeContext(ctx context.Context, key *K, compute func(context.Context) (V, error)) (actual V, loaded bool, err error) {
	mustNotBeNil(key)
	if actual, loaded = m.Load(key); loaded {
		return actual, true, nil
	}
	mustBeContext(ctx)
	return m.compute(ctx, key, compute)
}

// compute is LoadOrCompute after a miss, or LoadOrComputeContext if ctx is not nil.
func (m *KeyMap[K, V]) compute(ctx context.Context, key *K, compute func(context.Context) (V, error)) (actual V, loaded bool, err error) {
	r := request{
		ctx: ctx,
		lookup: func() (unsafe.Pointer, bool) {
			_, bound := m.find(key)
			return unsafe.Pointer(bound), bound != nil
		},
		compute: func(ctx context.Context) (unsafe.Pointer, error) {
			value, err := compute(ctx)
			return unsafe.Pointer(&value), err
		},
		store: func(p unsafe.Pointer, unless *atomic.Bool) (unsafe.Pointer, bool) {
			c := ifAbsent
			c.unless = unless
			if old, _ := m.insert(key, *(*V)(p), c); old != nil {
				return unsafe.Pointer(old), true
			}
			return p, false
		},
	}
	r.key = key
	var of any = key
	if m.Hasher != nil {
		c := m.claims.take(keyingBy(m.Hasher).keyFunctions, unsafe.Pointer(key))
		defer m.claims.leave(c)
		of = c // A key that is not the same as itself has many.
	}
	p, loaded, err := m.flights.do(of, r)
	actual, _ = valueAt((*V)(p))
	return actual, loaded, err
}

// cutOff cuts off what is being computed for key. It must be called before key is unbound.
func (m *KeyMap[K, V]) cutOff(key *K) {
	switch {
	case m.Hasher == nil:
		cutOff(&m.flights, key)
	case key != nil && m.flights.inProgress.Load() != nil:
		// A computation has its claim before it begins. So of one that began before this call,
		// the claim is found.
		if c := m.claims.held(keyingBy(m.Hasher).keyFunctions, escape.Hide(unsafe.Pointer(key))); c != nil {
			m.flights.cutOff(c)
		}
	}
}

// LoadAndDelete unbinds key and returns what was bound, if anything. It cuts off a
// computation for key, as [KeyMap.LoadOrCompute] says.
func (m *KeyMap[K, V]) LoadAndDelete(key *K) (value V, loaded bool) {
	m.cutOff(key)
	old, _ := m.core.deleteObject(escape.Hide(unsafe.Pointer(key)), anyway)
	runtime.KeepAlive(key)
	return valueAt((*V)(old.value))
}

// Delete unbinds key. It cuts off a computation for key, as [KeyMap.LoadOrCompute] says.
func (m *KeyMap[K, V]) Delete(key *K) {
	m.cutOff(key)
	m.core.deleteObject(escape.Hide(unsafe.Pointer(key)), anyway)
	runtime.KeepAlive(key)
}

// Compute calls f with the value bound to key. If f returns keep true, it binds key
// to next; otherwise it unbinds key. loaded tells f whether anything is bound.
// Compute returns what is bound when it is done. If f keeps a value that is equal to
// the one that is bound to this very object, by == where V is comparable, nothing
// changes. A nil key panics.
//
// No lock is held while f runs, and it may use the KeyMap. If the binding changes
// before the result is stored, f is called again: so an f that binds key itself is
// called forever.
func (m *KeyMap[K, V]) Compute(key *K, f func(current V, loaded bool) (next V, keep bool)) (actual V, ok bool) {
	mustNotBeNil(key)
	for {
		var current V
		bound, old := m.find(key)
		if old != nil {
			current = *old
		}
		next, keep := f(current, old != nil)
		if keep && old != nil && bound == key && equal(next, current) {
			if _, now := m.find(key); now != old {
				continue
			}
			return current, true
		}
		updated := false
		if keep {
			_, updated = m.insert(key, next, sameAs(unsafe.Pointer(old)))
		} else {
			_, updated = m.core.deleteObject(unsafe.Pointer(key), sameAs(unsafe.Pointer(old)))
		}
		runtime.KeepAlive(key)
		runtime.KeepAlive(old) // Another value cannot have its address.
		switch {
		case updated && keep:
			return next, true
		case updated:
			return actual, false
		}
	}
}

// equal reports whether x == y. It is false if V is not comparable, or if an
// interface in it holds a value that is not.
func equal[V any](x, y V) (same bool) {
	if !reflect.TypeFor[V]().Comparable() {
		return false
	}
	defer func() { _ = recover() }() // == panics where it meets what is not comparable. No other code runs here.
	return any(x) == any(y)
}

// DeleteFunc unbinds the keys for which del returns true, and returns how many
// it unbound. It calls del with no lock held, for what [KeyMap.All] yields; a
// binding that was replaced before it could be deleted stays. It cuts off no
// computation.
func (m *KeyMap[K, V]) DeleteFunc(del func(key *K, value V) bool) (deleted int) {
	if t := m.core.table.Load(); t != nil {
		deleted = t.deleteFunc(func(e listed) bool { return del((*K)(e.referent), *(*V)(e.ref)) })
	}
	return deleted
}

// Clear unbinds all keys. It cuts off all computations, as [KeyMap.LoadOrCompute] says.
func (m *KeyMap[K, V]) Clear() {
	m.flights.cutOffAll()
	m.core.clear()
}

// Range calls yield for each binding that [KeyMap.All] yields, until it returns false.
func (m *KeyMap[K, V]) Range(yield func(key *K, value V) bool) {
	if t := m.core.table.Load(); t != nil {
		t.all(func(e listed) bool { return yield((*K)(e.referent), *(*V)(e.ref)) })
	}
}

// All returns an iterator over the bindings, in no particular order. No lock is
// held while it yields, and the body may use the KeyMap. No key comes twice.
// Every binding that is there throughout, with its key held, is yielded; one that
// is made, replaced or deleted during the iteration may or may not be. If the KeyMap
// grows or shrinks meanwhile, the values that were bound then stay until it ends.
func (m *KeyMap[K, V]) All() iter.Seq2[*K, V] { return m.Range }

// Keys returns an iterator over the keys, as [KeyMap.All] does over bindings.
func (m *KeyMap[K, V]) Keys() iter.Seq[*K] {
	return func(yield func(*K) bool) {
		m.Range(func(key *K, _ V) bool { return yield(key) })
	}
}

// Values returns an iterator over the values, as [KeyMap.All] does over bindings.
func (m *KeyMap[K, V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.Range(func(_ *K, value V) bool { return yield(value) })
	}
}

// Len returns the number of entries. It may include some whose key has died but
// that are not removed yet.
func (m *KeyMap[K, V]) Len() int { return m.core.length() }

// Reap removes the entries of keys found dead by the collections so far, and
// returns how many it removed. It runs no collection.
func (m *KeyMap[K, V]) Reap() (removed int) { return m.core.reap() }

// Stats returns the counts of the KeyMap.
func (m *KeyMap[K, V]) Stats() Stats { return m.core.stats() }
