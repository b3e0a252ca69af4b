package postgres

import (
	"errors"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// parseQuery reads the body of Query: a text.
func parseQuery(body []byte) (text string, err error) {
	f := fields{b: body}
	text = string(f.cstring())
	return text, f.done()
}

// query judges a Query message as a whole and forwards it.
func (c *conn) query(body []byte) error {
	text, err := parseQuery(body)
	if err != nil {
		return c.refuseQuery(protocolError("malformed Query message"))
	}
	overtaken := c.judging()
	r, ch, sent, err := c.judgeQuery(text)
	if overtaken() && err == nil {
		r.end("", stateCanceled)
		err = errCancelled()
	}
	if errors.Is(err, errTerminated) || c.ctx.Err() != nil {
		return errTerminated
	}
	if err != nil {
		return c.refuseQuery(err)
	}
	if r.apart() {
		return c.stepwise(sent, r)
	}
	e := &expected{kind: 'Q', run: r, change: ch}
	e.changes(ch)
	c.enclose(e)
	if !c.push(e) {
		r.end("", "")
		return nil
	}
	c.forwarded(e)
	m, at := begin(c.out, 'Q')
	c.out = end(appendString(m, sent), at)
	if e.keeps && c.gate == nil {
		return c.conclude()
	}
	return c.changed(ch)
}

// judgeQuery judges a text; sent is what the target gets, which is another where ch
// changes the client's encoding.
func (c *conn) judgeQuery(text string) (r *running, ch *change, sent string, err error) {
	m, err := c.understand(c.ctx, text)
	if err != nil {
		return nil, nil, "", c.unjudged(text, nil, nil, err)
	}
	if err = c.lone(m); err == nil {
		ch, sent, err = c.changes(m)
	}
	if err != nil {
		return nil, nil, "", c.unjudged(text, m, nil, err)
	}
	if sent == "" {
		sent = text
	}
	if m, err = c.translated(m, sent); err != nil {
		return nil, nil, "", err
	}
	if r, err = c.run(m, false, nil); err != nil {
		return nil, nil, "", err
	}
	if err := c.uncovered(r); err != nil {
		return nil, nil, "", c.disallowed(r, err)
	}
	return r, ch, sent, nil
}

// changeNamesLocked notes which names of prepared statements the commands of m change
// once they succeed, and what can no longer be relied on. m is what e runs (outer is
// -1), or what its command outer runs by name. Statements prepared in SQL can be bound
// in the protocol, and the other way round: they share their names. c.mu is held.
func (c *conn) changeNamesLocked(e *expected, outer int, m *meaning) {
	a := m.analysis
	for i, cmd := range a.Commands {
		at := i
		if outer >= 0 {
			at = outer
		}
		switch {
		case cmd.Prepare != "":
			// A text with several commands counts as a whole, which is more than the one.
			c.defineLocked(e, at, cmd.Prepare, &prepared{meaning: m, withheld: e.run != nil && e.run.withheld})
		case cmd.Deallocate == "*" || cmd.Discard:
			c.generation++
			for name := range c.prepared.slots {
				c.defineLocked(e, at, name, nil)
			}
		case cmd.Deallocate != "":
			c.defineLocked(e, at, cmd.Deallocate, nil)
		}
	}
	c.declaredLocked(e, outer, m)
	opaque := a.Has(hoop.EffectOpaque) && !m.bare // what it executes has a meaning of its own
	if opaque {
		// Code that the gateway cannot read may have replaced any prepared statement.
		c.prepared.each(func(_ string, p *prepared) { p.tainted = true })
		if !c.opaque {
			c.opaque, c.opening = true, c.moved
		}
	}
	if opaque || touchesCursors(a) {
		// A portal known by name may be another one afterwards.
		c.portals.each(func(_ string, p *portal) { p.forgotten = p.forgotten || p.run != e.run })
	}
}

// defineLocked has name stand for p (nil: nothing) once command at of e succeeds.
func (c *conn) defineLocked(e *expected, at int, name string, p *prepared) {
	c.generation++
	d := c.prepared.define(name, p, e.batch)
	e.settles = append(e.settles, settling{at, func(ok bool) { d.settle(ok) }})
}

// touchesCursors reports whether a may close or open cursors.
func touchesCursors(a *sqlscan.Analysis) bool {
	for _, cmd := range a.Commands {
		if cmd.Declare != "" || cmd.CloseCursor != "" || cmd.Discard {
			return true
		}
	}
	return false
}
