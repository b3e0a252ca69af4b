package postgres

import "github.com/hoopctl/hoopctl/pkg/hoop"

// The names of what the gateway sends in between to set a session's identity again.
// Clients do not choose them by accident.
const ownName = "hoopctl identity"

// unsettles notes that e may leave the session with other hoop.* settings than its own:
// code that the gateway cannot read may set them, and on a connection that served
// another session RESET ALL goes back to that one's.
func (c *conn) unsettles(e *expected) {
	for _, m := range e.run.meanings {
		if m.analysis.Has(hoop.EffectOpaque) || c.reused && resetsAll(m) {
			c.unsettled = true
		}
	}
}

func resetsAll(m *meaning) bool {
	for _, cmd := range m.analysis.Commands {
		if cmd.ResetAll {
			return true
		}
	}
	return false
}

// settleIdentity sets the identity again before anything else is forwarded. It waits for the
// statement that made this necessary, and for its own success.
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
	c.mu.Unlock()
	if failed {
		return nil // nothing runs until the transaction, and what it set, is undone
	}
	for _, set := range [][2]string{{`hoop."user"`, c.sess.Identity().Subject}, {settingSession, c.sess.ID()}} {
		c.own('P', appendString(appendString(nil, ownName), "SET SESSION "+set[0]+" = "+quoteLiteral(set[1])), 0, 0)
		c.own('B', appendString(appendString(nil, ownName), ownName), 0, 0, 0, 0, 0, 0)
		c.own('E', appendString(nil, ownName), 0, 0, 0, 0)
		c.own('C', appendString([]byte{'P'}, ownName))
		c.own('C', appendString([]byte{'S'}, ownName))
	}
	if whole {
		c.own('S', nil)
	}
	c.unsettled = false
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

// lone refuses RESET ALL among other statements where the identity would be another
// session's behind it.
func (c *conn) lone(m *meaning) error {
	if !c.reused || len(m.analysis.Commands) < 2 || !resetsAll(m) {
		return nil
	}
	return hoop.Errorf(hoop.CodeUnsupported, "RESET ALL cannot be among other statements on a connection that is used again").
		WithHint("send RESET ALL on its own")
}
