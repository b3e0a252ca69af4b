package postgres

import (
	"context"
	"fmt"
)

// passGate handles a message that comes while COPY FROM STDIN may be going on. What
// the target does with it depends on whether it has begun to take data, so the gateway
// waits until it knows; PostgreSQL tells at once. handled is false when the COPY is
// over and the message has its ordinary meaning.
//
// In COPY the target ignores Flush and Sync and takes anything but data as an error
// (manual, "COPY Operations"); the gateway does the same and forwards neither.
func (c *conn) passGate(kind byte, frame []byte) (handled bool, err error) {
	copying, err := c.awaitCopy()
	if err != nil || !copying {
		return false, err
	}
	if cs := c.charset.Load(); cs != nil && (kind == 'd' || kind == 'c' || kind == 'f') {
		if frame, err = c.fromCopy(cs, frame); err != nil {
			c.mu.Lock()
			c.gate.denial = refusal(err).append(nil)
			c.mu.Unlock()
			kind, frame = 'f', copyFailure(err)
		}
	}
	switch kind {
	case 'd':
		return true, c.copyData(frame)
	case 'c', 'f':
		c.mu.Lock()
		c.gate.copying = false
		c.mu.Unlock()
		err := c.copyEnd(frame)
		if gate := c.gate; gate.kind == 'E' {
			// One Execute is one COPY. Its end is told after the next Sync only, so there is
			// nothing to wait for.
			if c.gate = nil; err == nil && gate.run.held {
				err = c.afterwards(gate.run)
			}
		}
		return true, err
	case 'S', 'H':
		return true, nil
	case 'X':
		return true, errTerminated
	}
	return true, c.outOfStep(kind)
}

// outOfStep tells the client, which sent what does not belong into COPY data, what
// PostgreSQL tells it: that COPY fails, and then that nothing can follow (CopyGetData in
// copyfromparse.c, PostgresMain in postgres.c).
func (c *conn) outOfStep(kind byte) error {
	ctx, stop := context.WithTimeout(c.ctx, lastWords)
	defer stop()
	c.mu.Lock()
	err := c.awaitLocked(ctx, func() bool { return c.settled }) // CopyInResponse comes first
	c.mu.Unlock()
	if err == nil {
		err = c.tell(c.ctx, report{severity: "ERROR", state: stateProtocol, message: fmt.Sprintf("unexpected message type 0x%02X during COPY from stdin", kind)})
	}
	if err != nil {
		return err
	}
	return c.violation("terminating connection because protocol synchronization was lost")
}

// awaitCopy waits until the target takes data for the gate, or has answered it. The
// client is watched meanwhile.
func (c *conn) awaitCopy() (copying bool, err error) {
	e := c.gate
	known := func() bool { return e.copying || e.over }
	c.mu.Lock()
	if !known() {
		c.mu.Unlock()
		if err := c.send(); err != nil {
			return false, err
		}
		w := c.watch(func(error) { c.stop(errTerminated) })
		c.mu.Lock()
		err = c.awaitLocked(c.ctx, known)
		c.mu.Unlock()
		w.stop()
		c.mu.Lock()
	}
	copying, over := e.copying, e.over
	c.mu.Unlock()
	if over {
		c.gate = nil
		if err == nil && c.enclosed != nil {
			err = c.conclude()
		}
	}
	return copying, err
}

// copyData records and forwards a message of COPY data, or a part of one.
func (c *conn) copyData(wire []byte) error {
	if err := c.sess.Received(c.gate.run.run, wire); err != nil {
		return err
	}
	c.out = append(c.out, wire...)
	return nil
}

// copyEnd records and forwards the end of COPY data, when all of the data is on record: the
// target makes rows of it now.
func (c *conn) copyEnd(wire []byte) error {
	if err := c.sess.ReceivedAll(c.ctx, c.gate.run.run, wire); err != nil {
		return err
	}
	c.out = append(c.out, wire...)
	return nil
}

// longCopyData begins to pass on a CopyData message that is larger than the buffer.
func (c *conn) longCopyData(size int) error {
	c.passing, c.keeping = size, false
	if c.gate == nil {
		return nil
	}
	copying, err := c.awaitCopy()
	c.keeping = copying
	return err
}

// pass forwards the next n bytes of a long message, or drops them.
func (c *conn) pass(n int) error {
	if c.keeping {
		if err := c.copyData(c.in.bytes(n)); err != nil {
			return err
		}
		if len(c.out) >= sendSize {
			if err := c.send(); err != nil {
				return err
			}
		}
	}
	c.passing -= n
	c.in.discard(n)
	return nil
}
