package weakmap

import (
	"hash/maphash"
	"math/bits"
	"reflect"
	"runtime"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/cespare/xxhash/v2"
	"github.com/puzpuzpuz/xsync/v3"
)

// identity says what makes an entry the one that a key of type K names.
type identity uint8

const (
	byAttached identity = iota // Map: the attached key equals K
	byAddress                  // KeyMap, Set: the referent is at K, which is a *P
	byContent                  // Interner: the referent equals K, which is a P
)

// options are what a container decides about its table.
type options[K comparable, A any] struct {
	config   Config
	identity identity
	hash     func(K) uint64 // nil = built in
	onReap   func(A)        // nil = none
}

// A core is what every container embeds: the way to its table. The zero core
// has none, and costs nothing.
type core[K comparable, P, A any] struct {
	table atomic.Pointer[table[K, P, A]] // nil until the first insertion
	early atomic.Uint64                  // misses counted before there was a table
}

// A table is what a container's core leads to: all that may live on for a
// moment when the container is gone.
type table[K comparable, P, A any] struct {
	layout     atomic.Pointer[layout[K, P, A]] // Read without lock, written with every shard of the old layout locked.
	growth     mutex                           // held by whoever makes room. Taken before shard.mu.
	laidOut    uint64                          // how many entries had been removed when the layout was made. Guarded by growth.
	unpaid     uint64                          // how many must have been before shrinking is tried again. Guarded by growth.
	passes     int                             // how many there were. Accessed by reaper.pass only.
	sweptFor   uint64                          // how many collections there had been whose victims the last sweep removed. Guarded by growth.
	registered atomic.Bool                     // whether the reaper knows the table: see there
	vetKeys    bool                            // whether keys that the caller hashes must be proved hashable. Immutable, as all below but reports.
	traits     traits
	identity   identity
	maxShards  int
	minShards  int
	reserved   int // buckets for Config.Capacity entries
	options    options[K, A]
	self       weak.Pointer[table[K, P, A]]
	reclaim    func(*ticket[K, P, A]) // PerValue's cleanup; kept, because making the function value allocates
	tickets    *tickets[K, P, A]      // nil unless the table has the trait cleaned. Immutable.
	reports    reports[A]
	lastPass   passFigures
	agedAt     uint64         // how many collections there had been when entries were last aged. Accessed by reaper.pass only.
	retained   *xsync.Counter // how many referents are held; nil without Config.Retain
	hits       *xsync.Counter // nil without Config.Stats
	misses     *xsync.Counter // nil without Config.Stats
}

// A layout is where a table's entries lie. It is immutable but for what the
// shards protect, and is replaced as a whole when the table grows or shrinks;
// lookups in the layout before it see what was bound up to then, and look again
// where that was dead.
type layout[K comparable, P, A any] struct {
	buckets[P, A]
	kind   hashKind
	table  *table[K, P, A]
	shards []shard[P, A]   // step of them, kept from layout to layout while their number stays
	seed   maphash.Seed    // of hashSeeded
	rehash atomic.Bool     // whether reseed has changed the entries' hashes, or is changing them, for the layout after this one
	kept   []journal[P, A] // what the slots name, once the next layout has taken over the shards: see slot. Written once, with all shards locked, and read by the collector only.
}

const (
	// bucketsPerShard buckets at least are there for each shard, up to
	// maxShards, so that a small map stays small: one shard up to 42 entries.
	bucketsPerShard = 4

	// shardsPerProc shards for each processor make it rare that two writers meet.
	shardsPerProc = 4

	// shardsLimit keeps an empty table under 8,192 slots.
	shardsLimit = 1024

	// maxBuckets is beyond what memory takes, and within what 32 bits of hash tell
	// apart. A bucket takes 64 bytes, or 36 where an int has 32 bits.
	maxBuckets = 1 << (20 + 5*ptrSize/4)

	// floodPassed full buckets are never passed by honest keys. With three slots in
	// four used in every shard the most seen in 430 million insertions is 39, in
	// shards of 172,000 entries; there it takes one filling in 40 to pass 32, and
	// for each further bucket a fifth less of them. Should it happen, a table takes
	// another hash, and nothing is lost. TestHonestKeysAreNoFlood tries fewer; these
	// were its fillings hundreds of times over, with other hashes.
	floodPassed = 96

	// floodAlike entries of other keys with its tag are never met by an honest key. In
	// 420 million insertions into shards of 4 to a million buckets, up to three slots
	// in four, the most seen was 5; each further one is a thirtieth to a sixtieth as
	// frequent. Entries of the same hash cost a lookup more than full buckets that it
	// passes do: with 32 of them a load takes up to twice as long as of random keys,
	// and with 512 twelve times.
	floodAlike = 16
)

