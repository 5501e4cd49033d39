package places

import (
	"runtime"
	"sync"
	"weak"

	"github.com/go-weak/weakmap"
)

// The rules of a linter remember for each program what they have found out about its types. A
// program that is being edited is replaced by another again and again.

type program struct {
	types []string
}

type ruleCache struct {
	known sync.Map // of a type's name to what is known of it
}

func newRuleCache() *ruleCache { return new(ruleCache) }

// before: rules

type ruleCachesByHand struct {
	mu        sync.RWMutex
	byProgram map[weak.Pointer[program]]*ruleCache
}

func (c *ruleCachesByHand) Of(p *program) *ruleCache {
	w := weak.Make(p)
	c.mu.RLock()
	cache := c.byProgram[w]
	c.mu.RUnlock()
	if cache != nil {
		return cache
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if cache := c.byProgram[w]; cache != nil {
		return cache
	}
	cache = newRuleCache()
	if c.byProgram == nil {
		c.byProgram = make(map[weak.Pointer[program]]*ruleCache)
	}
	c.byProgram[w] = cache
	runtime.AddCleanup(p, c.forget, w)
	return cache
}

func (c *ruleCachesByHand) Forget(p *program) { c.forget(weak.Make(p)) }

func (c *ruleCachesByHand) forget(w weak.Pointer[program]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.byProgram, w)
}

// after: rules

type ruleCaches struct {
	byProgram weakmap.KeyMap[program, *ruleCache]
}

func (c *ruleCaches) Of(p *program) *ruleCache {
	cache, ok := c.byProgram.Load(p)
	if !ok {
		cache, _ = c.byProgram.LoadOrStore(p, newRuleCache())
	}
	return cache
}

func (c *ruleCaches) Forget(p *program) { c.byProgram.Delete(p) }

// end

func (c *ruleCachesByHand) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.byProgram)
}

func (c *ruleCaches) Len() int { return c.byProgram.Len() }
