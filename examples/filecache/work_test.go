package main

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-weak/weakmap/examples/internal/trial/trialtest"
)

// badCache misbehaves as load says.
type badCache struct {
	loadFunc func(path string) (*file, bool, error)
}

func (c badCache) load(path string) (*file, bool, error) { return c.loadFunc(path) }
func (c badCache) release() (int, error)                 { return 0, nil }

func TestNoticesABadCache(t *testing.T) {
	dir := t.TempDir()
	trialtest.WriteTree(t, dir, tree(10))
	files, err := survey(dir, 1<<20, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		make func(d *disk) cache
		want string // in the error
	}{
		{"another file's content", func(d *disk) cache {
			return badCache{func(string) (*file, bool, error) {
				f, err := d.read(files[0].Path)
				return f, false, err
			}}
		}, "wrong content"},
		{"content of the right length", func(d *disk) cache {
			return badCache{func(path string) (*file, bool, error) {
				f, err := d.read(path)
				if len(f.data) > 0 {
					f.data[0]++
				}
				return f, false, err
			}}
		}, "wrong content"},
		{"reads reported as hits", func(d *disk) cache {
			return badCache{func(path string) (*file, bool, error) {
				f, err := d.read(path)
				return f, true, err
			}}
		}, "do not make"},
	} {
		p := plan{Files: files, Settings: settings{Goroutines: 2, Window: 2, Revisits: 1, Rounds: 1}}
		var done atomic.Int64
		_, err := newVisitors(p, test.make).measure(&done)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
	}
}
