package weakmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/go-weak/weakmap/internal/seam"
)

// What Config.Reclaim = PerValue adds: a runtime cleanup on each stored value, which unbinds it.

// A ticket is the argument of one binding's cleanup, and names the binding without keeping it:
// the runtime holds arguments strongly while the value lives, and a dropped map must go, keys
// and all.
type ticket struct {
	table   weak.Pointer[table] // Immutable.
	word    unsafe.Pointer      // the word of the weak pointer to the value. Immutable.
	hash    atomic.Uint32       // Written before publication, and with all shards locked.
	cleanup seam.Cleanup        // Immutable once the ticket is listed.

	place int // in tickets, counted from 1; 0 if it is not listed. Guarded by tickets.mu.
}

// tickets are those of a table whose cleanups have neither run nor been stopped. When the table
// is gone, a cleanup of its own stops them, so that nothing piles up on values that outlive one
// container after the other. That cleanup's argument is the tickets, so they must not lead to
// the table: a ticket knows its value weakly, and no key. Nor does one lead to another: with
// GODEBUG=checkfinalizers=1 the runtime goes through all that each argument leads to.
type tickets struct {
	mu     sync.Mutex  // A leaf, held for a few instructions, and for an allocation.
	chunks [][]*ticket // all but the last have ticketsTogether; none is empty. Guarded by mu.
}

// ticketsTogether are in a chunk: no more are ever copied.
const ticketsTogether = 512

// newTickets returns the tickets of t.
func newTickets(t *table) *tickets {
	list := new(tickets)
	seam.WhenGone(t, (*tickets).stopAll, list)
	return list
}

// at returns where the ticket at a place is.
func (l *tickets) at(place int) **ticket {
	return &l.chunks[(place-1)/ticketsTogether][(place-1)%ticketsTogether]
}

// n returns how many are listed, in the first places. Must be called with l.mu held.
func (l *tickets) n() int {
	last := len(l.chunks) - 1
	if last < 0 {
		return 0
	}
	return last*ticketsTogether + len(l.chunks[last])
}

func (l *tickets) add(k *ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n()%ticketsTogether == 0 {
		l.chunks = append(l.chunks, nil)
	}
	last := &l.chunks[len(l.chunks)-1]
	*last = append(*last, k)
	k.place = l.n()
}

// remove takes k out, if it is listed.
func (l *tickets) remove(k *ticket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.place != 0 {
		l.unlist(k)
	}
}

// unlist takes k out, which must be listed, and puts the last one in its place. Must be called with l.mu held.
func (l *tickets) unlist(k *ticket) {
	n := l.n()
	end := l.at(n)
	(*end).place = k.place
	*l.at(k.place) = *end
	*end, k.place = nil, 0
	last := &l.chunks[len(l.chunks)-1]
	if *last = (*last)[:len(*last)-1]; len(*last) == 0 {
		*last = nil
		l.chunks = l.chunks[:len(l.chunks)-1]
	}
	if n == 1 {
		l.chunks = nil
	}
}

// take takes one out, and returns nil if there is none.
func (l *tickets) take() *ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.n()
	if n == 0 {
		return nil
	}
	k := *l.at(n)
	l.unlist(k)
	return k
}

// stopSome stops n cleanups at most, and reports whether there may be more.
func (l *tickets) stopSome(n int) (more bool) {
	for range n {
		k := l.take()
		if k == nil {
			return false
		}
		k.stop(seam.Value(k.word))
	}
	return true
}

// stopAll runs on the runtime's cleanup goroutine when the table is gone. What takes time goes
// to a goroutine of this package, since other cleanups may need the runtime's.
func (l *tickets) stopAll() {
	const atOnce = 64 // some microseconds
	if l.stopSome(atOnce) {
		submit(l.stopAll)
	}
}

// stopCleanup stops the cleanup of the binding that k, which may be nil, is the ticket of. The
// binding was removed while its referent lived, which the caller holds, or its referent is nil.
func (t *table) stopCleanup(k *ticket, referent unsafe.Pointer) {
	if k != nil {
		t.tickets.remove(k)
		k.stop(referent)
	}
}

// stop stops the cleanup of a binding that was removed while its referent lived, so that nothing
// piles up on a long-lived value. The caller holds the referent: on a dead object Stop can crash
// the process (golang/go#81435). If that is nil, the cleanup finds nothing to unbind.
func (k *ticket) stop(referent unsafe.Pointer) {
	if referent != nil {
		k.cleanup.Stop()
		runtime.KeepAlive(referent)
	}
}

// reapByTicket runs on the runtime's cleanup goroutine when the value of k's binding is gone. It
// neither waits for a lock there nor runs code of the user: what takes time goes to a goroutine
// of this package.
func reapByTicket(k *ticket) {
	t := k.table.Value()
	if t == nil {
		return
	}
	t.tickets.remove(k)
	l := t.layout.Load()
	s := l.shard(k.hash.Load())
	if !s.mu.TryLock() {
		submit(func() {
			l, _, s := t.lockFor(func(*layout) uint32 { return k.hash.Load() }) // It may change with the layout.
			if t.reapTicket(l, s, k) {
				t.shrink(l)
			}
		})
		return
	}
	if t.layout.Load() != l {
		s.mu.Unlock()
		reapByTicket(k)
		return
	}
	if t.reapTicket(l, s, k) {
		submit(func() { t.shrink(l) })
	}
}

// reapTicket unbinds k's binding if it is bound still, and unlocks s, which must be locked. It reports
// whether there is reason to ask whether the table should shrink.
func (t *table) reapTicket(l *layout, s *shard, k *ticket) (shrinks bool) {
	shrinks = t.unbindDead(l, s, k.hash.Load(), k.word) && l.wantsShrink(s)
	t.unlock(s)
	return shrinks
}
