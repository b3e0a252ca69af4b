//go:build clients

package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgxModes are pgx's ways to run a query.
var pgxModes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func TestPgx(t *testing.T) {
	compare(t, "pgx", "<nil>", func(t *testing.T, dsn string, r route) string {
		p := &printer{}
		for _, mode := range pgxModes {
			p.say("== %s", mode)
			c := &pgxUser{t: t, p: p, r: r, ctx: t.Context(), mode: mode, dsn: dsn}
			c.conn = c.connect()
			c.use()
			must(t, c.conn.Close(c.ctx))
		}
		return p.b.String()
	})
}

// What tools ask about a database, by the standard's views and by PostgreSQL's tables.
const (
	columnsOfSchema = `SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
		WHERE table_schema = 'clinic' AND table_name IN ('patients', 'visits') ORDER BY table_name, ordinal_position`
	columnsOfCatalog = `SELECT c.relname::text, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
		WHERE n.nspname = 'clinic' AND c.relkind = 'r' AND a.attnum > 0 ORDER BY 1, a.attnum`
)

// pgxUser does what users of pgx do.
type pgxUser struct {
	t    *testing.T
	p    *printer
	r    route
	ctx  context.Context
	mode pgx.QueryExecMode
	dsn  string
	conn *pgx.Conn
}

func (c *pgxUser) connect() *pgx.Conn {
	cfg, err := pgx.ParseConfig(c.dsn)
	must(c.t, err)
	cfg.DefaultQueryExecMode = c.mode
	if !c.r.core {
		cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { c.p.say("%s %s %s", n.Severity, n.Message, n.Hint) }
	}
	conn, err := pgx.ConnectConfig(c.ctx, cfg)
	must(c.t, err)
	return conn
}

func (c *pgxUser) use() {
	c.rows(columnsOfSchema)
	c.rows(columnsOfCatalog)
	c.types()
	c.batches()
	c.transactions()
	c.copies()
	c.cancels()
	c.listens()
	c.pools()
	if !c.r.core {
		c.largeObjects()
		c.temporary()
	}
}

// rows prints the answer to a query, with its last error.
func (c *pgxUser) rows(sql string, args ...any) {
	rows, err := c.conn.Query(c.ctx, sql, args...)
	if err != nil {
		c.failed(err)
		return
	}
	c.print(rows)
}

func (c *pgxUser) print(rows pgx.Rows) {
	defer rows.Close()
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			c.p.say("values: %v", err)
			continue
		}
		var line []string
		for _, v := range values {
			if at, ok := v.(time.Time); ok {
				v = at.UTC().Format("2006-01-02 15:04:05.999999")
			}
			line = append(line, strings.TrimSuffix(fmt.Sprint(v), " 00:00:00"))
		}
		c.p.say("%s", strings.Join(line, " | "))
	}
	c.failed(rows.Err())
	c.p.say("%s", rows.CommandTag())
}

func (c *pgxUser) failed(err error) {
	var pe *pgconn.PgError
	switch {
	case err == nil:
	case errors.As(err, &pe):
		c.p.say("%s %s: %s (%s) at %d, %s %s %s %s", pe.Severity, pe.Code, pe.Message, pe.Detail, pe.Position, pe.TableName, pe.ConstraintName, pe.Where, pe.Routine)
	default:
		c.p.say("%v", err)
	}
}

