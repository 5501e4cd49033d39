//go:build !linux

package workload

import (
	"errors"
	"time"
)

var errNotHere = errors.New("processor time and resident memory are read the Linux way only")

func cpuTime() (time.Duration, error) { return 0, errNotHere }
func residentBytes() (int64, error)   { return 0, errNotHere }
func peakBytes() (int64, error)       { return 0, errNotHere }
