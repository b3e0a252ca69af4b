package postgres

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"

	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/resource"
)

const encodingSchema = `
	create table people (id int, "näme" text, secret text);
	insert into people values (1, 'Müller', 'gehäuft'), (2, 'naïve', 'größer');
	create table words (w text)`

// converse says the same in a client's encoding; tr converts what the test has in UTF8.
func converse(t *testing.T, c *raw, tr func(string) string) string {
	t.Helper()
	word := "ÄÖü"
	out := c.exchange(
		step{ready: 1, send: msgs(query(tr(`select "näme", 'ß' || "näme" as "ä" from people order by id`)))},
		step{ready: 1, send: msgs(parse("p", tr(`select $1::text || "näme" as "größe" from people where id = 1`)), describe('S', "p"),
			&pgproto3.Bind{PreparedStatement: "p", Parameters: [][]byte{[]byte(tr(word))}}, describe('P', ""), execute("", 0), &pgproto3.Sync{})},
		step{ready: 1, send: msgs(query(tr(`select 'ö'::int`)))},
		step{ready: 1, send: msgs(query(tr(`select 1 as "ü" from "fehlt-ä"`)))},
		step{ready: 1, send: msgs(query(tr(`prepare "q-ä" as select 'é'; execute "q-ä"; deallocate "q-ä"`)))},
		step{ready: 1, send: msgs(query("listen n; notify n, '" + tr("é") + "'"))},
		step{until: "CopyInResponse", send: msgs(query("copy words from stdin"))},
		step{ready: 1, send: msgs(&pgproto3.CopyData{Data: []byte(tr("größe\nÄ"))}, &pgproto3.CopyData{Data: []byte(tr("rger\n"))}, &pgproto3.CopyDone{})},
		step{ready: 1, send: msgs(query("copy words to stdout"))},
		step{ready: 1, send: msgs(query("copy people to stdout (format csv, header)"))},
		step{ready: 1, send: msgs(query("truncate words"))},
		step{ready: 1, send: msgs(query("set application_name = 'x'"))},
	)
	return out
}

