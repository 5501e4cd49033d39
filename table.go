package weakmap

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"unsafe"
	"weak"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/go-weak/weakmap/internal/escape"
	"github.com/go-weak/weakmap/internal/inspect"
	"github.com/go-weak/weakmap/internal/journal"
	"github.com/go-weak/weakmap/internal/row"
	"github.com/go-weak/weakmap/internal/seam"
)

// options are what a container decides about its table.
type options struct {
	config   Config
	keys     keying
	values   bool // whether a key is bound to a value beside it: KeyMap
	attached func(t *table, yield func(key, value any) bool)
	onReap   func(reaped) // nil = none
}

// A core is what every container embeds: the way to its table. The zero core has none, and
// costs nothing.
type core struct {
	table atomic.Pointer[table] // nil until the first insertion
	early atomic.Uint64         // misses counted before there was a table: one may be made after many lookups
	life  atomic.Pointer[life]  // nil unless the table has an onReap
}

// A life is kept by a container's core alone, so it goes with the container. The table may live on
// for a cycle: a pass that asks for it while the collector marks keeps it.
type life struct{ _ *byte }

// A table is what a container's core leads to: all that may live on for a moment after the
// container is gone.
type table struct {
	layout     atomic.Pointer[layout] // Read without lock, written with every shard of the old layout locked.
	growth     seam.Mutex             // held by a goroutine that makes room or sweeps. Taken before shard.mu.
	sweptFor   uint64                 // of how many collections the last sweep removed the victims. Guarded by growth.
	laidOut    uint64                 // removals, of all time, when the layout was made. Guarded by growth.
	shrinkAt   uint64                 // removals, of all time, before a deletion tries to shrink again. Guarded by growth.
	passes     uint32                 // passes that have come to the table. Accessed by table.collected only.
	registered atomic.Bool            // whether the reaper knows the table: see register
	values     bool                   // Immutable, as all below but triedAt and lastPass.
	retains    bool                   // retention is not nil
	perValue   bool                   // Config.Reclaim is PerValue
	triedAt    uint32                 // removals, of all time, when the table last tried in vain to shrink: the lowest bits. Guarded by growth; it fills a gap.
	keys       keying
	self       weak.Pointer[table]
	attached   func(t *table, yield func(key, value any) bool) // yields the live entries of a KeyMap; nil for others
	maxShards  int16
	minShards  int16
	reserved   int32                        // buckets for Config.Capacity entries
	lastPass   atomic.Pointer[inspect.Pass] // nil unless it is to be looked at: see inspect.Watched
	*extras                                 // noExtras for most
}

// extras are what some containers ask for. They are immutable, except the reports.
type extras struct {
	capacity  int        // Config.Capacity
	retention *retention // nil if it retains nothing
	onReap    func(reaped)
	life      weak.Pointer[life] // of the container, if there is an onReap
	reports   reports
	tickets   *tickets       // nil without PerValue
	hits      *xsync.Counter // nil without Config.Stats
	misses    *misses        // nil without Config.Stats
}

// noExtras are those of most tables. Only the lock of their reports is ever written.
var noExtras extras

// newExtras returns what o asks for.
func newExtras(o options) *extras {
	c := o.config
	x := extras{capacity: c.Capacity, retention: newRetention(c), onReap: o.onReap}
	if c.Stats {
		x.hits, x.misses = xsync.NewCounter(), &misses{xsync.NewCounter(), xsync.NewCounter()}
	}
	if c.Capacity == 0 && x.retention == nil && o.onReap == nil && !c.Stats && c.Reclaim != PerValue {
		return &noExtras
	}
	return &x
}

// misses are counted apart from hits, so that the count of hits is one load away.
type misses struct {
	all  *xsync.Counter
	dead *xsync.Counter // of all, those that met what had died. Raised after all, and read before it.
}

// A layout is where a table's bindings are. It is immutable except for what the shards protect,
// and is replaced as a whole when the table grows or shrinks; lookups in the layout before it
// see what was bound up to then, and look again where that was dead.
type layout struct {
	row.Row
	hashing hashing
	table   *table
	route   route              // Immutable, as row.Row and hashing.
	shards  []shard            // kept from layout to layout while their number stays
	kept    *[]journal.Journal // what the slots name, once the next layout has taken over the shards. Written once, and read, with all shards locked; and read by the collector.
}

