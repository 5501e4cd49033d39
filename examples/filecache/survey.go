package main

import (
	"hash"
	"hash/crc32"
	"io"
	"os"

	"github.com/go-weak/weakmap/examples/internal/trial"
)

// checksums is the table of the CRC that processors compute fastest: every visit computes one.
var checksums = crc32.MakeTable(crc32.Castagnoli)

// A fileInfo is what a direct read of a file gave before any cache was asked for it.
type fileInfo struct {
	Path     string
	Size     int64
	Sum      uint32
	Readable bool
}

// survey reads every file below dir once, so that each content a cache gives can be checked. It
// also leaves the files in the system's page cache, so that the first variant is not the only one
// to wait for the disk.
func survey(dir string, limit int64, stderr io.Writer) ([]fileInfo, error) {
	paths, err := trial.Files(dir, limit, func(string) bool { return true })
	if err != nil {
		return nil, err
	}
	bar := trial.NewBar("looking at the files", len(paths), stderr)
	defer bar.Close()
	files := make([]fileInfo, len(paths))
	sum := crc32.New(checksums)
	buffer := make([]byte, 256<<10)
	var total int64
	readable := 0
	for i, path := range paths {
		files[i] = inspect(path, sum, buffer, limit)
		if total += files[i].Size; total > limit {
			return nil, trial.TooLarge(dir, limit)
		}
		if files[i].Readable {
			readable++
		}
		bar.Set(int64(i + 1))
	}
	if readable == 0 {
		return nil, trial.Usagef("no readable files in %s", dir)
	}
	return files, nil
}

// inspect reads one file, and not much more than limit bytes of it.
func inspect(path string, sum hash.Hash32, buffer []byte, limit int64) fileInfo {
	info := fileInfo{Path: path}
	f, err := os.Open(path)
	if err != nil {
		return info
	}
	defer f.Close()
	sum.Reset()
	n, err := io.CopyBuffer(sum, io.LimitReader(f, limit+1), buffer)
	if err != nil {
		return info
	}
	info.Size, info.Sum, info.Readable = n, sum.Sum32(), true
	return info
}
