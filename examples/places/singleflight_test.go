package places

import (
	"context"
	"errors"
	"sync"
	"testing"

	"golang.org/x/sync/singleflight"
)

// Code of docs/migrate.md that needs a module which the library does not have. What stands between
// a line "doc: name" and a line "end" is the block of that name there.

type Page struct{ Name string }

func fetch(ctx context.Context, name string) (*Page, error) {
	if name == "" {
		return nil, errors.New("no name")
	}
	return &Page{name}, ctx.Err()
}

// doc: singleflight, before

type loadingCache struct {
	loads singleflight.Group
	mu    sync.Mutex
	pages map[string]*Page // grows forever
}

func (c *loadingCache) Get(ctx context.Context, name string) (*Page, error) {
	c.mu.Lock()
	p := c.pages[name]
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	load := c.loads.DoChan(name, func() (any, error) {
		p, err := fetch(context.WithoutCancel(ctx), name) // goes on when all have left
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.pages == nil {
			c.pages = make(map[string]*Page)
		}
		c.pages[name] = p // although Invalidate may have been called meanwhile
		return p, nil
	})
	select {
	case l := <-load:
		if l.Err != nil {
			return nil, l.Err
		}
		return l.Val.(*Page), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (c *loadingCache) Invalidate(name string) {
	c.loads.Forget(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pages, name)
}

// end

func TestSingleflightBefore(t *testing.T) {
	var c loadingCache
	a, err := c.Get(t.Context(), "index")
	b, err2 := c.Get(t.Context(), "index")
	if a != b || a.Name != "index" || err != nil || err2 != nil {
		t.Errorf("%v, %v and %v, %v, want one page", a, err, b, err2)
	}
	c.Invalidate("index")
	if b, err := c.Get(t.Context(), "index"); a == b || err != nil {
		t.Errorf("%v, %v after Invalidate, want another page", b, err)
	}
	if _, err := c.Get(t.Context(), ""); err == nil {
		t.Error("no error")
	}
}
