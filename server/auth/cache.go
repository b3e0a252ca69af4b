package auth

import (
	"sync"
	"time"
)

// The cache of Identify. What another gateway ends is seen cacheLife later; what this
// one ends, at once.
const (
	cacheLife = time.Second
	cacheMax  = 10_000
)

type cache struct {
	mu      sync.Mutex
	entries map[string]cached // by token hash
	ended   uint64            // grows with each drop
}

type cached struct {
	family  Family
	starter *Family   // of an agent: the sign-in that it stands on
	until   time.Time // of the entry and of the token, whichever ends first
}

func newCache() *cache { return &cache{entries: map[string]cached{}} }

func (c *cache) get(hash string, now time.Time) (cached, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[hash]
	if !ok || !now.Before(e.until) {
		delete(c.entries, hash)
		return cached{}, false
	}
	return e, true
}

// mark is taken before a read whose result will be put: what was dropped in between
// must not come back.
func (c *cache) mark() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

func (c *cache) put(hash string, e cached, mark uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != mark {
		return
	}
	if len(c.entries) >= cacheMax {
		clear(c.entries) // they live for a second; the store is quick
	}
	c.entries[hash] = e
}

// forget forgets one token, and what is being read about it.
func (c *cache) forget(hash string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended++
	delete(c.entries, hash)
}

// drop forgets every token of a family, and of the agents that stand on it.
func (c *cache) drop(family string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended++
	for h, e := range c.entries {
		if e.family.ID == family || e.family.Parent == family {
			delete(c.entries, h)
		}
	}
}
