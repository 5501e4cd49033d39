package weakmap

// A fifo is a queue whose memory follows what is in it: it stands in blocks, and
// each is let go when the last of it was taken. The zero fifo is empty.
type fifo[T any] struct {
	blocks [][]T // what is in it, oldest first: none is empty
	n      int
}

// The first block of a fifo, and the largest.
const (
	fifoBlock    = 8
	fifoBlockMax = 512
)

func (q *fifo[T]) push(v T) {
	last := len(q.blocks) - 1
	if last < 0 || len(q.blocks[last]) == cap(q.blocks[last]) {
		q.blocks = append(q.blocks, make([]T, 0, min(max(q.n, fifoBlock), fifoBlockMax)))
		last++
	}
	q.blocks[last] = append(q.blocks[last], v)
	q.n++
}

// pop takes the oldest. The fifo must not be empty.
func (q *fifo[T]) pop() (v T) {
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
