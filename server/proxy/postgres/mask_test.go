package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/server/resource"
)

// marker is the protected value: it must reach neither the client nor the recording.
const marker = "917-55-1234"

const maskSchema = `
	create table patients (id int primary key, name text, ssn text unique, n numeric, tags text[]);
	insert into patients values (1, 'Ann', '` + marker + `', 91755, array['` + marker + `', 'x']), (2, 'Bob', '` + marker + `2', null, null);
	create view v as select id, ssn as other from patients;
	create table kids () inherits (patients);
	insert into kids values (3, 'Kid', '` + marker + `3', 1, '{}');
	create function leak() returns void language plpgsql as $$
	declare s text; begin
		select ssn into s from patients where id = 1;
		raise exception using message = s, detail = s, hint = s, errcode = 'A1B2C', column = s, table = s, constraint = s;
	end $$;
	create function hint() returns int language plpgsql as $$
	declare s text; begin
		select ssn into s from patients where id = 1;
		raise notice 'the value is %', s;
		perform set_config('application_name', s, false);
		return 1;
	end $$`

func maskRules() []resource.MaskRule {
	return []resource.MaskRule{{Columns: []string{"public.patients.ssn", "public.patients.tags", "public.patients.n"}}}
}

// tapped notes every byte that the client gets.
type tapped struct {
	mu  sync.Mutex // guards all
	all strings.Builder
}

type tapConn struct {
	net.Conn
	tap *tapped
}

func (c tapConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	_, _ = c.tap.Write(p[:n])
	return n, err
}

func (t *tapped) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

func (t *tapped) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}

func (g *gateway) tapped() (*pgx.Conn, *tapped) {
	g.t.Helper()
	cfg, err := pgx.ParseConfig(g.dsn())
	if err != nil {
		g.t.Fatal(err)
	}
	tap := &tapped{}
	cfg.OnNotice = func(*pgconn.PgConn, *pgconn.Notice) {}
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return tapConn{c, tap}, err
	}
	c, err := pgx.ConnectConfig(g.t.Context(), cfg)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c, tap
}

func TestMask_MarkerReachesNobody(t *testing.T) {
	statements := []string{
		"select ssn from patients",
		"select * from patients",
		"select p from patients p",
		"select ssn as name from patients",
		"select other from v",
		"select * from kids",
		"select lower(ssn), n + 1, tags[1] from patients",
		"select ssn from patients union select 'x'",
		"with w as (select ssn from patients) select * from w",
		"select (select ssn from patients where id = 1)",
		"select json_agg(patients) from patients",
		"select row_to_json(p) from patients p",
		"select string_agg(ssn, ',') from patients",
		"update patients set name = name where id = 1 returning ssn",
		"insert into patients (id, ssn) values (1, 'dup')",
		"select ssn::int from patients",
		"insert into patients (id, ssn) select 99, ssn from patients where id = 1",
		"explain analyze select * from patients where ssn = '" + marker + "'x'",
		"select leak()",
		"select hint()",
		"copy patients to stdout",
		"copy (select ssn from patients) to stdout",
		"declare c cursor with hold for select ssn from patients",
		"fetch all from c",
		"fetch backward all from c",
		"close c",
		"prepare q as select ssn from patients",
		"execute q",
		"table patients",
		"select most_common_vals from pg_stats where tablename = 'patients'",
		"select stavalues1 from pg_statistic",
		"listen x",
		"select pg_notify('x', ssn) from patients",
		"select 1",
		"create temp table copy_of as select ssn from patients",
		"select * from copy_of",
		"do $$ begin raise notice '%', (select ssn from patients limit 1); end $$",
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			g := setup(t, maskSchema+"; analyze", maskRules()...)
			c, tap := g.tapped()
			for _, sql := range statements {
				rows, err := c.Query(t.Context(), sql, mode)
				if err == nil {
					for rows.Next() {
					}
					err = rows.Err()
				}
				if strings.Contains(fmt.Sprint(err), marker) {
					t.Errorf("%s: %v", sql, err)
				}
				var pg *pgconn.PgError
				if errors.As(err, &pg) && (pg.Code == "A1B2C" || strings.Contains(fmt.Sprintf("%+v", pg), marker)) {
					t.Errorf("%s: %+v", sql, pg)
				}
				if c.IsClosed() {
					t.Fatalf("%s ended the connection: %v", sql, err)
				}
			}
			check(t, c.Close(t.Context()))
			check(t, g.ended())
			// The client's own words hold the marker too, but not in what it receives.
			if got := tap.String(); strings.Contains(got, marker) {
				t.Errorf("the client received the marker: …%q", around(got, marker))
			}
			if got := g.recorded(); strings.Contains(got, marker) {
				t.Errorf("the recording has the marker: …%q", around(got, marker))
			}
		})
	}
}

