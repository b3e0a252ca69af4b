package postgres

import (
	"time"

	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// A Query message of several statements or with COPY FROM STDIN, and a FunctionCall
// message, commit what they did before the gateway can look at the catalog again. Where
// people agreed to one, it runs in a transaction that the gateway begins and ends, or in
// the client's own, and the client gets what stands for its end (the tag of the last
// command, ReadyForQuery) when that has ended: in the order in which PostgreSQL sends it,
// which tells a tag once the commit has succeeded (exec_simple_query in postgres.c).

// enclosed is such a message, until its transaction may end.
type enclosed struct {
	e   *expected
	own bool // the transaction is the gateway's
}

// kept is the tag of a command that the client gets once its transaction has ended.
type kept struct {
	run  *running // nil where nothing is kept
	tag  string
	wire []byte // its CommandComplete, and what came behind it
}

// controls reports what the text does to transactions itself: whether it ends one, begins
// one, and has savepoints.
func (r *running) controls() (ends, begins, marks bool) {
	for _, cmd := range r.meaning.analysis.Commands {
		switch cmd.Tx {
		case sqlscan.TxNone:
		case sqlscan.TxBegin:
			begins = true
		case sqlscan.TxSavepoint, sqlscan.TxRelease, sqlscan.TxRollbackTo:
			marks = true
		default:
			ends = true
		}
	}
	return ends, begins, marks
}

// enclose has e, which is pushed and sent next, run in a transaction that stays open behind
// it, where people agreed to it and there can be one.
func (c *conn) enclose(e *expected) {
	r := e.run
	ends, begins, marks := r.controls()
	if !r.held || ends || r.commands == 0 || r.meaning.encodes != nil {
		return
	}
	c.mu.Lock()
	own, skipping := c.status == 'I' && !begins, c.skipping
	c.mu.Unlock()
	if skipping || own && marks { // savepoints fail outside of transactions
		return
	}
	if own {
		c.owned(&expected{kind: 'Q', injected: true}, appendString(nil, "BEGIN"))
	}
	e.keeps = true
	c.enclosed = &enclosed{e, own}
}

// conclude ends the message that was enclosed, once the target has answered it: what people
// agreed to is compared with the catalog, and its transaction goes on, or fails.
func (c *conn) conclude() error {
	w := c.enclosed
	c.enclosed = nil
	if err := c.barrier(c.ctx); err != nil {
		return errTerminated
	}
	c.mu.Lock()
	status := c.status
	c.mu.Unlock()
	var why error
	if status == 'T' && !w.e.unconverted {
		why = c.stands(w.e.run)
	}
	if c.ctx.Err() != nil {
		return errTerminated
	}
	if fails := why != nil || w.e.unconverted && status == 'T'; fails && !(w.own && why == nil) {
		e := &expected{kind: 'Q', run: w.e.run, keeps: w.own, closes: !w.own, fails: why == nil}
		sent := refusedText
		if why != nil {
			sent = e.refuse(why)
		}
		c.owned(e, appendString(nil, sent))
		if !w.own {
			return nil
		}
		status = 'E'
	}
	switch last := (&expected{kind: 'Q', run: w.e.run, closes: true}); {
	case !w.own || status == 'I':
		last.kind = 'S'
		c.owned(last, nil)
	case status == 'T' && !w.e.unconverted:
		c.owned(last, appendString(nil, "COMMIT"))
	default:
		c.owned(last, appendString(nil, "ROLLBACK"))
	}
	return nil
}

// concludes does so where the message has been answered while its COPY data was awaited.
func (c *conn) concludes() (done bool, err error) {
	if c.enclosed == nil || c.passing > 0 {
		return false, nil
	}
	c.mu.Lock()
	over := c.enclosed.e.over
	c.reading = !over
	c.mu.Unlock()
	if !over {
		return false, nil
	}
	return true, c.conclude()
}

// more waits for the client to send something, or for an enclosed message to have been
// answered: a COPY can fail while its data is awaited.
func (c *conn) more() error {
	_, err := c.in.fill()
	if c.enclosed == nil {
		return err
	}
	c.mu.Lock()
	roused := c.roused
	c.reading, c.roused = false, false
	c.mu.Unlock()
	if !roused || gone(err) {
		return err
	}
	_ = c.nc.SetReadDeadline(time.Time{})
	if c.ctx.Err() != nil {
		_ = c.nc.SetReadDeadline(longAgo) // interrupt may have been before us
	}
	return nil
}

// between takes in the ReadyForQuery of an enclosed message, which is not the end of it.
func (a *answerer) between(e *expected, m []byte) error {
	if len(m) != headerSize+1 {
		return a.fault("ReadyForQuery of %d bytes", len(m))
	}
	a.drop(len(m))
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	e.settle(-1, false)
	a.popLocked()
	a.status = m[headerSize]
	if a.reading {
		a.reading, a.roused = false, true
		_ = a.nc.SetReadDeadline(longAgo)
	}
	return nil
}

// keepTag takes m out, the CommandComplete of e, until its transaction has ended.
func (a *answerer) keepTag(e *expected, m []byte, tag string) {
	a.kept = kept{run: e.run, tag: tag, wire: append([]byte(nil), m...)}
	a.drop(len(m))
}

// giveTag gives the client the tag that was kept, and what came behind it.
func (a *answerer) giveTag() {
	if a.kept.run == nil {
		return
	}
	a.keep()
	a.win = append(a.win, a.kept.wire...)
	a.kept.run.end(a.kept.tag, "")
	a.kept = kept{}
}

// loseTag is for when the transaction has failed.
func (a *answerer) loseTag(state string) {
	if a.kept.run != nil {
		a.kept.run.end("", state)
		a.kept = kept{}
	}
}

// meanwhile handles m, a ParameterStatus or NotificationResponse, while a tag is kept: it
// has its place behind that.
func (a *answerer) meanwhile(m []byte, handle func([]byte) error) error {
	if e := a.head(); e != nil && e.closes {
		a.giveTag()
		return handle(m)
	}
	a.keep()
	n := len(a.win)
	if err := handle(m); err != nil {
		return err
	}
	a.keep()
	a.kept.wire = append(a.kept.wire, a.win[n:]...)
	a.win = a.win[:n]
	return nil
}
