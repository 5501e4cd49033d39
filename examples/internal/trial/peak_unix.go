//go:build unix

package trial

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

// PeakMemory returns the most bytes of memory that this process has had resident so far,
// or 0 where the system does not report it.
func PeakMemory() uint64 {
	// Linux counts into ru_maxrss what the parent had when it started this process, which
	// belongs in no comparison; the figure in /proc begins with the process.
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for line := range bytes.Lines(status) {
			fields := bytes.Fields(line)
			if len(fields) == 3 && string(fields[0]) == "VmHWM:" {
				if kib, err := strconv.ParseUint(string(fields[1]), 10, 64); err == nil {
					return kib << 10
				}
			}
		}
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return uint64(usage.Maxrss) // in bytes there, in KiB elsewhere
	}
	return uint64(usage.Maxrss) << 10
}