// open returns the table, making it at the first insertion.
func (c *core[K, P, A]) open(o func() options[K, A]) *table[K, P, A] {
	if t := c.table.Load(); t != nil {
		return t
	}
	t := newTable[K, P](o())
	interleave("table made")
	if c.table.CompareAndSwap(nil, t) {
		return t
	}
	return c.table.Load()
}

func newTable[K comparable, P, A any](o options[K, A]) *table[K, P, A] {
	o.config.check()
	t := &table[K, P, A]{options: o, identity: o.identity, minShards: 1}
	t.self = weak.Make(t)
	t.maxShards = min(ceilPowerOfTwo(shardsPerProc*runtime.GOMAXPROCS(0)), shardsLimit)
	if n := o.config.Shards; n > 0 {
		t.maxShards = ceilPowerOfTwo(min(n, shardsLimit))
		t.minShards = t.maxShards
	}
	if o.onReap != nil {
		t.traits |= reportsDead
	}
	if o.config.Retain > 0 {
		t.traits |= extended | retains
		t.retained = xsync.NewCounter()
	}
	if o.config.Reclaim == PerValue {
		t.traits |= extended | cleaned
		t.reclaim = reclaim[K, P, A]
		t.tickets = newTickets(t)
	}
	if o.config.Stats {
		t.hits, t.misses = xsync.NewCounter(), xsync.NewCounter()
	}
	l := &layout[K, P, A]{table: t, kind: hashKindOf[K]()}
	switch {
	case o.hash != nil:
		l.kind = hashCustom
		t.vetKeys = hasInterface(reflect.TypeFor[K]())
	case o.identity == byAddress:
		l.kind = hashWord
	}
	n := o.config.Capacity
	if n > 0 {
		// Keys spread over shards with a deviation of the root of their number.
		n += n/16 + 8*t.maxShards
	}
	t.reserved = max(bucketsFor(n), t.minShards)
	l.buckets = makeBuckets[P, A](t.reserved, t.shardsFor(t.reserved))
	l.shards = t.newShards(int(l.step))
	t.layout.Store(l)
	return t
}

func ceilPowerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }

// bucketsFor returns the power of two of buckets that take n entries.
func bucketsFor(n int) int {
	buckets := 1
	for limitOf(buckets) < n {
		buckets *= 2
	}
	return buckets
}

// shardsFor returns how many shards go with so many buckets.
func (t *table[K, P, A]) shardsFor(buckets int) int {
	return min(max(buckets/bucketsPerShard, t.minShards), t.maxShards)
}

func (t *table[K, P, A]) newShards(n int) []shard[P, A] {
	shards := make([]shard[P, A], n)
	for i := range shards {
		shards[i].traits = t.traits
	}
	return shards
}

// shard returns the shard of keys with hash h.
func (l *layout[K, P, A]) shard(h uint32) *shard[P, A] { return &l.shards[h&(l.step-1)] }

// match reports whether e is bound to key, whose hash in l is h, and to what: nil if
// that is dead.
func (l *layout[K, P, A]) match(e *entry[P, A], key *K, h uint32) (v *P, ok bool) {
	if l.table.identity == byAttached {
		if *(*K)(unsafe.Pointer(&e.attached)) != *key {
			return nil, false
		}
		return e.weak.Value(), true
	}
	v = l.matchReferent(e, key, h)
	return v, v != nil
}

// matchReferent returns the referent of e if it is what key names, by address
// or content. A dead entry never is: its address may be another object's now,
// its content is gone.
func (l *layout[K, P, A]) matchReferent(e *entry[P, A], key *K, h uint32) *P {
	// Only a like hash is worth a look at the referent. A look during marking keeps
	// it for a cycle, so without this a key in steady use could keep a dead
	// entry with a like tag for ever.
	//
	// A table changes its hash once. Whoever is still in the layout before knows the
	// key by the old hash, and meets entries that have the new one: rehash is raised
	// before the first of them gets it, so a hash that differs while rehash is down
	// was not changed. In the layout after, which is published when all have it,
	// hashes are final, and rehash stays down.
	// A layout that was replaced before that is not told: there a hash says nothing.
	if atomic.LoadUint32(&e.hash) != h && !l.rehash.Load() && l.table.layout.Load() == l {
		return nil
	}
	v := e.weak.Value()
	switch {
	case v == nil:
		return nil
	case l.table.identity == byAddress:
		if unsafe.Pointer(v) != *(*unsafe.Pointer)(unsafe.Pointer(key)) {
			return nil
		}
	case *(*K)(unsafe.Pointer(v)) != *key:
		return nil
	}
	return v
}

