package evasions

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
)

//go:embed testdata/*.sql
var data embed.FS

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(m.Run())
}

// resources let reads, writes under a condition and what a session does for itself
// pass; everything else is denied, so that nobody has to wait for an approver.
const resources = `
kind: Target
name: pg-prod
spec:
  type: postgres
  address: ${ADDRESS}
  database: through
  tls: disable
  credential: {username: postgres, password: {value: "${PASSWORD}"}}
---
kind: AccessRule
name: everybody
spec: {groups: ["*"], targets: ["*"], max_duration: 8h, approval: none, reason: optional}
---
kind: StatementRule
name: no-risk
spec: {targets: [pg-prod], groups: ["*"], effects: [ddl, destroy, role, unbounded-write, export, derive, opaque, server, unknown], tables: ["*"], decision: deny}
---
kind: ServiceAccount
name: agent
spec: {groups: [agents], owner: data-team, secret: {value: agent-secret}}
`

// script is one attack: lines are messages.
type script struct {
	group, title string
	lines        []string
	undo         string // what a run past the gateway leaves outside of the database
	only         string // a mode's name, where the others are something else
}

// read gives the scripts of one file: "-- title" begins one, each line is a message in
// which \n, \r and \t stand for themselves, "@undo SQL" cleans up, "@only MODE" names one mode.
func read(t *testing.T, group string) []script {
	t.Helper()
	b, err := data.ReadFile(path.Join("testdata", group+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	var out []script
	for l := range strings.Lines(string(b)) {
		l = strings.TrimSpace(l)
		if title, begins := strings.CutPrefix(l, "-- "); begins {
			out = append(out, script{group: group, title: title})
			continue
		}
		if l == "" {
			continue
		}
		s := &out[len(out)-1]
		if undo, ok := strings.CutPrefix(l, "@undo "); ok {
			s.undo = undo
			continue
		}
		if only, ok := strings.CutPrefix(l, "@only "); ok {
			s.only = only
			continue
		}
		s.lines = append(s.lines, strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\t`, "\t").Replace(l))
	}
	return out
}

// groups are the evasions that doc.go names.
func groups(t *testing.T) []string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) +testdata/(\w+)\.sql `).FindAllStringSubmatch(string(doc), -1) {
		if m[1] != m[2] {
			t.Errorf("doc.go: %s is in %s", m[1], m[2])
		}
		out = append(out, m[1])
	}
	files, err := data.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), ".sql"); name != "setup" && !slices.Contains(out, name) {
			t.Errorf("doc.go does not name %s", f.Name())
		}
	}
	return out
}

// client is a connection without any driver's own mind.
type client struct {
	t     *testing.T
	dsn   string
	conn  *pgconn.HijackedConn
	front *pgproto3.Frontend
	tx    byte // of the last ReadyForQuery
}

func (c *client) open() {
	c.t.Helper()
	conn, err := pgconn.Connect(c.t.Context(), c.dsn)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := conn.SyncConn(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	if c.conn, err = conn.Hijack(); err != nil {
		c.t.Fatal(err)
	}
	c.front = pgproto3.NewFrontend(c.conn.Conn, c.conn.Conn)
	c.tx = 'I'
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Conn.Close()
		c.conn = nil
	}
}

// exchange sends messages in one go and reads until everything is answered; it gives
// the cells that came and the SQLSTATEs.
func (c *client) exchange(msgs ...pgproto3.FrontendMessage) (cells, codes []string) {
	c.t.Helper()
	if c.conn == nil {
		c.open()
	}
	due := 0
	for _, m := range msgs {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync:
			due++
		}
		c.front.Send(m)
	}
	_ = c.conn.Conn.SetDeadline(time.Now().Add(2 * time.Minute)) // a watchdog
	if err := c.front.Flush(); err != nil {
		c.t.Fatal(err)
	}
	for due > 0 {
		m, err := c.front.Receive()
		if err != nil {
			c.close()
			return cells, append(codes, "ended: "+err.Error())
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			due--
			c.tx = m.TxStatus
		case *pgproto3.ErrorResponse:
			codes = append(codes, m.Code)
		case *pgproto3.DataRow:
			for _, v := range m.Values {
				cells = append(cells, string(v))
			}
		case *pgproto3.CopyInResponse:
			c.front.Send(&pgproto3.CopyFail{Message: "nothing to copy"})
			if err := c.front.Flush(); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	return cells, codes
}

func extended(name, sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: name, Query: sql}, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{},
	}
}

