package leaks

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// patience is how long the peer may take for one answer.
const patience = 20 * time.Second

// wire is a connection whose client keeps every byte that it gets.
type wire struct {
	net.Conn

	got   []byte               // all of it
	read  int                  // where the next message begins in got
	copy  []byte               // what COPY FROM STDIN is fed with
	asked func(approval int64) // called when the gateway asks people; nil: nobody answers
	ended bool                 // the peer closed

	extended bool // the protocol of the statement at hand
}

// tap keeps what is read.
type tap struct {
	net.Conn
	w *wire
}

func (t tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.w.got = append(t.w.got, p[:n]...)
	return n, err
}

// open signs in; dsn's database and settings are replaced where given.
func open(tb testing.TB, dsn, database string, settings map[string]string) *wire {
	tb.Helper()
	w, err := tryOpen(tb.Context(), dsn, database, settings)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = w.Close() })
	return w
}

func tryOpen(ctx context.Context, dsn, database string, settings map[string]string) (*wire, error) {
	cfg, err := pgconn.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	w := &wire{}
	cfg.Database = database
	for k, v := range settings {
		cfg.RuntimeParams[k] = v
	}
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return tap{conn, w}, nil
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return w, err
	}
	// After a slow write pgconn reads in the background: what comes next would be its.
	if err := conn.SyncConn(ctx); err != nil {
		return w, err
	}
	h, err := conn.Hijack()
	if err != nil {
		return w, err
	}
	w.Conn, w.got = h.Conn, nil
	return w, nil
}

// send writes messages in one go.
func (w *wire) send(msgs ...pgproto3.FrontendMessage) {
	var b []byte
	for _, m := range msgs {
		var err error
		if b, err = m.Encode(b); err != nil {
			panic(err)
		}
	}
	w.sendRaw(b)
}

func (w *wire) sendRaw(b []byte) {
	_ = w.SetDeadline(time.Now().Add(patience))
	if _, err := w.Write(b); err != nil {
		w.ended = true
	}
}

// errEnded says that the peer closed the connection, which is an answer too.
var errEnded = errors.New("the connection has ended")

// message gives the next message; the bytes are those of got.
func (w *wire) message() (kind byte, body []byte, err error) {
	need := func(n int) error {
		for len(w.got)-w.read < n {
			if w.ended {
				return errEnded
			}
			_ = w.SetDeadline(time.Now().Add(patience))
			if _, err := w.Conn.Read(make([]byte, 1<<16)); err != nil {
				w.ended = true
				var ne net.Error
				if errors.As(err, &ne) && ne.Timeout() {
					return fmt.Errorf("no answer in %s", patience)
				}
				if len(w.got)-w.read < n {
					return errEnded
				}
			}
		}
		return nil
	}
	if err := need(5); err != nil {
		return 0, nil, err
	}
	n := int(binary.BigEndian.Uint32(w.got[w.read+1:])) + 1
	if err := need(n); err != nil {
		return 0, nil, err
	}
	m := w.got[w.read : w.read+n]
	w.read += n
	return m[0], m[5:], nil
}

// needed is the notice of a statement that waits for people.
var needed = regexp.MustCompile(`approval (\d+) needed: `)

// until reads up to a message of one of the kinds. It answers CopyInResponse with
// what there is to copy.
func (w *wire) until(kinds string) (last byte, err error) {
	for {
		kind, body, err := w.message()
		if err != nil {
			return 0, err
		}
		if sub := needed.FindSubmatch(body); kind == 'N' && sub != nil && w.asked != nil {
			id, _ := strconv.ParseInt(string(sub[1]), 10, 64)
			w.asked(id)
		}
		if kind == 'G' {
			w.send(&pgproto3.CopyData{Data: w.copy}, &pgproto3.CopyDone{})
			if w.extended {
				w.send(&pgproto3.Sync{}) // the one before counts for nothing while it copies
			}
		}
		if bytes.IndexByte([]byte(kinds), kind) >= 0 {
			return kind, nil
		}
	}
}

// mode is how statements are sent.
type mode struct {
	name     string
	extended bool
	describe bool // D between Bind and Execute
	binary   bool
	limit    uint32 // rows per Execute, 0 for all
}

var (
	simple    = mode{name: "simple"}
	text      = mode{name: "extended text", extended: true, describe: true}
	undescr   = mode{name: "extended binary without Describe", extended: true, binary: true}
	piecewise = mode{name: "extended binary, a row at a time", extended: true, describe: true, binary: true, limit: 1}
)

// run sends one text and reads all of the answer.
func (w *wire) run(m mode, sql string) error {
	w.extended = m.extended
	if !m.extended {
		w.send(&pgproto3.Query{String: sql})
		_, err := w.until("Z")
		return err
	}
	formats := []int16{0}
	if m.binary {
		formats[0] = 1
	}
	msgs := []pgproto3.FrontendMessage{
		&pgproto3.Parse{Query: sql},
		&pgproto3.Bind{ResultFormatCodes: formats},
	}
	if m.describe {
		msgs = append(msgs, &pgproto3.Describe{ObjectType: 'P'})
	}
	msgs = append(msgs, &pgproto3.Execute{MaxRows: m.limit})
	if m.limit == 0 {
		w.send(append(msgs, &pgproto3.Sync{})...)
		_, err := w.until("Z")
		return err
	}
	for {
		w.send(append(msgs, &pgproto3.Flush{})...)
		last, err := w.until("sCEI")
		if err != nil {
			return err
		}
		if last != 's' {
			break
		}
		msgs = []pgproto3.FrontendMessage{&pgproto3.Execute{MaxRows: m.limit}}
	}
	w.send(&pgproto3.Sync{})
	_, err := w.until("Z")
	return err
}

