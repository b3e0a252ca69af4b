package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// client is the raw reader: it signs in by pgconn and then reads bytes itself, so that
// its own work hides as little as possible of what a path costs. Not for concurrent use.
type client struct {
	conn net.Conn
	end  func() bool // stops watching the context
	buf  []byte
}

// connect opens a connection through p. It lives no longer than ctx.
func connect(ctx context.Context, p *path) (*client, error) {
	conf, err := pgconn.ParseConfig("sslmode=disable connect_timeout=10 application_name=bench")
	if err != nil {
		return nil, err
	}
	conf.Host, conf.Port, conf.User, conf.Password, conf.Database = p.host, uint16(p.port), p.user, p.password, p.database
	conf.Fallbacks = nil
	pg, err := pgconn.ConnectConfig(ctx, conf)
	if err != nil {
		return nil, err
	}
	if err := pg.SyncConn(ctx); err != nil { // it may read in the background
		return nil, errors.Join(err, pg.Close(ctx))
	}
	h, err := pg.Hijack()
	if err != nil {
		return nil, err
	}
	c := &client{conn: h.Conn, buf: make([]byte, 64<<10)}
	c.end = context.AfterFunc(ctx, func() { c.conn.Close() })
	return c, nil
}

// Close ends the session.
func (c *client) Close() {
	c.end()
	b, _ := (&pgproto3.Terminate{}).Encode(nil) // always fits
	_, _ = c.conn.Write(b)                      // closing is enough, too
	c.conn.Close()
}

// drained is what reading a whole result took.
type drained struct {
	bytes int64
	rows  int64
	first time.Duration // until the first kilobyte
	total time.Duration
}

// drain runs a query by the simple protocol and reads its result.
func (c *client) drain(sql string) (drained, error) {
	begin := time.Now()
	var d drained
	if err := c.begin(sql); err != nil {
		return d, err
	}
	var f frames
	for done := false; !done; {
		n, err := c.conn.Read(c.buf)
		if err != nil {
			return d, fmt.Errorf("read a result: %w", err)
		}
		if done, err = f.feed(c.buf[:n]); err != nil {
			return d, err
		}
		d.bytes += int64(n)
		if d.first == 0 && d.bytes >= 1<<10 {
			d.first = time.Since(begin)
		}
	}
	d.rows, d.total = f.rows, time.Since(begin)
	return d, nil
}

// begin sends a query and reads nothing.
func (c *client) begin(sql string) error {
	q, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err != nil {
		return err
	}
	if _, err := c.conn.Write(q); err != nil {
		return fmt.Errorf("send a query: %w", err)
	}
	return nil
}

// stall sends a query, reads a little of the result, and then nothing more.
func (c *client) stall(sql string) error {
	if err := c.begin(sql); err != nil {
		return err
	}
	if _, err := c.conn.Read(c.buf[:4<<10]); err != nil {
		return fmt.Errorf("read a result: %w", err)
	}
	return nil
}

// prepare makes the prepared statement that selectOne runs.
func (c *client) prepare() error {
	var b []byte
	var err error
	for _, m := range []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: "one", Query: "SELECT abalance FROM pgbench_accounts WHERE aid = $1", ParameterOIDs: []uint32{23}},
		&pgproto3.Sync{},
	} {
		if b, err = m.Encode(b); err != nil {
			return err
		}
	}
	return c.exchange(b)
}

// selectOne runs the prepared statement for one of accounts.
func (c *client) selectOne(b []byte, accounts int) ([]byte, error) {
	id := strconv.AppendInt(nil, 1+rand.Int64N(int64(accounts)), 10)
	var err error
	for _, m := range []pgproto3.FrontendMessage{
		&pgproto3.Bind{PreparedStatement: "one", Parameters: [][]byte{id}},
		&pgproto3.Execute{}, &pgproto3.Sync{},
	} {
		if b, err = m.Encode(b); err != nil {
			return b, err
		}
	}
	return b, c.exchange(b)
}

// exchange writes b and reads up to ReadyForQuery.
func (c *client) exchange(b []byte) error {
	if _, err := c.conn.Write(b); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	var f frames
	for done := false; !done; {
		n, err := c.conn.Read(c.buf)
		if err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		if done, err = f.feed(c.buf[:n]); err != nil {
			return err
		}
	}
	return nil
}

// latencies runs the prepared select one after the other for that long and gives the
// sorted times.
func (c *client) latencies(accounts int, length time.Duration) ([]time.Duration, error) {
	if err := c.prepare(); err != nil {
		return nil, err
	}
	var all []time.Duration
	var b []byte
	for end := time.Now().Add(length); ; {
		begin := time.Now()
		if begin.After(end) && len(all) > 0 {
			break
		}
		var err error
		if b, err = c.selectOne(b[:0], accounts); err != nil {
			return nil, err
		}
		all = append(all, time.Since(begin))
	}
	slices.Sort(all)
	return all, nil
}

// frames follows the server's messages by their lengths alone (PostgreSQL, "Message
// Formats": 1B type + 4B length, which counts itself). It keeps the body of an
// ErrorResponse, which it reports at the end.
type frames struct {
	rows int64
	head [5]byte
	have int   // bytes of head
	left int64 // bytes of the body still to come
	fail []byte
	bad  bool // in the body of an ErrorResponse
}

// maxErrorBody bounds what is kept of an ErrorResponse.
const maxErrorBody = 16 << 10

// feed takes the next bytes; done is true with a ReadyForQuery, and then err is what
// the server answered.
func (f *frames) feed(b []byte) (done bool, err error) {
	for len(b) > 0 {
		if f.left > 0 {
			n := int(min(int64(len(b)), f.left))
			if f.bad && len(f.fail)+n <= maxErrorBody {
				f.fail = append(f.fail, b[:n]...)
			}
			b, f.left = b[n:], f.left-int64(n)
		} else {
			n := copy(f.head[f.have:], b)
			b, f.have = b[n:], f.have+n
			if f.have < len(f.head) {
				return false, nil
			}
			length := int64(binary.BigEndian.Uint32(f.head[1:]))
			if length < 4 {
				return false, fmt.Errorf("a message of type %q has the length %d", f.head[0], length)
			}
			f.left = length - 4
			f.bad = f.head[0] == 'E'
			if f.head[0] == 'D' {
				f.rows++
			}
		}
		if f.left == 0 {
			f.have = 0
			if f.head[0] == 'Z' {
				return true, f.failure()
			}
		}
	}
	return false, nil
}

func (f *frames) failure() error {
	if f.fail == nil {
		return nil
	}
	var e pgproto3.ErrorResponse
	if err := e.Decode(f.fail); err != nil {
		return fmt.Errorf("an error of the server: %w", err)
	}
	return pgconn.ErrorResponseToPgError(&e)
}
