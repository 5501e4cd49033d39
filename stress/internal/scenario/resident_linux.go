package scenario

import (
	"fmt"
	"os"
)

// residentBytes is how much memory of the process is in RAM.
func residentBytes() float64 {
	var total, resident int64
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &total, &resident)
	}
	if err != nil {
		panic(fmt.Sprintf("stress: the kernel does not tell the size of the process: %v", err))
	}
	return float64(resident) * float64(os.Getpagesize())
}
