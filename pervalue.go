package weakmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// What Config.Reclaim = PerValue adds: a runtime cleanup on each stored value,
// which deletes the value's entry.

// A ticket is the argument of one entry's cleanup, and names the entry without
// keeping it: the runtime holds arguments strongly while the value lives, and a
// dropped map must go, keys and all.
type ticket[K comparable, P, A any] struct {
	table      weak.Pointer[table[K, P, A]] // Immutable.
	value      reference[P]                 // as entry.weak. Immutable.
	cleanup    cleanup                      // Immutable once the ticket is listed.
	prev, next *ticket[K, P, A]             // in tickets. Guarded by tickets.mu, as is listed.
	hash       uint32                       // as entry.hash, under the same protocol
	listed     bool
}

// tickets are those of a table whose cleanups have neither run nor been stopped.
// When the table is gone, a cleanup of its own stops them, so that nothing piles
// up on values that outlive one container after the other. That cleanup's argument
// are the tickets, so they must not lead to the table: a ticket knows its value
// weakly, and no key.
type tickets[K comparable, P, A any] struct {
	mu    sync.Mutex       // A leaf, held for a few instructions.
	first *ticket[K, P, A] // the one listed last. Guarded by mu.
}

// newTickets returns the tickets of t.
func newTickets[K comparable, P, A any](t *table[K, P, A]) *tickets[K, P, A] {
	list := new(tickets[K, P, A])
	whenGone(t, (*tickets[K, P, A]).stopAll, list)
	return list
}

func (l *tickets[K, P, A]) add(k *ticket[K, P, A]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.next = l.first; k.next != nil {
		k.next.prev = k
	}
	l.first, k.listed = k, true
}

// remove takes k out, if it is listed.
func (l *tickets[K, P, A]) remove(k *ticket[K, P, A]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unlink(k)
}

// unlink is remove. Must be called with l.mu held.
func (l *tickets[K, P, A]) unlink(k *ticket[K, P, A]) {
	if !k.listed {
		return
	}
	if k.next != nil {
		k.next.prev = k.prev
	}
	if k.prev != nil {
		k.prev.next = k.next
	} else {
		l.first = k.next
	}
	k.prev, k.next, k.listed = nil, nil, false
}

// take takes one out, and returns nil if there is none.
func (l *tickets[K, P, A]) take() *ticket[K, P, A] {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.first
	if k != nil {
		l.unlink(k)
	}
	return k
}

// stopSome stops n cleanups at most, and reports whether there may be more.
func (l *tickets[K, P, A]) stopSome(n int) (more bool) {
	for range n {
		k := l.take()
		if k == nil {
			return false
		}
		if v := k.value.Value(); v != nil { // As in stopCleanup.
			k.cleanup.Stop()
			runtime.KeepAlive(v)
		}
	}
	return true
}

// stopAll runs on the runtime's cleanup goroutine when the table is gone. What takes
// time goes to a goroutine of this package, which others may need meanwhile.
func (l *tickets[K, P, A]) stopAll() {
	const atOnce = 64 // some microseconds
	if l.stopSome(atOnce) {
		submit(l.stopAll)
	}
}

// An extension is an entry with what only some tables need.
type extension[K comparable, P, A any] struct {
	entry[P, A]
	hold   hold[P]
	ticket *ticket[K, P, A] // nil unless the table has the trait cleaned. Immutable.
}

// extensionOf returns the extension that e is the first field of. The table
// must have the trait extended.
func extensionOf[K comparable, P, A any](e *entry[P, A]) *extension[K, P, A] {
	return (*extension[K, P, A])(unsafe.Pointer(e))
}

// newEntry makes an entry that binds key to v, to which w points if it was made
// already; it is not bound yet. The caller keeps v alive until it is, or
// discards it.
func (t *table[K, P, A]) newEntry(key K, v *P, w reference[P], attached A) *entry[P, A] {
	l := t.layout.Load()
	l.prefetch(l.hash(key)) // The bucket comes while the weak pointer is made: a sixth of an insertion.
	if w == (weak.Pointer[P]{}) {
		w = refer(v)
	}
	if t.traits&extended == 0 {
		return &entry[P, A]{weak: w, attached: attached}
	}
	x := &extension[K, P, A]{entry: entry[P, A]{weak: w, attached: attached}}
	if t.traits&cleaned != 0 {
		// v is held by the caller, so the cleanup cannot come before the entry is
		// published.
		x.ticket = &ticket[K, P, A]{table: t.self, value: w}
		x.ticket.cleanup = addCleanup(v, t.reclaim, x.ticket)
		t.tickets.add(x.ticket)
	}
	if t.traits&retains != 0 {
		x.hold.referent.Store(v)
		t.retained.Inc()
	}
	return &x.entry
}

// discard undoes newEntry for an entry that was not bound after all.
func (t *table[K, P, A]) discard(e *entry[P, A]) {
	if t.traits&extended != 0 {
		t.dismiss(e)
	}
}

// dismiss does what is to be done, without a lock, about an extension that was
// removed while its referent lived.
func (t *table[K, P, A]) dismiss(e *entry[P, A]) {
	if t.traits&cleaned != 0 {
		t.stopCleanup(e)
	}
	if t.traits&retains != 0 {
		t.letGo(e)
	}
}

// stopCleanup stops the cleanup of an entry that was removed while its value
// lived, so that nothing piles up on a long-lived value. Stop is called only
// while the value is held: on a dead object it can crash the process
// (golang/go#81435). If the value has died meanwhile, the cleanup finds nothing
// to delete.
func (t *table[K, P, A]) stopCleanup(e *entry[P, A]) {
	t.tickets.remove(extensionOf[K](e).ticket)
	if v := e.weak.Value(); v != nil {
		extensionOf[K](e).ticket.cleanup.Stop()
		runtime.KeepAlive(v)
	}
}

// reclaim runs on the runtime's cleanup goroutine when the value of k's entry
// is gone. It neither waits for a lock there nor runs code of the user: what
// takes time goes to a goroutine of this package.
func reclaim[K comparable, P, A any](k *ticket[K, P, A]) {
	t := k.table.Value()
	if t == nil {
		return
	}
	t.tickets.remove(k)
	l := t.layout.Load()
	s := l.shard(atomic.LoadUint32(&k.hash))
	if !s.mu.TryLock() {
		submit(func() {
			l, s := t.lockFor(&k.hash)
			if t.redeem(l, s, k) {
				t.shrink(l)
			}
		})
		return
	}
	if t.layout.Load() != l {
		s.mu.Unlock()
		reclaim(k)
		return
	}
	if t.redeem(l, s, k) {
		submit(func() { t.shrink(l) })
	}
}

// redeem removes k's entry if it is bound still, and unlocks s, which must be locked.
// It reports whether there is reason to ask whether the table should shrink.
func (t *table[K, P, A]) redeem(l *layout[K, P, A], s *shard[P, A], k *ticket[K, P, A]) (asks bool) {
	if _, _, e := l.search(k.hash, func(e *entry[P, A]) bool {
		return extensionOf[K](e).ticket == k
	}); e != nil {
		s.unbind(&l.buckets, e, true)
		asks = l.asks(s)
	}
	t.release(s)
	return asks
}
