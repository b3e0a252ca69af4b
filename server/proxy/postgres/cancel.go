package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// cancelTimeout bounds passing a cancel on to the target.
const cancelTimeout = 5 * time.Second

// key is what a client needs to cancel: the target's process id, so that it finds
// itself in pg_stat_activity, and a secret of ours. A secret of four bytes can be guessed
// in days, so it counts at the local port that it was given at only.
type key struct {
	pid    uint32
	secret []byte
	port   port
}

// port is a local port of somebody's, by what its clients sign in with.
type port [sha256.Size]byte

func portOf(user, verifier string) port { return sha256.Sum256([]byte(user + "\x00" + verifier)) }

// registry finds a connection by its key. Two targets may have backends with the same
// process id.
type registry struct {
	mu    sync.Mutex // guards what follows
	conns map[uint32][]*conn
	sweep *time.Timer // of Proxy.watchSilence; nil while there is no connection
}

// add gives c its key. Protocol 3.2 allows secrets of up to 256 bytes, 3.0 has four.
func (r *registry) add(c *conn, at port, long bool) {
	n := 4
	if long {
		n = 32
	}
	c.key = key{pid: c.up.PID, secret: make([]byte, n), port: at}
	rand.Read(c.key.secret) // never fails: crypto/rand
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conns == nil {
		r.conns = map[uint32][]*conn{}
	}
	r.conns[c.key.pid] = append(r.conns[c.key.pid], c)
}

func (r *registry) remove(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := r.conns[c.key.pid]
	for i, other := range same {
		if other == c {
			same = append(same[:i:i], same[i+1:]...)
			break
		}
	}
	if len(same) == 0 {
		delete(r.conns, c.key.pid)
		return
	}
	r.conns[c.key.pid] = same
}

func (r *registry) find(at port, pid uint32, secret []byte) *conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found *conn
	for _, c := range r.conns[pid] {
		if c.key.port == at && subtle.ConstantTimeCompare(c.key.secret, secret) == 1 {
			found = c
		}
	}
	return found
}

// maxSecret is the longest secret of BackendKeyData in protocol 3.2, in bytes; 3.0 has four.
const maxSecret = 256

