//go:build !unix

package trial

// PeakMemory returns 0: this system does not report it.
func PeakMemory() uint64 { return 0 }
