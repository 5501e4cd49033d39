package suite

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/internal/gctest"
)

// threadsVariable makes the test binary the program that the runtime must not end.
const threadsVariable = "WEAKMAP_SUITE_CHILD"

// Callbacks in system calls take a thread each, and the runtime ends a program that has too many.
func TestCallbacksInSystemCallsDoNotEndTheProgram(t *testing.T) {
	if os.Getenv(threadsVariable) == "threads" {
		manySystemCalls(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCallbacksInSystemCallsDoNotEndTheProgram$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), threadsVariable+"=threads")
	if testing.Short() {
		cmd.Args = append(cmd.Args, "-test.short")
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v; output begins:\n%.2000s", err, out)
	}
}

// manySystemCalls has n callbacks wait in system calls at a time. A thread for each would exceed the
// limit that it sets.
func manySystemCalls(t *testing.T) {
	n, span := 1500, 100*time.Millisecond
	if testing.Short() {
		n, span = 1000, 100*time.Millisecond
	}
	debug.SetMaxThreads(min(500, n/3))
	runtime.GOMAXPROCS(2)
	var ran atomic.Int32
	gctest.Elsewhere(func() {
		for i := range n {
			weakmap.Finalize(&record{id: i}, func(int) {
				ts := syscall.NsecToTimespec(int64(span))
				syscall.Nanosleep(&ts, nil)
				ran.Add(1)
			}, i)
		}
	})
	begin := time.Now()
	settle(t)
	if got := int(ran.Load()); got != n {
		t.Errorf("%d of %d ran", got, n)
	}
	t.Logf("%d system calls of %v in %v", n, span, time.Since(begin))
}
