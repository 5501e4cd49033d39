package workload

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// cpuTime returns the processor time that this process has used, in user mode and in the kernel.
func cpuTime() (time.Duration, error) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}

// residentBytes returns the memory that this process occupies now.
func residentBytes() (int64, error) { return statusBytes("VmRSS:") }

// peakBytes returns the most memory that this process has ever occupied.
func peakBytes() (int64, error) { return statusBytes("VmHWM:") }

// statusBytes returns a field of /proc/self/status, which the kernel gives in kB.
func statusBytes(field string) (int64, error) {
	const path = "/proc/self/status"
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(status) {
		words := bytes.Fields(line)
		if len(words) == 3 && string(words[0]) == field {
			kB, err := strconv.ParseInt(string(words[1]), 10, 64)
			return kB << 10, err
		}
	}
	return 0, fmt.Errorf("%s has no %s", path, field)
}
