// Package storetest has counts in memory, for tests of who counts.
package storetest

import (
	"context"
	"sync"
	"time"
)

// Counts keeps documents as store.Store does.
type Counts struct {
	Now func() time.Time

	mu   sync.Mutex // guards what follows
	docs map[string][]byte
	fail error
}

// Fail has the store fail with err from now on; nil has it work again.
func (c *Counts) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

// Len is how many documents there are.
func (c *Counts) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.docs)
}

// Counts implements the stores of packages budget and infer.
func (c *Counts) Counts(_ context.Context, names []string) (found [][]byte, now time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.foundLocked(names), c.Now(), c.fail
}

// UpdateCounts does so too.
func (c *Counts) UpdateCounts(_ context.Context, names []string, step func(now time.Time, found [][]byte) (next [][]byte, until time.Time, err error)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	next, _, err := step(c.Now(), c.foundLocked(names))
	if err != nil {
		return err
	}
	for i, doc := range next {
		if c.docs == nil {
			c.docs = map[string][]byte{}
		}
		c.docs[names[i]] = doc
	}
	return nil
}

func (c *Counts) foundLocked(names []string) [][]byte {
	found := make([][]byte, len(names))
	for i, name := range names {
		found[i] = c.docs[name]
	}
	return found
}
