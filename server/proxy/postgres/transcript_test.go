package postgres

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/server/resource"
)

var update = flag.Bool("update", false, "write the golden transcripts")

// raw is a connection that has started and speaks messages.
type raw struct {
	t *testing.T
	*pgconn.HijackedConn
}

func rawConn(t *testing.T, dsn string) *raw {
	t.Helper()
	c, err := pgconn.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SyncConn(t.Context()); err != nil {
		t.Fatal(err)
	}
	h, err := c.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Conn.Close() })
	check(t, h.Conn.SetDeadline(time.Now().Add(2*time.Minute)))
	return &raw{t, h}
}

// step is messages that are sent together, and how many ReadyForQuery follow.
type step struct {
	send  []pgproto3.FrontendMessage
	ready int
	until string // or: read until a message of this type, or with this value
}

func (c *raw) exchange(steps ...step) string {
	c.t.Helper()
	var out strings.Builder
	for _, s := range steps {
		for _, m := range s.send {
			c.Frontend.Send(m)
			fmt.Fprintf(&out, "> %s\n", render(m))
		}
		if err := c.Frontend.Flush(); err != nil {
			c.t.Fatal(err)
		}
		for left := s.ready; left > 0 || s.until != ""; {
			m, err := c.Frontend.Receive()
			if err != nil {
				var ne net.Error
				if errors.As(err, &ne) && ne.Timeout() {
					_ = pprof.Lookup("goroutine").WriteTo(c.t.Output(), 2) // a log line would do as well
				}
				fmt.Fprintf(&out, "< (%v)\n", err)
				return out.String()
			}
			text := render(m)
			fmt.Fprintf(&out, "< %s\n", text)
			if _, ok := m.(*pgproto3.ReadyForQuery); ok {
				left--
			}
			if s.until != "" && strings.Contains(text, `"`+s.until+`"`) {
				break
			}
		}
	}
	return out.String()
}

var unstable = []struct {
	re *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`"TableOID":[1-9]\d+`), `"TableOID":"T"`},
	{regexp.MustCompile(`,"(File|Line|Routine)":("[^"]*"|\d+)`), ``},
	{regexp.MustCompile(`"PID":\d+`), `"PID":"P"`},
	{regexp.MustCompile(`expires in \w+`), `expires in T`},
	{regexp.MustCompile(`,"\w+":(""|0|null)`), ``},
	{regexp.MustCompile(`,"UnknownFields":[^}]*`), ``},
}

func render(m any) string {
	b, err := json.Marshal(m)
	if err != nil {
		return fmt.Sprintf("%T: %v", m, err)
	}
	s := string(b)
	for _, u := range unstable {
		s = u.re.ReplaceAllString(s, u.by)
	}
	return s
}

func golden(t *testing.T, got string) {
	t.Helper()
	path := filepath.Join("testdata", "transcript", strings.NewReplacer("/", "_", ",", "").Replace(t.Name())+".txt")
	if *update {
		check(t, os.MkdirAll(filepath.Dir(path), 0o755))
		check(t, os.WriteFile(path, []byte(got), 0o644))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("transcript differs (-want +got), -update writes it:\n%s", d)
	}
}

func msgs(m ...pgproto3.FrontendMessage) []pgproto3.FrontendMessage { return m }

func query(sql string) pgproto3.FrontendMessage { return &pgproto3.Query{String: sql} }
func parse(name, sql string) pgproto3.FrontendMessage {
	return &pgproto3.Parse{Name: name, Query: sql}
}

func bind(portal, statement string, params ...string) pgproto3.FrontendMessage {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}
	for _, p := range params {
		b.Parameters = append(b.Parameters, []byte(p))
	}
	return b
}

func describe(kind byte, name string) pgproto3.FrontendMessage {
	return &pgproto3.Describe{ObjectType: kind, Name: name}
}

func execute(portal string, limit uint32) pgproto3.FrontendMessage {
	return &pgproto3.Execute{Portal: portal, MaxRows: limit}
}

func closeMsg(kind byte, name string) pgproto3.FrontendMessage {
	return &pgproto3.Close{ObjectType: kind, Name: name}
}

// fastpath calls a function by its OID with arguments in text form.
func fastpath(function uint32, args ...string) pgproto3.FrontendMessage {
	m := &pgproto3.FunctionCall{Function: function}
	for _, a := range args {
		m.Arguments = append(m.Arguments, []byte(a))
	}
	return m
}

var (
	syncMsg  = &pgproto3.Sync{}
	flushMsg = &pgproto3.Flush{}
)

