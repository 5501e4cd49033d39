package main

import (
	"context"
	"math"
	"os"
	"sync/atomic"

	"github.com/go-weak/weakmap"
	"github.com/maypok86/otter/v2"
)

// A file is what the caches hold.
type file struct {
	path string
	data []byte
}

// disk is where files come from when a cache has none. It counts them.
type disk struct{ reads atomic.Int64 }

func (d *disk) read(path string) (*file, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d.reads.Add(1)
	return &file{path, data}, nil
}

// A load gives a file by its path, from a cache or from disk.
type load func(path string) (*file, error)

var variants = []struct {
	name string
	make func(from *disk, budget uint64) (load, error) // budget is what the variant before held, in bytes
}{
	{"weakmap, weak only", retaining(0)},
	{"weakmap, Retain 1", retaining(1)},
	{"otter of that size", bounded},
	{"weakmap, Retain 2", retaining(2)},
	{"otter of that size too", bounded},
	{"weakmap, Retain 4", retaining(4)},
	{"otter of that size at last", bounded},
}

func retaining(collections int) func(*disk, uint64) (load, error) {
	return func(from *disk, _ uint64) (load, error) {
		files := &weakmap.Map[string, file]{Config: weakmap.Config{Retain: collections}}
		return func(path string) (*file, error) {
			f, _, err := files.LoadOrCompute(path, func() (*file, error) { return from.read(path) })
			return f, err
		}, nil
	}
}

func bounded(from *disk, budget uint64) (load, error) {
	files, err := otter.New(&otter.Options[string, *file]{
		MaximumWeight: max(budget, 1),
		Weigher: func(_ string, f *file) uint32 {
			return uint32(min(uint64(cap(f.data)), math.MaxUint32))
		},
	})
	if err != nil {
		return nil, err
	}
	read := otter.LoaderFunc[string, *file](func(_ context.Context, path string) (*file, error) { return from.read(path) })
	return func(path string) (*file, error) { return files.Get(context.Background(), path, read) }, nil
}
