package postgres

import (
	"slices"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// The names of what the gateway sends in between, as to set a session's identity again.
// Clients do not choose them by accident.
const ownName = "hoopctl identity"

// unsettles notes that e may leave the session with other hoop.* settings than its own:
// code that the gateway cannot read may set them, and on a connection that served
// another session RESET ALL goes back to that one's. Where a transaction was open when
// they were set again, its end may undo that, and a savepoint may lie between the two.
func (c *conn) unsettles(e *expected) {
	for _, m := range e.run.meanings {
		if m.analysis.Has(hoop.EffectOpaque) || c.reused && resetsAll(m) || c.fleeting && undoes(m.analysis.Commands) {
			c.unsettled = true
		}
	}
}

// undoes reports whether commands may take back what was set in a transaction: COMMIT
// does where the transaction has failed.
func undoes(commands []sqlscan.Command) bool {
	return slices.ContainsFunc(commands, func(cmd sqlscan.Command) bool {
		switch cmd.Tx {
		case sqlscan.TxCommit, sqlscan.TxRollback, sqlscan.TxRollbackTo, sqlscan.TxPrepare:
			return true
		}
		return false
	})
}

func resetsAll(m *meaning) bool {
	for _, cmd := range m.analysis.Commands {
		if cmd.ResetAll {
			return true
		}
	}
	return false
}

// settleIdentity sets the identity again before anything else is forwarded, and what the target
// reads that by. It waits for the statement that made this necessary, and for its own success.
func (c *conn) settleIdentity() error {
	if !c.unsettled {
		return nil
	}
	if err := c.barrier(c.ctx); err != nil {
		return errTerminated
	}
	c.mu.Lock()
	failed := c.status == 'E' || c.skipping
	whole := !c.midBatch
	lasting := whole && c.status == 'I'
	c.mu.Unlock()
	if failed {
		return nil // nothing runs until the transaction, and what it set, is undone
	}
	for _, set := range [][2]string{
		// By these the target reads what follows. It tells of others at the end of a batch only.
		{"standard_conforming_strings", "on"},
		{"client_encoding", "UTF8"},
		{`hoop."user"`, c.sess.Identity().Subject},
		{settingSession, c.sess.ID()},
	} {
		c.own('P', appendString(appendString(nil, ownName), "SET SESSION "+set[0]+" = "+quoteLiteral(set[1])), 0, 0)
		c.own('B', appendString(appendString(nil, ownName), ownName), 0, 0, 0, 0, 0, 0)
		c.own('E', appendString(nil, ownName), 0, 0, 0, 0)
		c.own('C', appendString([]byte{'P'}, ownName))
		c.own('C', appendString([]byte{'S'}, ownName))
	}
	if whole {
		c.own('S', nil)
	}
	c.unsettled, c.fleeting, c.midway = false, !lasting, !whole
	if err := c.barrier(c.ctx); err != nil {
		return errTerminated
	}
	return nil
}

// own sends a message of the gateway's own, whose answer the client does not see.
func (c *conn) own(kind byte, body []byte, more ...byte) {
	c.owned(&expected{kind: kind, injected: true}, body, more...)
}

func (c *conn) owned(e *expected, body []byte, more ...byte) {
	kind := e.kind
	c.push(e)
	m, at := begin(c.out, kind)
	c.out = end(append(append(m, body...), more...), at)
}

// unseen takes in the answer to a message of the gateway's own.
func (a *answerer) unseen(e *expected, kind byte, m []byte) error {
	a.drop(len(m))
	if kind == 'C' && e.kind == 'Q' {
		return nil // ReadyForQuery follows
	}
	switch want := map[byte]byte{'P': '1', 'B': '2', 'E': 'C', 'C': '3', 'S': 'Z', 'Q': 'Z'}[e.kind]; {
	case kind != want || kind == 'Z' && len(m) != headerSize+1:
		return a.fault("answer of type %q to a message of the gateway's own of type %q", kind, e.kind)
	}
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	a.popLocked()
	if kind == 'Z' {
		a.status = m[headerSize]
	}
	return nil
}

// lone refuses statements behind others in one text where the identity may not be this
// session's between them.
func (c *conn) lone(m *meaning) error {
	commands := m.analysis.Commands
	switch {
	case len(commands) < 2:
	case c.reused && resetsAll(m):
		return hoop.Errorf(hoop.CodeUnsupported, "RESET ALL cannot be among other statements on a connection that is used again").
			WithHint("send RESET ALL on its own")
	case (c.fleeting || c.unsettled) && worksAfterUndoing(commands):
		return hoop.Errorf(hoop.CodeUnsupported, "nothing may follow the end of a transaction, or ROLLBACK TO, in one text when code that the gateway cannot read has run in it").
			WithHint("send what follows on its own")
	}
	return nil
}

// worksAfterUndoing reports whether something but commands for transactions follows one
// that may take settings back.
func worksAfterUndoing(commands []sqlscan.Command) bool {
	i := slices.IndexFunc(commands, func(cmd sqlscan.Command) bool { return undoes([]sqlscan.Command{cmd}) })
	return i >= 0 && slices.ContainsFunc(commands[i:], func(cmd sqlscan.Command) bool { return cmd.Tx == sqlscan.TxNone })
}