const flowSchema = `
	create table f (i int primary key, s text);
	insert into f select g, 'row ' || g from generate_series(1, 9) g;
	create table empty (i int);
	create table d (i int primary key deferrable initially deferred);
	insert into d values (1)`

// flows are conversations that must read the same through the gateway as without it.
var flows = map[string][]step{
	"simple":                             {{send: msgs(query("select i, s from f order by i limit 2")), ready: 1}},
	"empty query":                        {{send: msgs(query("")), ready: 1}, {send: msgs(query(" ; ")), ready: 1}, {send: msgs(parse("", ""), bind("", ""), describe('P', ""), execute("", 0), syncMsg), ready: 1}},
	"zero columns":                       {{send: msgs(query("select from f limit 2")), ready: 1}},
	"several statements":                 {{send: msgs(query("select 1; insert into empty values (1); select i from empty; delete from empty")), ready: 1}},
	"error in several":                   {{send: msgs(query("select 1; select 1/0; select 2")), ready: 1}, {send: msgs(query("select 3")), ready: 1}},
	"transaction":                        {{send: msgs(query("begin")), ready: 1}, {send: msgs(query("select 1/0")), ready: 1}, {send: msgs(query("select 1")), ready: 1}, {send: msgs(query("rollback")), ready: 1}},
	"extended":                           {{send: msgs(parse("", "select s from f where i = $1"), bind("", "", "3"), describe('P', ""), execute("", 0), syncMsg), ready: 1}},
	"describe statement":                 {{send: msgs(parse("q", "select i, s from f where i > $1"), describe('S', "q"), syncMsg), ready: 1}, {send: msgs(bind("", "q", "7"), execute("", 0), syncMsg), ready: 1}, {send: msgs(closeMsg('S', "q"), syncMsg), ready: 1}},
	"flush":                              {{send: msgs(parse("", "select 1"), flushMsg), until: "ParseComplete"}, {send: msgs(bind("", ""), execute("", 0), flushMsg), until: "CommandComplete"}, {send: msgs(syncMsg), ready: 1}},
	"row limits":                         {{send: msgs(query("begin")), ready: 1}, {send: msgs(parse("", "select i from f order by i"), bind("p", ""), execute("p", 4), execute("p", 4), execute("p", 4), execute("p", 4), closeMsg('P', "p"), syncMsg), ready: 1}, {send: msgs(query("commit")), ready: 1}},
	"portal over batches":                {{send: msgs(query("begin")), ready: 1}, {send: msgs(parse("", "select i from f order by i"), bind("p", ""), execute("p", 2), syncMsg), ready: 1}, {send: msgs(execute("p", 2), syncMsg), ready: 1}, {send: msgs(execute("p", 0), syncMsg), ready: 1}, {send: msgs(query("commit")), ready: 1}},
	"pipeline":                           {{send: msgs(parse("a", "select 1"), bind("", "a"), execute("", 0), parse("b", "select 2"), bind("", "b"), execute("", 0), syncMsg, bind("", "a"), execute("", 0), syncMsg), ready: 2}},
	"error then skip":                    {{send: msgs(parse("", "select 1/$1::int"), bind("", "", "0"), execute("", 0), parse("never", "select 1"), bind("", "never"), execute("", 0), syncMsg, parse("", "select 7"), bind("", ""), execute("", 0), syncMsg), ready: 2}, {send: msgs(bind("", "never"), syncMsg), ready: 1}},
	"error at sync":                      {{send: msgs(parse("", "insert into d values (1)"), bind("", ""), execute("", 0), syncMsg), ready: 1}},
	"query while skipping":               {{send: msgs(bind("", "nothing"), query("select 1"), syncMsg, query("select 2")), ready: 2}},
	"unnamed statement replaced":         {{send: msgs(parse("", "select 1"), syncMsg, parse("", "select 2"), syncMsg, bind("", ""), execute("", 0), syncMsg), ready: 3}},
	"statement exists":                   {{send: msgs(parse("x", "select 1"), syncMsg, parse("x", "select 2"), syncMsg, bind("", "x"), execute("", 0), syncMsg), ready: 3}},
	"implicit transaction of a pipeline": {{send: msgs(parse("", "insert into empty values (5)"), bind("", ""), execute("", 0), parse("", "select 1/0"), bind("", ""), execute("", 0), syncMsg, query("select count(*) from empty where i = 5")), ready: 2}},
	"notice":                             {{send: msgs(query("drop table if exists nothing_of_the_kind")), ready: 1}},
	"parameter status":                   {{send: msgs(query("set application_name = 'x'")), ready: 1}, {send: msgs(query("set datestyle = 'German'")), ready: 1}},
	"listen":                             {{send: msgs(query("listen news")), ready: 1}, {send: msgs(query("notify news, 'hello'")), ready: 1}},
	"close what is not there":            {{send: msgs(closeMsg('S', "no"), closeMsg('P', "no"), syncMsg), ready: 1}},
	"unknown portal":                     {{send: msgs(execute("no", 0), syncMsg), ready: 1}},
	"copy data outside copy":             {{send: msgs(&pgproto3.CopyData{Data: []byte("x")}, &pgproto3.CopyDone{}, query("select 1")), ready: 1}},
	"sql prepare, protocol bind":         {{send: msgs(query("prepare p1 as select 41 + 1")), ready: 1}, {send: msgs(bind("", "p1"), execute("", 0), syncMsg), ready: 1}, {send: msgs(query("deallocate p1")), ready: 1}},
	"protocol parse, sql execute":        {{send: msgs(parse("p2", "select 6 * 7"), syncMsg), ready: 1}, {send: msgs(query("execute p2")), ready: 1}},
	"cursor":                             {{send: msgs(query("begin; declare c cursor for select i from f order by i")), ready: 1}, {send: msgs(query("fetch 2 from c")), ready: 1}, {send: msgs(query("close c; commit")), ready: 1}},
	"cursor described":                   {{send: msgs(parse("", "declare c cursor with hold for select i, s from f order by i"), bind("", ""), execute("", 0), describe('P', "c"), syncMsg), ready: 1}, {send: msgs(describe('P', "c"), closeMsg('P', "c"), describe('P', "c"), syncMsg), ready: 1}},
	"function call":                      {{send: msgs(fastpath(177, "2", "3")), ready: 1}, {send: msgs(query("begin"), fastpath(154, "1", "0"), fastpath(177, "2", "3"), query("rollback"), fastpath(870, "A")), ready: 5}},
	"function call of nothing":           {{send: msgs(fastpath(1, "2"), fastpath(177, "2"), fastpath(177, "x", "1"), fastpath(1067, "1", "2"), fastpath(2108, "1")), ready: 5}},
	"function call while skipping":       {{send: msgs(bind("", "nothing"), fastpath(177, "2", "3"), syncMsg, fastpath(177, "2", "3")), ready: 2}},
	"copy out":                           {{send: msgs(query("copy f to stdout")), ready: 1}, {send: msgs(query("copy (select i from f where i < 3) to stdout with (format csv, header)")), ready: 1}, {send: msgs(parse("", "copy f to stdout (format binary)"), bind("", ""), execute("", 0), syncMsg), ready: 1}},
	"copy in": {
		{send: msgs(query("copy empty from stdin")), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("1\n2\n")}, &pgproto3.CopyData{Data: []byte("3\n")}, &pgproto3.CopyDone{}), ready: 1},
		{send: msgs(query("select sum(i) from empty")), ready: 1},
	},
	"copy in extended": {
		{send: msgs(parse("", "copy empty from stdin"), bind("", ""), execute("", 0), syncMsg), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyDone{}, syncMsg), ready: 1},
		{send: msgs(query("select count(*) from empty")), ready: 1},
	},
	"copy in csv": {
		{send: msgs(query("copy f from stdin with (format csv, header, null 'nil')")), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("i,s\n101,\"a \"\"b\"\",")}, &pgproto3.CopyData{Data: []byte("\nc\"\n102,nil\n")}, &pgproto3.CopyDone{}), ready: 1},
		{send: msgs(query("select i, s, s is null from f where i > 100 order by i"), query("delete from f where i > 100")), ready: 2},
	},
	"copy in binary": {
		{send: msgs(parse("", "copy empty from stdin (format binary)"), bind("", ""), execute("", 0), syncMsg), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00")}, &pgproto3.CopyData{Data: []byte("\x00\x04\x00\x00\x00\x07\xff\xff")}, &pgproto3.CopyDone{}, syncMsg), ready: 1},
		{send: msgs(query("copy empty from stdin (format binary)")), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("no signature at all")}, &pgproto3.CopyDone{}), ready: 1},
		{send: msgs(query("select * from empty")), ready: 1},
	},
	"error in the middle of a pipeline of batches": {{send: msgs(
		parse("", "insert into empty values (1)"), bind("", ""), execute("", 0), syncMsg,
		parse("", "insert into empty values (2)"), bind("", ""), execute("", 0), parse("", "select 1/(i - i) from f"), bind("", ""), describe('P', ""), execute("", 0), parse("", "insert into empty values (3)"), bind("", ""), execute("", 0), syncMsg,
		parse("", "select i from empty order by i"), bind("", ""), execute("", 0), syncMsg), ready: 3}},
	"error after rows": {{send: msgs(parse("", "select 1/(5 - i) from f order by i"), bind("", ""), execute("", 3), execute("", 3), execute("", 0), syncMsg, query("select 1/(3 - i) from generate_series(1, 5) i")), ready: 2}},
	"describe before and after bind": {{send: msgs(
		parse("d", "select i, s from f where i = $1 and s <> $2"), describe('S', "d"), bind("dp", "d", "2", "x"), describe('P', "dp"), describe('S', "d"), execute("dp", 0), describe('P', "dp"), describe('P', "never"), syncMsg,
		describe('S', "d"), closeMsg('S', "d"), describe('S', "d"), syncMsg,
		parse("", "insert into empty values (9)"), describe('S', ""), bind("", ""), describe('P', ""), execute("", 0), syncMsg), ready: 3}},
	"row limits of several portals": {{send: msgs(query("begin"), parse("", "select i from f order by i"), bind("a", ""), bind("b", ""), execute("a", 2), execute("b", 1), execute("a", 1), closeMsg('P', "a"), execute("b", 0), execute("b", 1), syncMsg,
		parse("", "insert into empty values (1), (2), (3) returning i"), bind("w", ""), execute("w", 1), execute("w", 0), syncMsg, query("rollback")), ready: 4}},
	"flush between errors": {{send: msgs(parse("", "select nothing_of_the_kind"), flushMsg), until: "ErrorResponse"}, {send: msgs(flushMsg, bind("", ""), flushMsg, syncMsg), ready: 1}, {send: msgs(flushMsg, syncMsg, flushMsg, syncMsg), ready: 2}},
	"copy fail": {
		{send: msgs(query("copy empty from stdin")), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyFail{Message: "changed my mind"}), ready: 1},
	},
	"copy bad data": {
		{send: msgs(query("copy empty from stdin")), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("one\n")}, &pgproto3.CopyData{Data: []byte("2\n")}, &pgproto3.CopyDone{}), ready: 1},
		{send: msgs(query("select 1")), ready: 1},
	},
	"copy in pipelined blindly": {
		{send: msgs(query("copy empty from stdin"), &pgproto3.CopyData{Data: []byte("1\n")}, syncMsg, flushMsg, &pgproto3.CopyDone{}, query("select 1")), ready: 2},
	},
	"two copies in one query": {
		{send: msgs(query("copy empty from stdin; copy empty from stdin; select 1")), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("1\n")}, &pgproto3.CopyDone{}), until: "CopyInResponse"},
		{send: msgs(&pgproto3.CopyData{Data: []byte("2\n")}, &pgproto3.CopyDone{}), ready: 1},
	},
	"copy fails to begin": {{send: msgs(parse("", "copy empty (nothing) from stdin"), bind("", ""), execute("", 0), syncMsg, query("select 1")), ready: 2}},
}

