package suite

import (
	"testing"
	"weak"

	"github.com/go-weak/weakmap"
)

// Values with one hash stand in one chain of buckets, so that the way to one leads past others. Those
// are not used by that. If a use is noted before the contents are compared, in the fast path of
// lookups or in search, this fails in 5 runs of 5.
func TestWhatALookupPassesIsNotUsed(t *testing.T) {
	const values = 10 // more than one bucket takes
	inBothModes(t, func(t *testing.T, c configuration) {
		var interners [values]*weakmap.Interner[record] // in each, another value is used
		var handles [values][values]handle              // by interner
		elsewhere(func() {
			for used := range interners {
				interners[used] = &weakmap.Interner[record]{
					Config: weakmap.Config{Reclaim: c.reclaim, Retain: 1},
					Hash:   func(record) uint64 { return 42 },
				}
				for id := range values {
					handles[used][id] = weak.Make(interners[used].Intern(record{id: id}))
				}
			}
		})
		eventually(t, "all that is not used goes", func() bool {
			var living int
			for used, in := range interners {
				if _, ok := in.Lookup(record{id: used}); !ok || isDead(handles[used][used]) {
					t.Fatalf("value %d of %d with one hash went, although it is used", used, values)
				}
				for _, h := range handles[used] {
					if !isDead(h) {
						living++
					}
				}
			}
			return living == len(interners)
		})
	})
}
