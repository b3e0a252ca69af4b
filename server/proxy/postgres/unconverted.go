package postgres

import (
	"errors"
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// An answer can hold a character that the client's encoding does not have. PostgreSQL
// fails the statement then, and with it its transaction; the target, whose side is
// UTF8, sees nothing wrong. So the gateway does both: the client gets the error in place
// of the rest of the answer, and the target a statement that fails, before anything else
// of the client's. With a charset nothing is sent ahead of an answer that can have rows,
// so that there is still something to fail. Where the statement has changed something
// that is committed with it, the connection ends.

// convert fails the statement of e where m, a message as the client is to get it, cannot
// be converted. It reports whether it did: then m is not for the client.
func (a *answerer) convert(e *expected, m []byte) (failed bool, err error) {
	cs := a.charset.Load()
	if cs == nil {
		return false, nil
	}
	if a.encoded, err = cs.toClient(a.encoded[:0], m); err == nil {
		return false, nil
	}
	var stated *stateError
	if !errors.As(err, &stated) || stated.state != stateUntranslated {
		return false, a.fault("message of type %q: %v", m[0], err)
	}
	if !a.undone(e) {
		stated.detail = "what the statement did may have taken effect"
		return false, stated
	}
	e.unconverted = true
	e.run.end("", stateUntranslated)
	a.keep()
	a.win = append(a.win, refusal(err).append(nil)...)
	return true, nil
}

// undone reports whether failing e leaves as little behind as in PostgreSQL: a query
// that only reads leaves nothing, and what an open transaction has done can be undone,
// as can the batch that e is in.
func (a *answerer) undone(e *expected) bool {
	if e.kind == 'E' || e.keeps {
		return true
	}
	for _, m := range e.run.meanings {
		if slices.ContainsFunc(m.analysis.Uses, func(u hoop.Use) bool { return u.Effect != hoop.EffectRead && u.Effect != hoop.EffectInfer }) {
			a.conn.mu.Lock()
			defer a.conn.mu.Unlock()
			return a.status == 'T' && len(e.run.meaning.analysis.Commands) == 1
		}
	}
	return true
}

// failed has the transaction count as failed that a Query message was failed in. m is
// the ReadyForQuery of it.
func (a *answerer) failed(m []byte) {
	if m[headerSize] != 'T' {
		return
	}
	m[headerSize] = 'E'
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	a.fails = 'Q'
}

// fail has the target fail as well where a statement was failed here, and waits for
// what may be. skip says that the message in hand is skipped, as after any error.
func (c *conn) fail(kind byte) (skip bool, err error) {
	switch kind {
	case 'H', 'X', 'd', 'c', 'f':
		return false, nil
	}
	c.mu.Lock()
	wait := slices.ContainsFunc(c.queue, func(e *expected) bool { return e.kind == 'E' || e.kind == 'Q' })
	c.mu.Unlock()
	if wait {
		if err := c.barrier(c.ctx); err != nil {
			return false, errTerminated
		}
	}
	c.mu.Lock()
	fails := c.fails
	c.fails = 0
	c.mu.Unlock()
	switch fails {
	case 0:
		return false, nil
	case 'P':
		c.refused = true
		c.owned(&expected{kind: 'P', injected: true, fails: true}, appendString(appendString(nil, refusedText), refusedText), 0, 0)
		return kind != 'S', nil
	}
	c.owned(&expected{kind: 'Q', injected: true, fails: true}, appendString(nil, refusedText))
	if err := c.barrier(c.ctx); err != nil {
		return false, errTerminated
	}
	return false, nil
}