// modes are the ways to send the lines of a script.
var modes = []struct {
	name string
	run  func(c *client, lines []string) (codes []string)
}{
	{"query", func(c *client, lines []string) (codes []string) {
		for _, sql := range lines {
			_, more := c.exchange(&pgproto3.Query{String: sql})
			codes = append(codes, more...)
		}
		return codes
	}},
	{"extended", func(c *client, lines []string) (codes []string) {
		for _, sql := range lines {
			_, more := c.exchange(append(extended("", sql), &pgproto3.Sync{})...)
			codes = append(codes, more...)
		}
		return codes
	}},
	{"pipeline", func(c *client, lines []string) []string {
		msgs := extended("", "SELECT 1")
		for i, sql := range lines {
			msgs = append(msgs, extended(fmt.Sprint("s", i), sql)...)
		}
		_, codes := c.exchange(append(msgs, &pgproto3.Sync{})...)
		return codes
	}},
	{"burst", func(c *client, lines []string) []string {
		msgs := []pgproto3.FrontendMessage{&pgproto3.Query{String: "SELECT 1"}}
		for _, sql := range lines {
			msgs = append(msgs, &pgproto3.Query{String: sql})
		}
		_, codes := c.exchange(msgs...)
		return codes
	}},
}

// session is what a script may have changed in its session alone.
func (c *client) session() string {
	c.t.Helper()
	if c.tx == 'E' {
		c.exchange(&pgproto3.Query{String: "ROLLBACK"})
	}
	cells, codes := c.exchange(&pgproto3.Query{String: `SELECT session_user = current_user, current_setting('session_replication_role'),
		current_setting('log_statement'), current_setting('hoop.user', true) = 'forged', current_setting('standard_conforming_strings')`})
	return fmt.Sprint(cells, codes)
}

// again makes the session as it was.
func (c *client) again() {
	c.t.Helper()
	if c.tx != 'I' {
		c.exchange(&pgproto3.Query{String: "ROLLBACK"})
	}
	if _, codes := c.exchange(&pgproto3.Query{String: "DISCARD ALL"}); codes != nil {
		c.close()
	}
}

