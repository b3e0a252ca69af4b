package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/session"
)

// sendSize is how much is gathered for the target before it is sent, when the client
// has more to say.
const sendSize = 64 << 10

// streamFrom is the size from which data messages are passed on in parts.
const streamFrom = bufferSize / 2

// serveClient reads the client's messages, judges and forwards them. It returns
// errTerminated when the client has left.
func (c *conn) serveClient() error {
	for {
		if err := c.clientMessages(); err != nil {
			return err
		}
		// Nothing more to do without waiting: the target gets what there is.
		if err := c.send(); err != nil {
			return err
		}
		if done, err := c.concludes(); err != nil {
			return err
		} else if done {
			continue
		}
		c.idle.rest()
		if err := c.more(); err != nil {
			return c.clientError(err)
		}
		c.idle.work()
	}
}

func (c *conn) clientError(err error) error {
	if c.ctx.Err() != nil {
		return errTerminated // whoever ended the context has the reason
	}
	if gone(err) {
		return errTerminated
	}
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return err
	}
	return errors.Join(errTerminated, errClientGone, err) // reset: no answer reaches it
}

// clientMessages handles all messages that are complete.
func (c *conn) clientMessages() error {
	if len(c.out) == 0 && cap(c.out) <= keptSize && c.in.buffered() > keptSize {
		c.out = window()
	}
	for {
		if c.passing > 0 {
			if c.in.buffered() == 0 {
				return nil
			}
			if err := c.pass(min(c.passing, c.in.buffered())); err != nil {
				return err
			}
			continue
		}
		kind, size, ok, err := c.in.header()
		if err != nil {
			return c.violation("%v", err)
		}
		if !ok {
			return nil
		}
		if c.in.buffered() < size {
			if kind == 'd' && size > streamFrom && c.charset.Load() == nil {
				if err := c.longCopyData(size); err != nil {
					return err
				}
				continue
			}
			if size > c.proxy.cfg.MaxStatement && !c.admits(kind, size) {
				if err := c.tooLong(kind, size); err != nil {
					return err
				}
				continue
			}
			c.in.want = size
			return nil
		}
		c.in.want = 0
		if size > longMessage && kind == 'B' {
			if err := c.longBind(size); err != nil {
				return err
			}
			continue
		}
		if err := c.message(kind, c.in.bytes(size)); err != nil {
			return err
		}
		c.passed()
		c.in.discard(size)
		if len(c.out) >= sendSize {
			if err := c.send(); err != nil {
				return err
			}
		}
	}
}

// longMessage is the size from which a Bind message is not copied on its way.
const longMessage = 1 << 20

// admits makes room for a long Bind message, once: as many bytes as the proxy may hold of
// them, for all its connections.
func (c *conn) admits(kind byte, size int) bool {
	if kind != 'B' || c.gate != nil || c.charset.Load() != nil || c.refused || c.isSkipping() {
		return false
	}
	if c.holds == 0 {
		if c.proxy.bound.Add(int64(size)) > int64(c.proxy.cfg.MaxBound) {
			c.proxy.bound.Add(-int64(size))
			return false
		}
		c.holds = size
	}
	return true
}

// release gives the room back.
func (c *conn) release() {
	c.proxy.bound.Add(-int64(c.holds))
	c.holds = 0
}

// longBind handles a long Bind message, whose bytes nobody else has from here on.
func (c *conn) longBind(size int) error {
	defer c.release()
	return c.message('B', c.in.take(size))
}

// tooLong refuses a message that is larger than the gateway is willing to judge, and
// has its bytes dropped as they come.
func (c *conn) tooLong(kind byte, size int) error {
	if c.gate != nil {
		switch copying, err := c.awaitCopy(); {
		case err != nil:
			return err
		case copying:
			return c.outOfStep(kind)
		}
	}
	c.passing, c.keeping = size, false
	if c.refused || c.isSkipping() {
		return nil
	}
	err := hoop.Errorf(hoop.CodeTooLarge, "a message of type %q has %d bytes, the limit is %d", kind, size, c.proxy.cfg.MaxStatement).
		WithHint("load large data with COPY … FROM STDIN, or in parts")
	if kind == 'B' && c.charset.Load() == nil && size <= c.proxy.cfg.MaxBound {
		err = hoop.Errorf(hoop.CodeTooLarge, "a message of type %q has %d bytes, and the gateway holds as much of others already", kind, size).
			WithHint("try again, load large data with COPY … FROM STDIN, or in parts")
	}
	switch kind {
	case 'Q', 'F':
		return c.refuseQuery(err)
	case 'P', 'B':
		return c.refuse(err)
	}
	return c.violation("a message of type %q has %d bytes", kind, size)
}