// keyOf returns the key of e, whose referent is *v. With identities other than
// byAttached it must not be nil.
func (t *table[K, P, A]) keyOf(e *entry[P, A], v **P) *K {
	switch t.identity {
	case byAttached:
		return (*K)(unsafe.Pointer(&e.attached))
	case byAddress:
		return (*K)(unsafe.Pointer(v))
	}
	return (*K)(unsafe.Pointer(*v))
}

// find is the lock-free lookup. It returns the entry bound to key and its
// referent, or nil if there is none or it is dead, and counts a hit or a miss
// if it is told to.
//
// This is the short way: it asks the first entry with the key's tag in the key's
// home bucket, and is right in all but a few cases in a hundred. The others it
// leaves to search, since a loop would keep more in registers, across two calls,
// than there are.
func (c *core[K, P, A]) find(key K, count bool) (*entry[P, A], *P) {
	t := c.table.Load()
	if t == nil {
		return c.search(key, count)
	}
	l := t.layout.Load()
	interleave("layout read")
	var h uint32
	switch {
	case l.kind == hashString && unsafe.Sizeof(key) == unsafe.Sizeof(""):
		h = uint32(xxhash.Sum64String(stringOf(&key)))
	case l.kind == hashWord && unsafe.Sizeof(key) <= 8:
		h = uint32(sum64Word(wordOf(&key)))
	default:
		h = l.hash(key)
	}
	b := l.at(h)
	tags := b.tags.Load()
	interleave("tags read")
	m := matching(tags, tagOf(h))
	if m == 0 {
		if count || tags>>passedShift != 0 || t.identity != byAttached {
			return c.search(key, count)
		}
		return nil, nil
	}
	k := slotOf(m) & slotsPerBucket
	if k == slotsPerBucket {
		return c.search(key, count) // It never is; the compiler knows it now.
	}
	e := b.slots[k].load()
	runtime.KeepAlive(l) // What the slot names was kept up to here: see slot.
	if e == nil {
		return c.search(key, count)
	}
	// Only a like hash is worth a look at the referent: see matchReferent.
	if t.identity == byAttached {
		if *(*K)(unsafe.Pointer(&e.attached)) != key {
			return c.search(key, count)
		}
	} else if atomic.LoadUint32(&e.hash) != h {
		return c.search(key, count)
	}
	interleave("slot read")
	var v *P
	if t.traits&retains != 0 {
		v = strong(extensionOf[K](e).hold.referent.Load())
	} else {
		v = e.weak.Value()
	}
	switch {
	case v == nil:
		return c.search(key, count)
	case t.identity == byAddress && unsafe.Pointer(v) != *(*unsafe.Pointer)(unsafe.Pointer(&key)):
		return c.search(key, count)
	case t.identity == byContent && *(*K)(unsafe.Pointer(v)) != key:
		return c.search(key, count)
	case t.traits&retains != 0 && extensionOf[K](e).hold.unused.Load() != 0:
		t.use(e, v)
	}
	if count {
		c.count(true)
	}
	return e, v
}

// search is find for all keys and all cases.
//
// It reads the layout, a bucket's tags, a slot and the weak pointer, in this
// order, while writers change each of them. What it finds alive was bound when
// the slot was read, or when the layout was replaced, both within the call. What
// it finds nowhere was unbound at some moment within the call: a layout that was
// replaced holds what was bound then, and within one layout a binding never
// moves to another slot.
func (c *core[K, P, A]) search(key K, count bool) (*entry[P, A], *P) {
	t := c.table.Load()
	if t == nil {
		mustBeHashable(key)
	}
	for again := t != nil; again; {
		again = false
		l := t.layout.Load()
		interleave("layout read")
		h := l.hash(key)
		tag := tagOf(h)
	probing:
		for i := h; ; i += l.step {
			b := l.at(i)
			tags := b.tags.Load()
			interleave("tags read")
			for m := matching(tags, tag); m != 0; m &= m - 1 {
				slot := &b.slots[slotOf(m)]
				e := slot.load() // While l is kept, which is used below.
				if e == nil {
					continue // The tag of an empty slot matched by mistake.
				}
				interleave("slot read")
				v, ok := l.match(e, &key, h)
				if !ok {
					continue
				}
				if v != nil {
					t.use(e, v)
					if count {
						c.count(true)
					}
					return e, v
				}
				interleave("found dead")
				// Dead, but perhaps replaced since the slot was read, by a live
				// value: then this is no miss (Caffeine had this bug, its issue
				// 568). Only an entry that is still in its slot of the layout in
				// use was bound at the moment at which it was seen to be dead.
				again = slot.load() != e || t.layout.Load() != l
				break probing
			}
			if tags>>passedShift == 0 || i-h > l.mask {
				break
			}
		}
	}
	if count {
		c.count(false)
	}
	return nil, nil
}

