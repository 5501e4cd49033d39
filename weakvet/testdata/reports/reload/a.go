// Package reports: a table of configurations by name, whose cleanups run late.
package reports

import (
	"runtime"
	"sync"
	"weak"
)

type Config struct{ text string }

type Table struct {
	mu     sync.Mutex
	byName map[string]weak.Pointer[Config]
}

func (t *Table) Reload(name, text string) *Config {
	c := &Config{text}
	t.mu.Lock()
	t.byName[name] = weak.Make(c)
	t.mu.Unlock()
	runtime.AddCleanup(c, t.forget, name)
	return c
}

func (t *Table) forget(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byName, name)
}