// A client that speaks another encoding reads byte for byte what it reads without the
// gateway, while the target, masks and recordings have UTF8.
func TestEncoding_ReadsAsWithoutGateway(t *testing.T) {
	g := setup(t, encodingSchema)
	for name, enc := range map[string]encoding.Encoding{
		"LATIN1": charmap.ISO8859_1, "latin-9": charmap.ISO8859_15, "WIN1252": charmap.Windows1252, "windows-1250": charmap.Windows1250, "UTF8": encoding.Nop,
	} {
		t.Run(name, func(t *testing.T) {
			tr := func(s string) string {
				b, err := enc.NewEncoder().String(s)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
			if name == "windows-1250" {
				admin(t, g.target.Database, `update people set "näme" = replace("näme", 'ï', 'i')`)
			}
			want := rawConn(t, shared.pg.DSN(g.target.Database)+"&client_encoding="+name)
			got := rawConn(t, g.dsn("client_encoding="+name))
			if w, g := want.ParameterStatuses["client_encoding"], got.ParameterStatuses["client_encoding"]; w != g {
				t.Errorf("told of %s, want %s", g, w)
			}
			if d := cmp.Diff(converse(t, want, tr), converse(t, got, tr)); d != "" {
				t.Errorf("-direct +gateway:\n%s", d)
			}
		})
	}
}

// It can be changed in the middle, in either protocol, and RESET goes back to what the
// client began with. The target never hears of it.
func TestEncoding_ChangesInTheMiddle(t *testing.T) {
	g := setup(t, "create table f (i int)")
	flow := func(c *raw) string {
		u := func(e encoding.Encoding, s string) string {
			b, err := e.NewEncoder().String(s)
			check(t, err)
			return b
		}
		ext := func(sql string) step {
			return step{ready: 1, send: msgs(parse("", sql), bind("", ""), describe('P', ""), execute("", 0), &pgproto3.Sync{})}
		}
		return c.exchange(
			step{ready: 1, send: msgs(query("set client_encoding to 'LATIN9'"))},
			step{ready: 1, send: msgs(query(u(charmap.ISO8859_15, "select '€'")))},
			step{ready: 2, send: msgs(query("set names 'sjis'"), query(u(japanese.ShiftJIS, `select '表示', '\'`)))}, // ends in a backslash byte
			ext("set client_encoding = euc_kr"),
			ext(u(korean.EUCKR, "select '한국'")),
			step{ready: 1, send: msgs(query("begin"))},
			step{ready: 1, send: msgs(query("set client_encoding = 'EUC-KR'"))}, // nothing new
			step{ready: 1, send: msgs(query("commit"))},
			step{ready: 1, send: msgs(query("reset client_encoding"))},
			step{ready: 1, send: msgs(query("select 'ü€한'"))},
			ext("set names 'GBK'"),
			ext(u(simplifiedchinese.GBK, "select '中文' as \"汉\"")),
			step{ready: 1, send: msgs(query("discard all"))},
			step{ready: 1, send: msgs(query("select '中文'"))},
			step{ready: 1, send: msgs(query("set client_encoding to latin1"))},
			ext("reset all"),
			step{ready: 1, send: msgs(query("select '中文'"))},
			step{ready: 1, send: msgs(query("set client_encoding = 'nothing'"))},
		)
	}
	want := flow(rawConn(t, shared.pg.DSN(g.target.Database)))
	c := rawConn(t, g.dsn())
	got := flow(c)
	check(t, c.Conn.Close())
	check(t, g.ended())
	hint := regexp.MustCompile(`,"Hint":"stay with[^"]*"`)
	if d := cmp.Diff(want, hint.ReplaceAllString(got, "")); d != "" {
		t.Errorf("-direct +gateway:\n%s", d)
	}
	if rec := g.recorded(); !strings.Contains(rec, "中文") || !strings.Contains(rec, "表示") {
		t.Error("the recording is not in UTF8")
	}
}

// What cannot be served soundly is refused, with the way out.
func TestEncoding_Refused(t *testing.T) {
	g := setup(t, "create table f (i int)")
	for options, code := range map[string]string{
		"client_encoding=BIG5": "0A000", "options=-c%20client_encoding%3Deuc_tw": "0A000", "CLIENT_ENCODING=mule_internal": "0A000", "client_encoding=nothing": "22023",
	} {
		if _, err := pgx.Connect(t.Context(), g.dsn(options)); state(err) != code || !strings.Contains(err.Error(), "client_encoding") {
			t.Errorf("%s: %v", options, err)
		}
	}
	for _, options := range []string{"client_encoding=utf-8", "client_encoding=SQL_ASCII", "Client_Encoding=SQL_ASCII", "options=-c%20client_encoding%3DSQL_ASCII", "client_encoding=UNICODE"} {
		c, err := pgx.Connect(t.Context(), g.dsn(options))
		if err != nil {
			t.Errorf("%s: %v", options, err)
			continue
		}
		if got := c.PgConn().ParameterStatus("client_encoding"); got != "UTF8" {
			t.Errorf("%s: %s", options, got)
		}
		check(t, c.Close(t.Context()))
	}
	c := g.connect()
	for _, sql := range []string{
		"select set_config('client_encoding', 'LATIN1', false)", "set client_encoding to sql_ascii", "set local client_encoding = 'win1252'",
		"set client_encoding = 'latin1'; select 1", "begin; set client_encoding = 'latin1'; commit", "set client_encoding = 'BIG5'",
	} {
		for name, mode := range modes {
			if _, err := c.Exec(t.Context(), sql, mode); state(err) != "0A000" && (mode == pgx.QueryExecModeSimpleProtocol || state(err) != "42601") {
				t.Errorf("%s (%s): %v", sql, name, err)
			}
		}
	}
	out := rawConn(t, g.dsn("client_encoding=LATIN1")).exchange(
		step{ready: 1, send: msgs(parse("", "select $1::text"), &pgproto3.Bind{Parameters: [][]byte{{0xe9}}, ParameterFormatCodes: []int16{1}}, &pgproto3.Sync{})},
		step{ready: 1, send: msgs(parse("", "select 1"), &pgproto3.Bind{ResultFormatCodes: []int16{1}}, &pgproto3.Sync{})},
		step{ready: 1, send: msgs(query("copy f to stdout (format binary)"))},
		step{ready: 1, send: msgs(query("copy f to stdout (encoding 'latin1')"))},
		step{ready: 1, send: msgs(query("begin"))},
		step{ready: 1, send: msgs(query("set client_encoding = 'LATIN2'"))},
		step{ready: 1, send: msgs(query("rollback"))},
	)
	if n := strings.Count(out, `"Code":"0A000"`); n != 5 {
		t.Errorf("%d refusals, want 5:\n%s", n, out)
	}
}

// A character that the client's encoding does not have, or bytes that are none, fail the
// statement and its transaction as in PostgreSQL.
func TestEncoding_NoEquivalent(t *testing.T) {
	g := setup(t, "create table words (w text)")
	bad := "select chr(233), i from generate_series(1, 2) i union all select chr(8364), 3"
	count := "select count(*) from words"
	ext := func(sql string) []pgproto3.FrontendMessage {
		return msgs(parse("", sql), bind("", ""), describe('P', ""), execute("", 0))
	}
	flow := func(dsn string) string {
		dsn = strings.TrimSuffix(dsn, "&")
		c := rawConn(t, dsn+"&client_encoding=LATIN1")
		out := c.exchange(
			step{ready: 2, send: msgs(query(bad), query("select 1"))},
			step{ready: 3, send: msgs(query("begin"), query("insert into words values ('x')"), query(bad))},
			step{ready: 3, send: msgs(query("select 2"), query("rollback"), query(count))},
			step{ready: 5, send: msgs(query("begin"), query("savepoint s"), query("insert into words values ('x') returning chr(8364)"), query("rollback to s"), query("commit"))},
			step{ready: 1, send: append(slices.Concat(ext("insert into words values ('y') returning chr(8364)"), ext("insert into words values ('z')")), syncMsg)},
			step{ready: 1, send: append(ext(count), syncMsg)},
			step{ready: 2, send: slices.Concat(msgs(query("begin")), ext(bad), msgs(syncMsg))},
			step{ready: 2, send: slices.Concat(ext("select 3"), msgs(syncMsg), msgs(query("rollback")))},
			step{ready: 1, send: msgs(parse("", bad), bind("", ""), execute("", 2), execute("", 2), execute("", 2), syncMsg)},
			step{ready: 2, send: msgs(query("copy (select chr(233) union all select chr(8364) union all select 'c') to stdout"), query("select 4"))},
			step{ready: 1, send: append(ext("copy (select chr(8364)) to stdout"), syncMsg)},
			step{ready: 3, send: msgs(query("begin"), query("declare c cursor for "+bad), query("fetch all from c"))},
			step{ready: 1, send: msgs(query("commit"))},
			step{ready: 1, send: msgs(query(bad + "; select 5"))},
			step{ready: 1, send: append(ext(count), syncMsg)},
		)
		c = rawConn(t, dsn+"&client_encoding=EUC_JP")
		return out + c.exchange(
			step{ready: 1, send: msgs(query("select '\xff\xff'"))},
			step{ready: 1, send: msgs(query("select '\xa4'"))},
			step{ready: 1, send: msgs(parse("", "select '\x8f\xff\xff'"), syncMsg)},
			step{until: "CopyInResponse", send: msgs(query("copy words from stdin"))},
			step{ready: 1, send: msgs(&pgproto3.CopyData{Data: []byte("\xff\xff\n")}, &pgproto3.CopyDone{})},
			step{ready: 1, send: msgs(query(count))},
		)
	}
	same := func(s string) string {
		return regexp.MustCompile(`,"(Hint|Where)":"[^"]*"`).ReplaceAllString(s, "")
	}
	if d := cmp.Diff(same(flow(shared.pg.DSN(g.target.Database))), same(flow(g.dsn()))); d != "" {
		t.Errorf("-direct +gateway:\n%s", d)
	}
	for _, e := range g.audit.Of(hoop.EventResult) {
		if e.Result.SQLState == "22P05" && e.Result.Tag != "" {
			t.Errorf("on record: %+v", e.Result)
		}
	}

	// What is committed with the statement cannot be taken back: the connection ends.
	for _, sql := range []string{"insert into words values ('x') returning chr(8364)", `select 1 as "` + "\u20ac" + `"`} {
		c := rawConn(t, g.dsn())
		c.exchange(step{ready: 1, send: msgs(query("create or replace view euro as select 1 as \"\u20ac\""))})
		check(t, c.Conn.Close())
		c = rawConn(t, g.dsn("client_encoding=LATIN1"))
		if strings.HasPrefix(sql, "select") {
			sql = "select * from euro"
		}
		out := c.exchange(step{send: msgs(query(sql)), ready: 1})
		if !strings.Contains(out, `"Severity":"FATAL"`) || !strings.Contains(out, "22P05") || !strings.Contains(out, "0xe2 0x82 0xac in encoding") || !strings.Contains(out, "may have taken effect") || strings.Contains(out, "\u20ac") {
			t.Errorf("%s: got\n%s", sql, out)
		}
	}
	// Bytes that end within a character are found at the end of the data.
	c := rawConn(t, g.dsn("client_encoding=EUC_JP"))
	out := c.exchange(
		step{until: "CopyInResponse", send: msgs(query("copy words from stdin"))},
		step{ready: 1, send: msgs(&pgproto3.CopyData{Data: []byte("\xa4")}, &pgproto3.CopyDone{})},
	)
	if !strings.Contains(out, "22021") || !strings.Contains(out, "invalid byte sequence for encoding") {
		t.Errorf("got\n%s", out)
	}
}

// Masked values are masked in UTF8 and stay so.
func TestEncoding_Masks(t *testing.T) {
	g := setup(t, encodingSchema, resource.MaskRule{Columns: []string{"public.people.secret"}}, resource.MaskRule{Columns: []string{`public.people."näme"`}, With: resource.Partial, Last: 3})
	out := rawConn(t, g.dsn("client_encoding=LATIN1")).exchange(
		step{ready: 1, send: msgs(query("select \"n\xe4me\", secret from people order by id"))})
	if strings.Contains(out, "geh") || strings.Contains(out, "gr") || !strings.Contains(out, "masked") || strings.Contains(out, "Error") {
		t.Errorf("got\n%s", out)
	}
}

// FuzzTranscode: what a client may send becomes a message that reads the same or is
// refused, and no answer breaks the framing.
func FuzzTranscode(f *testing.F) {
	for _, m := range []pgproto3.FrontendMessage{
		query("select 'é'"), parse("n", "select $1"), &pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", Parameters: [][]byte{[]byte("\xe9"), nil}, ParameterFormatCodes: []int16{0}},
		describe('S', "x"), execute("\xe9", 1), closeMsg('P', "y"), &pgproto3.FunctionCall{Function: 952, Arguments: [][]byte{{0, 0, 0, 1}}}, &pgproto3.Sync{},
	} {
		b, err := m.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, m := range []pgproto3.BackendMessage{
		&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("ä")}}}, &pgproto3.DataRow{Values: [][]byte{[]byte("ä"), nil}},
		&pgproto3.ErrorResponse{Severity: "ERROR", Message: "ö"}, &pgproto3.NotificationResponse{Channel: "c", Payload: "ü"}, &pgproto3.ParameterStatus{Name: "a", Value: "ß"},
		&pgproto3.CopyData{Data: []byte("é\n")}, &pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")},
	} {
		b, err := m.Encode(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	cs := charsets["latin1"]
	f.Fuzz(func(t *testing.T, frame []byte) {
		_, size, ok, err := headerOf(frame)
		if err != nil || !ok || size != len(frame) {
			return
		}
		if out, err := cs.fromClient(frame); err == nil {
			if _, size, ok, err := headerOf(out); err != nil || !ok || size != len(out) {
				t.Errorf("%q became %q", frame, out)
			}
		}
		out, err := cs.toClient([]byte("before"), frame)
		if err != nil {
			return
		}
		if _, size, ok, err := headerOf(out[6:]); err != nil || !ok || size != len(out)-6 {
			t.Errorf("%q became %q", frame, out)
		}
		if ascii(frame) == len(frame) && !bytes.Equal(out[6:], frame) {
			t.Errorf("ASCII %q became %q", frame, out)
		}
		if lossy := cs.lossy(frame); len(lossy) != len(frame) {
			t.Error(fmt.Sprint(len(lossy)))
		}
	})
}

// Texts of clients with UTF8 that are none fail as they do without a gateway.
func TestEncoding_InvalidUTF8(t *testing.T) {
	g := setup(t, "")
	through, direct := rawConn(t, g.dsn()), rawConn(t, shared.pg.DSN(g.target.Database))
	for _, bad := range []string{"\xff", "\xc3(", "a\xe2\x82", "é\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xc0\x80", "\xf8\x88\x80\x80\x80"} {
		text := "select '" + bad + "'"
		for _, s := range []step{
			{send: msgs(query(text), query("select 1")), ready: 2},
			{send: msgs(parse("", text), syncMsg), ready: 1},
		} {
			got, want := through.exchange(s), direct.exchange(s)
			if got != want || !strings.Contains(got, "22021") {
				t.Errorf("%q: %s\nwithout a gateway: %s", bad, got, want)
			}
		}
	}
}
