package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"sync/atomic"

	"github.com/go-weak/weakmap"
	"github.com/maypok86/otter/v2"
)

// A file is what the caches of files hold.
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

var fileCaches = []variant{
	{"weakmap", "", files(retained(0))},
	{"otter = weakmap", "weakmap", files(bounded)},
	{"weakmap, Retain 1", "", files(retained(1))},
	{"otter = Retain 1", "weakmap, Retain 1", files(bounded)},
	{"weakmap, Retain 4", "", files(retained(4))},
	{"otter = Retain 4", "weakmap, Retain 4", files(bounded)},
}

// files has the cache that open returns measured.
func files(open func(from *disk, budget uint64) (load, error)) func(plan, *atomic.Int64) (result, error) {
	return func(p plan, done *atomic.Int64) (result, error) {
		var from disk
		load, err := open(&from, p.Budget)
		if err != nil {
			return result{}, err
		}
		return measureCache(p, done, cacheOfFiles(p.Items, &from, load))
	}
}

func retained(collections int) func(*disk, uint64) (load, error) {
	return func(from *disk, _ uint64) (load, error) {
		files := &weakmap.Map[string, file]{Config: weakmap.Config{Retain: collections}}
		return func(path string) (*file, error) {
			f, _, err := files.LoadOrCompute(path, func() (*file, error) { return from.read(path) })
			return f, err
		}, nil
	}
}

// bounded returns a cache that keeps budget bytes of files.
func bounded(from *disk, budget uint64) (load, error) {
	files, err := otter.New(&otter.Options[string, *file]{
		MaximumWeight: budget,
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

// cacheOfFiles is for measureCache.
func cacheOfFiles(paths []string, from *disk, load load) cache[*file] {
	return cache[*file]{
		get: func(item int) (*file, error) { return load(paths[item]) },
		use: func(item int, f *file) (lines int, err error) {
			if f.path != paths[item] {
				return 0, fmt.Errorf("asked for %s, got %s", paths[item], f.path)
			}
			// That leaves garbage, as work does, so there are collections.
			return len(bytes.Split(f.data, newline)), nil
		},
		misses: func() int { return int(from.reads.Load()) },
	}
}

var newline = []byte{'\n'}