// violation is a message that ends the connection.
func (c *conn) violation(format string, args ...any) error {
	return &stateError{state: stateProtocol, message: fmt.Sprintf(format, args...)}
}

// send writes what was gathered for the target.
func (c *conn) send() error {
	if len(c.out) == 0 {
		return nil
	}
	err := c.write(c.out)
	c.out = trim(c.out)
	return err
}

// forward gathers a message for the target; a long one is sent at once.
func (c *conn) forward(frame []byte) error {
	if len(frame) <= longMessage {
		c.out = append(c.out, frame...)
		return nil
	}
	if err := c.send(); err != nil {
		return err
	}
	return c.write(frame)
}

// write sends to the target.
func (c *conn) write(wire []byte) error {
	if err := c.ended(); err != nil {
		return err
	}
	_, err := c.up.Conn.Write(wire)
	if err != nil && c.ctx.Err() == nil {
		// The target may have said why before it closed: the other goroutine reads it.
		return c.upstreamLost()
	}
	return nil
}

// upstreamLost waits for the goroutine that reads the target to find its end.
func (c *conn) upstreamLost() error {
	<-c.ctx.Done()
	return errTerminated
}

// message handles one message. frame is all of it, valid until the next discard.
func (c *conn) message(kind byte, frame []byte) error {
	if c.gate != nil {
		if handled, err := c.passGate(kind, frame); handled || err != nil {
			return err
		}
	}
	if c.refused || c.isSkipping() {
		// As the target would: everything up to Sync is ignored.
		switch kind {
		case 'S', 'X':
		default:
			return nil
		}
	}
	if c.changing != nil && kind != 'S' && kind != 'H' && kind != 'X' {
		return c.violation("a message of type %q where Sync must follow SET client_encoding", kind)
	}
	if cs := c.charset.Load(); cs != nil {
		if skip, err := c.fail(kind); skip || err != nil {
			return err
		}
		var err error
		if frame, err = cs.fromClient(frame); err != nil {
			if kind == 'Q' || kind == 'F' {
				return c.refuseQuery(err)
			}
			return c.refuse(err)
		}
	}
	body := frame[headerSize:]
	if c.foreign && !plainNames(kind, body) {
		return c.refuse(&stateError{
			state: "0A000", message: "names of prepared statements and portals must be in ASCII here: the target's encoding is not UTF8",
		})
	}
	switch kind {
	case 'Q', 'P', 'B', 'E', 'F':
		if err := c.settleIdentity(); err != nil {
			return err
		}
	}
	switch kind {
	case 'P', 'Q', 'B', 'F':
		if err := c.takeStock(); err != nil {
			return err
		}
	}
	switch kind {
	case 'S', 'Q', 'F':
		switch err := c.overdue(); {
		case err == nil:
		case c.ctx.Err() != nil:
			return errTerminated
		case kind == 'S':
			if err := c.refuse(err); err != nil {
				return err
			}
		default:
			return c.refuseQuery(err)
		}
	}
	switch kind {
	case 'Q':
		return c.query(body)
	case 'P':
		return c.parse(frame, body)
	case 'B':
		return c.bind(frame, body)
	case 'D':
		return c.describe(frame, body)
	case 'E':
		return c.execute(frame, body)
	case 'C':
		return c.closeName(frame, body)
	case 'S':
		return c.sync(frame)
	case 'H':
		c.out = append(c.out, frame...)
		return nil
	case 'F':
		return c.functionCall(frame, body)
	case 'X':
		return errTerminated
	case 'd', 'c', 'f':
		return nil // outside COPY the target ignores these
	case 'p':
		return c.violation("unexpected authentication message")
	}
	return c.violation("invalid frontend message type %d", kind)
}

