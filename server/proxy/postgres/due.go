package postgres

import (
	"context"
	"iter"
	"reflect"
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

// errGrown refuses what does more than it was judged by.
var errGrown = hoop.Errorf(hoop.CodeDenied, "functions have changed since the statement was judged, and it would do more by now").
	WithHint("run it again")

// defers notes that e may have set off such code, or changed what it finds. c.mu is held.
func (c *conn) defers(e *expected) {
	if slices.ContainsFunc(e.run.uses, func(u hoop.Use) bool { return u.Effect == hoop.EffectOpaque }) {
		for i := range c.due {
			c.due[i].moved = -1
		}
	}
	for _, m := range e.run.meanings {
		a := m.analysis
		holds := slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool { return cmd.Holds })
		switch {
		case !e.run.held && (a.Defers || holds):
			c.quiet = append(c.quiet, due{e.run, e.batch, c.moved})
		case e.run.held && (a.Defers || len(beyond(a.Uses)) > 0 && (c.recoded || holds)):
			c.due = append(c.due, due{e.run, e.batch, c.moved})
		default:
			continue
		}
		e.run.run.Linger()
		return
	}
}

// past drops what was due when a transaction ended with a batch. c.mu is held.
func (c *conn) past(batch int64) {
	over := func(d due) bool {
		if d.batch > batch {
			return false
		}
		d.run.run.Over()
		return true
	}
	c.due, c.quiet = slices.DeleteFunc(c.due, over), slices.DeleteFunc(c.quiet, over)
}

// hurries reports whether a text runs what is due: it commits, or says SET CONSTRAINTS.
func hurries(a *sqlscan.Analysis) bool {
	return slices.ContainsFunc(a.Commands, func(cmd sqlscan.Command) bool {
		return cmd.Tx == sqlscan.TxCommit || cmd.Tx == sqlscan.TxPrepare || cmd.Hurries
	})
}

// put gives what was put off until the transaction ends: what people agreed to, and what
// nobody was asked about.
func (c *conn) put() (agreed, quiet []due) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.due), slices.Clone(c.quiet)
}

// redefined reports whether m runs what is due, and that is defined otherwise than when it
// was judged.
func (c *conn) redefined(ctx context.Context, m *meaning) (bool, error) {
	if !hurries(m.analysis) {
		return false, nil
	}
	all, _ := c.put()
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

// grown gives what meanings do by now beyond what they did when they were judged: others may
// have changed the functions that they call, or that triggers do. was is what was judged,
// where that is known.
func (c *conn) grown(ctx context.Context, all iter.Seq2[int, *meaning], was *running) (uses []hoop.Use, err error) {
	snap, err := c.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if was != nil {
		latest, err := c.others(ctx)
		if err != nil {
			return nil, err
		}
		if latest.Version == was.by.others().Version {
			return nil, nil
		}
		snap = latest.With("judged", was.by.snap.Local()) // what the session makes for itself is told elsewhere
	}
	for _, m := range all {
		if m.version == snap.Version {
			continue
		}
		now, err := c.meansAgain(ctx, m, snap)
		if err != nil {
			return nil, err
		}
		for _, u := range beyond(now.analysis.Uses) {
			if !slices.ContainsFunc(m.analysis.Uses, func(was hoop.Use) bool { return reflect.DeepEqual(u, was) }) {
				uses = append(uses, u)
			}
		}
	}
	return uses, nil
}

// ripe gives what is due does by now beyond what it was judged by, behind others' DDL too.
func (c *conn) ripe(ctx context.Context, d due) ([]hoop.Use, error) {
	uses, err := c.grown(ctx, d.run.meanings, d.run)
	if err != nil {
		return nil, err
	}
	was := d.run.st.Uses
	c.mu.Lock()
	now := c.lifts(was, d.run.strays())
	c.mu.Unlock()
	for i, u := range now {
		if i >= len(was) || !reflect.DeepEqual(u, was[i]) {
			uses = append(uses, beyond([]hoop.Use{u})...)
		}
	}
	return uses, nil
}

// ripened gives what nobody was asked about, and runs with m since that ends the transaction,
// as far as it does more by now than when it was judged.
func (c *conn) ripened(ctx context.Context, m *meaning) (uses []hoop.Use, err error) {
	if !hurries(m.analysis) {
		return nil, nil
	}
	_, all := c.put()
	for _, d := range all {
		more, err := c.ripe(ctx, d)
		if err != nil {
			return nil, err
		}
		for _, u := range more {
			u.Why = "when the transaction ends: " + u.Why
			uses = append(uses, u)
		}
	}
	return uses, nil
}

// wakes gives the uses of a statement that changes code which the transaction may run when it
// ends: it does so unseen. c.mu is held.
func (c *conn) wakes(m *meaning) []hoop.Use {
	if !m.analysis.Recodes || len(c.quiet) == 0 {
		return nil
	}
	uses := []hoop.Use{{
		Effect: hoop.EffectOpaque, Tables: []string{"*"},
		Why: "deferred triggers or a cursor WITH HOLD of this transaction may run what it changes when that ends",
	}}
	for _, d := range c.quiet {
		for _, was := range d.run.meanings {
			for _, l := range m.analysis.Left {
				if u, ok := l.Copies(was.analysis); ok {
					uses = append(uses, c.widened(u))
				}
			}
		}
	}
	return uses
}

// overdue refuses a message that ends the transaction of a pipeline, where what is due is
// defined otherwise by now.
func (c *conn) overdue() error {
	c.mu.Lock()
	ends := c.status == 'I' && !c.skipping && !c.refused
	c.mu.Unlock()
	if !ends {
		return nil
	}
	all, quiet := c.put()
	for _, d := range quiet {
		more, err := c.ripe(c.ctx, d)
		if err != nil {
			return err
		}
		if len(more) > 0 {
			return c.disallowed(d.run, errGrown)
		}
	}
	for _, d := range all {
		if err := c.stands(d.run); err != nil {
			return err
		}
	}
	return nil
}
