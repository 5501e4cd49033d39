package reports

import (
	"runtime"
	"sync/atomic"
	"testing"
)

func TestFinalizerRuns(t *testing.T) {
	var freed atomic.Bool
	runtime.SetFinalizer(&Stack{}, func(*Stack) { freed.Store(true) })
	runtime.GC()
	if !freed.Load() {
		t.Fatal("the finalizer did not run")
	}
}
