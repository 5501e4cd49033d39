package weakmap

import (
	"fmt"
	"time"
)

// Config holds the settings that every kind of container has. Set them before the
// first use of the container and never after, as with http.Server: a later change
// has no effect, or part of one.
//
// Of a container in a struct, encoding/json, encoding/xml and encoding/gob encode
// and decode only its Config: no functions, no [Hasher], no entries. Encode the
// address of the struct, since containers must not be copied.
type Config struct {
	// Shards is the number of lock stripes, rounded up to a power of two; at
	// most 1,024 are used. 0 means one for a small container and more as it
	// grows, up to four times GOMAXPROCS; with RetainMax, at most one for each 16
	// values of that. A negative number panics at the first insertion.
	Shards int

	// Capacity is the number of entries to make room for at the first
	// insertion; 0 means to grow on demand. The room is kept, even through Clear
	// and the death of values, until that many entries have been inserted. A number
	// that is negative, or larger than any table can hold, panics at the first
	// insertion.
	Capacity int

	// Reclaim says how entries of dead values are removed; the zero value is
	// PerCycle.
	Reclaim Reclaim

	// Retain keeps a value strongly until it has gone unused for this many
	// collections: a weak container becomes a cache that keeps values for a while
	// after their last use. A value is let go at the collection of number Retain + 1
	// after its last use at the earliest, and later where collections follow each
	// other closely, since age is counted by the passes that follow them.
	//
	// Every hit and every yield to an iteration is a use; a new value counts as just
	// used, and one that was let go is held again when it is used. Deleting or
	// replacing a value, or Clear, lets it go at once. In a KeyMap it is the keys that
	// are held, and in a Set the elements.
	//
	// Retain does not bound memory: all that is used between two collections is
	// held, however much that is. 0 means purely weak. A negative number panics at
	// the first insertion.
	Retain int

	// RetainFor keeps a value strongly until it has gone unused for this long.
	// That is checked after collections: without any, nothing is let go, and a
	// value may be held for one collection longer. A hit reads no clock. 0 means
	// no time, and a negative one panics at the first insertion.
	RetainFor time.Duration

	// RetainMax is the number of values kept strongly. Once there are that many, the
	// next one takes the place of another, chosen by S3-FIFO with SIEVE: a new one
	// that was not used again, or the oldest that has gone unused for a while. A
	// value that has lost its place is found as long as something else holds it,
	// and is held again when it is used again. So a container with RetainMax alone
	// is a cache of bounded size. Stats.Retained exceeds RetainMax by less than a
	// sixteenth; if Shards is set, by at most the number of shards less one, so
	// that one shard makes the bound exact. 0 means no bound, and a negative number
	// panics at the first insertion.
	//
	// Retain, RetainFor and RetainMax combine: a value is let go as soon as one of
	// them says so.
	RetainMax int

	// Stats turns on the counting of hits and misses. When off, it costs lookups
	// nothing.
	Stats bool
}

// Reclaim says how entries whose value was collected leave a container. With
// either, a dead entry is never seen: the choice is about cost.
type Reclaim uint8

const (
	// PerCycle uses one cleanup callback for each collection, which deletes the
	// entries of all values that the collection found dead. It is the faster
	// choice, by far for small values, and takes less memory.
	PerCycle Reclaim = iota

	// PerValue uses one runtime cleanup callback for each stored value, which
	// deletes its entry. After most collections nothing looks at the entries; after
	// every eighth a pass does, for those whose cleanup will not run. An object that its runtime finalizer brings back, and that is stored
	// again and again, keeps the cleanup of each time until it is gone for good.
	PerValue
)

func (r Reclaim) String() string {
	switch r {
	case PerCycle:
		return "PerCycle"
	case PerValue:
		return "PerValue"
	}
	return fmt.Sprintf("Reclaim(%d)", uint8(r))
}

// maxCapacity is what maxBuckets hold with room to spare: 2 billion entries, or 67
// million where an int has 32 bits. What is computed from it stays within an int.
const maxCapacity = maxBuckets * 4

// check panics if c is invalid.
func (c Config) check() {
	switch {
	case c.Shards < 0:
		panic(fmt.Sprintf("weakmap: negative Config.Shards: %d", c.Shards))
	case c.Capacity < 0:
		panic(fmt.Sprintf("weakmap: negative Config.Capacity: %d", c.Capacity))
	case c.Capacity > maxCapacity:
		panic(fmt.Sprintf("weakmap: Config.Capacity too large: %d, the limit is %d", c.Capacity, maxCapacity))
	case c.Retain < 0:
		panic(fmt.Sprintf("weakmap: negative Config.Retain: %d", c.Retain))
	case c.RetainFor < 0:
		panic(fmt.Sprintf("weakmap: negative Config.RetainFor: %v", c.RetainFor))
	case c.RetainMax < 0:
		panic(fmt.Sprintf("weakmap: negative Config.RetainMax: %d", c.RetainMax))
	case c.Reclaim > PerValue:
		panic(fmt.Sprintf("weakmap: unknown Config.Reclaim: %d", c.Reclaim))
	}
}

// Stats are the counts of a container. When no operation is in progress,
// Inserts == Reaped + Deleted + Entries.
//
// If many of the Misses are Dead, values die shortly before they are asked for again,
// which [Config].Retain prevents; if few are, lookups ask for what was not there. A value
// counts as Dead only until its entry is removed, after the collection that has found it
// dead. Dead never exceeds Misses. An [Interner] and a [Strings] recognize a dead value by
// its hash alone. In a [KeyMap] or [Set] without a [Hasher], Dead is 0: the caller of a
// lookup holds the key.
type Stats struct {
	Entries  int    // as Len
	Capacity int    // slots allocated
	Hits     uint64 // lookups that found a live value; counted with Config.Stats
	Misses   uint64 // lookups that did not, or had to wait for a computation; a dead value is a miss; counted with Config.Stats
	Dead     uint64 // misses that met a value that had died; counted with Config.Stats
	Inserts  uint64 // entries ever made
	Reaped   uint64 // entries removed because their value was collected
	Deleted  uint64 // entries removed or replaced by a caller
	Retained int    // values held strongly now by Config.Retain, RetainFor or RetainMax
	Evicted  uint64 // values let go for Config.RetainMax
}

// String returns s as one line for a log, with hits and misses if any were
// counted.
func (s Stats) String() string {
	line := fmt.Sprintf("%d entries in %d slots, %d retained; %d inserted, %d reaped, %d deleted",
		s.Entries, s.Capacity, s.Retained, s.Inserts, s.Reaped, s.Deleted)
	if s.Evicted != 0 {
		line += fmt.Sprintf("; %d evicted", s.Evicted)
	}
	if s.Hits|s.Misses != 0 {
		line += fmt.Sprintf("; %d hits, %d misses, %d of them of dead values", s.Hits, s.Misses, s.Dead)
	}
	return line
}
