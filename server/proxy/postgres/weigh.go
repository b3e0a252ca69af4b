package postgres

import (
	"context"
	"reflect"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
)

// weighed is a statement as the session judges it, with all that says what it does.
type weighed struct {
	meaning *meaning
	by      basis
	also    []executed // what it runs by name
	st      *hoop.Statement
	tainted bool  // code may have replaced it
	beside  int64 // what beside.now gave before
}

// basis is what a statement was judged by.
type basis struct {
	snap    *catalog.Snapshot // with the session's own tables
	own     *insight          // that snap is of; nil where others see it too
	altered int64             // conn.altered then
	ground  ground            // what names stood for then
}

// others is what other sessions saw of the catalog then.
func (b *basis) others() *catalog.Snapshot {
	if b.own != nil {
		return b.own.others
	}
	return b.snap.Base()
}

// weigh finds out what m does with params under the catalog as it is now, and begins anew
// while that changes: what ended meanwhile is in another catalog.
func (c *conn) weigh(m *meaning, tainted bool, params []hoop.Param) (*weighed, error) {
	for {
		defined := c.endings()
		w := &weighed{tainted: tainted, beside: c.beside.now()}
		now, snap, err := c.renew(c.ctx, m)
		if err == nil {
			now, err = c.withParams(c.ctx, now, snap, params)
		}
		if err != nil {
			return nil, c.unjudged(m.text, nil, params, err)
		}
		m = now
		w.meaning, w.by.snap = m, snap
		c.mu.Lock()
		w.by.ground, w.by.altered = c.groundLocked(), c.altered
		if c.seesLocked(m) {
			w.by.own = c.insight
		}
		c.mu.Unlock()
		if err = c.convertible(m); err == nil {
			w.st, w.also, err = c.statement(c.ctx, m, tainted, params)
		}
		more := false
		if err == nil && w.by.own == nil {
			more, err = c.look(m, w.st)
		}
		if err != nil {
			return nil, c.unjudged(m.text, m, params, err)
		}
		if more {
			continue
		}
		c.judges(w)
		if defined == c.endings() && w.beside == c.beside.now() {
			return w, nil
		}
	}
}

// same returns a check that a held statement, once approved, still means what it did.
// So must be the definition of everything that it touches: a view that reads the same
// tables may read other rows of them. Where others have changed the catalog, the open
// transaction is asked again what it has made of it: that is in w.by then.
func (c *conn) same(w *weighed) func(context.Context) error {
	m, st := w.meaning, w.st
	return func(ctx context.Context) error {
		c.mu.Lock()
		c.stale = true
		c.mu.Unlock()
		if w.by.own != nil {
			if _, err := c.look(m, st); err != nil {
				return err
			}
		}
		now, latest, err := c.renew(ctx, m)
		if err != nil {
			return err
		}
		snap := w.by.snap
		if now == m && latest.Base().Version == snap.Base().Version && c.beside.now() == w.beside {
			return nil
		}
		again, _, err := c.statement(ctx, now, w.tainted, st.Params)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(again.Uses, st.Uses) || !reflect.DeepEqual(again.Reads, st.Reads) || again.Opaque != st.Opaque || !reflect.DeepEqual(again.Carries, st.Carries) ||
			!catalog.Same(snap, latest, everyTable(st)) {
			return hoop.Errorf(hoop.CodeDenied, "the catalog changed while the statement waited, and with it what the statement does").
				WithHint("run the statement again")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.seesLocked(now) {
			w.by.snap, w.by.own = latest, c.insight
		}
		return nil
	}
}

// everyTable is the canonical names of all that a statement touches.
func everyTable(st *hoop.Statement) []string {
	names := slices.Clone(st.Reads)
	for _, u := range st.Uses {
		names = slices.Concat(names, u.Tables, u.Into)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
