package pgparse

import "container/list"

// cache keeps finished parses by exact text, least recently used out first, bounded
// by their estimated memory in bytes. It is not safe for concurrent use.
type cache struct {
	limit, used int
	order       *list.List // of *entry, most recently used first
	byText      map[string]*list.Element
}

type entry struct {
	sql  string
	f    *flight
	cost int
}

// entryOverhead is what an entry takes beside its text and tree.
const entryOverhead = 512

func newCache(limit int) *cache {
	return &cache{limit: limit, order: list.New(), byText: map[string]*list.Element{}}
}

func (c *cache) get(sql string) (*flight, bool) {
	el, ok := c.byText[sql]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*entry).f, true
}

// put adds a parse, unless it would take more than an eighth of the cache.
func (c *cache) put(sql string, f *flight, cost int) {
	cost += entryOverhead
	if cost > c.limit/8 {
		return
	}
	if _, ok := c.byText[sql]; ok {
		return
	}
	c.byText[sql] = c.order.PushFront(&entry{sql, f, cost})
	c.used += cost
	for c.used > c.limit {
		last := c.order.Back()
		e := last.Value.(*entry)
		c.order.Remove(last)
		delete(c.byText, e.sql)
		c.used -= e.cost
	}
}
