package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/pgserver"
)

const (
	database = "bench"
	role     = "app"
	accounts = 100_000 // rows of pgbench_accounts for each unit of scale
)

// The wide tables have the same rows; two columns of the second are protected where a
// path masks.
const (
	plainRows   = "SELECT id, name, email, ssn, note FROM wide"
	maskedRows  = "SELECT id, name, email, ssn, note FROM people"
	endlessRows = "SELECT p.id, p.name, p.email, p.ssn, p.note FROM people p, generate_series(1, 1000)" // nobody reads them all; more would be kept in files by PostgreSQL, which takes long to delete them
	maskedOne   = "SELECT email, ssn FROM people WHERE id = 1"
	clearEmail  = "user1@mail.example.org"
)

// wideRow makes a row from g: about 100 bytes of DataRow with its header.
const wideRow = `SELECT g AS id, 'Name Number ' || g AS name, 'user' || g || '@mail.example.org' AS email,
	'9' || lpad((g % 100)::text, 2, '0') || '-55-' || lpad((g % 10000)::text, 4, '0') AS ssn,
	'seen on a Monday' AS note FROM generate_series(1, $1::int) g`

// serverSettings keep all data in memory and nothing else running. The journal of
// PostgreSQL is not what is measured: pgserver turns fsync off.
func serverSettings(connections int) map[string]string {
	return map[string]string{
		"shared_buffers": "1GB", "autovacuum": "off", "max_wal_size": "8GB", "checkpoint_timeout": "1h",
		"max_connections": strconv.Itoa(connections + 200), "jit": "off", "max_parallel_workers_per_gather": "0",
	}
}

// load fills the database.
func load(ctx context.Context, e *env, pgbench string, opts options) error {
	if err := asSuperuser(ctx, e.pg.DSN("postgres"),
		"CREATE ROLE "+role+" LOGIN PASSWORD '"+e.pass+"'", // hex digits
		"CREATE DATABASE "+database+" OWNER "+role); err != nil {
		return err
	}
	p := e.newPath()
	cmd := exec.Command(pgbench, "-h", p.host, "-p", strconv.Itoa(p.port), "-U", p.user, "-q",
		"-i", "-I", "dtGvp", "-s", strconv.Itoa(opts.Scale), p.database)
	cmd.Env = clientEnv("PGPASSWORD="+p.password, "PGSSLMODE=disable", "PGGSSENCMODE=disable")
	if _, err := run(ctx, cmd); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/%s?sslmode=disable", p.user, p.password, e.pg.Address(), p.database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{
		"CREATE TABLE wide (id int PRIMARY KEY, name text, email text, ssn text, note text)",
		"CREATE TABLE people (LIKE wide INCLUDING ALL)",
		"CREATE TABLE wide_copy (LIKE wide)",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make the wide tables: %w", err)
		}
	}
	if _, err := conn.Exec(ctx, "INSERT INTO wide "+wideRow, opts.Rows); err != nil {
		return fmt.Errorf("fill the wide tables: %w", err)
	}
	for _, sql := range []string{"INSERT INTO people SELECT * FROM wide", "VACUUM ANALYZE wide", "VACUUM ANALYZE people"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("fill the wide tables: %w", err)
		}
	}
	return asSuperuser(ctx, e.pg.DSN("postgres"), "CHECKPOINT")
}

func asSuperuser(ctx context.Context, dsn string, statements ...string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("set the database up: %w", err)
		}
	}
	return nil
}

// check makes sure that p leads to the database and masks if it should, and warms it:
// catalogs, caches and pools are filled by first use.
func check(ctx context.Context, p *path) error {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	email, err := oneEmail(ctx, p)
	if err != nil {
		return err
	}
	if p.masks == (email == clearEmail) {
		return fmt.Errorf("the protected e-mail address came back as %q: this is not what was to be measured", email)
	}
	c, err := connect(ctx, p)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.latencies(accounts, 100*time.Millisecond)
	return err
}

func oneEmail(ctx context.Context, p *path) (string, error) {
	conf, err := pgx.ParseConfig("sslmode=disable")
	if err != nil {
		return "", err
	}
	conf.Host, conf.Port, conf.User, conf.Password, conf.Database = p.host, uint16(p.port), p.user, p.password, p.database
	conf.Fallbacks = nil
	conn, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var email, ssn *string
	if err := conn.QueryRow(ctx, maskedOne).Scan(&email, &ssn); err != nil {
		return "", err
	}
	if email == nil {
		return "", nil
	}
	return *email, nil
}

// serverVersion is PostgreSQL's own.
func serverVersion(ctx context.Context, e *env) (string, error) {
	conn, err := pgx.Connect(ctx, e.pg.DSN("postgres"))
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return conn.PgConn().ParameterStatus("server_version"), nil
}

// startServer starts the private PostgreSQL.
func startServer(ctx context.Context, opts options) (*pgserver.Server, error) {
	if runtime.GOOS != "linux" {
		return nil, errors.New("this benchmark reads CPU time and memory from /proc: it needs Linux")
	}
	return pgserver.Start(ctx, pgserver.Options{Settings: serverSettings(max(opts.Idle, opts.Sessions))})
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand
	return hex.EncodeToString(b)
}
