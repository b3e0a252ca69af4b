package postgres

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
	"github.com/hoopctl/hoopctl/server/resource"
)

func TestCopy_LargeBothWays(t *testing.T) {
	g := setup(t, "create table c (i int, s text); create table big (s text)")
	c := g.connect()
	rows := make([][]any, 20_000)
	for i := range rows {
		rows[i] = []any{i, strings.Repeat("x", i%300)}
	}
	n, err := c.CopyFrom(t.Context(), pgx.Identifier{"c"}, []string{"i", "s"}, pgx.CopyFromRows(rows))
	if err != nil || n != int64(len(rows)) {
		t.Fatalf("CopyFrom: %d, %v", n, err)
	}
	for _, format := range []string{"text", "csv", "binary"} {
		sql := "copy (select * from c order by i) to stdout (format " + format + ")"
		var got, want bytes.Buffer
		if _, err := c.PgConn().CopyTo(t.Context(), &got, sql); err != nil {
			t.Fatal(err)
		}
		if _, err := g.direct().PgConn().CopyTo(t.Context(), &want, sql); err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(got.Bytes()) != sha256.Sum256(want.Bytes()) {
			t.Errorf("%s: %d bytes, want %d", format, got.Len(), want.Len())
		}
	}
	// One value of 5 MB: a CopyData message of pgx has 64 KiB, a row of psql one line.
	line := strings.Repeat("y", 5_000_000)
	if _, err := c.PgConn().CopyFrom(t.Context(), strings.NewReader(line+"\n"), "copy big from stdin"); err != nil {
		t.Fatal(err)
	}
	r := rawConn(t, g.dsn())
	r.exchange(step{send: msgs(query("copy big from stdin")), until: "CopyInResponse"},
		step{send: msgs(&pgproto3.CopyData{Data: []byte(line + "\n")}, &pgproto3.CopyDone{}), ready: 1})
	var sum int64
	check(t, c.QueryRow(t.Context(), "select sum(length(s)) from big").Scan(&sum))
	if sum != 10_000_000 {
		t.Errorf("%d characters arrived", sum)
	}
	var got string
	check(t, c.QueryRow(t.Context(), "select s from big limit 1").Scan(&got))
	if got != line {
		t.Errorf("a value of %d bytes came back", len(got))
	}
}

func TestLarge_ValuesAndParameters(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	c := g.connect()
	big := strings.Repeat("z", 3_000_000)
	var back string
	if err := c.QueryRow(t.Context(), "select $1::text", big).Scan(&back); err != nil || back != big {
		t.Errorf("a parameter of 3 MB: %d, %v", len(back), err)
	}
	admin(t, g.target.Database, "alter table patients drop constraint patients_ssn_key")
	admin(t, g.target.Database, "update patients set ssn = repeat('"+marker+"', 100000) where id = 1")
	var id int
	if err := c.QueryRow(t.Context(), "select id, ssn from patients where id = 1").Scan(&id, &back); err != nil || id != 1 || strings.Contains(back, marker) {
		t.Errorf("a masked row of 1.1 MB: %d bytes, %v", len(back), err)
	}
	g.declare(func(*hoop.Target) { g.proxy.cfg.MaxStatement, g.proxy.cfg.MaxBound = 1<<20, 1<<20 })
	c = g.connect()
	for name, mode := range modes {
		if _, err := c.Exec(t.Context(), "select length($1::text)", mode, big); state(err) != "54000" {
			t.Errorf("%s: a parameter beyond the limit: %v", name, err)
		}
	}
	check(t, c.Ping(t.Context()))
}

