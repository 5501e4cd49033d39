// Package reports: finalizers on elements of a queue, each of 8 bytes.
package reports

import "runtime"

type element struct{ n int }

func Fill(n int, gone chan<- int) (queue []*element) {
	for i := range n {
		e := &element{i}
		runtime.SetFinalizer(e, func(e *element) { gone <- e.n })
		queue = append(queue, e)
	}
	return queue
}
