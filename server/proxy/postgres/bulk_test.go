package postgres

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/pkg/recording"
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
	g.proxy.cfg.MaxRow = 1 << 20
	err := g.connect().QueryRow(t.Context(), "select id, ssn from patients where id = 1").Scan(&id, &back)
	if state(err) != "54000" {
		t.Errorf("a masked row beyond the limit: %v", err)
	}
	g.proxy.cfg.MaxStatement, g.proxy.cfg.MaxBound = 1<<20, 1<<20
	c = g.connect()
	for name, mode := range modes {
		if _, err := c.Exec(t.Context(), "select length($1::text)", mode, big); state(err) != "54000" {
			t.Errorf("%s: a parameter beyond the limit: %v", name, err)
		}
	}
	check(t, c.Ping(t.Context()))
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
	results := g.audit.of(hoop.EventResult)
	if len(results) == 0 || results[0].Result.Rows != 3 || results[0].Result.Masked == 0 {
		t.Errorf("results %+v", results)
	}
}
