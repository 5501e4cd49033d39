// Package reports: a buffer that is given to its own cleanup.
package reports

import "runtime"

type Buffer struct {
	pages [][]byte
	freed func(*Buffer)
}

type release struct {
	buffer *Buffer
	pages  [][]byte
}

func New(freed func(*Buffer)) *Buffer {
	b := &Buffer{freed: freed}
	runtime.AddCleanup(b, func(r release) { freed(r.buffer) }, release{buffer: b})
	return b
}
