package postgres

import (
	"context"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// due is a statement of the open transaction that people agreed to, and of which code runs
// when that ends: triggers that are deferred (manual, CREATE TRIGGER, DEFERRABLE), the
// query of a cursor WITH HOLD.
type due struct {
	run   *running
	batch int64
	moved int64 // conn.moved, when it was forwarded; -1 when code that was not read has run since
}

// defers notes that e may have set off such code, or changed what it finds. c.mu is held.
func (c *conn) defers(e *expected) {
	if slices.ContainsFunc(e.run.uses, func(u hoop.Use) bool { return u.Effect == hoop.EffectOpaque }) {
		for i := range c.due {
			c.due[i].moved = -1
		}
	}
	if !e.run.held {
		return
	}
	for _, m := range e.run.meanings {
		a := m.analysis
		if more := len(beyond(a.Uses)) > 0; a.Defers || more && (c.recoded || slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool { return cmd.Holds })) {
			c.due = append(c.due, due{e.run, e.batch, c.moved})
			return
		}
	}
}

// hurries reports whether a text runs what is due: it commits, or says SET CONSTRAINTS.
func hurries(a *sqlscan.Analysis) bool {
	return slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool {
		return cmd.Tx == sqlscan.TxCommit || cmd.Tx == sqlscan.TxPrepare || cmd.Hurries
	})
}

// redefined reports whether m runs what is due, and that is defined otherwise than when it
// was judged.
func (c *conn) redefined(ctx context.Context, m *meaning) (bool, error) {
	c.mu.Lock()
	var all []due
	if hurries(m.analysis) {
		all = slices.Clone(c.due)
	}
	c.mu.Unlock()
	for _, d := range all {
		switch err := c.unmoved(ctx, d.run); {
		case err == nil:
		case hoop.AsError(err).Code == hoop.CodeDenied:
			return true, nil
		default:
			return false, err
		}
	}
	return false, nil
}

// overtakes gives the use of a statement that lets what is due find other things than what
// people agreed to: it changes what code finds, or it runs what is due when that has
// changed. redefined is what redefined says of m. c.mu is held.
func (c *conn) overtakes(m *meaning, also []executed, redefined bool) []hoop.Use {
	if len(c.due) == 0 {
		return nil
	}
	changes := c.movesLocked(m) || slices.ContainsFunc(also, func(x executed) bool { return c.movesLocked(x.meaning) })
	moved := redefined || slices.ContainsFunc(c.due, func(d due) bool { return d.moved != c.moved })
	if !changes && !(moved && hurries(m.analysis)) {
		return nil
	}
	return []hoop.Use{{
		Effect: hoop.EffectOpaque, Tables: []string{"*"},
		Why: "deferred triggers or a cursor WITH HOLD of this transaction run code when it ends, and settings, temporary objects or the catalog are others than when people agreed to that",
	}}
}

// overdue refuses a message that ends the transaction of a pipeline, where what is due is
// defined otherwise by now.
func (c *conn) overdue() error {
	c.mu.Lock()
	var all []due
	if c.status == 'I' && !c.skipping && !c.refused {
		all = slices.Clone(c.due)
	}
	c.mu.Unlock()
	for _, d := range all {
		if err := c.stands(d.run); err != nil {
			return err
		}
	}
	return nil
}
