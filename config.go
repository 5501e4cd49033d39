package weakmap

import (
	"fmt"
	"time"
)

// Config is the settings that all containers share. Set them before the first
// use of the container and never after, as with http.Server.
//
// Of a container that stands in a struct, encoding/json, encoding/xml and
// encoding/gob encode and decode its Config, and neither functions, a [Hasher] nor
// entries. Encode the address of the struct, since containers must not be copied.
type Config struct {
	// Shards is the number of lock stripes, rounded up to a power of two; at
	// most 1,024 are used. 0 means one for a small container and more as it
	// grows, up to four times GOMAXPROCS. A negative number panics at the first
	// insertion.
	Shards int

	// Capacity is the number of entries to make room for at the first
	// insertion; 0 means to grow on demand. The room is kept, through Clear and
	// the death of values too, until as many entries have been inserted. A number
	// that is negative, or so large that no table could take it, panics at the
	// first insertion.
	Capacity int

	// Reclaim says how entries of dead values leave; the zero value is PerCycle.
	Reclaim Reclaim

	// Retain keeps a value strongly until it has gone unused for this many
	// collections: a weak container becomes a cache that outlives its users for
	// a while. Every hit and every yield to an iteration is a use; a new value
	// begins as one just used, and one that was let go is held again when it is
	// used. Deleting or replacing it, and Clear, let go at once. With Retain the
	// keys of a KeyMap and the elements of a Set are what is held. Ages are taken in
	// passes: where collections follow each other closely a value stays longer, until
	// passes that far apart have found it unused. Retain bounds no memory: all that
	// is used between two collections is held, however much that is. 0 means purely
	// weak. A negative number panics at the first insertion.
	Retain int

	// RetainFor keeps a value strongly until it has gone unused for so long.
	// That is looked at after collections: while there are none, nothing is let
	// go, and a value is held up to one collection longer than it says. A hit
	// reads no clock. 0 means no time, and a negative one panics at the first
	// insertion.
	RetainFor time.Duration

	// RetainMax is how many values at most are kept strongly. When there are that
	// many, the next one takes the place of another, chosen by S3-FIFO
	// with SIEVE: one that is new and was not used again, or the oldest that has gone
	// unused for a while. What has lost its place is found as long as
	// somebody else holds it, and is held again when it is used again. So a
	// container with RetainMax alone is a cache of bounded size. Stats.Retained
	// exceeds RetainMax by at most the number of shards less one. 0 means no
	// bound, and a negative number panics at the first insertion.
	//
	// Retain, RetainFor and RetainMax combine: a value is let go by what comes
	// first.
	RetainMax int

	// Stats turns on the counting of hits and misses. Off, it costs nothing on
	// the read path.
	Stats bool
}

// Reclaim says how entries whose value was collected leave a container. With
// either, a dead entry is never seen: the choice is about cost.
type Reclaim uint8

const (
	// PerCycle has one cleanup callback for each collection, which deletes the
	// entries of all values that the collection found dead. It is the faster
	// choice, by far for small values, and takes less memory.
	PerCycle Reclaim = iota

	// PerValue has one runtime cleanup callback for each stored value, which
	// deletes its entry. It does nothing after a collection that found no value
	// dead.
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

// maxCapacity is what maxBuckets take with room to spare: 4 billion entries, or 134
// million where an int has 32 bits. What is computed from it stays within an int.
const maxCapacity = maxBuckets * 4

// check panics if c cannot be meant.
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

// Stats is what a container tells about itself. When no operation is in
// progress, Inserts == Reaped + Deleted + Entries.
//
// Many Dead among the Misses mean that values die shortly before they are asked for
// again, for which there is [Config].Retain; few mean that lookups ask for what was not
// there. A value counts as Dead only until its entry is removed, after the collection
// that has found it dead. Dead never exceeds Misses. An [Interner] and a [Strings] know a
// dead value by its hash alone. In a [KeyMap] and a [Set], which go by identity, Dead is 0:
// the caller of a lookup holds the key.
type Stats struct {
	Entries  int    // as Len
	Capacity int    // slots allocated
	Hits     uint64 // lookups that found a live value; counted with Config.Stats
	Misses   uint64 // lookups that did not, or had to wait for a computation; a dead value is a miss; counted with Config.Stats
	Dead     uint64 // of the Misses, those that met a value that had died; counted with Config.Stats
	Inserts  uint64 // entries ever made
	Reaped   uint64 // entries removed because their value was collected
	Deleted  uint64 // entries removed or replaced by a caller
	Retained int    // values held strongly now by Config.Retain, RetainFor or RetainMax
	Evicted  uint64 // values let go for Config.RetainMax
}

// String returns s as one line for a log. It tells of hits and misses if any
// were counted.
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
