package session_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// shared is a server for tests that make all that they need anew. TestMain stops it.
var shared = sync.OnceValues(func() (*pgserver.Server, error) {
	started.Store(true)
	return pgserver.Start(context.Background(), pgserver.Options{Settings: map[string]string{"max_prepared_transactions": "10", "autovacuum": "off"}})
})

var started atomic.Bool

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	code := m.Run()
	if started.Load() {
		if pg, err := shared(); err == nil {
			if err := pg.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}
	os.Exit(code)
}

const setup = `
	CREATE TABLE patients (id int PRIMARY KEY, name text, ssn text, state text);
	INSERT INTO patients VALUES (1, 'Ada', 'CANARY-123', 'NY'), (2, 'Bob', 'CANARY-456', 'WY');
	CREATE TABLE notes_simple_protocol (id int, txt text);
	CREATE TABLE notes_cache_statement (id int, txt text);
	CREATE TABLE notes_exec (id int, txt text);
	CREATE TABLE scratch (x int);`

const masks = servertest.Resources + `
---
kind: MaskRule
name: identifiers
spec: {targets: [pg-prod], columns: [public.patients.ssn, public.patients.name], with: redact}
`

func open(t *testing.T, g *servertest.Gateway, config func(*pgx.ConnConfig)) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(g.Connect("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		config(cfg)
	}
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // a test may have broken it
	return conn
}

// answer decides the next held statement as the dba.
func answer(t *testing.T, g *servertest.Gateway, approve bool, before func()) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	dba := g.API("dba")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	go func() {
		defer cancel()
		done <- func() error {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for {
				pending, err := dba.Requests(ctx, api.RequestFilter{State: hoop.Pending, Inbox: true})
				if err != nil {
					return fmt.Errorf("nothing was held: %w", err)
				}
				if len(pending) > 0 {
					if before != nil {
						before()
					}
					if approve {
						_, err = dba.Approve(ctx, pending[0].ID, "")
					} else {
						_, err = dba.Deny(ctx, pending[0].ID, "no reason to")
					}
					return err
				}
				<-tick.C
			}
		}()
	}()
	return done
}

func state(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func TestSession_DenyStopsStatement(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup})
	conn := open(t, g, nil)
	for _, sql := range []string{
		"COPY scratch TO PROGRAM 'true'",
		"ALTER SYSTEM SET work_mem = '1MB'",
		"SELECT pg_read_file('/etc/passwd')",
	} {
		if _, err := conn.Exec(t.Context(), sql); state(err) != "42501" {
			t.Errorf("%s: %v, want SQLSTATE 42501", sql, err)
		}
	}
	decided := answer(t, g, false, nil)
	if _, err := conn.Exec(t.Context(), "DROP TABLE scratch"); state(err) != "42501" || !strings.Contains(err.Error(), "no reason to") {
		t.Errorf("denied DROP: %v, want SQLSTATE 42501 with the reason", err)
	}
	if err := <-decided; err != nil {
		t.Error(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT x FROM scratch"); err != nil {
		t.Errorf("the table is gone, or the connection: %v", err)
	}
}

// What was approved is dropped and made again while the statement waits: the text is
// the same, the object is not.
func TestSession_ApprovalMeansThis(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup + "CREATE VIEW v AS SELECT x AS id FROM scratch;"})
	conn := open(t, g, nil)
	decided := answer(t, g, true, func() {
		g.Direct("DROP VIEW v; CREATE TABLE v (id int)")
	})
	_, err := conn.Exec(t.Context(), "DELETE FROM v")
	if derr := <-decided; derr != nil {
		t.Fatal(derr)
	}
	if state(err) != "42501" {
		t.Errorf("approved for a view, ran on a table: %v", err)
	}
	decided = answer(t, g, true, nil)
	if _, err := conn.Exec(t.Context(), "DELETE FROM v"); err != nil {
		t.Errorf("approved and unchanged: %v", err)
	}
	if err := <-decided; err != nil {
		t.Error(err)
	}
}

