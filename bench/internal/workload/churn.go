package workload

import (
	"fmt"
	"time"

	"github.com/go-weak/weakmap/bench/internal/peer"
)

// turns is how often a churn replaces all that it holds.
const turns = 20

func churns() []Cell {
	return []Cell{
		churnMap(stringKeys, size{100_000, Full}, maxWriters),
		churnMap(stringKeys, size{100_000, Extra}, 1),
		churnMap(uint64Keys, size{100_000, Extra}, maxWriters),
		churnMap(uint64Keys, size{100_000, Extra}, 1),
		churnMap(stringKeys, size{20_000, Quick}, maxWriters),
		churnMap(stringKeys, size{1_000, Smoke}, maxWriters),
		churnMap(stringKeys, size{1_000, Smoke}, 1),
	}
}

// churnMap stores new values under keys that never come again. entries is what the map still
// counts right after the last insertion.
func churnMap[K comparable](kind keyKind[K], s size, writers int) Cell {
	return churn(churnCell("Churn", kind.name, s, writers), mapPeers[K](peer.Weak, peer.InsertFloor, peer.Nothing), s.n, writers,
		func(p mapPeer[K]) churner {
			m := p.New(s.n)
			held := make([]*peer.Value, s.n)
			return churner{
				put: func(slot int, id uint64) {
					value := &peer.Value{ID: id}
					m.Store(kind.make(id), value)
					held[slot] = value
				},
				holds: func(slot int, id uint64) bool {
					return p.Kind != peer.Weak || m.Load(kind.make(id)) == held[slot]
				},
				entries: m.Len,
			}
		})
}

func internings() []Cell {
	return []Cell{
		churnInterner(stringKeys, size{100_000, Full}, 1),
		churnInterner(stringKeys, size{100_000, Extra}, maxWriters),
		churnInterner(stringKeys, size{20_000, Quick}, 1),
		churnInterner(stringKeys, size{1_000, Smoke}, maxWriters),
		identifiers("std", Full),
		identifiers("strings", Quick),
		identifiers("errors", Smoke),
	}
}

// churnInterner makes values canonical that never come again.
func churnInterner[T comparable](kind keyKind[T], s size, writers int) Cell {
	participants := choose(peer.Interners[T](), peer.Weak, peer.Nothing)
	return churn(churnCell("InternUnbounded", kind.name, s, writers), participants, s.n, writers,
		func(p peer.Participant[peer.Interner[T]]) churner {
			in := p.New(s.n)
			held := make([]any, s.n)
			return churner{
				put:   func(slot int, id uint64) { held[slot] = in.Intern(kind.make(id)) },
				holds: func(slot int, id uint64) bool { return in.Value(held[slot]) == kind.make(id) },
			}
		})
}

func churnCell(workload, key string, s size, writers int) Cell {
	return Cell{
		Workload: workload,
		Params:   fmt.Sprintf("key=%s/live=%d/%s", key, s.n, writersParam(writers)),
		Sets:     s.sets,
		Cost:     200*time.Millisecond + time.Duration(s.n)*turns*1500*time.Nanosecond,
	}
}

// A churner is how one participant takes part in a churn.
type churner struct {
	put     func(slot int, id uint64) // makes what is called id, and holds it in slot in place of what was there
	holds   func(slot int, id uint64) bool
	entries func() int // nil if there is no count
}

// churn makes turns times as many new things as are held; older ones die. ns/op is the time per
// thing, the making of its key included; B-peak is the most memory that the process ever had.
// B-turnNN is what it had when the first writer had made its share NN times.
func churn[S any](c Cell, participants []peer.Participant[S], live, writers int, begin func(peer.Participant[S]) churner) Cell {
	return isolated(c, participants, func(p peer.Participant[S]) (metrics, error) {
		ch := begin(p)
		result := metrics{}
		var unread error
		took, err := clock(func() {
			spread(writers, live, func(first, last int) {
				for turn := range turns {
					for i := first; i < last; i++ {
						ch.put(i, uint64(turn*live+i))
					}
					if first == 0 && turn%2 == 1 {
						resident, err := residentBytes()
						if err != nil {
							unread = err
						}
						result[fmt.Sprintf("B-turn%02d", turn+1)] = float64(resident)
					}
				}
			})
		})
		if err != nil {
			return nil, err
		}
		if unread != nil {
			return nil, unread
		}
		peak, err := peakBytes()
		if err != nil {
			return nil, err
		}
		if ch.entries != nil {
			result["entries"] = float64(ch.entries())
		}
		for slot := range live {
			if !ch.holds(slot, uint64((turns-1)*live+slot)) {
				return nil, fmt.Errorf("what is held in slot %d is gone", slot)
			}
		}
		result["B-peak"] = float64(peak)
		result.per(live*turns, took.wall, "ns/op")
		result.per(live*turns, took.cpu, "cpu-ns/op")
		return result, nil
	})
}