// Of a row that is too long to be held, masked values are passed over, and what follows
// them is relayed; only what stands before them must fit.
func TestLarge_MaskedRows(t *testing.T) {
	const schema = `create domain dom as text;
		create table long (id int, ssn text, dx jsonb, d dom, code varchar(10000000), small text, note text);
		insert into long select 1, repeat('MARKER', 500000), jsonb_build_object('a', repeat('MARKER', 400000)), repeat('MARKER', 300000),
			repeat('MARKER', 400000), 'MARKER', repeat('clear ', 500000);
		insert into long values (2, 'MARKER', '{"a": "MARKER"}', 'MARKER', 'MARKER', null, 'clear')`
	var rules []resource.MaskRule
	for column, with := range map[string]resource.Transform{"ssn": "", "dx": "", "d": "", "code": resource.Hash, "small": ""} {
		rules = append(rules, resource.MaskRule{Meta: resource.Meta{Name: column}, Columns: []string{"public.long." + column}, With: with})
	}
	g := setup(t, strings.ReplaceAll(schema, "MARKER", marker), rules...)
	g.declare(func(*hoop.Target) { g.proxy.cfg.MaxRow = 1 << 20 })
	clear := strings.Repeat("clear ", 500000)
	long := func(s string) string {
		if _, err := hex.DecodeString(s); err == nil && len(s) == 64 {
			return "hash"
		}
		if len(s) > 20 {
			return fmt.Sprintf("%.5s %d", s, len(s))
		}
		return s
	}
	for name, mode := range map[string]pgx.QueryExecMode{"text": pgx.QueryExecModeSimpleProtocol, "binary": pgx.QueryExecModeCacheStatement} {
		c := g.connect()
		for sql, want := range map[string]string{
			"select id, ssn, note from long order by id":                "1 [masked] " + long(clear) + "; 2 [masked] clear; ",
			"select ssn, dx, small, note from long order by id":         "[masked] ∅ [masked] " + long(clear) + "; [masked] map[[masked-1]:[masked]] ∅ clear; ",
			"select ssn, d, code, note, id from long order by id":       "[masked] [masked] hash " + long(clear) + " 1; ",
			"select id, ssn from long where id = 1":                     "1 [masked]; ",
			"select left(note, 3), ssn, ssn, ssn from long order by id": "cle [masked] [masked] [masked]; cle [masked] [masked] [masked]; ",
		} {
			rows, err := c.Query(t.Context(), sql, mode)
			check(t, err)
			got := ""
			for rows.Next() {
				values, err := rows.Values()
				check(t, err)
				for i, v := range values {
					switch v := v.(type) {
					case nil:
						values[i] = "∅"
					case string:
						values[i] = long(v)
					}
				}
				got += strings.TrimSuffix(fmt.Sprintln(values...), "\n") + "; "
			}
			if err := rows.Err(); err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("%s (%s):\ngot  %s, %v\nwant %s", sql, name, got, err, want)
			}
		}
		var n int
		check(t, c.QueryRow(t.Context(), "select count(*) from long", mode).Scan(&n))
	}
	_, err := g.connect().Exec(t.Context(), "select note, ssn from long order by id")
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "54000" || !strings.Contains(pg.Hint, "masked columns first") {
		t.Errorf("what stands before a masked column is too long: %v", err)
	}
}

// A bound value may be as long as PostgreSQL takes: the gateway holds it until it is
// judged, and only so much of them at once. It is on record as far as anything is.
func TestLarge_BoundValues(t *testing.T) {
	g := setup(t, "")
	const size = 100 << 20
	c := rawConn(t, g.dsn())
	value := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	sum := fmt.Sprintf("%x", md5.Sum(value))
	wire, err := (&pgproto3.Bind{Parameters: [][]byte{value, []byte("short")}}).Encode(nil)
	check(t, err)
	before := heap()
	// Sync and the next statement come right behind.
	var behind []byte
	for _, m := range append(msgs(execute("", 0), syncMsg), query("select 'behind'")) {
		behind, err = m.Encode(behind)
		check(t, err)
	}
	c.Frontend.Send(parse("", "select md5($1), $2::text"))
	check(t, c.Frontend.Flush())
	_, err = c.Conn.Write(append(wire, behind...))
	check(t, err)
	if out := c.exchange(step{ready: 2}); !strings.Contains(out, sum) || !strings.Contains(out, "short") || !strings.Contains(out, "behind") {
		t.Errorf("got %.1000s", out)
	}
	if grown := int64(heap()) - int64(before); grown > 16<<20 {
		t.Errorf("%d MiB are held afterwards", grown>>20)
	}

	// What others hold already leaves no room, and the connection lives on.
	g.proxy.bound.Store(maxMessage - 1<<20)
	c.Frontend.Send(parse("", "select md5($1), $2::text"))
	check(t, c.Frontend.Flush())
	_, err = c.Conn.Write(append(wire, behind...))
	check(t, err)
	if out := c.exchange(step{ready: 2}); !strings.Contains(out, "54000") || !strings.Contains(out, "holds as much of others already") || strings.Contains(out, sum) || !strings.Contains(out, "behind") {
		t.Errorf("without room: %.1000s", out)
	}
	if left := g.proxy.bound.Swap(0); left != maxMessage-1<<20 {
		t.Errorf("%d bytes count as held", left)
	}
	check(t, c.Conn.Close())
	check(t, g.ended())

	var param *recording.Statement
	var kept, dropped int64
	for _, rec := range g.records() {
		if rec.Kind == recording.KindStatement && param == nil {
			param = rec.Statement
		}
		if rec.Kind == recording.KindInput {
			kept, dropped = kept+int64(len(rec.Wire)), dropped+rec.Dropped
		}
	}
	if param == nil {
		t.Fatal("no statement is on record")
	}
	if len(param.Params) != 2 || param.Params[0].Size != size || param.Params[0].Value != nil || string(param.Params[1].Value) != "short" || kept != 64<<20 || kept+dropped != size {
		t.Errorf("on record: %+v, %d bytes and %d dropped", param.Params, kept, dropped)
	}
}