// parseCancel reads a CancelRequest behind its code: 4B process id + secret.
func parseCancel(body []byte) (pid uint32, secret []byte, err error) {
	if len(body) < 4+4 || len(body) > 4+maxSecret {
		return 0, nil, errMalformed
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}

// cancel acts on a CancelRequest that came by a local port. As PostgreSQL does, it answers
// nothing, whether or not the key fits.
func (p *Proxy) cancel(ctx context.Context, at port, body []byte) {
	pid, secret, err := parseCancel(body)
	if err != nil {
		return
	}
	c := p.live.find(at, pid, secret)
	if c == nil {
		return
	}
	if err := c.sess.Cancelled(); err != nil {
		p.cfg.Log.ErrorContext(ctx, "record a cancel", "session", c.sess.ID(), "err", err)
		return
	}
	if err := c.cancelled(ctx); err != nil {
		p.cfg.Log.WarnContext(ctx, "cancel at the target", "session", c.sess.ID(), "err", err)
	}
}

// overtakes is how long a CancelRequest that finds its connection with nothing to do
// waits for the statement that it was sent after: they come on connections of their own,
// and may change places on the way. PostgreSQL starts a process for each CancelRequest,
// which takes as long on a busy machine. Statements of clients that go on before the
// cancel's connection is closed may be hit, here as there.
const overtakes = 20 * time.Millisecond

// How far the message in hand is, for a CancelRequest while the target has nothing to do.
const (
	notJudged   int32 = iota
	isJudged          // by the gateway: the target has not seen it
	isOvertaken       // and was cancelled meanwhile
	isAwaited         // has not come yet, and is cancelled already
)

// judging is for while a message is judged, which takes time where the catalog is loaded
// first; overtaken ends that, and reports whether a CancelRequest came.
func (c *conn) judging() (overtaken func() bool) {
	if c.early.Swap(isJudged) == isAwaited {
		c.mu.Lock()
		c.early.Store(isOvertaken)
		c.cond.Broadcast()
		c.mu.Unlock()
	}
	return func() bool { return c.early.Swap(notJudged) == isOvertaken }
}

func errCancelled() error {
	return hoop.Errorf(hoop.CodeCancelled, "canceling statement due to user request")
}

// cancelled ends what c is doing: a statement that is judged or waits for approval, or
// what runs in the target. Where it does nothing, that is what it does next, if soon.
func (c *conn) cancelled(ctx context.Context) error {
	c.mu.Lock()
	if c.looksLocked() && c.early.CompareAndSwap(isJudged, isOvertaken) {
		// Between two questions: the target would take it for one of them, or what undoes them.
		if c.endLook != nil {
			c.endLook()
		}
		c.mu.Unlock()
		return nil
	}
	if c.idleLocked() && (c.early.CompareAndSwap(isJudged, isOvertaken) || c.awaitStatementLocked(ctx)) {
		c.mu.Unlock()
		return nil
	}
	hold, busy := c.hold, !c.idleLocked()
	if hold == nil && busy {
		c.worn = true // it may arrive late
	}
	c.mu.Unlock()
	switch {
	case hold != nil:
		hold(errCancelled())
		return nil
	case !busy:
		return nil
	}
	return c.up.cancel(ctx)
}

// idleLocked reports that neither the target nor somebody who approves has anything of
// c's to do. c.mu is held.
func (c *conn) idleLocked() bool {
	return c.hold == nil && (len(c.queue) == 0 || c.over)
}

// looksLocked reports that the target has nothing of c's to do but questions of the gateway's
// own. c.mu is held.
func (c *conn) looksLocked() bool {
	return c.endLook != nil || len(c.queue) > 0 && !slices.ContainsFunc(c.queue, func(e *expected) bool { return e.looks == nil })
}

// awaitStatementLocked waits for a statement that was overtaken by its CancelRequest, and
// reports whether one came: judging has it cancelled. c.mu is held.
func (c *conn) awaitStatementLocked(ctx context.Context) bool {
	if c.over || !c.early.CompareAndSwap(notJudged, isAwaited) {
		return c.over
	}
	ctx, stop := context.WithTimeout(ctx, c.proxy.overtakes)
	defer stop()
	_ = c.awaitLocked(ctx, func() bool { return c.early.Load() != isAwaited }) // in time or not
	return !c.early.CompareAndSwap(isAwaited, notJudged)
}

// cancel sends a CancelRequest to the target on a connection of its own, encrypted if
// the session's is, and waits until the target has taken it in.
func (u *Upstream) cancel(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, cancelTimeout)
	defer stop()
	addr := u.Conn.RemoteAddr()
	nc, err := u.dial(ctx, addr)
	if err != nil {
		return fmt.Errorf("dial for cancel: %w", err)
	}
	defer nc.Close() //nolint:errcheck // nothing depends on it
	if deadline, ok := ctx.Deadline(); ok {
		if err := nc.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if u.TLSConfig != nil {
		if nc, err = startTLS(ctx, nc, u.TLSConfig); err != nil {
			return fmt.Errorf("encrypt cancel: %w", err)
		}
	}
	m := binary.BigEndian.AppendUint32(nil, uint32(12+len(u.SecretKey)))
	m = binary.BigEndian.AppendUint32(m, cancelRequest)
	m = binary.BigEndian.AppendUint32(m, u.PID)
	if _, err := nc.Write(append(m, u.SecretKey...)); err != nil {
		return fmt.Errorf("send cancel: %w", err)
	}
	// The target closes when it has signalled the backend.
	if _, err := nc.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("await cancel: %w", err)
	}
	return nil
}

func (u *Upstream) dial(ctx context.Context, addr net.Addr) (net.Conn, error) {
	if u.Config != nil && u.Config.DialFunc != nil {
		return u.Config.DialFunc(ctx, addr.Network(), addr.String())
	}
	var d net.Dialer
	return d.DialContext(ctx, addr.Network(), addr.String())
}

func startTLS(ctx context.Context, nc net.Conn, conf *tls.Config) (net.Conn, error) {
	req := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, sslRequest)
	if _, err := nc.Write(req); err != nil {
		return nil, err
	}
	var answer [1]byte
	if _, err := io.ReadFull(nc, answer[:]); err != nil {
		return nil, err
	}
	if answer[0] != 'S' {
		return nil, errors.New("the target refuses TLS")
	}
	t := tls.Client(nc, conf)
	return t, t.HandshakeContext(ctx)
}
