package postgres

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/session"
)

// tidyTime is how long a target has to clean a connection, or to name its new session.
const tidyTime = 5 * time.Second

// shelf keeps connections to targets for the next session of the same identity under
// the same grant and rules. What waits there has been cleaned by DISCARD ALL. It is
// safe for concurrent use.
type shelf struct {
	log  *slog.Logger
	work sync.WaitGroup // connections that are being cleaned

	mu     sync.Mutex           // guards what follows
	idle   map[string][]*waiter // by target; the one that came last at the end
	closed bool
	swept  int // how often all were closed
}

// waiter is a connection on the shelf.
type waiter struct {
	target  string
	key     reuseKey
	up      *Upstream
	release func() // of what would take it off
}

// reuseKey tells connections apart that must not serve each other's sessions. The zero
// key is of those that are not kept at all.
type reuseKey struct {
	database, stamp string // of the target's declaration
	session         string // grant, rules, identity, parameters
}

// reuseKey is that of a session.
func (p *Proxy) reuseKey(target hoop.Target, database string, params map[string]string, sess *session.Session) reuseKey {
	if target.Reuse.MaxIdle == 0 {
		return reuseKey{}
	}
	stamp, err := p.cfg.Dial.Stamp(target, database)
	if err != nil {
		return reuseKey{} // dialling tells
	}
	own := map[string]string{}
	for name, value := range params {
		if name != settingSession {
			own[name] = value
		}
	}
	key, err := json.Marshal(struct {
		Grant, Revision string
		Identity        hoop.Identity
		Params          map[string]string
	}{sess.Grant(), sess.Revision(), sess.Identity(), own})
	if err != nil {
		panic(err) // plain values: cannot happen
	}
	return reuseKey{database, stamp, string(key)}
}

// upstream gives a connection for a session that has begun: one that was used before,
// where there is one, else a new one.
func (p *Proxy) upstream(ctx context.Context, target hoop.Target, database string, key reuseKey, params map[string]string) (up *Upstream, reused bool, err error) {
	for key != (reuseKey{}) {
		if up = p.shelf.take(target.Name, key); up == nil {
			break
		}
		if _, err := up.run("SET SESSION " + settingSession + " = " + quoteLiteral(params[settingSession])); err == nil {
			return up, true, nil
		}
		_ = up.Conn.Close() // the target may have restarted
	}
	up, err = p.cfg.Dial.Dial(ctx, target, database, params)
	if err != nil && hoop.AsError(err).Code == hoop.CodeTooMany && p.shelf.drop(target.Name) {
		up, err = p.cfg.Dial.Dial(ctx, target, database, params)
	}
	if err != nil {
		return nil, false, err
	}
	if err := up.learn(); err != nil {
		_ = up.Conn.Close()
		return nil, false, hoop.Errorf(hoop.CodeUnavailable, "target %s does not tell which search_path it gave the session", target.Name).
			WithHint("try again").Wrap(err)
	}
	return up, false, nil
}

// learn asks for the search_path: startup parameters, the role, the database and the server
// may set it. PostgreSQL 18 and later tell it unasked.
func (u *Upstream) learn() (err error) {
	told := false
	if u.path, told = u.ParameterStatuses["search_path"]; !told {
		u.path, err = u.run("SHOW search_path")
	}
	return err
}

// take gives a connection with that key, nil for none. A connection that the target
// has said something on since is not what it was, nor one whose target is declared
// otherwise by now: with another credential, say.
func (s *shelf) take(target string, key reuseKey) *Upstream {
	for s.discard(s.pick(target, func(w *waiter) bool { return w.key.database == key.database && w.key.stamp != key.stamp })) {
	}
	for {
		w := s.pick(target, func(w *waiter) bool { return w.key == key })
		if w == nil {
			return nil
		}
		w.release()
		if !w.up.hasSpoken() {
			return w.up
		}
		_ = w.up.Conn.Close()
	}
}

// pick takes off the one that came last of those that match.
func (s *shelf) pick(target string, match func(*waiter) bool) *waiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.idle[target]
	for i := len(all) - 1; i >= 0; i-- {
		if w := all[i]; match(w) {
			s.idle[target] = slices.Delete(all, i, i+1)
			return w
		}
	}
	return nil
}

// drop closes a connection of the target; false where there is none.
func (s *shelf) drop(target string) bool {
	return s.discard(s.pick(target, func(*waiter) bool { return true }))
}

func (s *shelf) discard(w *waiter) bool {
	if w == nil {
		return false
	}
	w.release()
	w.up.end()
	return true
}

// park cleans the connection of a session that has ended and keeps it, in the
// background.
func (s *shelf) park(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.up.Conn.Close()
		return
	}
	swept := s.swept
	s.work.Go(func() {
		if _, err := c.up.run("DISCARD ALL"); err != nil {
			_ = c.up.Conn.Close()
			s.log.Warn("a connection is not kept for reuse", "session", c.sess.ID(), "err", err)
			return
		}
		s.keep(c, swept)
	})
}

