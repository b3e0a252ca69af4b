//go:build clients

package clients

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// wire is a connection that speaks the protocol itself.
type wire struct {
	*pgproto3.Frontend
	t    *testing.T
	conn net.Conn
}

// dial signs in and gives the wire.
func dial(t *testing.T, dsn string, change ...func(*pgconn.Config)) *wire {
	t.Helper()
	cfg, err := pgconn.ParseConfig(dsn)
	must(t, err)
	for _, f := range change {
		f(cfg)
	}
	c, err := pgconn.ConnectConfig(t.Context(), cfg)
	must(t, err)
	must(t, c.SyncConn(t.Context())) // it may read in the background
	h, err := c.Hijack()
	must(t, err)
	t.Cleanup(func() { _ = h.Conn.Close() }) // it may be closed already
	return &wire{h.Frontend, t, h.Conn}
}

// until flushes what was sent and gives the answers up to the nth ReadyForQuery.
func (w *wire) until(ready int) string {
	w.t.Helper()
	must(w.t, w.Flush())
	var out strings.Builder
	for ready > 0 {
		m, err := w.Receive()
		if err != nil {
			w.t.Fatalf("%v, after:\n%s", err, out.String())
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			ready--
			fmt.Fprintf(&out, "ReadyForQuery %c\n", m.TxStatus)
		case *pgproto3.DataRow:
			fmt.Fprintf(&out, "DataRow %d %.40q\n", len(m.Values), m.Values)
		case *pgproto3.RowDescription:
			fmt.Fprintf(&out, "RowDescription %d", len(m.Fields))
			for i := range m.Fields[:min(5, len(m.Fields))] {
				f := m.Fields[i]
				fmt.Fprintf(&out, " %s %d %d %d", f.Name, f.DataTypeOID, f.TableAttributeNumber, f.Format)
			}
			fmt.Fprintln(&out)
		case *pgproto3.CommandComplete:
			fmt.Fprintf(&out, "CommandComplete %s\n", m.CommandTag)
		case *pgproto3.ErrorResponse:
			fmt.Fprintf(&out, "ErrorResponse %s %s %s\n", m.Severity, m.Code, m.Message)
		case *pgproto3.ParameterDescription:
			fmt.Fprintf(&out, "ParameterDescription %d\n", len(m.ParameterOIDs))
		default:
			fmt.Fprintf(&out, "%T\n", m)
		}
	}
	return out.String()
}

// TestWire_Conversations are messages in orders that few drivers use.
func TestWire_Conversations(t *testing.T) {
	compare(t, "wire", "", func(t *testing.T, dsn string, r route) string {
		w := dial(t, dsn)
		var out strings.Builder
		for _, c := range conversations {
			if c.opaque && r.core {
				continue
			}
			fmt.Fprintf(&out, "== %s\n", c.name)
			ready := 0
			for _, m := range c.send {
				w.Send(m)
				switch m.(type) {
				case *pgproto3.Query, *pgproto3.Sync:
					ready++
				}
			}
			out.WriteString(w.until(ready))
		}
		return out.String()
	})
}

