package main

import (
	"context"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/go-weak/weakmap"
	"github.com/go-weak/weakmap/examples/internal/trial"
	"golang.org/x/sync/singleflight"
)

// A file is what the caches hold: the content of a file.
type file struct{ data []byte }

// disk is where files come from when a cache has none. It counts them.
type disk struct{ reads atomic.Int64 }

func (d *disk) read(path string) (*file, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d.reads.Add(1)
	return &file{data}, nil
}

// A cache gives files by path, reading those it does not have. However many goroutines ask for
// one path at a time, one of them reads.
type cache interface {
	// load returns a file, and whether it came without this call reading it.
	load(path string) (f *file, hit bool, err error)
	// release returns how many entries are left once all are gone that will go, now that the
	// program uses none of the files any more.
	release() (left int, err error)
}

var variants = []struct {
	name string
	weak bool
	make func(*disk) cache
}{
	{"weakmap", true, func(d *disk) cache { return &weakCache{disk: d} }},
	{"sync.Map", false, func(d *disk) cache { return &strongCache{disk: d} }},
	{"sync.Map+weak", true, func(d *disk) cache { return &handCache{disk: d} }},
}

// weakCache is all there is to do with weakmap.
type weakCache struct {
	disk  *disk
	files weakmap.Map[string, file]
}

func (c *weakCache) load(path string) (*file, bool, error) {
	return c.files.LoadOrCompute(path, func() (*file, error) { return c.disk.read(path) })
}

func (c *weakCache) release() (int, error) {
	// A few collections are enough; the time is for machines that have other things to do.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err := weakmap.Settle(ctx)
	return c.files.Len(), err
}

// strongCache keeps what it has read.
type strongCache struct {
	disk    *disk
	files   sync.Map // string → *file
	flights singleflight.Group
}

func (c *strongCache) lookup(path string) *file {
	f, _ := c.files.Load(path)
	found, _ := f.(*file)
	return found
}

func (c *strongCache) load(path string) (*file, bool, error) {
	return once(&c.flights, path, c.lookup, c.disk, func(f *file) { c.files.Store(path, f) })
}

func (c *strongCache) release() (int, error) {
	return trial.Drain(func() int { return count(&c.files) }), nil
}

// handCache is what weakmap spares its users: each file is held by a weak pointer, and a cleanup
// of the runtime deletes the entry of a file that died.
type handCache struct {
	disk    *disk
	files   sync.Map // string → weak.Pointer[file]
	flights singleflight.Group
}

func (c *handCache) lookup(path string) *file {
	ref, ok := c.files.Load(path)
	if !ok {
		return nil
	}
	return ref.(weak.Pointer[file]).Value()
}

// A binding says which entry to delete: the path alone would not do, because the file may have
// been read again before the cleanup of the first copy runs.
type binding struct {
	path string
	ref  weak.Pointer[file]
}

func (c *handCache) load(path string) (*file, bool, error) {
	return once(&c.flights, path, c.lookup, c.disk, func(f *file) {
		ref := weak.Make(f)
		c.files.Store(path, ref)
		runtime.AddCleanup(f, c.drop, binding{path, ref})
	})
}

func (c *handCache) drop(dead binding) {
	c.files.CompareAndDelete(dead.path, dead.ref)
}

func (c *handCache) release() (int, error) {
	return trial.Drain(func() int { return count(&c.files) }), nil
}

// once returns the file that lookup finds, or else reads it and hands it to store. Callers that
// miss the same path together wait for one of them to read it.
func once(flights *singleflight.Group, path string, lookup func(string) *file, from *disk, store func(*file)) (*file, bool, error) {
	if f := lookup(path); f != nil {
		return f, true, nil
	}
	hit := true
	v, err, _ := flights.Do(path, func() (any, error) {
		// Another flight may have landed between the lookup above and this one's start.
		if f := lookup(path); f != nil {
			return f, nil
		}
		hit = false
		f, err := from.read(path)
		if err != nil {
			return nil, err
		}
		store(f)
		return f, nil
	})
	if err != nil {
		return nil, false, err
	}
	return v.(*file), hit, nil
}

func count(m *sync.Map) int {
	n := 0
	for range m.Range {
		n++
	}
	return n
}
