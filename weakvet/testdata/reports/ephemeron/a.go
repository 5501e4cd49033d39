// Package reports: what a program knows of a request refers to the request.
package reports

import "weak"

type Request struct{ url string }

type Trace struct {
	request *Request
	spans   []string
}

type Tracer struct {
	traces map[weak.Pointer[Request]]*Trace
}

func (t *Tracer) Start(r *Request) {
	t.traces[weak.Make(r)] = &Trace{request: r}
}