var conversations = []struct {
	name   string
	send   []pgproto3.FrontendMessage
	opaque bool // masked whole where values are masked
}{
	{name: "empty", send: []pgproto3.FrontendMessage{query(""), query(";"), query("-- nothing\n"), query(" ; ;")}},
	{name: "no columns", send: []pgproto3.FrontendMessage{query("SELECT"), query("SELECT FROM clinic.patients")}},
	{name: "several statements", send: []pgproto3.FrontendMessage{query("SELECT 1; SELECT 2 AS b, 3; INSERT INTO clinic.items VALUES (1); SELECT 4"), query("SELECT 1;;SELECT 2;")}},
	{name: "one of several fails", send: []pgproto3.FrontendMessage{
		query("INSERT INTO clinic.items VALUES (2); SELECT 1/0; SELECT 5"), query("SELECT count(*) FROM clinic.items"),
		query("BEGIN; SELECT 1/0"), query("SELECT 7"), query("ROLLBACK"),
	}},
	{name: "empty, extended", send: []pgproto3.FrontendMessage{
		parse("", ""), &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, syncMessage,
	}},
	{name: "row limits", send: []pgproto3.FrontendMessage{
		parse("", "SELECT id, name FROM clinic.patients ORDER BY id"), &pgproto3.Bind{}, &pgproto3.Describe{ObjectType: 'P'},
		&pgproto3.Execute{MaxRows: 1}, &pgproto3.Execute{MaxRows: 2}, &pgproto3.Flush{}, &pgproto3.Execute{MaxRows: 2}, &pgproto3.Execute{}, syncMessage,
	}},
	{name: "a portal in a transaction", send: []pgproto3.FrontendMessage{
		query("BEGIN"), parse("st", "SELECT id, ssn FROM clinic.patients WHERE id >= $1 ORDER BY id"), &pgproto3.Describe{ObjectType: 'S', Name: "st"}, syncMessage,
		&pgproto3.Bind{PreparedStatement: "st", DestinationPortal: "po", Parameters: [][]byte{[]byte("1")}, ResultFormatCodes: []int16{1, 0}},
		&pgproto3.Execute{Portal: "po", MaxRows: 1}, syncMessage, &pgproto3.Describe{ObjectType: 'P', Name: "po"}, &pgproto3.Execute{Portal: "po", MaxRows: 2}, syncMessage,
		query("SELECT 'between'"), &pgproto3.Execute{Portal: "po"}, &pgproto3.Close{ObjectType: 'P', Name: "po"}, syncMessage,
		&pgproto3.Execute{Portal: "po"}, syncMessage, query("ROLLBACK"),
		&pgproto3.Close{ObjectType: 'S', Name: "st"}, &pgproto3.Close{ObjectType: 'S', Name: "nobody"}, syncMessage,
		&pgproto3.Bind{PreparedStatement: "st", Parameters: [][]byte{[]byte("1")}}, syncMessage,
	}},
	{name: "an error, then skipped up to Sync", send: []pgproto3.FrontendMessage{
		parse("", "SELECT 1/$1::int"), &pgproto3.Bind{Parameters: [][]byte{[]byte("0")}}, &pgproto3.Execute{}, parse("", "SELECT 2"), &pgproto3.Bind{}, &pgproto3.Execute{}, syncMessage,
		parse("", "SELECT 3"), &pgproto3.Bind{}, &pgproto3.Execute{}, syncMessage, syncMessage,
		parse("dup", "SELECT 1"), parse("dup", "SELECT 2"), syncMessage, parse("", "SELECT 1; SELECT 2"), syncMessage,
		parse("", "SELECT nothing FROM clinic.items"), syncMessage, parse("", "SELEC"), &pgproto3.Bind{}, syncMessage,
	}},
	{name: "a parameter too few, a format too many", send: []pgproto3.FrontendMessage{
		parse("", "SELECT $1::int, $2::text"), &pgproto3.Bind{Parameters: [][]byte{[]byte("1")}}, syncMessage,
		parse("", "SELECT $1::int"), &pgproto3.Bind{Parameters: [][]byte{[]byte("1")}, ResultFormatCodes: []int16{0, 1, 0}}, syncMessage,
		parse("", "SELECT $1::int"), &pgproto3.Bind{Parameters: [][]byte{{1}}, ParameterFormatCodes: []int16{1}}, &pgproto3.Execute{}, syncMessage,
	}},
	{name: "COPY in the extended protocol", send: []pgproto3.FrontendMessage{
		parse("", "COPY clinic.items (id) FROM STDIN"), &pgproto3.Bind{}, &pgproto3.Execute{},
		&pgproto3.CopyData{Data: []byte("7\n8")}, &pgproto3.CopyData{Data: []byte("\n")}, &pgproto3.CopyDone{}, syncMessage,
		parse("", "COPY clinic.items (id) FROM STDIN"), &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.CopyData{Data: []byte("x\n")}, &pgproto3.CopyFail{Message: "no"}, syncMessage,
		query("SELECT count(*) FROM clinic.items"),
	}},
	// COMMIT runs deferred triggers.
	{name: "a transaction within", opaque: true, send: []pgproto3.FrontendMessage{query("BEGIN; SELECT 1; COMMIT; SELECT 1/0; SELECT 6")}},
}

var syncMessage = &pgproto3.Sync{}

func query(sql string) *pgproto3.Query { return &pgproto3.Query{String: sql} }

func parse(name, sql string) *pgproto3.Parse { return &pgproto3.Parse{Name: name, Query: sql} }