func (c *conn) isSkipping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skipping
}

// push queues what the target will answer; false means that the target skips it.
func (c *conn) push(e *expected) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pushLocked(e)
}

func (c *conn) sync(frame []byte) error {
	ch := c.changing
	c.changing = nil
	c.push(&expected{kind: 'S', change: ch})
	c.synced(frame)
	return c.changed(ch)
}

// synced sends a Sync message that was pushed.
func (c *conn) synced(frame []byte) {
	c.mu.Lock()
	c.skipping = false
	c.mu.Unlock()
	c.refused = false
	c.unsettled, c.midway = c.unsettled || c.midway, false
	c.out = append(c.out, frame...)
}

// refusedText is what the target is sent in place of a refused statement: it fails
// there as the statement would have, so that a transaction is aborted and its status
// is true. It is never run.
const refusedText = "hoopctl refused this statement"

// refusedEnd is sent in place of a text that ends too soon, and does so itself.
const refusedEnd = "CREATE -- hoopctl refused this statement"

// missing is the name of a prepared statement that no client has, since none knows it.
var missing = rand.Text()

// refuse fills in e how the client learns err, and gives the text that fails in the
// place of the refused one. Where a text does not parse, or there is no statement to
// execute, PostgreSQL says so in the same place of its sources whatever the text or the
// name (scanner_yyerror in scan.l, FetchPreparedStatement in prepare.c), so the target
// is made to.
func (e *expected) refuse(err error) (sent string) {
	r := refusal(err)
	e.refusal, e.state, e.denied = r.append(nil), r.state, session.Refused(err)
	var syntax *pgparse.SyntaxError
	switch {
	case errors.As(err, &syntax) && strings.HasSuffix(r.message, " at end of input"):
		sent = refusedEnd
	case errors.As(err, &syntax) && strings.Contains(r.message, ` at or near "`):
		sent = refusedText
	case e.kind == 'Q' && r.state == stateNoStatement:
		sent = "DEALLOCATE " + quoteName(missing)
	default:
		return refusedText
	}
	e.alike = &r
	return sent
}

// refused is the answer to a message that was refused, where the target's own error is t.
func (e *expected) refused(t told) []byte {
	if e.alike == nil || t.state != e.alike.state {
		return e.refusal
	}
	e.alike.file, e.alike.line, e.alike.routine = t.file, t.line, t.routine
	return e.alike.append(nil)
}

// refuseQuery answers a Query message with err.
func (c *conn) refuseQuery(err error) error {
	err = c.onRecord(err)
	e := &expected{kind: 'Q'}
	if sent := e.refuse(err); c.push(e) {
		m, at := begin(c.out, 'Q')
		c.out = end(appendString(m, sent), at)
	}
	return nil
}

// refuse answers a message of the extended protocol with err, and skips up to Sync.
// The statement that fails in its place has a name, lest the unnamed one be replaced.
func (c *conn) refuse(err error) error {
	err = c.onRecord(err)
	c.refused = true
	e := &expected{kind: 'P'}
	if sent := e.refuse(err); c.push(e) {
		m, at := begin(c.out, 'P')
		m = appendString(appendString(m, refusedText), sent)
		c.out = end(append(m, 0, 0), at)
	}
	return nil
}

// barrier waits until the target has answered all that it was sent and the client has
// the answers, or ctx ends. The client is watched meanwhile.
func (c *conn) barrier(ctx context.Context) error {
	c.out = append(c.out, 'H', 0, 0, 0, 4)
	if err := c.send(); err != nil {
		return err
	}
	quiet := func() bool { return len(c.queue) == 0 && c.settled }
	c.mu.Lock()
	done, watched := quiet(), c.hold != nil
	c.mu.Unlock()
	if done {
		return nil
	}
	if !watched {
		w := c.watch(func(error) { c.stop(errTerminated) })
		defer w.stop()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.awaitLocked(ctx, quiet)
}