// withheldOnPurpose is what a session with masks does not get to see: any text of
// other sessions, and of statements about tables that the catalog does not have.
var withheldOnPurpose = strings.NewReplacer(`,"Payload":"hello"`, ``,
	`table \"nothing_of_the_kind\" does not exist, skipping`, withheldText)

// TestFlow_ReadsAsWithoutGateway holds the gateway to the real server's own words. It
// is run with a mask rule as well, which makes the gateway ask for descriptions that
// the client must not see.
func TestFlow_ReadsAsWithoutGateway(t *testing.T) {
	for _, rules := range [][]resource.MaskRule{nil, {{Columns: []string{"public.secrets.s"}}}} {
		g := setup(t, flowSchema, rules...)
		for name, steps := range flows {
			t.Run(fmt.Sprintf("%s, %d rules", name, len(rules)), func(t *testing.T) {
				const clean = "truncate empty"
				admin(t, g.target.Database, clean)
				want := rawConn(t, shared.pg.DSN(g.target.Database)).exchange(steps...)
				admin(t, g.target.Database, clean)
				got := rawConn(t, g.dsn()).exchange(steps...)
				if len(rules) > 0 {
					want = withheldOnPurpose.Replace(want)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("-direct +gateway:\n%s", d)
				}
				if len(rules) == 0 {
					golden(t, got)
				}
			})
		}
	}
}