// TestWire_Wide has as many columns and parameters as there can be.
func TestWire_Wide(t *testing.T) {
	compare(t, "wide", "", func(t *testing.T, dsn string, _ route) string {
		var columns, params []string
		for i := range 1600 {
			columns = append(columns, fmt.Sprintf("%d AS c%d", i, i))
		}
		values := make([][]byte, 65535)
		for i := range values {
			params = append(params, fmt.Sprintf("$%d::int", i+1))
			values[i] = []byte("1")
		}
		w := dial(t, dsn)
		w.Send(query("SELECT " + strings.Join(columns, ", ")))
		out := w.until(1)
		for _, text := range []string{"SELECT " + strings.Join(columns, ", ") + ", 1", "SELECT cardinality(ARRAY[" + strings.Join(params, ",") + "])"} {
			w.Send(parse("", text))
			bind := &pgproto3.Bind{}
			if strings.Contains(text, "$1") {
				bind.Parameters = values
			}
			w.Send(bind)
			w.Send(&pgproto3.Execute{})
			w.Send(syncMessage)
			out += w.until(1)
		}
		return out
	})
}

// TestWire_LongPipeline sends a hundred thousand statements before it reads an answer.
func TestWire_LongPipeline(t *testing.T) {
	b := start(t, "pipeline")
	for _, r := range []route{direct, masking[1]} {
		t.Run(r.name, func(t *testing.T) {
			const n = 100_000
			w := dial(t, b.url(t, r))
			sent := make(chan error, 1)
			go func() {
				buf, err := parse("st", "SELECT name, ssn FROM clinic.patients WHERE id = $1").Encode(nil)
				for range n {
					if err == nil {
						buf, err = (&pgproto3.Bind{PreparedStatement: "st", Parameters: [][]byte{[]byte("1")}}).Encode(buf)
					}
					if err == nil {
						buf, err = (&pgproto3.Execute{}).Encode(buf)
					}
				}
				if err == nil {
					buf, err = syncMessage.Encode(buf)
				}
				if err == nil {
					_, err = w.conn.Write(buf)
				}
				sent <- err
			}()
			rows, want := 0, "900-0001"
			if r.masked {
				want = "[masked]"
			}
			for ready := false; !ready; {
				m, err := w.Receive()
				must(t, err)
				switch m := m.(type) {
				case *pgproto3.DataRow:
					rows++
					if got := string(m.Values[1]); got != want {
						t.Fatalf("row %d has %s, want %s", rows, got, want)
					}
				case *pgproto3.ReadyForQuery:
					ready = true
				case *pgproto3.ErrorResponse:
					t.Fatal(m.Message)
				}
			}
			must(t, <-sent)
			if rows != n {
				t.Errorf("%d rows, want %d", rows, n)
			}
		})
	}
}