func around(s, sub string) string {
	i := strings.Index(s, sub)
	return s[max(0, i-200):min(len(s), i+60)]
}

// A client may execute without describing, describe first, use several portals, limits
// of rows and both formats.
func TestMask_RawMessages(t *testing.T) {
	binary := &pgproto3.Bind{PreparedStatement: "s", DestinationPortal: "b", ResultFormatCodes: []int16{1}}
	for name, steps := range map[string][]step{
		"no describe":    {{send: msgs(parse("s", "select ssn from patients"), bind("", "s"), execute("", 0), syncMsg), ready: 1}},
		"binary":         {{send: msgs(parse("s", "select ssn, n, tags from patients"), binary, execute("b", 0), syncMsg), ready: 1}},
		"limits":         {{send: msgs(parse("s", "select ssn from patients"), bind("a", "s"), binary, execute("a", 1), execute("b", 1), execute("a", 1), execute("b", 0), execute("a", 0), syncMsg), ready: 1}},
		"over batches":   {{send: msgs(query("begin")), ready: 1}, {send: msgs(parse("s", "select ssn from patients"), bind("a", "s"), syncMsg), ready: 1}, {send: msgs(execute("a", 1), syncMsg), ready: 1}, {send: msgs(describe('P', "a"), execute("a", 0), syncMsg), ready: 1}},
		"describe later": {{send: msgs(parse("s", "select ssn from patients"), bind("a", "s"), execute("a", 0), describe('P', "a"), syncMsg), ready: 1}},
		"cursor by protocol": {
			{send: msgs(query("begin; declare c cursor for select ssn from patients")), ready: 1},
			{send: msgs(execute("c", 0), syncMsg), ready: 1},
		},
		"portal closed and cursor of its name": {
			{send: msgs(query("begin")), ready: 1},
			{send: msgs(parse("s", "select name from patients"), bind("c", "s"), execute("c", 1), syncMsg), ready: 1},
			{send: msgs(query("close c"), query("declare c cursor for select ssn from patients")), ready: 2},
			{send: msgs(execute("c", 0), syncMsg), ready: 1},
		},
		"the same in one batch": {
			{send: msgs(query("begin")), ready: 1},
			{send: msgs(parse("s", "select name from patients"), bind("c", "s"), describe('P', "c"),
				parse("", "close c"), bind("", ""), execute("", 0),
				parse("", "declare c cursor for select ssn from patients"), bind("", ""), execute("", 0),
				execute("c", 0), syncMsg), ready: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := setup(t, maskSchema, maskRules()...)
			c := rawConn(t, g.dsn())
			got := c.exchange(steps...)
			hex := fmt.Sprintf("%x", marker)
			if strings.Contains(got, marker) || strings.Contains(got, hex) {
				t.Errorf("the client received the marker:\n%s", got)
			}
			if strings.Contains(got, "FATAL") || strings.Contains(got, "EOF") {
				t.Errorf("the connection ended:\n%s", got)
			}
		})
	}
}

// What cannot be read as it should ends the connection, not the mask.
func TestMaskRow_RefusesOtherShapes(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	c := g.connect()
	var a, b string
	if err := c.QueryRow(t.Context(), "select name, ssn from patients where id = 1").Scan(&a, &b); err != nil || a != "Ann" || b == "" || strings.Contains(b, "55") {
		t.Errorf("got %q %q %v", a, b, err)
	}
}
