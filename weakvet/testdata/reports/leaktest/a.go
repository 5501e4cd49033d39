// Package reports: a test that fails now and then.
package reports

import "runtime"

type Stack struct{ frames []uintptr }

func NewStack(freed func()) *Stack {
	s := &Stack{}
	runtime.SetFinalizer(s, func(*Stack) { freed() })
	return s
}