// A view that reads the same table may read other rows of it: what was approved for one
// definition does not run under another. Changes of what it does not touch are no matter.
func TestSession_ApprovalMeansThisDefinition(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup + "INSERT INTO scratch VALUES (1), (2); CREATE VIEW v AS SELECT x FROM scratch WHERE x = 1;"})
	conn := open(t, g, nil)
	decided := answer(t, g, true, func() {
		g.Direct("CREATE OR REPLACE VIEW v AS SELECT x FROM scratch WHERE true")
	})
	_, err := conn.Exec(t.Context(), "DELETE FROM v")
	if derr := <-decided; derr != nil {
		t.Fatal(derr)
	}
	if n := g.Count("SELECT count(*) FROM scratch"); state(err) != "42501" || n != 2 {
		t.Errorf("approved for one row, %d of 2 are left: %v", n, err)
	}
	decided = answer(t, g, true, func() { g.Direct("CREATE TABLE elsewhere (x int)") })
	if _, err := conn.Exec(t.Context(), "DELETE FROM scratch"); err != nil {
		t.Errorf("refused for a table that it does not touch: %v", err)
	}
	if err := <-decided; err != nil {
		t.Error(err)
	}
}

// An approved copy of protected data is protected where it lands, RETURNING included.
func TestSession_DeriveInherits(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup, Resources: masks})
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec} {
		t.Run(mode.String(), func(t *testing.T) {
			conn := open(t, g, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = mode })
			decided := answer(t, g, true, nil)
			table := "notes_" + strings.ReplaceAll(mode.String(), " ", "_")
			var got string
			err := conn.QueryRow(t.Context(), "INSERT INTO "+table+" SELECT id, ssn FROM patients WHERE id = 1 RETURNING txt").Scan(&got)
			if derr := <-decided; derr != nil {
				t.Fatal(derr)
			}
			if err != nil || strings.Contains(got, "CANARY") {
				t.Errorf("RETURNING gave %q, %v", got, err)
			}
			if err := conn.QueryRow(t.Context(), "SELECT txt FROM "+table+" LIMIT 1").Scan(&got); err != nil || strings.Contains(got, "CANARY") {
				t.Errorf("the copy gave %q, %v", got, err)
			}
		})
	}
}

// A copy with as many rows as a masked value says is refused before anybody is asked, and where the
// rule that masks it comes while somebody is.
func TestSession_RowsOfMaskedValues(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup, Resources: masks})
	conn := open(t, g, nil)
	copies := func() string { // fails where it is not refused
		_, err := conn.Exec(t.Context(), "INSERT INTO notes_exec SELECT id, name FROM patients, generate_series(1, length(ssn))")
		if state(err) != "42501" {
			t.Fatalf("not refused: %v", err)
		}
		return err.Error()
	}
	const want = "how many rows this puts into public.notes_exec would tell values that are masked for you, of public.patients.ssn"
	if got := copies(); !strings.Contains(got, want) {
		t.Errorf("refused by %q", got)
	}
	if all := denials(t, g); len(all) != 1 || all[0].Rule != hoop.RuleGateway || !slices.Contains(all[0].Effects, hoop.EffectDerive) {
		t.Errorf("on record: %+v", all)
	}
	g.Reload(strings.ReplaceAll(masks, "public.patients.ssn, ", ""), "")
	decided := answer(t, g, true, func() { g.Reload(masks, "") })
	copies()
	if err := <-decided; err != nil {
		t.Error(err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1 FROM notes_exec, generate_series(1, id)"); err != nil {
		t.Error(err)
	}
}