// count counts a hit or a miss, with Config.Stats.
func (c *core[K, P, A]) count(hit bool) {
	t := c.table.Load()
	switch {
	case t == nil:
		c.early.Add(1)
	case t.hits == nil: // Config.Stats was set too late.
	case hit:
		t.hits.Inc()
	default:
		t.misses.Inc()
	}
}

// update binds key to next, or unbinds it if next is nil, if admit says so of
// what is bound now: e with the live referent v, or nil and nil. It runs with
// the shard's lock held and so must be short and no user code; nil admits all.
// It returns what was bound. The caller keeps next's referent alive across the call.
func (c *core[K, P, A]) update(key K, next *entry[P, A], admit func(e *entry[P, A], v *P) bool) (old *entry[P, A], v *P, updated bool) {
	t := c.table.Load()
	if t == nil { // next is nil: an insertion has opened the table.
		mustBeHashable(key)
		return nil, nil, admit == nil || admit(nil, nil)
	}
	for {
		l := t.layout.Load()
		h := l.hash(key)
		s := l.shard(h)
		s.mu.Lock()
		if t.layout.Load() != l {
			s.mu.Unlock() // The table grew or shrank while we waited.
			continue
		}
		others := 0
		b, k, bound := l.search(h, func(e *entry[P, A]) (ok bool) {
			if v, ok = l.match(e, &key, h); !ok && t.crowds(e, h) {
				others++
			}
			return ok
		})
		if old = bound; v == nil {
			old = nil
		}
		if admit != nil && !admit(old, v) {
			s.mu.Unlock()
			if old != nil {
				t.use(old, v)
			}
			return old, v, false
		}
		if bound == nil && next != nil && s.used() >= l.limit() {
			s.mu.Unlock()
			t.makeRoom(l, false)
			continue
		}
		interleave("admitted")
		flood, asks := false, false
		if next != nil {
			t.setHash(next, h)
			s.journal.begin(uint32(reaper.announced.Load()))
		}
		switch {
		case bound != nil && next != nil:
			s.rebind(b, k, bound, next, v == nil)
		case bound != nil:
			s.unbind(&l.buckets, bound, v == nil)
			asks = l.asks(s)
		case next != nil:
			if !reaper.settling() {
				s.expelDead(&l.buckets, h)
			}
			passed := s.bind(&l.buckets, next)
			flood = l.kind != hashSeeded && (passed > floodPassed || others > l.floodAlike())
		}
		t.release(s)
		switch {
		case flood:
			t.makeRoom(l, true)
		case asks:
			t.shrink(l)
		}
		if next != nil {
			t.register()
		}
		runtime.KeepAlive(v) // It did not die before its removal was counted as one by a caller.
		return old, v, true
	}
}

// crowds reports whether e, which an insertion of another key with hash h met on its
// way, is one of those that make a flood. What has died does not: the entries of a value
// or a key that dies and comes again have one hash, and go with the next pass.
func (t *table[K, P, A]) crowds(e *entry[P, A], h uint32) bool {
	return t.identity == byAttached || e.hash != h || e.weak.Value() != nil
}

// floodAlike returns how many entries of other keys an honest key never meets under its
// tag. From 16 million buckets on, tags share bits with the number of the bucket, and
// with each doubling twice as many are alike.
func (l *layout[K, P, A]) floodAlike() int {
	return floodAlike << max(bits.Len32(l.mask)-tagShift, 0)
}

// setHash gives e its hash. Must be called before e is published.
func (t *table[K, P, A]) setHash(e *entry[P, A], h uint32) {
	e.hash = h
	if t.traits&cleaned != 0 {
		extensionOf[K](e).ticket.hash = h
	}
}

// remove removes e, whose referent v is live, if e is bound still.
func (t *table[K, P, A]) remove(e *entry[P, A], v *P) (removed bool) {
	l, s := t.lockFor(&e.hash)
	removed = s.unbind(&l.buckets, e, false)
	asks := removed && l.asks(s)
	t.release(s)
	if asks {
		t.shrink(l)
	}
	runtime.KeepAlive(v) // It did not die before its removal was counted as one by a caller.
	return removed
}

