package history

import (
	"slices"
	"time"
)

// A Recorder takes the operations of several goroutines.
type Recorder struct {
	begun   time.Time
	clients []*Client
}

// NewRecorder returns a recorder for that many clients.
func NewRecorder(clients int) *Recorder {
	r := &Recorder{begun: time.Now(), clients: make([]*Client, clients)}
	for i := range r.clients {
		r.clients[i] = &Client{recorder: r, number: i}
	}
	return r
}

// A Client records what one goroutine does. Only that goroutine may use it.
type Client struct {
	recorder   *Recorder
	number     int
	operations []Operation
}

// Client returns one of the recorder's clients, from 0.
func (r *Recorder) Client(number int) *Client { return r.clients[number] }

// Do runs an operation, which fills in its result, and records it. If run returns false, there was
// no operation.
func (c *Client) Do(o Operation, run func(*Operation) bool) {
	o.Client = c.number
	o.Call = int64(time.Since(c.recorder.begun))
	if run(&o) {
		o.Return = int64(time.Since(c.recorder.begun))
		c.operations = append(c.operations, o)
	}
}

// History returns all that was recorded, by the time of call. No client may be at work any more.
func (r *Recorder) History() []Operation {
	var h []Operation
	for _, c := range r.clients {
		h = append(h, c.operations...)
	}
	slices.SortStableFunc(h, func(a, b Operation) int { return int(a.Call - b.Call) })
	return h
}