func (c *pgxUser) types() {
	c.rows("SELECT id, name, ssn, card, born FROM clinic.patients WHERE id < $1 ORDER BY id", 10)
	c.rows("SELECT * FROM clinic.kinds ORDER BY id")
	c.rows("SELECT $1::int[], $2::jsonb, $3::bytea, $4::timestamptz, $5::text[]",
		[]int32{1, 2}, map[string]any{"k": 1}, []byte{0, 255}, time.Unix(0, 0), []string{"a", `"b"`})
	for i := range 3 {
		c.rows("SELECT name, ssn FROM clinic.patients WHERE id = $1", i)
	}
	c.rows("SELECT nothing FROM clinic.visits")
	c.rows("SELECT 1/$1::int", 0)
	var pid uint32
	must(c.t, c.conn.QueryRow(c.ctx, "SELECT pg_backend_pid()").Scan(&pid))
	c.p.say("pid %t", pid == c.conn.PgConn().PID())
	c.rows("SELECT i, repeat('x', 50) FROM generate_series(1, 3) i")
	var n, size int
	rows, err := c.conn.Query(c.ctx, "SELECT i, repeat('x', 100) FROM generate_series(1, $1::int) i", 20000)
	must(c.t, err)
	for rows.Next() {
		size += len(rows.RawValues()[1])
		n++
	}
	c.failed(rows.Err())
	c.p.say("%d rows of %d bytes", n, size)
}

func (c *pgxUser) batches() {
	b := &pgx.Batch{}
	for i := range 50 {
		b.Queue("INSERT INTO clinic.items VALUES ($1, $2, $3)", i, "batch", i)
		b.Queue("SELECT count(*) FROM clinic.items WHERE id = $1", i)
	}
	b.Queue("SELECT 1/0")
	b.Queue("SELECT 'never'")
	c.send(b)
	b = &pgx.Batch{}
	b.Queue("SELECT id, ssn FROM clinic.patients ORDER BY id")
	b.Queue("SELECT id, card FROM clinic.patients WHERE id = $1", 2)
	c.send(b)
}

func (c *pgxUser) send(b *pgx.Batch) {
	res := c.conn.SendBatch(c.ctx, b)
	for range b.Len() {
		rows, err := res.Query()
		if err != nil {
			c.failed(err)
			continue
		}
		c.print(rows)
	}
	c.failed(res.Close())
}