// TestWire_LargeValue reads 100 MB in one cell, slowly at first: the gateway must not
// hold it. The gateway is in this process, and so is what it holds.
func TestWire_LargeValue(t *testing.T) {
	b := start(t, "large")
	for _, r := range []route{clear[0], clear[1]} {
		t.Run(r.name, func(t *testing.T) {
			const size = 100 << 20
			w := dial(t, b.url(t, r))
			w.Send(query(fmt.Sprintf("SELECT repeat('x', %d)", size)))
			must(t, w.Flush())
			before, peak, total := heap(), uint64(0), 0
			buf := make([]byte, 1<<20)
			for total < size {
				n, err := w.conn.Read(buf)
				must(t, err)
				if total>>24 != (total+n)>>24 {
					peak = max(peak, heap())
				}
				total += n
			}
			if grown := int64(peak) - int64(before); grown > 48<<20 {
				t.Errorf("the heap grew by %d MiB for one value of %d MiB", grown>>20, size>>20)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestWire_SlowReader stops reading in the middle of a large result. The target must
// feel it, the gateway hold little, and another connection be served.
func TestWire_SlowReader(t *testing.T) {
	b := start(t, "slow")
	for _, r := range []route{clear[1], masking[0]} {
		t.Run(r.name, func(t *testing.T) {
			dsn := b.url(t, r)
			before := heap()
			w := dial(t, dsn)
			w.Send(query("SELECT p.id, p.ssn, repeat('x', 1000) FROM clinic.patients p, generate_series(1, 200000)"))
			must(t, w.Flush())
			_, err := w.Receive()
			must(t, err)
			// The target waits for the gateway, which waits for this client.
			eventually(t, dsn, `EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
				AND wait_event = 'ClientWrite' AND query LIKE 'SELECT p.id%')`)
			// Window, catalog and what other tests do meanwhile count here;
			// TestSlowReader_CostsNoMemory of the proxy measures the client alone.
			if grown := int64(heap()) - int64(before); grown > 24<<20 {
				t.Errorf("the heap grew by %d MiB for a client that does not read", grown>>20)
			}
			other := dial(t, dsn)
			other.Send(query("SELECT name FROM clinic.patients WHERE id = 1"))
			if out := other.until(1); !strings.Contains(out, "Ann") {
				t.Errorf("another connection: %s", out)
			}
			must(t, w.conn.Close())
			gone(t, dsn, "SELECT p.id%")
		})
	}
}

// gone checks that soon no backend runs the statement any more.
func gone(t *testing.T, dsn, like string) {
	t.Helper()
	eventually(t, dsn, "count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE $1", like)
}

// TestWire_ClientVanishes cuts the connection in the middle of a query.
func TestWire_ClientVanishes(t *testing.T) {
	b := start(t, "vanish")
	for _, r := range []route{clear[0], masking[1]} {
		t.Run(r.name, func(t *testing.T) {
			dsn := b.url(t, r)
			for _, how := range []func(*net.TCPConn) error{
				func(c *net.TCPConn) error { return c.Close() },
				func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) }, // a reset
			} {
				other := dial(t, dsn)
				w := dial(t, dsn)
				w.Send(query("SELECT pg_sleep(60)"))
				must(t, w.Flush())
				busy(t, dsn, "pg_sleep(60)")
				must(t, how(w.conn.(*net.TCPConn)))
				gone(t, dsn, "SELECT pg_sleep%")
				other.Send(query("SELECT 1"))
				other.until(1)
			}
		})
	}
}

// TestWire_HalfClosed sends everything, closes its sending half, and still gets the
// answer.
func TestWire_HalfClosed(t *testing.T) {
	compare(t, "half", "", func(t *testing.T, dsn string, _ route) string {
		w := dial(t, dsn)
		w.Send(query("SELECT id, ssn FROM clinic.patients ORDER BY id"))
		must(t, w.Flush())
		must(t, w.conn.(*net.TCPConn).CloseWrite())
		return w.until(1)
	})
}

// bytewise is a connection that sends every byte on its own.
type bytewise struct{ net.Conn }

func (b bytewise) Write(p []byte) (int, error) {
	for i := range p {
		if n, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(p), nil
}

// TestWire_Startup begins in ways that break poolers.
func TestWire_Startup(t *testing.T) {
	compare(t, "startup", "", func(t *testing.T, dsn string, r route) string {
		var out strings.Builder
		say := func(name string, change ...func(*pgconn.Config)) {
			w := dial(t, dsn, change...)
			w.Send(query("SELECT current_setting('application_name')"))
			w.Send(query("SHOW work_mem"))
			fmt.Fprintf(&out, "== %s\n%s", name, w.until(2))
		}
		named := func(c *pgconn.Config) { c.RuntimeParams["application_name"] = "mine" }
		say("in pieces", named, through(func(c net.Conn) (net.Conn, error) { return bytewise{c}, nil }))
		say("encryption asked for", named, through(func(c net.Conn) (net.Conn, error) {
			if r.account == "" {
				return c, nil // a server with GSSAPI would go on with it
			}
			for _, code := range []byte{0x30, 0x2f} { // GSSENCRequest 80877104, SSLRequest 80877103
				answer := make([]byte, 1)
				if _, err := c.Write([]byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, code}); err != nil {
					return nil, err
				}
				if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 'N' {
					return nil, fmt.Errorf("answer %q: %w", answer, err)
				}
			}
			return c, nil
		}))
		say("options", named, func(c *pgconn.Config) { c.RuntimeParams["options"] = "-c work_mem=2MB" })
		say("a setting", named, func(c *pgconn.Config) { c.RuntimeParams["work_mem"] = "3MB" })
		say("protocol 3.2", named, func(c *pgconn.Config) { c.MaxProtocolVersion = "3.2" })
		for _, bad := range []func(*pgconn.Config){
			func(c *pgconn.Config) { c.RuntimeParams["no_such_setting"] = "1" },
			func(c *pgconn.Config) { c.RuntimeParams["work_mem"] = "much" },
			func(c *pgconn.Config) { c.RuntimeParams["options"] = "-c no_such=1" },
		} {
			cfg, err := pgconn.ParseConfig(dsn)
			must(t, err)
			bad(cfg)
			_, err = pgconn.ConnectConfig(t.Context(), cfg)
			var pe *pgconn.PgError
			if !errors.As(err, &pe) {
				t.Errorf("connected with a bad setting: %v", err)
				continue
			}
			fmt.Fprintf(&out, "%s %s %s\n", pe.Severity, pe.Code, pe.Message)
		}
		return out.String()
	})
}

// through changes the connection before the driver speaks.
func through(f func(net.Conn) (net.Conn, error)) func(*pgconn.Config) {
	return func(cfg *pgconn.Config) {
		inner := cfg.DialFunc
		cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := inner(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return f(c)
		}
	}
}

// TestWire_Denied sees the policy at work, in both protocols.
func TestWire_Denied(t *testing.T) {
	b := start(t, "denied")
	dsn := b.url(t, clear[0])
	for _, mode := range pgxModes {
		cfg, err := pgx.ParseConfig(dsn)
		must(t, err)
		cfg.DefaultQueryExecMode = mode
		c, err := pgx.ConnectConfig(t.Context(), cfg)
		must(t, err)
		for _, sql := range []string{"DELETE FROM clinic.patients", "DROP TABLE clinic.patients", "SELECT pg_reload_conf()"} {
			_, err := c.Exec(t.Context(), sql)
			var pe *pgconn.PgError
			if !errors.As(err, &pe) || pe.Code != "42501" || pe.Hint == "" {
				t.Errorf("%s: %s: %v", mode, sql, err)
			}
		}
		var n int
		must(t, c.QueryRow(t.Context(), "SELECT count(*) FROM clinic.patients").Scan(&n))
		if n != 4 {
			t.Errorf("%d patients are left", n)
		}
		must(t, c.Close(t.Context()))
	}
}

// TestWire_TargetRestarts ends the backends as a restart does: clients hear 57P01, and
// the port lives on.
func TestWire_TargetRestarts(t *testing.T) {
	b := start(t, "restart")
	for _, r := range []route{direct, clear[0], masking[1]} {
		t.Run(r.name, func(t *testing.T) {
			dsn := b.url(t, r)
			idle, working := dial(t, dsn), dial(t, dsn)
			working.Send(query("SELECT pg_sleep(60)"))
			must(t, working.Flush())
			busy(t, dsn, "pg_sleep(60)")
			must(t, pg.Exec(t.Context(), "postgres", fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '%s'", database(t, dsn))))
			for _, w := range []*wire{idle, working} {
				if code := lastError(w); code != "57P01" {
					t.Errorf("the last word was %q, want 57P01", code)
				}
			}
			again := dial(t, dsn)
			again.Send(query("SELECT name FROM clinic.patients WHERE id = 1"))
			if out := again.until(1); !strings.Contains(out, "Ann") {
				t.Errorf("afterwards: %s", out)
			}
		})
	}
}

// lastError reads to the end and gives the last SQLSTATE.
func lastError(w *wire) (code string) {
	for {
		m, err := w.Receive()
		if err != nil {
			return code
		}
		if e, ok := m.(*pgproto3.ErrorResponse); ok {
			code = e.Code
		}
	}
}

// TestWire_LargeCopy sends 64 MiB in few messages and gets it back.
func TestWire_LargeCopy(t *testing.T) {
	compare(t, "largecopy", "", func(t *testing.T, dsn string, _ route) string {
		c, err := pgconn.Connect(t.Context(), dsn)
		must(t, err)
		defer c.Close(context.Background()) //nolint:errcheck // nothing hangs on it
		line := append(append([]byte("1\t"), bytes.Repeat([]byte("y"), 16<<20)...), '\n')
		in, err := c.CopyFrom(t.Context(), bytes.NewReader(bytes.Repeat(line, 4)), "COPY clinic.items (id, label) FROM STDIN")
		must(t, err)
		size := &counter{}
		out, err := c.CopyTo(t.Context(), size, "COPY clinic.items (id, label) TO STDOUT")
		must(t, err)
		return fmt.Sprintln(in, out, size.n)
	})
}

type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}