func TestPipeline_Long(t *testing.T) {
	const n = 20_000
	g := setup(t, "")
	g.batched()
	c := g.connect()
	b := &pgx.Batch{}
	for i := range n {
		b.Queue("select $1::int", i)
	}
	res := c.SendBatch(t.Context(), b)
	for i := range n {
		var got int
		if err := res.QueryRow().Scan(&got); err != nil || got != i {
			t.Fatalf("statement %d gave %d, %v", i, got, err)
		}
	}
	check(t, res.Close())
}

func TestWide_ColumnsAndParameters(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	c := g.connect()
	cols := make([]string, 1600)
	for i := range cols {
		cols[i] = fmt.Sprintf("%d as c%d", i, i)
	}
	rows, err := c.Query(t.Context(), "select "+strings.Join(cols, ", "))
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		if n := len(rows.RawValues()); n != 1600 {
			t.Errorf("%d columns", n)
		}
	}
	check(t, rows.Err())
	args := make([]any, 65_535)
	for i := range args {
		args[i] = i
	}
	marks := make([]string, len(args))
	for i := range marks {
		marks[i] = fmt.Sprintf("($%d::int)", i+1)
	}
	var sum int64
	if err := c.QueryRow(t.Context(), "select sum(v) from (values "+strings.Join(marks, ",")+") as t(v)", args...).Scan(&sum); err != nil {
		t.Errorf("65,535 parameters: %v", err)
	}
}

func TestListen_Notifications(t *testing.T) {
	g := setup(t, "")
	c := g.connect()
	if _, err := c.Exec(t.Context(), "listen news"); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		n, err := c.WaitForNotification(context.Background())
		if err != nil {
			got <- err.Error()
			return
		}
		got <- n.Payload
	}()
	admin(t, g.target.Database, "notify news, 'hello'")
	if s := <-got; s != "hello" {
		t.Errorf("got %q", s)
	}
}

// What was forwarded is on record as the client saw it, byte for byte.
func TestRecording_IsWhatTheClientSaw(t *testing.T) {
	g := setup(t, maskSchema, maskRules()...)
	c, tap := g.tapped()
	rows, err := c.Query(t.Context(), "select * from patients order by id", pgx.QueryExecModeDescribeExec)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	check(t, rows.Err())
	if _, err := c.Exec(t.Context(), "select 1/0"); err == nil {
		t.Error("no error")
	}
	check(t, c.Close(t.Context()))
	check(t, g.ended())
	rec := g.recorded()
	all := tap.String()
	// Everything from the first ParameterStatus on, but for the secret of BackendKeyData.
	start := strings.Index(all, "R\x00\x00\x00\x08\x00\x00\x00\x00") + 9
	seen := all[start:]
	if i := strings.Index(seen, "K\x00\x00\x00\x0c"); i >= 0 {
		seen = seen[:i] + seen[i+13:]
	}
	if seen != rec {
		t.Errorf("the client saw %d bytes, on record are %d", len(seen), len(rec))
	}
	results := g.audit.Of(hoop.EventResult)
	if len(results) == 0 || results[0].Result.Rows != 3 || results[0].Result.Masked == 0 {
		t.Errorf("results %+v", results)
	}
}

// What does not belong into COPY data ends the COPY with an error and the connection with
// another, as it does without a gateway.
func TestCopy_OutOfStep(t *testing.T) {
	g := setup(t, "create table t (a int)")
	for name, m := range map[string]pgproto3.FrontendMessage{
		"query": query("select 1"), "parse": parse("", "select 1"), "bind": &pgproto3.Bind{}, "describe": describe('S', ""),
		"execute": execute("", 0), "close": &pgproto3.Close{ObjectType: 'P'}, "function": &pgproto3.FunctionCall{Function: 1},
	} {
		t.Run(name, func(t *testing.T) {
			says := func(dsn string) (said []string) {
				c := rawConn(t, dsn)
				c.exchange(step{send: msgs(query("copy t from stdin")), until: "CopyInResponse"})
				c.Frontend.Send(&pgproto3.CopyData{Data: []byte("1\n")})
				c.Frontend.Send(m)
				check(t, c.Frontend.Flush())
				for {
					m, err := c.Frontend.Receive()
					if err != nil {
						return said // the connection was closed
					}
					if e, ok := m.(*pgproto3.ErrorResponse); ok {
						said = append(said, e.Severity+" "+e.Code+" "+e.Message)
						continue
					}
					said = append(said, render(m))
				}
			}
			want := says(shared.pg.DSN(g.target.Database))
			if diff := cmp.Diff(want, says(g.dsn())); diff != "" || len(want) != 2 {
				t.Errorf("PostgreSQL says %q (-), the gateway (+):\n%s", want, diff)
			}
			if err := g.ended(); err == nil {
				t.Error("the connection ended as if nothing had happened")
			}
		})
	}
	var n int
	check(t, g.direct().QueryRow(t.Context(), "select count(*) from t").Scan(&n))
	if n != 0 {
		t.Errorf("%d rows were kept", n)
	}
}
