package postgres

import (
	"context"
	"reflect"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// What people agreed to is compared with the catalog once more when the target has bound
// it: planning takes the locks that keep the relations of the text, and those behind its
// views, as they are until the transaction ends (exec_parse_message, GetCachedPlan). It is
// compared a last time when it has run, and before its transaction can commit: for what
// it found later than that, as functions, triggers and cascades.

// apart reports whether a text that people agreed to can be sent in these steps; see
// enclose for others.
func (r *running) apart() bool {
	commands := r.meaning.analysis.Commands
	return r.held && r.meaning.encodes == nil && len(commands) == 1 && !commands[0].CopyIn && commands[0].Tx == sqlscan.TxNone
}

// commits reports whether a statement may commit by itself, where no transaction is open,
// so that there is nothing left to roll back when it has run.
func (r *running) commits() bool {
	for _, m := range r.meanings {
		if slices.ContainsFunc(m.analysis.Commands, func(cmd sqlscan.Command) bool { return cmd.Commits }) {
			return true
		}
	}
	return false
}

// stepwise sends what stands for a Query message of text; the client sees the answer to one.
func (c *conn) stepwise(text string, r *running) error {
	if !c.push(&expected{kind: 'P', run: r, ahead: true}) {
		r.end("", "")
		return nil
	}
	m, at := begin(c.out, 'P')
	c.out = end(append(appendString(append(m, 0), text), 0, 0), at)
	c.push(&expected{kind: 'B', run: r, ahead: true})
	m, at = begin(c.out, 'B')
	c.out = end(append(m, 0, 0, 0, 0, 0, 0, 0, 0), at)
	p := &portal{run: r}
	switch bound, err := c.steady(r); {
	case c.ctx.Err() != nil:
		return errTerminated
	case err != nil:
		if err := c.refuse(err); err != nil {
			return err
		}
		return c.closeSteps(r)
	case !bound: // the client has been told why
		return c.closeSteps(r)
	}
	c.push(&expected{kind: 'D', portal: p, ahead: true})
	m, at = begin(c.out, 'D')
	c.out = end(append(m, 'P', 0), at)
	e := &expected{kind: 'E', portal: p, run: r, keeps: true}
	c.push(e)
	c.forwarded(e)
	m, at = begin(c.out, 'E')
	c.out = end(append(m, 0, 0, 0, 0, 0), at)
	if err := c.afterwards(r); err != nil {
		return err
	}
	if _, err := c.fail('S'); err != nil {
		return err
	}
	return c.closeSteps(r)
}

// closeSteps ends what stands for a Query message, and its transaction where none was open.
func (c *conn) closeSteps(r *running) error {
	c.push(&expected{kind: 'S', run: r, closes: true})
	c.synced([]byte{'S', 0, 0, 0, 4})
	return nil
}

// steady waits until the target has bound what people agreed to; bound is false where it
// has not. The error says that something is defined otherwise since it was judged.
func (c *conn) steady(r *running) (bound bool, err error) {
	if err := c.barrier(c.ctx); err != nil {
		return false, err
	}
	if c.isSkipping() {
		return false, nil
	}
	overtaken := c.judging()
	if err = c.unmoved(c.ctx, r); err != nil {
		err = c.unjudged(r.meaning.text, r.meaning, r.st.Params, err)
	}
	if overtaken() && err == nil {
		err = errCancelled()
	}
	if err != nil {
		r.end("", refusal(err).state)
	}
	return true, err
}

// afterwards refuses to go on after a statement that people agreed to, where something
// was defined otherwise by the time that it had run: its transaction fails.
func (c *conn) afterwards(r *running) error {
	if err := c.barrier(c.ctx); err != nil {
		return errTerminated
	}
	c.mu.Lock()
	alone := c.status == 'I'
	c.mu.Unlock()
	if c.isSkipping() || alone && r.commits() {
		return nil
	}
	switch err := c.stands(r); {
	case c.ctx.Err() != nil:
		return errTerminated
	case err != nil:
		return c.refuse(err)
	}
	return nil
}

// stands refuses what a statement did that people agreed to and that has run, where
// something is defined otherwise by now.
func (c *conn) stands(r *running) error {
	overtaken := c.judging()
	err := c.unmoved(c.ctx, r)
	if err != nil {
		why := hoop.Errorf(hoop.CodeDenied, "the catalog changed while the statement ran, and with it perhaps what it did: its transaction is rolled back").
			WithHint("run the statement again")
		if hoop.AsError(err).Code != hoop.CodeDenied {
			why = hoop.AsError(err)
		}
		err = c.unjudged(r.meaning.text, r.meaning, r.st.Params, why)
	}
	if overtaken() && err == nil {
		err = errCancelled()
	}
	return err
}

// unmoved refuses a statement that would be judged otherwise by now, and one that people
// agreed to, or that does more than read, where anything that it stands on is defined
// otherwise: see catalog.Same. Of one that people agreed to, the target is asked.
func (c *conn) unmoved(ctx context.Context, r *running) error {
	if r.held {
		c.mu.Lock()
		c.stale = true
		c.mu.Unlock()
	}
	latest, err := c.others(ctx)
	if err != nil {
		return err
	}
	if latest.Version == r.by.others().Version {
		return nil
	}
	changed := (r.held || len(beyond(r.uses)) > 0) && !catalog.Same(r.by.snap, latest, everyTable(r.st))
	local := latest.With("judged", r.by.snap.Local())
	for _, m := range r.meanings {
		if changed {
			break
		}
		now, err := c.meansAgain(ctx, m, local)
		if err != nil {
			return err
		}
		a, was := now.analysis, m.analysis
		changed = !reflect.DeepEqual(a.Uses, was.Uses) || !reflect.DeepEqual(a.Reads, was.Reads) || a.Opaque != was.Opaque || !reflect.DeepEqual(now.carries, m.carries)
	}
	if changed {
		return hoop.Errorf(hoop.CodeDenied, "the catalog changed before the statement ran, and with it what the statement does").
			WithHint("run the statement again")
	}
	return nil
}
