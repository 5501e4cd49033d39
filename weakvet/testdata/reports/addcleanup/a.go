// Package reports: a lock file whose cleanup uses the variable that it is attached to.
package reports

import (
	"os"
	"runtime"
)

type Lock struct {
	path string
	file *os.File
}

func Acquire(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	lock := &Lock{path: path, file: f}
	runtime.AddCleanup(lock, func(path string) {
		lock.file.Close()
		os.Remove(path)
	}, path)
	return lock, nil
}
