package journal

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A queue against a list that is moved by hand: whatever comes, leaves and moves, the hand goes from
// the oldest to the newest, and then begins again.
func TestAQueueIsAList(t *testing.T) {
	for range 50 {
		j := Journal{Extended: true, Queue: new(Queue)}
		var list []uint64 // the bits of what is queued
		hand := 0         // in list: the next
		at := make(map[uint64]uint32)
		var next uint64
		leave := func(i int) {
			list = slices.Delete(list, i, i+1)
			if i < hand {
				hand--
			}
		}
		for step := range 3000 {
			switch rand.IntN(8) {
			case 0, 1, 2:
				next++
				at[next] = j.Append(thing(int(next)), nil, next)
				if rand.IntN(4) > 0 {
					j.Enqueue(at[next])
					list = append(list, next)
					if q := j.Queue; q.gaps > len(q.places)/2+gapsFloor {
						t.Fatalf("step %d: %d of %d places are vacant", step, q.gaps, len(q.places))
					}
				}
			case 3:
				if i := rand.IntN(len(list) + 1); i < len(list) { // One that is let go of.
					j.Dequeue(j.ExtraAt(at[list[i]]))
					leave(i)
				}
			case 4, 5:
				for bits, pos := range at { // One that is no more.
					old := j.Clear(pos)
					j.Dequeue(&old)
					delete(at, bits)
					if i := slices.Index(list, bits); i >= 0 {
						leave(i)
					}
					break
				}
			case 6:
				if len(list) == 0 {
					hand = 0
				}
				pos, ok := j.Next()
				if ok != (len(list) > 0) {
					t.Fatalf("step %d: the hand finds something: %t, and %d are queued", step, ok, len(list))
				}
				if ok {
					if hand >= len(list) {
						hand = 0
					}
					if got := j.At(pos).Bits(); got != list[hand] {
						t.Fatalf("step %d: the hand comes to %d, want %d", step, got, list[hand])
					}
					hand++
				}
			case 7:
				if rand.IntN(20) == 0 {
					j.Compact(len(at), nil, func(r *Record, _, to uint32) { at[r.Bits()] = to })
				}
			}
			if j.Queue.Len() != len(list) || !j.QueueIsSound() {
				t.Fatalf("step %d: %d are queued, want %d; sound: %t", step, j.Queue.Len(), len(list), j.QueueIsSound())
			}
		}
	}
}