const (
	// bucketsPerShard is the least number of buckets for each shard, up to maxShards, so that a
	// small map stays small.
	bucketsPerShard = 8

	// shardsPerProc shards for each processor make it rare that two writers meet.
	shardsPerProc = 4

	// retainedPerShard is for how many values of Config.RetainMax there may be a shard, since each may
	// hold one more: see take. So the bound is exceeded by less than a sixteenth.
	retainedPerShard = 16

	// shardsLimit keeps an empty table under 8,192 slots.
	shardsLimit = 1024

	// maxBuckets is beyond what memory takes, and within what 32 bits of hash tell apart. A bucket
	// takes 172 bytes, or 116 where an int has 32 bits.
	maxBuckets = 1 << (19 + 5*ptrSize/4)
)

// open returns the table, making it at the first insertion.
func (c *core) open(o func() options) *table {
	if t := c.table.Load(); t != nil {
		return t
	}
	t := newTable(o())
	var l *life
	if t.onReap != nil {
		l = new(life)
		t.life = weak.Make(l)
	}
	seam.Interleave("table made")
	if c.table.CompareAndSwap(nil, t) {
		c.life.Store(l)
		return t
	}
	return c.table.Load()
}

func newTable(o options) *table {
	o.config.check()
	t := &table{keys: o.keys, values: o.values, attached: o.attached, minShards: 1, extras: newExtras(o)}
	t.self = weak.Make(t)
	t.maxShards = int16(min(ceilPowerOfTwo(shardsPerProc*runtime.GOMAXPROCS(0)), shardsLimit))
	if n := o.config.RetainMax; n > 0 {
		t.maxShards = int16(min(int(t.maxShards), floorPowerOfTwo(n/retainedPerShard)))
	}
	if n := o.config.Shards; n > 0 {
		t.maxShards = int16(ceilPowerOfTwo(min(n, shardsLimit)))
		t.minShards = t.maxShards
	}
	t.retains = t.retention != nil
	if t.perValue = o.config.Reclaim == PerValue; t.perValue {
		t.tickets = newTickets(t)
	}
	l := t.newLayout(hashing{seeded: o.keys.class == alikes})
	buckets := max(bucketsFor(t.requested()), int(t.minShards))
	shards := t.shardsFor(buckets)
	buckets = multipleOf(shards, buckets)
	t.reserved = int32(buckets)
	l.Row = row.Make(buckets, shards)
	l.shards = t.newShards(l.Shards())
	t.layout.Store(l)
	return t
}

// newLayout returns a layout without a row and shards.
func (t *table) newLayout(by hashing) *layout {
	l := &layout{hashing: by, table: t}
	if !by.seeded {
		l.route = t.keys.route()
	}
	return l
}

// requested returns for how many entries there is to be room because of Config.Capacity.
func (t *table) requested() int {
	n := t.capacity
	if n > 0 {
		// Keys spread over shards with a deviation of the root of their number.
		n += n/16 + 8*int(t.maxShards)
	}
	return n
}

func ceilPowerOfTwo(n int) int { return 1 << bits.Len(uint(n-1)) }

func floorPowerOfTwo(n int) int { return 1 << (bits.Len(uint(n)|1) - 1) }

// bucketsFor returns the least number of buckets of a table for n entries.
func bucketsFor(n int) int {
	buckets := 1
	for row.LimitOf(buckets) < n {
		buckets = larger(buckets)
	}
	return buckets
}

// larger returns the next number of buckets that a table may have: a quarter of a power of two more.
func larger(n int) int {
	if n < 8 {
		return max(2*n, 1)
	}
	return n + 1<<(bits.Len(uint(n))-3)
}

// multipleOf returns the least multiple of m that is not below n.
func multipleOf(m, n int) int { return (n + m - 1) / m * m }

// shardsFor returns how many shards go with a number of buckets.
func (t *table) shardsFor(buckets int) int {
	return min(max(floorPowerOfTwo(buckets/bucketsPerShard), int(t.minShards)), int(t.maxShards))
}

func (t *table) newShards(n int) []shard {
	shards := make([]shard, n)
	for i := range shards {
		j := &shards[i].journal
		j.Extended = t.retains || t.perValue
		if t.retains && t.retention.max > 0 {
			j.Queue = new(journal.Queue)
		}
	}
	return shards
}

// shard returns the shard of keys with hash h.
func (l *layout) shard(h uint32) *shard { return &l.shards[l.Shard(h)] }

