package journal

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A queue against two lists that are moved by hand: whatever comes, leaves, changes the list and
// moves, each hand goes from the oldest to the newest, and then begins again.
func TestAQueueIsTwoLists(t *testing.T) {
	for range 50 {
		j := Journal{Extended: true, Queue: new(Queue)}
		var lists [2][]uint64 // the bits of what is queued
		var hands [2]int      // in lists: the next
		at := make(map[uint64]uint32)
		var next uint64
		leave := func(bits uint64) {
			for of := range lists {
				if i := slices.Index(lists[of], bits); i >= 0 {
					lists[of] = slices.Delete(lists[of], i, i+1)
					if i < hands[of] {
						hands[of]--
					}
				}
			}
		}
		enqueue := func(bits uint64, of int) {
			j.Enqueue(at[bits], of == 1)
			lists[of] = append(lists[of], bits)
			if l := j.Queue.of(j.ExtraAt(at[bits]).Queued); l.gaps > len(l.places)/2+gapsFloor {
				t.Fatalf("%d of %d places are vacant", l.gaps, len(l.places))
			}
		}
		for step := range 3000 {
			of := rand.IntN(2)
			list := lists[of]
			switch rand.IntN(8) {
			case 0, 1, 2:
				next++
				at[next] = j.Append(thing(int(next)), nil, next)
				if rand.IntN(4) > 0 {
					enqueue(next, of)
				}
			case 3:
				if i := rand.IntN(len(list) + 1); i < len(list) { // One that is let go of, or changes the list.
					bits := list[i]
					j.Dequeue(j.ExtraAt(at[bits]))
					leave(bits)
					if rand.IntN(2) == 0 {
						enqueue(bits, 1-of)
					}
				}
			case 4, 5:
				for bits, pos := range at { // One that is no more.
					old := j.Clear(pos)
					j.Dequeue(&old)
					delete(at, bits)
					leave(bits)
					break
				}
			case 6:
				if len(list) == 0 {
					hands[of] = 0
				}
				pos, ok := j.Queue.Next(of == 1)
				if ok != (len(list) > 0) {
					t.Fatalf("step %d: hand %d finds something: %t, and %d are queued", step, of, ok, len(list))
				}
				if ok {
					if hands[of] >= len(list) {
						hands[of] = 0
					}
					if got := j.At(pos).Bits(); got != list[hands[of]] {
						t.Fatalf("step %d: hand %d comes to %d, want %d", step, of, got, list[hands[of]])
					}
					hands[of]++
				}
			case 7:
				if rand.IntN(20) == 0 {
					j.Compact(len(at), nil, func(r *Record, _, to uint32) { at[r.Bits()] = to })
				}
			}
			small, all := len(lists[0]), len(lists[0])+len(lists[1])
			if j.Queue.Len() != all || !j.QueueIsSound() {
				t.Fatalf("step %d: %d are queued, want %d; sound: %t", step, j.Queue.Len(), all, j.QueueIsSound())
			}
			if full := small >= max(all/10, 1); j.Queue.SmallIsFull() != full {
				t.Fatalf("step %d: with %d of %d in it the small list is full: %t", step, small, all, !full)
			}
		}
	}
}