// value runs a statement with one parameter in a format, and fails where it does.
func (w *wire) value(sql string, v []byte, format int16) error {
	w.extended = true
	at := len(w.got)
	w.send(&pgproto3.Parse{Query: sql}, &pgproto3.Bind{ParameterFormatCodes: []int16{format}, Parameters: [][]byte{v}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	if _, err := w.until("Z"); err != nil {
		return err
	}
	for m := range messages(w.got[at:]) {
		if m[0] == 'E' {
			return errors.New(told(m))
		}
	}
	return nil
}

// cells gives the values of every DataRow.
func cells(got []byte) [][][]byte {
	var rows [][][]byte
	for m := range messages(got) {
		if m[0] != 'D' || len(m) < 7 {
			continue
		}
		var row [][]byte
		b := m[7:]
		for range binary.BigEndian.Uint16(m[5:]) {
			n := int32(binary.BigEndian.Uint32(b))
			b = b[4:]
			if n < 0 {
				row = append(row, nil)
				continue
			}
			row = append(row, b[:n])
			b = b[n:]
		}
		rows = append(rows, row)
	}
	return rows
}

// messages gives the messages in got, which begins with one, with their headers.
func messages(got []byte) func(yield func(m []byte) bool) {
	return func(yield func(m []byte) bool) {
		for len(got) >= 5 {
			n := int(binary.BigEndian.Uint32(got[1:])) + 1
			if n > len(got) || !yield(got[:n]) {
				return
			}
			got = got[n:]
		}
	}
}

// views is what was received, in every way that an attacker would put it together:
// as it came, the values of each column, those of each row, both as code points, the
// sizes of values as code points, and which are NULL, or true, as bits.
func views(got []byte) [][]byte {
	out := [][]byte{got, copied(got), states(got)}
	rows := cells(got)
	if len(rows) == 0 {
		return out
	}
	var across []byte
	columns := map[int][]byte{}
	var points []byte
	var sizes [2][]byte
	pointColumns := map[int][]byte{}
	var nulls, truths bits
	for _, row := range rows {
		for i, v := range row {
			across = append(across, v...)
			columns[i] = append(columns[i], v...)
			nulls.add(v != nil)
			if len(v) == 1 && bytes.IndexByte([]byte("tf\x00\x01"), v[0]) >= 0 {
				truths.add(v[0] == 't' || v[0] == 1)
			}
			for i, n := range size(v) {
				if n >= ' ' && n < 127 {
					sizes[i] = append(sizes[i], byte(n))
				}
			}
			if c, ok := codePoint(v); ok {
				points = append(points, c)
				pointColumns[i] = append(pointColumns[i], c)
			}
		}
	}
	out = append(out, across, points, sizes[0], sizes[1], nulls.bytes, truths.bytes)
	for i, c := range columns {
		out = append(out, c, pointColumns[i])
	}
	return out
}

// bits gathers bytes, the highest bit first.
type bits struct {
	bytes []byte
	n     int
}

func (b *bits) add(set bool) {
	if b.n%8 == 0 {
		b.bytes = append(b.bytes, 0)
	}
	if set {
		b.bytes[b.n/8] |= 0x80 >> (b.n % 8)
	}
	b.n++
}

// size is how many elements or members a value has, and how deep it is nested.
func size(v []byte) (out [2]int) {
	switch {
	case len(v) > 1 && bytes.IndexByte([]byte("{[("), v[0]) >= 0:
		return [2]int{bytes.Count(v, []byte(",")) + 1, bytes.Count(v, []byte("["))}
	case len(v) >= 20 && binary.BigEndian.Uint32(v) == 1: // array_send
		out[0] = int(int32(binary.BigEndian.Uint32(v[12:])))
	case len(v) > 1 && v[0] == 1: // jsonb_send
		return size(v[1:])
	}
	return out
}

// codePoint reads a cell that holds the number of a printable character.
func codePoint(v []byte) (byte, bool) {
	n, err := strconv.Atoi(string(v))
	if err != nil {
		switch len(v) {
		case 4:
			n = int(binary.BigEndian.Uint32(v))
		case 8:
			n = int(binary.BigEndian.Uint64(v))
		default:
			return 0, false
		}
	}
	return byte(n), n >= ' ' && n < 127
}

// copied is the payload of COPY TO STDOUT alone.
func copied(got []byte) []byte {
	var out []byte
	for m := range messages(got) {
		if m[0] == 'd' {
			out = append(out, m[5:]...)
		}
	}
	return out
}

// states is the SQLSTATEs of errors and notices, one after the other.
func states(got []byte) []byte {
	var out []byte
	for m := range messages(got) {
		if m[0] != 'E' && m[0] != 'N' {
			continue
		}
		for f := range bytes.SplitSeq(m[5:], []byte{0}) {
			if len(f) == 6 && f[0] == 'C' {
				out = append(out, f[1:]...)
			}
		}
	}
	return out
}

// answered tells whether err is an answer: none, or the end of the connection.
func answered(err error) bool {
	return err == nil || errors.Is(err, errEnded) || errors.Is(err, io.EOF)
}