// Nobody is asked where protected data goes as it is into a table that a rule redacts whole. Of what is
// computed that table would tell how much room it takes; so people decide, and it shows no shape from then on, as
// as many elements as a value says are the value.
func TestSession_ComputedShapes(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup + "CREATE TABLE vault (id int, of text[]); CREATE TABLE calm (id int, of text[]); CREATE TABLE fired (id int, ssn text, of text[]);" + `
		CREATE FUNCTION spell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.of := array_fill(''x''::text, ARRAY[length(NEW.ssn)]); RETURN NEW; END';
		CREATE TRIGGER spell BEFORE INSERT OR UPDATE ON fired FOR EACH ROW EXECUTE FUNCTION spell();`, Resources: masks + `
---
kind: MaskRule
name: vault
spec: {targets: [pg-prod], columns: ['public.vault.*', 'public.calm.*', 'public.fired.*'], with: redact}
`})
	conn := open(t, g, func(c *pgx.ConnConfig) { c.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol })
	other, err := pgx.Connect(t.Context(), g.Connect("auditor", "pg-prod")) // who wrote nothing there
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context()) //nolint:errcheck // the test is over
	shown := func(table string) (all []string) {
		rows, err := conn.Query(t.Context(), "SELECT of FROM "+table)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			all = append(all, string(rows.RawValues()[0]))
		}
		return all
	}
	for _, sql := range []string{
		"INSERT INTO calm SELECT id, ARRAY[ssn, name] FROM patients", "INSERT INTO calm VALUES (3, NULL)", "INSERT INTO vault SELECT id, of FROM calm",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, table := range []string{"calm", "vault"} {
		if got, want := shown(table), []string{"{[masked],[masked]}", "{[masked],[masked]}", ""}; !slices.Equal(got, want) {
			t.Errorf("copied, %s shows %q, want %q", table, got, want)
		}
		if _, err := other.Exec(t.Context(), "SELECT c.id FROM "+table+" c, unnest(c.of) e"); err != nil {
			t.Errorf("copied, as many rows of %s as stored values have elements: %v", table, err)
		}
	}
	// Triggers were there before: everyday work is asked about no more than without them.
	for _, sql := range []string{"INSERT INTO fired (id, ssn) SELECT id, ssn FROM patients", "INSERT INTO fired (id, ssn) VALUES (3, 'x')", "UPDATE fired SET ssn = 'y' WHERE id = 3"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if got := shown("fired"); slices.ContainsFunc(got, func(v string) bool { return v != "{}" }) {
		t.Errorf("by a trigger, fired shows %q", got)
	}
	for table, sql := range map[string]string{
		"vault": "INSERT INTO vault SELECT id, array_fill('x'::text, ARRAY[length(ssn)]) FROM patients",
		"calm":  "INSERT INTO calm SELECT id, CASE WHEN ssn > 'CANARY-2' THEN NULL ELSE ARRAY[state] END FROM patients",
	} {
		decided := answer(t, g, true, nil)
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if err := <-decided; err != nil {
			t.Fatalf("%s: nobody was asked: %v", sql, err)
		}
		if got := shown(table); slices.ContainsFunc(got, func(v string) bool { return v != "{}" }) {
			t.Errorf("computed, %s shows %q", table, got)
		}
		if _, err := other.Exec(t.Context(), "SELECT c.id FROM "+table+" c, unnest(c.of) e"); state(err) != "42501" {
			t.Errorf("computed, as many rows of %s as somebody made elements: %v", table, err)
		}
	}
}

// A rule that redacts a table whole, but not for others, is no place for what is masked for them, and
// of what a rule redacts for one that another shows a part of to others nothing may be cut off unasked.
func TestSession_CopiesToWhomARuleExcepts(t *testing.T) {
	const side = `
---
kind: Target
name: pg-side
spec: {type: postgres, address: "${ADDRESS}", database: postgres, tls: disable, credential: {username: postgres, password: {value: "${PASSWORD}"}}}
`
	part := func(of, targets, except string) string {
		return fmt.Sprintf("---\nkind: MaskRule\nname: part\nspec: {targets: [%s], columns: ['public.patients.%s'], with: partial, last: 2, except: [%s]}\n", targets, of, except)
	}
	whole := func(columns, targets, except string) string {
		return fmt.Sprintf("---\nkind: MaskRule\nname: whole\nspec: {targets: [%s], columns: [%s], with: redact, except: [%s]}\n", targets, columns, except)
	}
	for name, c := range map[string]struct{ rules, sql, look, account, target string }{
		"the place": {
			masks + whole("public.vault.*", "pg-prod", "compliance"), "INSERT INTO vault SELECT id, ssn FROM patients",
			"SELECT txt FROM vault WHERE id = 1", "auditor", "pg-prod",
		},
		"the place, and the data by another rule": {
			servertest.Resources + whole("public.patients.ssn, public.vault.*", "pg-prod", "compliance") + part("ssn", "pg-prod", "agents"),
			"INSERT INTO vault SELECT id, ssn FROM patients", "SELECT txt FROM vault WHERE id = 1", "auditor", "pg-prod",
		},
		"the place, and another target": {
			servertest.Resources + side + whole("public.patients.ssn, public.vault.*", "pg-prod", "nobody") + part("ssn", "pg-side", "nobody"),
			"INSERT INTO vault SELECT id, ssn FROM patients", "SELECT txt FROM vault WHERE id = 1", "agent", "pg-side",
		},
		"a part": {
			servertest.Resources + whole("public.patients.ssn", "pg-prod", "compliance") + part("ssn", "pg-prod", "nobody"),
			"UPDATE patients SET ssn = rtrim(ssn, '3') WHERE id = 1", "SELECT ssn FROM patients WHERE id = 1", "auditor", "pg-prod",
		},
		"a part, and another target": {
			servertest.Resources + side + whole("public.patients.ssn", "pg-prod", "nobody") + part("ssn", "pg-side", "nobody"),
			"UPDATE patients SET ssn = rtrim(ssn, '3') WHERE id = 1", "SELECT ssn FROM patients WHERE id = 1", "agent", "pg-side",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := servertest.Start(t, servertest.Options{Setup: setup + "CREATE TABLE vault (id int, txt text)", Resources: c.rules})
			decided := answer(t, g, true, nil)
			if _, err := open(t, g, nil).Exec(t.Context(), c.sql); err != nil {
				t.Fatal(err)
			}
			if err := <-decided; err != nil {
				t.Fatalf("nobody was asked: %v", err)
			}
			conn, err := pgx.Connect(t.Context(), g.Connect(c.account, c.target))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context()) //nolint:errcheck // the test is over
			var got string
			if err := conn.QueryRow(t.Context(), c.look).Scan(&got); err != nil || got != "[masked]" {
				t.Errorf("%s by way of %s was shown %q, %v", c.account, c.target, got, err)
			}
		})
	}
}