// lockFor locks the shard of an entry with the given hash, which a reseed may change.
func (t *table[K, P, A]) lockFor(hash *uint32) (*layout[K, P, A], *shard[P, A]) {
	for {
		l := t.layout.Load()
		s := l.shard(atomic.LoadUint32(hash))
		s.mu.Lock()
		if t.layout.Load() == l {
			return l, s
		}
		s.mu.Unlock()
	}
}

// release unlocks s and does what is to be done without the lock.
func (t *table[K, P, A]) release(s *shard[P, A]) {
	t.checkInvariants(s)
	dropped, after := s.dropped, s.after
	s.dropped, s.after = nil, nil
	s.mu.Unlock()
	if dropped != nil {
		t.dismiss(dropped)
	}
	if after == nil {
		return
	}
	for _, e := range after.dropped {
		t.dismiss(e)
	}
	if len(after.dead) > 0 {
		t.report(after.dead)
	}
}

// clear removes every entry.
func (c *core[K, P, A]) clear() {
	t := c.table.Load()
	if t == nil {
		return
	}
	t.growth.Lock()
	defer t.growth.Unlock()
	l := t.layout.Load()
	t.lockAll(l)
	for i := range l.shards {
		s := &l.shards[i]
		for e := range s.journal.entries() {
			interleave(toAsk)
			s.journal.strike(e)
			s.account(e, e.weak.Value() == nil)
		}
	}
	t.relayout(l, t.minShards, false)
	t.releaseAll(l)
}

// all yields each binding that is live when it is its turn, no key twice.
func (c *core[K, P, A]) all(yield func(e *entry[P, A], v *P) bool) {
	t := c.table.Load()
	if t == nil {
		return
	}
	// If the entries are distributed over other shards meanwhile, what these
	// held before stays to be listed.
	shards := t.layout.Load().shards
	var w tour[P, A]
	defer w.end()
	var batch [tourBatch]*entry[P, A]
	for i := range shards {
		entries, more := w.enter(&shards[i], batch[:0])
		for {
			for k, e := range entries {
				entries[k] = nil // Lets the key go once it was yielded.
				interleave("listed")
				v := e.weak.Value()
				if v != nil {
					t.use(e, v)
				}
				interleave("referent read")
				if e.isRemoved() {
					if t.identity != byAttached && v == nil {
						continue // What it was bound to went with it.
					}
					e, v = c.find(*t.keyOf(e, &v), false)
				}
				if v != nil && !yield(e, v) {
					return
				}
			}
			if !more {
				break
			}
			entries, more = w.proceed(batch[:0])
		}
	}
}

// length is the number of entries, dead ones not yet removed included.
func (c *core[K, P, A]) length() int {
	if t := c.table.Load(); t != nil {
		return t.layout.Load().used()
	}
	return 0
}

// used is the number of entries. Without the shards locked it is a recent number.
func (l *layout[K, P, A]) used() int {
	used, _, _ := l.counts()
	return used
}

// counts returns how many entries there are, how many were ever inserted, and how many
// of these are gone. Without the shards locked these are recent numbers: see shard.used.
func (l *layout[K, P, A]) counts() (used int, inserted, gone uint64) {
	for i := range l.shards {
		s := &l.shards[i]
		gone += s.reaped.Load() + s.deleted.Load()
		inserted += s.inserted.Load()
	}
	return int(inserted - gone), inserted, gone
}

// deleteFunc removes the bindings of which del says so, and returns how many.
func (c *core[K, P, A]) deleteFunc(del func(e *entry[P, A], v *P) bool) (deleted int) {
	for e, v := range c.all {
		if del(e, v) && c.table.Load().remove(e, v) {
			deleted++
		}
	}
	return deleted
}

func (c *core[K, P, A]) reap() (removed int) {
	if t := c.table.Load(); t != nil {
		removed = t.sweep(reaper.scope(), 1)
	}
	return removed
}

func (c *core[K, P, A]) stats() (st Stats) {
	st.Misses = c.early.Load()
	t := c.table.Load()
	if t == nil {
		return st
	}
	l := t.layout.Load()
	for i := range l.shards {
		s := &l.shards[i]
		reaped, deleted := s.reaped.Load(), s.deleted.Load()
		inserted := s.inserted.Load()
		st.Reaped += reaped
		st.Deleted += deleted
		st.Inserts += inserted
	}
	st.Entries = int(st.Inserts - st.Reaped - st.Deleted)
	st.Capacity = l.len() * slotsPerBucket
	if t.retained != nil {
		st.Retained = int(max(t.retained.Value(), 0))
	}
	if t.hits != nil {
		st.Hits = uint64(t.hits.Value())
		st.Misses += uint64(t.misses.Value())
	}
	return st
}
