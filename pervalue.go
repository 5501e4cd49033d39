package weakmap

import (
	"runtime"
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
	cleanup seam.Cleanup        // Immutable once the binding is published.
}

// stop stops the cleanup of a binding that was removed while its referent lived, so that nothing
// piles up on a long-lived value. The caller holds the referent: on a dead object Stop can crash
// the process (golang/go#81435). It does nothing without a ticket or a referent.
func (k *ticket) stop(referent unsafe.Pointer) {
	if k != nil && referent != nil {
		k.cleanup.Stop()
		runtime.KeepAlive(referent)
	}
}

// reclaim runs on the runtime's cleanup goroutine when the value of k's binding is gone. It
// neither waits for a lock there nor runs code of the user: what takes time goes to a goroutine
// of this package.
func reclaim(k *ticket) {
	t := k.table.Value()
	if t == nil {
		return
	}
	l := t.layout.Load()
	s := l.shard(k.hash.Load())
	if !s.mu.TryLock() {
		submit(func() {
			l, s := t.lockFor(k)
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

// lockFor locks the shard of a ticket, whose hash a layout may change.
func (t *table) lockFor(k *ticket) (*layout, *shard) {
	for {
		l := t.layout.Load()
		s := l.shard(k.hash.Load())
		s.mu.Lock()
		if t.layout.Load() == l {
			return l, s
		}
		s.mu.Unlock()
	}
}

// redeem unbinds k's binding if it is bound still, and unlocks s, which must be locked. It reports
// whether there is reason to ask whether the table should shrink.
func (t *table) redeem(l *layout, s *shard, k *ticket) (asks bool) {
	asks = t.unbindDead(l, s, k.hash.Load(), k.word) && l.asks(s)
	t.unlock(s)
	return asks
}