// The site's own module counts from the next statement after it was loaded; one with a
// fault leaves the former in force.
func TestSession_SiteModule(t *testing.T) {
	const module = "package hoop.site\n\ndeny contains %q if {\n\tsome use in input.uses\n\tuse.tables[_].table == \"patients\"\n}\n"
	g := servertest.Start(t, servertest.Options{Setup: setup, Module: "package hoop.site\n"})
	conn := open(t, g, nil)
	read := func() error {
		_, err := conn.Exec(t.Context(), "SELECT state FROM patients")
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	g.Reload(servertest.Resources, fmt.Sprintf(module, "patients are closed today"))
	if err := read(); state(err) != "42501" || !strings.Contains(err.Error(), "denied by rule site: patients are closed today") {
		t.Errorf("after the module was loaded: %v", err)
	}
	g.Reload(servertest.Resources, "package hoop.site\n\ndeny contains time.now_ns()\n")
	if err := read(); state(err) != "42501" {
		t.Errorf("after a module with a fault: %v", err)
	}
	if log := g.Log.String(); !strings.Contains(log, "the former stay in force") || !strings.Contains(log, "site.rego:3") {
		t.Errorf("the gateway's log does not say where the fault is:\n%s", log)
	}
	g.Reload(servertest.Resources, "package hoop.site\n")
	if err := read(); err != nil {
		t.Errorf("after the rule was taken out: %v", err)
	}
	// One that fails on some statements denies those, and each is on record.
	g.Reload(servertest.Resources, "package hoop.site\n\ndeny contains 7 if input.uses[_].tables[_].table == \"patients\"\n")
	before := len(denials(t, g))
	if err := read(); state(err) != "42501" || !strings.Contains(err.Error(), "the policy could not decide") {
		t.Errorf("under a module that fails: %v", err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("what it does not fail on: %v", err)
	}
	got := denials(t, g)[before:]
	if len(got) != 1 || got[0].Rule != "policy" || !strings.Contains(got[0].Reason, "the policy could not decide") || got[0].Policy == "" || !slices.Contains(got[0].Tables, "public.patients") {
		t.Errorf("events of it: %+v", got)
	}
}

// A grant that was narrowed holds its session to what it was narrowed to, by whatever
// way the rest is asked for.
func TestSession_Scope(t *testing.T) {
	g := servertest.Start(t, servertest.Options{Setup: setup + `
		CREATE VIEW everybody AS SELECT p.id FROM patients p, scratch;
		CREATE SCHEMA other; CREATE TABLE other.scratch (x int);`})
	_, err := g.API("agent").NewRequest(t.Context(), api.NewRequest{
		Target: "pg-prod", Scope: hoop.Scope{Effects: []hoop.Effect{hoop.EffectRead}, Tables: []string{"public.scratch", "public.notes_exec"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), g.Listen("agent", "pg-prod"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"SELECT 1", "SELECT x FROM public.scratch", "BEGIN", "SELECT txt FROM notes_exec n, public.scratch s", "COMMIT", "SET search_path = public"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"SELECT state FROM patients",
		"SELECT x FROM public.scratch WHERE x IN (SELECT id FROM patients)",
		"SELECT id FROM everybody",
		"SELECT x FROM scratch", // or other.scratch, as search_path has it
		"SELECT x FROM other.scratch",
		"INSERT INTO public.scratch VALUES (1)",
		"WITH w AS (DELETE FROM public.scratch WHERE x = 1 RETURNING x) SELECT x FROM w",
		"SELECT x FROM public.scratch; DELETE FROM public.scratch WHERE x = 1",
		"SELECT relname FROM pg_class",
		"CREATE TABLE made (x int)",
		"DO $$ BEGIN PERFORM 1; END $$",
		"TRUNCATE public.scratch",
	} {
		_, err := conn.Exec(t.Context(), sql)
		if state(err) != "42501" || !strings.Contains(err.Error(), "denied by your grant") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// An account that is declared otherwise after a reload is cut from what it has open, and
// hears why; others are not.
func TestSession_ReloadCutsAccounts(t *testing.T) {
	g := servertest.Start(t, servertest.Options{})
	for _, other := range []struct{ from, to, why string }{
		{"groups: [agents]", "groups: [nobody]", "groups"},
		{"owner: data-team", "owner: agent-team", "owner"},
		{"value: agent-secret", "value: another-secret", "sign-in"},
		{"name: agent\n", "name: another\n", "no longer exists"},
		{"name: auditors\n", "name: reviewers\n", ""},
	} {
		conn := open(t, g, nil)
		g.Reload(strings.Replace(servertest.Resources, other.from, other.to, 1), "")
		if other.why == "" {
			if _, err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
				t.Errorf("%s: %v", other.to, err)
			}
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		_, err := conn.WaitForNotification(ctx)
		cancel()
		if state(err) != "57P01" || !strings.Contains(err.Error(), other.why) {
			t.Errorf("%s: %v", other.to, err)
		}
		g.Reload(servertest.Resources, "")
	}
}
