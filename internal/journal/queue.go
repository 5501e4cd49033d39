package journal

import "slices"

// A Queue has the places of a journal's records that are held, in the order in which they came to
// be, for evictions. Their hand goes from the oldest to the newest, and then begins again. It is
// guarded by the shard's lock.
type Queue struct {
	places []uint32 // vacant where one has left
	gaps   int      // how many are vacant
	hand   int      // the next that it comes to
}

const (
	vacant = ^uint32(0)

	// gapsFloor is how many vacancies a queue may have beside as many as it has places.
	gapsFloor = 32
)

// Enqueue puts the record at a place at the end.
func (j *Journal) Enqueue(pos uint32) {
	q := j.Queue
	if q.gaps > len(q.places)/2+gapsFloor {
		j.closeGaps()
	}
	q.places = append(q.places, pos)
	j.ExtraAt(pos).Queued = uint32(len(q.places))
}

// Dequeue takes the record with extra x out of the queue, if it is there.
func (j *Journal) Dequeue(x *Extra) {
	if x.Queued != 0 {
		q := j.Queue
		q.places[x.Queued-1] = vacant
		x.Queued = 0
		if q.gaps++; q.gaps == len(q.places) {
			*q = Queue{}
		}
	}
}

// Requeue puts the record at a place into the queue: where it was, if its extra says so, else at the
// end.
func (j *Journal) Requeue(pos uint32) {
	if x := j.ExtraAt(pos); x.Queued != 0 {
		j.Queue.places[x.Queued-1] = pos
	} else {
		j.Enqueue(pos)
	}
}

// Len returns how many records are queued.
func (q *Queue) Len() int { return len(q.places) - q.gaps }

// Next returns the place that the hand comes to next, or false if the queue is empty.
func (j *Journal) Next() (pos uint32, ok bool) {
	q := j.Queue
	for range q.places {
		if q.hand >= len(q.places) {
			q.hand = 0
		}
		pos = q.places[q.hand]
		q.hand++
		if pos != vacant {
			return pos, true
		}
	}
	return 0, false
}

// closeGaps takes the vacancies out.
func (j *Journal) closeGaps() {
	q := j.Queue
	hand, n := 0, 0
	for i, pos := range q.places {
		if pos != vacant {
			q.places[n] = pos
			n++
			j.ExtraAt(pos).Queued = uint32(n)
		}
		if i == q.hand-1 {
			hand = n
		}
	}
	if q.places, q.hand, q.gaps = q.places[:n], hand, 0; cap(q.places) > 4*n+gapsFloor {
		q.places = slices.Clone(q.places)
	}
}

// QueueIsSound reports whether the queue and the extras tell the same.
func (j *Journal) QueueIsSound() bool {
	queued := 0
	for i, pos := range j.Queue.places {
		if pos != vacant {
			queued++
			if j.At(pos).Word() == nil || j.ExtraAt(pos).Queued != uint32(i+1) {
				return false
			}
		}
	}
	for _, pos := range j.Records() {
		if j.ExtraAt(pos).Queued != 0 {
			queued--
		}
	}
	return queued == 0
}
