package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/catalog"
	"github.com/hoopctl/hoopctl/server/sqlscan"
)

// What a transaction has changed in the catalog and not committed, no other connection sees.
// So the client's own is asked, before what comes behind the change is judged: the gateway
// puts questions of its own between the client's statements. Where that cannot be (in the
// middle of a batch, at other isolation levels), what is judged counts as reading what its text
// does not show.

// insight is the catalog as the open transaction has it.
type insight struct {
	snap   *catalog.Snapshot
	others *catalog.Snapshot // what others saw then
	at     int64             // conn.altered then
}

// looking is a question of the gateway's own, in the client's session.
type looking struct {
	fields []pgconn.FieldDescription
	rows   [][][]byte
	state  string // SQLSTATE of its failure; "" for none
}

const (
	// lookName names what stands for a question in the target: clients have none of the name.
	lookName = "hoopctl catalog"
	// lookTime is how long all questions of one look may take; each has a limit of its own.
	lookTime = 30 * time.Second
	// maxInsights is how many of them all connections together may have, each a few megabytes.
	maxInsights = 64
	// maxOwn is how many one connection may have: portals keep that which they were judged by.
	maxOwn = 8
)

// altering are effects of what may leave another catalog than there was.
var altering = []hoop.Effect{
	hoop.EffectDDL, hoop.EffectDestroy, hoop.EffectRole, hoop.EffectServer, hoop.EffectOpaque, hoop.EffectUnknown,
}

// alters reports whether what runs may leave another catalog than there was: it changes that,
// goes back to what was, or runs what was put off, or goes on in a cursor, which may.
func (r *running) alters() bool {
	for _, m := range r.meanings {
		if m.analysis.DDL || slices.ContainsFunc(altering, m.analysis.Has) || slices.ContainsFunc(m.analysis.Commands, func(cmd sqlscan.Command) bool {
			switch cmd.Tx {
			case sqlscan.TxNone, sqlscan.TxBegin, sqlscan.TxSavepoint, sqlscan.TxRelease:
				return cmd.Hurries || cmd.Fetch != ""
			}
			return true
		}) {
			return true
		}
	}
	return false
}

// concerns reports whether it matters to m what the transaction has changed: it has rows to
// show or to change, or makes something of the session's own. Other definitions are many, and
// most of them simply run.
func concerns(m *meaning) bool {
	return slices.ContainsFunc(m.analysis.Commands, func(cmd sqlscan.Command) bool {
		switch cmd.Verb {
		case "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "EXECUTE", "CALL", "DO", "DECLARE":
			return true
		}
		return cmd.ReturnsRows || len(cmd.Local) > 0
	})
}

// look has what the open transaction has changed in the catalog known before m is judged, and
// reports whether more is known than before: where that matters to m, or where st, which is
// what m does as far as is known without, would not simply run.
func (c *conn) look(m *meaning, st *hoop.Statement) (more bool, err error) {
	if c.refused || c.gate != nil || c.enclosed != nil || c.passing > 0 {
		return false, nil
	}
	c.mu.Lock()
	wanted := c.ddl >= 0 && c.blind != c.altered && !c.midBatch && !c.skipping && c.sess != nil
	c.mu.Unlock()
	if !wanted || st == nil && !concerns(m) || st != nil && c.sess.Passes(c.ctx, st) {
		return false, nil
	}
	others, err := c.others(c.ctx)
	if err != nil {
		return false, err
	}
	if err := c.barrier(c.ctx); err != nil {
		return false, errTerminated
	}
	c.mu.Lock()
	known := c.insightLocked(others) != nil
	c.stale = c.stale || !known // the transaction sees what others have just committed, too
	c.mu.Unlock()
	if known {
		return false, nil
	}
	if others, err = c.others(c.ctx); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(c.ctx, lookTime)
	defer cancel()
	c.mu.Lock()
	open := c.status == 'T' && c.ddl >= 0
	if open = open && c.countLocked(); open {
		c.endLook = cancel
	}
	c.looked++
	altered, look := c.altered, c.looked
	c.mu.Unlock()
	if !open {
		return false, nil
	}
	snap, err := catalog.Within(ctx, c.ask, others, "as of "+strconv.FormatInt(look, 10))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLook = nil
	switch pe := (*pgconn.PgError)(nil); {
	case c.ctx.Err() != nil:
		return false, errTerminated
	case err == nil:
		c.insight = &insight{snap, others, altered}
		return true, nil
	case c.status != 'T' || !errors.As(err, &pe) && !errors.Is(err, catalog.ErrUnsure):
		return false, hoop.Errorf(hoop.CodeInternal, "the gateway could not read the catalog in the client's transaction").
			WithHint("connect again").Wrap(err)
	}
	c.blind = c.altered
	c.proxy.cfg.Log.InfoContext(c.ctx, "a transaction does not show what it has changed in the catalog", "session", c.sess.ID(), "err", err)
	return false, nil
}

// unlookLocked is for the end of the transaction, or of the connection. c.mu is held.
func (c *conn) unlookLocked() {
	c.proxy.insights.Add(-c.counted)
	c.insight, c.counted, c.blind = nil, 0, -1
}

