package journal

import "slices"

// A Queue has the places of a journal's records that are held, for evictions, in two lists. What is
// new waits in the small one. What was used there goes to the main one. It is guarded by the shard's
// lock.
type Queue struct{ small, main list }

// A list has places in the order in which they came. Its hand goes from the oldest to the newest,
// and then begins again.
type list struct {
	places []uint32 // vacant where one has left
	gaps   int      // how many are vacant
	hand   int      // the next that it comes to
}

const (
	vacant = ^uint32(0)

	// A list may have as many vacancies as bindings, and twice gapsFloor more.
	gapsFloor = 32

	// ToMain is set in Extra.Queued of what is in the main list, or, without a place, is to be.
	ToMain = 1 << 31

	// smallShare is how many times as many as in the small list are queued, when that is full.
	smallShare = 10
)

// of returns the list that queued, of an extra, is about.
func (q *Queue) of(queued uint32) *list {
	if queued&ToMain != 0 {
		return &q.main
	}
	return &q.small
}

// Enqueue puts the record at a place at the end of the small list, or of the main one.
func (j *Journal) Enqueue(pos uint32, main bool) {
	queued := uint32(0)
	if main {
		queued = ToMain
	}
	l := j.Queue.of(queued)
	if l.gaps > len(l.places)/2+gapsFloor {
		j.closeGaps(l, queued)
	}
	l.places = append(l.places, pos)
	j.ExtraAt(pos).Queued = queued | uint32(len(l.places))
}

// Dequeue takes the record with extra x out of the queue, if it is there.
func (j *Journal) Dequeue(x *Extra) {
	if at := x.Queued &^ ToMain; at != 0 {
		l := j.Queue.of(x.Queued)
		l.places[at-1] = vacant
		if l.gaps++; l.gaps == len(l.places) {
			*l = list{}
		}
	}
	x.Queued = 0
}

// Requeue puts the record at a place into the queue: where it was, if its extra says so, or at the
// end of the list that the extra names.
func (j *Journal) Requeue(pos uint32) {
	queued := j.ExtraAt(pos).Queued
	if at := queued &^ ToMain; at != 0 {
		j.Queue.of(queued).places[at-1] = pos
	} else {
		j.Enqueue(pos, queued == ToMain)
	}
}

// Len returns how many records are queued.
func (q *Queue) Len() int { return q.small.len() + q.main.len() }

func (l *list) len() int { return len(l.places) - l.gaps }

// SmallIsFull reports whether the small list has its share, a tenth.
func (q *Queue) SmallIsFull() bool { return q.small.len() >= max(q.Len()/smallShare, 1) }

// Next returns the place that the hand of the small list, or of the main one, comes to next, or false
// if that is empty.
func (q *Queue) Next(main bool) (pos uint32, ok bool) {
	l := &q.small
	if main {
		l = &q.main
	}
	for range l.places {
		if l.hand >= len(l.places) {
			l.hand = 0
		}
		pos = l.places[l.hand]
		l.hand++
		if pos != vacant {
			return pos, true
		}
	}
	return 0, false
}

// closeGaps takes the vacancies out of l, to which queued belongs.
func (j *Journal) closeGaps(l *list, queued uint32) {
	hand, n := 0, 0
	for i, pos := range l.places {
		if pos != vacant {
			l.places[n] = pos
			n++
			j.ExtraAt(pos).Queued = queued | uint32(n)
		}
		if i == l.hand-1 {
			hand = n
		}
	}
	if l.places, l.hand, l.gaps = l.places[:n], hand, 0; cap(l.places) > 4*n+gapsFloor {
		l.places = slices.Clone(l.places)
	}
}

// QueueIsSound reports whether the queue and the extras agree.
func (j *Journal) QueueIsSound() bool {
	queued := 0
	for _, in := range []uint32{0, ToMain} {
		for i, pos := range j.Queue.of(in).places {
			if pos != vacant {
				queued++
				if j.At(pos).Word() == nil || j.ExtraAt(pos).Queued != in|uint32(i+1) {
					return false
				}
			}
		}
	}
	for _, pos := range j.Records {
		if j.ExtraAt(pos).Queued != 0 {
			queued--
		}
	}
	return queued == 0
}