func (c *pgxUser) transactions() {
	tx, err := c.conn.BeginTx(c.ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	must(c.t, err)
	_, err = tx.Exec(c.ctx, "INSERT INTO clinic.items VALUES (700, 'kept', 1)")
	c.failed(err)
	inner, err := tx.Begin(c.ctx)
	must(c.t, err)
	_, err = inner.Exec(c.ctx, "INSERT INTO clinic.visits (patient_id) VALUES ($1)", 12345)
	c.failed(err)
	_, err = inner.Exec(c.ctx, "SELECT 1")
	c.failed(err)
	must(c.t, inner.Rollback(c.ctx))
	_, err = tx.Exec(c.ctx, "DECLARE cur CURSOR FOR SELECT id, ssn FROM clinic.patients ORDER BY id")
	c.failed(err)
	rows, err := tx.Query(c.ctx, "FETCH 2 FROM cur")
	must(c.t, err)
	c.print(rows)
	must(c.t, tx.Commit(c.ctx))
	c.rows("SELECT label FROM clinic.items WHERE id = 700")
	c.rows("DELETE FROM clinic.items WHERE id = 700 RETURNING id")
}

func (c *pgxUser) copies() {
	n, err := c.conn.CopyFrom(c.ctx, pgx.Identifier{"clinic", "items"}, []string{"id", "label"}, pgx.CopyFromSlice(5000, func(i int) ([]any, error) {
		return []any{1000 + i, "copied"}, nil
	}))
	c.p.say("%d copied", n)
	c.failed(err)
	_, err = c.conn.CopyFrom(c.ctx, pgx.Identifier{"clinic", "visits"}, []string{"patient_id"}, pgx.CopyFromRows([][]any{{1}, {999}}))
	c.failed(err)
	var out bytes.Buffer
	tag, err := c.conn.PgConn().CopyTo(c.ctx, &out, "COPY (SELECT id, label FROM clinic.items WHERE id >= 1000 ORDER BY id) TO STDOUT (FORMAT binary)")
	c.failed(err)
	c.p.say("%s %d", tag, out.Len())
	tag, err = c.conn.PgConn().CopyFrom(c.ctx, strings.NewReader("1;x\n"), "COPY clinic.items (id, label) FROM STDIN (FORMAT csv, DELIMITER ';')")
	c.failed(err)
	c.p.say("%s", tag)
	c.rows("DELETE FROM clinic.items WHERE id >= 0")
}

func (c *pgxUser) cancels() {
	conn := c.connect()
	ctx, cancel := context.WithTimeout(c.ctx, 300*time.Millisecond)
	defer cancel()
	_, err := conn.Exec(ctx, "SELECT pg_sleep(60)")
	c.p.say("deadline %t", errors.Is(err, context.DeadlineExceeded))
	conn = c.connect()
	defer conn.Close(c.ctx) //nolint:errcheck // nothing hangs on it
	done := make(chan error)
	go func() {
		_, err := conn.Exec(c.ctx, "SELECT pg_sleep(60)")
		done <- err
	}()
	// Some modes ask for a description first: what is cancelled must be the query.
	var stopped error
	for ticks := time.NewTicker(200 * time.Millisecond); stopped == nil; {
		select {
		case stopped = <-done:
			ticks.Stop()
		case <-ticks.C:
			must(c.t, conn.PgConn().CancelRequest(c.ctx))
		}
	}
	c.failed(stopped)
	var alive string
	must(c.t, conn.QueryRow(c.ctx, "SELECT name FROM clinic.patients WHERE id = 1").Scan(&alive))
	c.p.say("%s", alive)
}

func (c *pgxUser) listens() {
	other := c.connect()
	defer other.Close(c.ctx) //nolint:errcheck // nothing hangs on it
	_, err := c.conn.Exec(c.ctx, "LISTEN news")
	c.failed(err)
	_, err = other.Exec(c.ctx, "SELECT pg_notify('news', $1)", "payload")
	c.failed(err)
	n, err := c.conn.WaitForNotification(c.ctx)
	must(c.t, err)
	if c.r.core {
		n.Payload = "payload" // withheld where values are masked
	}
	c.p.say("%s %s %t", n.Channel, n.Payload, n.PID == other.PgConn().PID())
}

func (c *pgxUser) pools() {
	cfg, err := pgxpool.ParseConfig(c.dsn)
	must(c.t, err)
	cfg.ConnConfig.DefaultQueryExecMode = c.mode
	cfg.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(c.ctx, cfg)
	must(c.t, err)
	defer pool.Close()
	var wg sync.WaitGroup
	sums := make([]int, 20)
	for i := range sums {
		wg.Go(func() {
			if err := pool.QueryRow(c.ctx, "SELECT sum(i) FROM generate_series(1, $1::int) i", i).Scan(&sums[i]); err != nil && i > 0 {
				c.failed(err)
			}
		})
	}
	wg.Wait()
	c.p.say("%v", sums)
}

func (c *pgxUser) largeObjects() {
	tx, err := c.conn.Begin(c.ctx)
	must(c.t, err)
	defer tx.Rollback(c.ctx) //nolint:errcheck // committed
	los := tx.LargeObjects()
	oid, err := los.Create(c.ctx, 0)
	must(c.t, err)
	lo, err := los.Open(c.ctx, oid, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
	must(c.t, err)
	_, err = lo.Write(bytes.Repeat([]byte("large "), 10000))
	c.failed(err)
	_, err = lo.Seek(59990, io.SeekStart)
	c.failed(err)
	rest, err := io.ReadAll(lo)
	c.failed(err)
	c.p.say("%q", rest)
	must(c.t, lo.Close())
	must(c.t, los.Unlink(c.ctx, oid))
	must(c.t, tx.Commit(c.ctx))
}

func (c *pgxUser) temporary() {
	c.rows("SELECT clinic.shout($1)", "x")
	c.rows("CREATE TEMP TABLE mine AS SELECT generate_series(1, 3) AS a")
	c.rows("SELECT * FROM mine")
	c.rows("TABLE clinic.busy ORDER BY 1")
	c.rows("DO $$ BEGIN RAISE EXCEPTION 'mine' USING ERRCODE = 'P0123', DETAIL = 'd', TABLE = 't'; END $$")
	c.rows("CALL clinic.tidy()")
	c.rows("EXPLAIN (COSTS off) SELECT 1")
}