// countLocked counts one more catalog besides those that the transaction's statements keep, and
// reports whether there may be as many. c.mu is held.
func (c *conn) countLocked() bool {
	kept := map[*insight]bool{}
	keeps := func(r *running) {
		if r.by.own != nil {
			kept[r.by.own] = true
		}
	}
	c.portals.each(func(_ string, p *portal) { keeps(p.run) })
	for _, d := range slices.Concat(c.due, c.quiet) {
		keeps(d.run)
	}
	n := int32(len(kept)) + 1
	if n > maxOwn {
		return false
	}
	more := n - c.counted
	if c.proxy.insights.Add(more) > maxInsights && more > 0 {
		c.proxy.insights.Add(-more)
		return false
	}
	c.counted = n
	return true
}

// insightLocked is what is known of the transaction's own catalog, while others see the
// same as then; nil where it has changed that since. c.mu is held.
func (c *conn) insightLocked(others *catalog.Snapshot) *insight {
	if c.insight == nil || c.insight.at != c.altered || c.insight.others.Version != others.Version {
		return nil
	}
	return c.insight
}

// seesLocked reports whether m was analysed by it. c.mu is held.
func (c *conn) seesLocked(m *meaning) bool {
	return c.insight != nil && c.insight.at == c.altered && c.overlay.on(c.insight.snap).Version == m.version
}

// ask is a catalog.Ask by way of the client's session, between its statements. What was
// asked is answered: ctx ends what comes behind it.
func (c *conn) ask(ctx context.Context, sql string, row func([]pgconn.FieldDescription, [][]byte) error) error {
	if ctx.Err() != nil {
		return catalog.ErrUnsure
	}
	l := &looking{}
	c.push(&expected{kind: 'S', looks: l})
	for _, part := range []struct {
		kind byte
		body []byte
		more []byte
	}{
		{'C', appendString([]byte{'P'}, lookName), nil}, // those of one that failed are left
		{'C', appendString([]byte{'S'}, lookName), nil},
		{'P', appendString(appendString(nil, lookName), sql), []byte{0, 0}},
		{'B', appendString(appendString(nil, lookName), lookName), make([]byte, 6)},
		{'D', appendString([]byte{'P'}, lookName), nil},
		{'E', appendString(nil, lookName), make([]byte, 4)},
		{'C', appendString([]byte{'P'}, lookName), nil},
		{'C', appendString([]byte{'S'}, lookName), nil},
		{'S', nil, nil},
	} {
		m, at := begin(c.out, part.kind)
		c.out = end(append(append(m, part.body...), part.more...), at)
	}
	if err := c.barrier(c.ctx); err != nil {
		return err
	}
	if l.state != "" {
		return &pgconn.PgError{Code: l.state, Message: "it failed"}
	}
	for _, r := range l.rows {
		if err := row(l.fields, r); err != nil {
			return err
		}
	}
	return nil
}

// looks takes in a part of the answer to a question of the gateway's own.
func (a *answerer) looks(e *expected, kind byte, m []byte) error {
	l, body := e.looks, m[headerSize:]
	switch kind {
	case 'T':
		var err error
		if l.fields, err = lookFields(body); err != nil {
			return a.fault("RowDescription of the catalog: %v", err)
		}
	case 'D':
		f := fields{b: body}
		row := make([][]byte, f.uint16())
		for i := range row {
			row[i] = slices.Clone(f.value())
		}
		if err := f.done(); err != nil || len(row) != len(l.fields) {
			return a.fault("DataRow of the catalog: %v", err)
		}
		l.rows = append(l.rows, row)
	case 'E':
		t := inspect(body)
		if t.severity == "FATAL" || t.severity == "PANIC" {
			return a.fatal(m)
		}
		l.state = t.state
	case '1', '2', '3', 'n', 'C', 'N', 'S':
	case 'Z':
		if len(body) != 1 {
			return a.fault("ReadyForQuery of %d bytes", len(m))
		}
		a.drop(len(m))
		a.conn.mu.Lock()
		defer a.conn.mu.Unlock()
		a.status = body[0]
		a.popLocked()
		return nil
	default:
		return a.fault("message of type %q in answer to a question about the catalog", kind)
	}
	a.drop(len(m))
	return nil
}

// lookFields reads a RowDescription: 2B count, and of each column its name + 4B table + 2B
// number + 4B type + 2B size + 4B modifier + 2B format.
func lookFields(body []byte) ([]pgconn.FieldDescription, error) {
	f := fields{b: body}
	out := make([]pgconn.FieldDescription, 0, 16)
	for range f.uint16() {
		d := pgconn.FieldDescription{Name: string(f.cstring())}
		f.uint32()
		f.uint16()
		d.DataTypeOID = f.uint32()
		f.uint16()
		f.uint32()
		d.Format = int16(f.uint16())
		if f.err != nil {
			return nil, f.err
		}
		out = append(out, d)
	}
	if err := f.done(); err != nil {
		return nil, fmt.Errorf("columns: %w", err)
	}
	return out, nil
}
