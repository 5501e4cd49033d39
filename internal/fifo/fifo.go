// Package fifo has a queue whose memory follows what is in it.
package fifo

// A Queue is stored in blocks, each of which is let go when its last element was taken. The zero
// Queue is empty.
type Queue[T any] struct {
	blocks [][]T // what is in it, oldest first: none is empty
	n      int
}

// Len returns how many there are.
func (q *Queue[T]) Len() int { return q.n }

// The first block, and the largest.
const (
	firstBlock   = 8
	largestBlock = 512
)

// Push puts v at the end.
func (q *Queue[T]) Push(v T) {
	last := len(q.blocks) - 1
	if last < 0 || len(q.blocks[last]) == cap(q.blocks[last]) {
		q.blocks = append(q.blocks, make([]T, 0, min(max(q.n, firstBlock), largestBlock)))
		last++
	}
	q.blocks[last] = append(q.blocks[last], v)
	q.n++
}

// Pop takes the oldest. The queue must not be empty.
func (q *Queue[T]) Pop() (v T) {
	var zero T
	first := q.blocks[0]
	v, first[0] = first[0], zero
	if q.n--; len(first) > 1 {
		q.blocks[0] = first[1:]
		return v
	}
	q.blocks[0] = nil
	if q.blocks = q.blocks[1:]; q.n == 0 {
		q.blocks = nil
	}
	return v
}
