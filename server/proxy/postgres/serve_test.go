package postgres

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/xdg-go/scram"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// verifierOf is what internal/agent computes for a password with --scram-iterations 1.
func verifierOf(password string) string {
	c, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		panic(err)
	}
	k, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "0123456789abcdef", Iters: 1})
	if err != nil {
		panic(err)
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$1:%s$%s:%s", b64([]byte(k.Salt)), b64(k.StoredKey), b64(k.ServerKey))
}

func state(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

var modes = map[string]pgx.QueryExecMode{
	"simple":          pgx.QueryExecModeSimpleProtocol,
	"exec":            pgx.QueryExecModeExec,
	"describe":        pgx.QueryExecModeDescribeExec,
	"cache describe":  pgx.QueryExecModeCacheDescribe,
	"cache statement": pgx.QueryExecModeCacheStatement,
}

func TestServe_AllQueryModes(t *testing.T) {
	g := setup(t, "create table n (i int primary key, s text); insert into n select g, 'row ' || g from generate_series(1, 1000) g")
	c := g.connect()
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				rows, err := c.Query(t.Context(), "select i, s from n where i <= $1 order by i", mode, 700)
				if err != nil {
					t.Fatal(err)
				}
				got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct {
					I int
					S string
				}])
				if err != nil || len(got) != 700 || got[699].S != "row 700" {
					t.Fatalf("got %d rows, %v", len(got), err)
				}
			}
			if _, err := c.Exec(t.Context(), "select 1/$1::int", mode, 0); state(err) != "22012" {
				t.Errorf("division by zero: %v", err)
			}
		})
	}
}

func TestServe_WrongPasswordAndUser(t *testing.T) {
	g := setup(t, "")
	for name, dsn := range map[string]string{
		"password": strings.Replace(g.dsn(), g.password, "wrong", 1),
		"user":     strings.Replace(g.dsn(), g.user, "postgres", 1),
		"both":     strings.NewReplacer(g.user, "postgres", g.password, "wrong").Replace(g.dsn()),
	} {
		if _, err := pgx.Connect(t.Context(), dsn); state(err) != "28P01" {
			t.Errorf("wrong %s: %v", name, err)
		}
	}
	if n := len(g.sessions); n != 0 {
		t.Errorf("%d sessions were opened before the password was known", n)
	}
	denied := g.audit.Of(hoop.EventSessionDenied)
	if len(denied) != 3 {
		t.Errorf("%d of 3 attempts are in the log", len(denied))
	}
	for _, e := range denied {
		if e.Cause != hoop.CausePassword || e.Subject != "alice" || e.Target != "pg" || strings.Contains(e.Reason, "postgres") {
			t.Errorf("the log has %+v", e)
		}
	}
}

func TestServe_RefusalsAtStart(t *testing.T) {
	g := setup(t, "")
	for _, tt := range []struct{ options, want string }{
		{"replication=database", "0A000"},
		{"hoop.user=root", "42501"},
		{"client_encoding=BIG5", "0A000"},
		{"role=postgres", "42501"},
		{"options=-c%20role%3Dpostgres", "42501"},
		{"options=-cROLE%3Dpostgres", "42501"},
		{"options=--session-authorization%3Dpostgres", "42501"},
		{"options=-c%20ho%5Cop.user%3Dx", "42501"},
		{"options=-c%20log_statement%3Dall", "42501"},
		{"options=-c%20standard_conforming_strings%3Doff", "42501"},
		{"options=-c%20zero_damaged_pages%3Don", "42501"},
		{"options=--track-functions%3Dall", "42501"},
		{"options=-cpgaudit.log%3Dnone", "42501"},
		{"Ignore_System_Indexes=on", "42501"},
		{"session_replication_role=replica", "42501"},
		{"plv8.start_proc=x", "42501"},
		{"options=-F", "0A000"},
		{"Options=-c%20role%3Dpostgres", "42704"}, // as PostgreSQL says
		{"OPTIONS=-c%20work_mem%3D1MB", "42704"},
		{"opt%C4%B0ons=-c%20role%3Dpostgres", "42704"}, // a letter that is an i in lower case
		{"Replication=true", "42704"},
		{"replicatioN=database", "42704"},
		{"User=postgres", "42704"},
		{"Database=postgres", "42704"},
		{"_Pq_.magic=on", "42704"},
		{"Role=postgres", "42501"},
		{"Client_Encoding=BIG5", "0A000"},
	} {
		if _, err := pgx.Connect(t.Context(), g.dsn(tt.options)); state(err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.options, err, tt.want)
		}
	}
	c := g.connect("options=-c%20statement_timeout%3D12345", "application_name=mine")
	var got, app string
	if err := c.QueryRow(t.Context(), "select current_setting('statement_timeout'), current_setting('application_name')").Scan(&got, &app); err != nil || got != "12345ms" || app != "mine" {
		t.Errorf("got %q %q %v", got, app, err)
	}
	for code, want := range map[hoop.Code]string{
		hoop.CodeDenied: "42501", hoop.CodeUnauthenticated: "28000", hoop.CodeNoDatabase: "3D000",
		hoop.CodeUnrecorded: "58030", hoop.CodeTooMany: "53300", hoop.CodeTargetAuth: "08004", hoop.CodeUnavailable: "08001",
	} {
		g.mu.Lock()
		g.refuse = hoop.Errorf(code, "no").WithHint("hoopctl request pg")
		g.mu.Unlock()
		_, err := pgx.Connect(t.Context(), g.dsn())
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != want || pg.Hint != "hoopctl request pg" || pg.Severity != "FATAL" {
			t.Errorf("%s: %v, want %s", code, err, want)
		}
	}
}

// Whoever waited for the target to no avail learns that it was the target, and how long.
func TestServe_TargetDoesNotAnswer(t *testing.T) {
	g := setup(t, "")
	late := hoop.Errorf(hoop.CodeUnavailable, "target pg did not answer within 10s").WithHint("ask an administrator").Wrap(context.DeadlineExceeded)
	for why, want := range map[error]string{late: late.Message, context.DeadlineExceeded: "the gateway gave up after a time limit"} {
		g.declare(func(*hoop.Target) {
			g.dial = func(context.Context, map[string]string) (*Upstream, error) { return nil, why }
		})
		_, err := pgx.Connect(t.Context(), g.dsn())
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "08001" || pg.Message != want || pg.Hint == "" {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestServe_KnowsItselfInPgStatActivity(t *testing.T) {
	g := setup(t, "")
	c := g.connect()
	var pid uint32
	var app string
	err := c.QueryRow(t.Context(), "select pid, application_name from pg_stat_activity where pid = $1", c.PgConn().PID()).Scan(&pid, &app)
	if err != nil || app != "hoopctl:alice" {
		t.Errorf("application_name %q, %v", app, err)
	}
	if got := c.PgConn().ParameterStatus("client_encoding"); got != "UTF8" {
		t.Errorf("client_encoding %q", got)
	}
}