// keep puts the connection on the shelf until its time is over or the grant ends,
// unless all were closed since swept.
func (s *shelf) keep(c *conn, swept int) {
	w := &waiter{target: c.sess.Target().Name, key: c.reuse, up: c.up}
	remove := func() { s.discard(s.pick(w.target, func(other *waiter) bool { return other == w })) }
	granted, release := c.sess.Stay()
	var old []*waiter
	s.mu.Lock()
	if s.idle == nil {
		s.idle = map[string][]*waiter{}
	}
	if s.closed || s.swept != swept || granted.Err() != nil {
		old = append(old, w)
	} else {
		s.idle[w.target] = append(s.idle[w.target], w)
		over := max(0, len(s.idle[w.target])-c.sess.Target().Reuse.MaxIdle)
		old = append(old, s.idle[w.target][:over]...)
		s.idle[w.target] = slices.Delete(s.idle[w.target], 0, over)
	}
	timer := time.AfterFunc(time.Duration(c.sess.Target().Reuse.IdleTimeout), remove)
	watched := context.AfterFunc(granted, remove)
	w.release = sync.OnceFunc(func() {
		timer.Stop()
		watched()
		release()
	})
	s.mu.Unlock()
	for _, w := range old {
		s.discard(w)
	}
}

// flush closes all that waits.
func (s *shelf) flush() {
	s.mu.Lock()
	idle := s.idle
	s.idle = nil
	s.swept++
	s.mu.Unlock()
	for _, all := range idle {
		for _, w := range all {
			s.discard(w)
		}
	}
}

// close does so for good.
func (s *shelf) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.flush()
	s.work.Wait()
}

// Flush closes the connections that are kept for reuse: for when rules or targets have
// changed.
func (p *Proxy) Flush() { p.shelf.flush() }

// Close does so for good; sessions must have ended.
func (p *Proxy) Close() { p.shelf.close() }

// run runs a command of the gateway's own on a connection that nobody else uses, and gives
// the one value that it answers, if any. The target must end with no transaction open.
func (u *Upstream) run(sql string) (value string, err error) {
	if err := u.Conn.SetDeadline(time.Now().Add(tidyTime)); err != nil {
		return "", err
	}
	f := pgproto3.NewFrontend(u.Conn, u.Conn)
	f.Send(&pgproto3.Query{String: sql})
	if err := f.Flush(); err != nil {
		return "", err
	}
	for {
		m, err := f.Receive()
		if err != nil {
			return "", err
		}
		switch m := m.(type) {
		case *pgproto3.ParameterStatus:
			u.ParameterStatuses[m.Name] = m.Value
		case *pgproto3.NoticeResponse, *pgproto3.NotificationResponse, *pgproto3.CommandComplete, *pgproto3.RowDescription:
		case *pgproto3.DataRow:
			value = string(bytes.Join(m.Values, nil))
		case *pgproto3.ReadyForQuery:
			if m.TxStatus != 'I' || f.ReadBufferLen() > 0 {
				return "", errors.New("the target is not idle afterwards")
			}
			return value, u.Conn.SetDeadline(time.Time{})
		case *pgproto3.ErrorResponse:
			return "", fmt.Errorf("%s: %s", sql, m.Code) // its text may show values
		default:
			return "", fmt.Errorf("%s: answered by %T", sql, m)
		}
	}
}

// hasSpoken reports whether the target has sent something, or closed, while nobody
// asked.
func (u *Upstream) hasSpoken() bool {
	if t, ok := u.Conn.(*tls.Conn); ok {
		return moreToRead(t.NetConn())
	}
	return moreToRead(u.Conn)
}

// end ends the target's side in good order.
func (u *Upstream) end() {
	_ = u.Conn.SetDeadline(time.Now().Add(lastWords))
	_, _ = u.Conn.Write([]byte{'X', 0, 0, 0, 4}) // closing would do as well
	_ = u.Conn.Close()
}

// unfit are the effects after which a connection is not reused: DISCARD ALL does not
// undo all that they can do to a session.
var unfit = []hoop.Effect{
	hoop.EffectOpaque, hoop.EffectServer, hoop.EffectDDL, hoop.EffectDestroy, hoop.EffectRole, hoop.EffectDerive, hoop.EffectUnknown,
}

func fits(uses []hoop.Use) bool {
	return !slices.ContainsFunc(uses, func(u hoop.Use) bool { return slices.Contains(unfit, u.Effect) })
}

// reusable decides, when both goroutines have ended, whether the connection may serve
// another session; from then on no cancel reaches it. a is what read the target.
func (c *conn) reusable(a *answerer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = c.reuse != (reuseKey{}) && !c.worn && c.status == 'I' && !c.midBatch && !c.skipping && !c.refused &&
		len(c.queue) == 0 && c.settled && c.gate == nil && c.passing == 0 && len(c.out) == 0 && a.idleInput()
	return c.over
}

// idleInput reports whether all that the target sent was handled.
func (a *answerer) idleInput() bool { return a.left == 0 && a.in.buffered() == 0 && len(a.win) == 0 }

// quoteLiteral writes s as a string constant.
func quoteLiteral(s string) string {
	q := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(q, `\`, `\\`)
	}
	return q
}
