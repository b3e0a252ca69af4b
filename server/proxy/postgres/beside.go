package postgres

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/session"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// A statement that waits for a lock finds what names stand for when it gets that: after the
// commit of the session that held it. So what sessions have changed and not committed yet
// counts for the statements of all others in the same database, and what these have under way
// has ended before a session changes it, where rules would decide it otherwise.

// besides has the sessions of each database.
type besides struct {
	mu  sync.Mutex
	all map[*catalog.Catalog]*beside
}

// beside are the sessions of one database, with what names stand for by DDL of theirs that is
// not committed, and with what ends them.
type beside struct {
	cut     *crowd
	changes atomic.Int64 // counts what became of open
	mu      sync.Mutex
	conns   map[*conn]bool
	open    map[any]restated // by *conn; by other pointers what transactions have changed that are prepared
}

// join adds a session; leave takes it away.
func (b *besides) join(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = map[*catalog.Catalog]*beside{}
	}
	db := b.all[c.cat]
	if db == nil {
		db = &beside{cut: newCrowd(), conns: map[*conn]bool{}, open: map[any]restated{}}
		b.all[c.cat] = db
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.conns[c], c.beside = true, db
}

func (b *besides) leave(c *conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	db := c.beside
	db.close(c)
	db.mu.Lock()
	defer db.mu.Unlock()
	if delete(db.conns, c); len(db.conns)+len(db.open) == 0 {
		delete(b.all, c.cat)
	}
}

// now tells when open has changed. Read has no sessions.
func (b *beside) now() int64 {
	if b == nil {
		return 0
	}
	return b.changes.Load()
}

// others gives what the other sessions than c have open.
func (b *beside) others(c *conn) (all []restated) {
	if b.now() == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for other, r := range b.open {
		if other != any(c) {
			all = append(all, r)
		}
	}
	return all
}

func (b *beside) opens(c *conn, r restated) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[c] = r
	b.changes.Add(1)
}

// keep has r count for everybody, until drop: a transaction was prepared that changed it.
func (b *beside) keep(r restated) (drop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := new(byte)
	b.open[key] = r
	b.changes.Add(1)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.open, key)
		b.changes.Add(1)
	}
}

// close is for when nothing of c is open any more: others have the catalog loaded again.
func (b *beside) close(c *conn) {
	if b.now() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.open[c]; ok {
		delete(b.open, c)
		b.changes.Add(1)
	}
}

const besideWhy = "another session has changed what a name stands for, and not committed"

// besideTime is how long DDL waits for what others have under way: they may wait for a lock
// that its own session holds.
const besideTime = 5 * time.Second

// restates has what r changes count for the statements of others, and waits until those have
// ended that were judged before and are not to run behind it.
func (c *conn) restates(r *running) error {
	c.mu.Lock()
	mine := c.restated
	c.mu.Unlock()
	var more []sqlscan.Restated
	for _, m := range r.meanings {
		more = append(more, m.analysis.Restates...)
	}
	if len(more) == 0 {
		return nil
	}
	mine = mine.with(more)
	// Whoever agrees to new code agrees to what it does to statements that wait for it.
	reaching := restated{}.with(slices.DeleteFunc(more, func(m sqlscan.Restated) bool { return m.Code }))
	c.beside.opens(c, mine)
	for deadline := time.Now().Add(c.proxy.patience); c.crossed(reaching); {
		select {
		case <-c.ctx.Done():
			return context.Cause(c.ctx)
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return hoop.Errorf(hoop.CodeConflict, "another session has a statement under way that rules would decide otherwise behind this one").
				WithHint("run the statement again when that has ended")
		}
	}
	return nil
}

// crossed reports whether another session has a statement under way that nobody would let run
// behind DDL that r tells of.
func (c *conn) crossed(r restated) bool {
	c.beside.mu.Lock()
	others := make([]*conn, 0, len(c.beside.conns))
	for other := range c.beside.conns {
		if other != c {
			others = append(others, other)
		}
	}
	c.beside.mu.Unlock()
	return slices.ContainsFunc(others, func(o *conn) bool {
		return slices.ContainsFunc(o.underWay(), func(s judged) bool {
			uses := r.lift(s.st.Uses, s.strays, besideWhy)
			return !reflect.DeepEqual(uses, s.st.Uses) && !passes(c.ctx, o.sess, s.st, uses)
		})
	})
}

// passes reports whether a statement would run with other uses, and nobody be asked.
func passes(ctx context.Context, sess *session.Session, st *hoop.Statement, uses []hoop.Use) bool {
	again := *st
	again.Uses = uses
	return sess.Passes(ctx, &again)
}

// judged is a statement that has been judged, with names in it that no catalog has.
type judged struct {
	st       *hoop.Statement
	strays   []string
	restates bool // it changes what names stand for
}

// lifts gives uses with all that others' DDL has them reach. c.mu is held.
func (c *conn) lifts(uses []hoop.Use, strays []string) []hoop.Use {
	for _, r := range c.beside.others(c) {
		uses = r.lift(uses, strays, besideWhy)
	}
	return uses
}

// stillBeside refuses what was judged where sessions have opened or closed DDL since it was
// weighed, and it is not to run behind that.
func (c *conn) stillBeside(r *running, w *weighed) error {
	if c.beside.now() == w.beside {
		return nil
	}
	again, _, err := c.statement(c.ctx, r.meaning, w.tainted, r.st.Params)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(again.Uses, r.st.Uses) && (r.held || !c.sess.Passes(c.ctx, again)) {
		return hoop.Errorf(hoop.CodeDenied, "another session has changed what a name stands for since the statement was judged").
			WithHint("run the statement again")
	}
	return c.unmoved(c.ctx, r)
}

// underWay gives what the session may have run and nobody was asked about.
func (c *conn) underWay() (all []judged) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.judged != nil && c.hold == nil {
		all = append(all, *c.judged)
	}
	for _, e := range c.queue {
		if e.run != nil && !e.run.held {
			all = append(all, judged{st: e.run.st, strays: e.run.strays()})
		}
	}
	return all
}

// judges notes that a statement is being judged.
func (c *conn) judges(w *weighed) {
	j := &judged{st: w.st, strays: w.meaning.analysis.Strays, restates: len(w.meaning.analysis.Restates) > 0}
	for _, x := range w.also {
		j.restates = j.restates || len(x.meaning.analysis.Restates) > 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judged = j
}

// passed notes that what was judged is in the queue, or refused.
func (c *conn) passed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judged = nil
}

// strays are the names in the statement that no catalog has.
func (r *running) strays() (names []string) {
	for _, m := range r.meanings {
		names = append(names, m.analysis.Strays...)
	}
	return names
}