// lockFor locks the shard of the hash that hashIn, which is called with no lock held, returns for the layout
// in use, and returns all three.
func (t *table) lockFor(hashIn func(l *layout) uint32) (l *layout, h uint32, s *shard) {
	for {
		l = t.layout.Load()
		h = hashIn(l)
		s = l.shard(h)
		s.mu.Lock()
		if t.layout.Load() == l {
			return l, h, s
		}
		s.mu.Unlock() // The table got another layout while we waited.
	}
}

// slotWord returns what a slot has for a word of seam.Make. In a table that retains, bit 0 tells that
// from a held word, which is the referent's address: a referent at an odd address is not put into a
// slot. Safety: one byte further is still within the same object, so what the word refers to stays.
func (t *table) slotWord(word unsafe.Pointer) unsafe.Pointer {
	if t.retains {
		return unsafe.Add(word, 1)
	}
	return word
}

// referent returns what a slot's word refers to, or nil if it is dead.
func (t *table) referent(word unsafe.Pointer) unsafe.Pointer {
	if t.retains {
		if held(word) {
			return seam.Strong(word)
		}
		word = unsafe.Add(word, -1)
	}
	return seam.Value(word)
}

// held reports whether the word of a slot in a table that retains is the referent itself.
func held(word unsafe.Pointer) bool { return uintptr(word)&1 == 0 }

// count counts a hit or a miss, with Config.Stats. metDead says whether a miss met a dead binding.
func (t *table) count(hit, metDead bool) {
	switch {
	case t.hits == nil: // Config.Stats was set too late.
	case hit:
		t.hits.Inc()
	default:
		t.misses.all.Inc()
		if metDead {
			t.misses.dead.Inc()
		}
	}
}

// countObject is count for a lookup of an object. Only with a Hasher can it miss because something
// died: otherwise the caller holds the key. It looks once more then.
func (c *core) countObject(object unsafe.Pointer, found bool) {
	t := c.table.Load()
	if t == nil {
		c.early.Add(1)
		return
	}
	metDead := false
	if !found && object != nil && t.keys.class == alikes {
		_, is := t.find(t.keyOfObject(escape.Hide(object)))
		metDead = is == dead
	}
	t.count(found, metDead)
}

// length is the number of entries, dead ones not yet removed included.
func (c *core) length() int {
	if t := c.table.Load(); t != nil {
		return t.layout.Load().used()
	}
	return 0
}

// used is the number of entries. Without the shards locked it is a recent number.
func (l *layout) used() int {
	inserted, reaped, deleted := l.counts()
	return int(inserted - reaped - deleted)
}

// counts returns how many entries were ever inserted, and how many of these were reaped and deleted.
// Without the shards locked these are recent numbers, and no more removals than insertions: see
// shard.used.
func (l *layout) counts() (inserted, reaped, deleted uint64) {
	for i := range l.shards {
		s := &l.shards[i]
		reaped += s.reaped.Load()
		deleted += s.deleted.Load()
		inserted += s.inserted.Load()
	}
	return inserted, reaped, deleted
}

func (c *core) reap() (removed int) {
	t := c.table.Load()
	if t == nil {
		return 0
	}
	scope := reaper.scope()
	t.growth.Lock()
	defer t.growth.Unlock()
	removed = t.sweepLocked(scope, 1)
	// If no collection has ended since the last sweep, this one looked at nothing. But cleanups and
	// callers may have removed much since. A sweep that is to make room must not try that: its table is
	// full, at least in the shard that asks.
	t.shrinkLocked(t.layout.Load(), 0)
	return removed
}

func (c *core) stats() (st Stats) {
	st.Misses = c.early.Load()
	t := c.table.Load()
	if t == nil {
		return st
	}
	l := t.layout.Load()
	st.Inserts, st.Reaped, st.Deleted = l.counts()
	st.Entries = int(st.Inserts - st.Reaped - st.Deleted)
	st.Capacity = l.Len() * row.Slots
	if r := t.retention; r != nil {
		st.Retained, st.Evicted = r.holds(), r.evicted.Load()
	}
	if t.hits != nil {
		st.Hits = uint64(t.hits.Value())
		st.Dead = uint64(t.misses.dead.Value()) // Before the misses, of which it is never more.
		st.Misses += uint64(t.misses.all.Value())
	}
	return st
}