// state is what the rules protect: rows, objects, roles, settings.
func state(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	var b strings.Builder
	for _, sql := range []string{
		`SELECT coalesce(string_agg(v::text, '|' ORDER BY v::text), '') FROM clinic.victim v`,
		`SELECT coalesce(string_agg(v::text, '|' ORDER BY v::text), '') FROM clinic.child v`,
		`SELECT coalesce(string_agg(v::text, '|' ORDER BY v::text), '') FROM clinic.half v`,
		`SELECT coalesce(string_agg(v::text, '|' ORDER BY v::text), '') FROM clinic.parted v`,
		`SELECT string_agg(concat_ws(' ', n.nspname, relname, relkind, relacl, relowner), '|' ORDER BY n.nspname, relname)
			FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname IN ('clinic', 'public')`,
		`SELECT string_agg(concat_ws(' ', proname, pg_get_function_identity_arguments(p.oid), prosrc, prosecdef), '|' ORDER BY proname, p.oid) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE n.nspname IN ('clinic', 'public')`,
		`SELECT string_agg(concat_ws(' ', attrelid::regclass, attname, atttypid::regtype), '|' ORDER BY attrelid, attnum) FROM pg_attribute WHERE attrelid = 'clinic.victim'::regclass`,
		`SELECT string_agg(concat_ws(' ', rolname, rolsuper, rolcanlogin), '|' ORDER BY rolname) FROM pg_roles`,
		`SELECT concat_ws(' ', count(*), string_agg(roleid::text || member, ' ' ORDER BY roleid, member)) FROM pg_auth_members`,
		`SELECT concat_ws(' ', count(*), string_agg(setconfig::text, ' ')) FROM pg_db_role_setting`,
		`SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension`,
		`SELECT count(*)::text FROM pg_largeobject_metadata`,
		`SELECT string_agg(concat_ws(' ', tgname, tgenabled), ' ' ORDER BY oid) FROM pg_trigger WHERE tgrelid = 'clinic.triggered'::regclass`,
	} {
		var v *string
		if err := conn.QueryRow(t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&v); err != nil {
			fmt.Fprintln(&b, err)
			continue
		}
		if v != nil {
			b.WriteString(*v)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func setup() string {
	b, err := data.ReadFile("testdata/setup.sql")
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestEvasions(t *testing.T) {
	pg, err := pgserver.Start(t.Context(), pgserver.Options{Settings: map[string]string{"autovacuum": "off"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	watch := map[string]*pgx.Conn{}
	for _, name := range []string{"through", "past"} {
		if err := pg.Exec(t.Context(), "postgres", "CREATE DATABASE "+name+" STRATEGY file_copy"); err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), pg.DSN(name))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		watch[name] = conn
	}
	if err := pg.Exec(t.Context(), "postgres", "CREATE ROLE intruder SUPERUSER; CREATE ROLE plain"); err != nil {
		t.Fatal(err)
	}
	for _, conn := range watch {
		if _, err := conn.Exec(t.Context(), setup()); err != nil {
			t.Fatal(err)
		}
	}
	g := servertest.Start(t, servertest.Options{PG: pg, Resources: resources})
	through := &client{t: t, dsn: strings.Replace(g.Connect("agent", "pg-prod"), "/postgres?", "/through?", 1)}
	past := &client{t: t, dsn: pg.DSN("past")}
	defer through.close()
	defer past.close()
	clean, cleanPast, before := state(t, watch["through"]), state(t, watch["past"]), through.session()

	count := 0
	for _, group := range groups(t) {
		all := read(t, group)
		if len(all) < 3 {
			t.Errorf("%s: only %d scripts", group, len(all))
		}
		for _, s := range all {
			count++
			t.Run(group+"/"+s.title, func(t *testing.T) {
				through.t, past.t = t, t
				defer func() { through.again(); past.again() }()
				for i, m := range modes {
					if s.only != "" && s.only != m.name {
						continue
					}
					codes := m.run(through, s.lines)
					if (i == 0 || s.only != "") && !slices.Contains(codes, "42501") {
						t.Errorf("%s: nothing was denied: %s", m.name, codes)
					}
					if got := through.session(); got != before {
						t.Errorf("%s: it changed its session: %s", m.name, got)
					}
					through.again()
					if got := state(t, watch["through"]); got != clean {
						if _, err := watch["through"].Exec(t.Context(), "DROP SCHEMA IF EXISTS clinic CASCADE; "+s.undo+"; "+setup()); err != nil {
							t.Fatal(err)
						}
						t.Fatalf("%s: it changed (-before +after):\n%s", m.name, cmp.Diff(strings.Split(clean, "\n"), strings.Split(got, "\n")))
					}
				}
				worked := false
				for _, m := range modes {
					if s.only != "" && s.only != m.name {
						continue
					}
					codes := m.run(past, s.lines)
					session := past.session()
					past.again()
					if session == before && state(t, watch["past"]) == cleanPast {
						t.Logf("%s past the gateway: %s", m.name, codes)
						continue
					}
					worked = true
					if _, err := watch["past"].Exec(t.Context(), "DROP SCHEMA IF EXISTS clinic CASCADE; "+s.undo+"; "+setup()); err != nil {
						t.Fatal(err)
					}
					if got := state(t, watch["past"]); got != cleanPast {
						t.Fatalf("not undone (-before +after):\n%s", cmp.Diff(strings.Split(cleanPast, "\n"), strings.Split(got, "\n")))
					}
					break
				}
				if !worked {
					t.Error("it changes nothing past the gateway either")
				}
			})
		}
	}
	if count < 250 {
		t.Errorf("only %d scripts", count)
	}
}
