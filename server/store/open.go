package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

//go:embed migrations
var migrations embed.FS

// openSQLite opens the file at path, a file name or what follows "sqlite:" in a URL.
func openSQLite(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(filepath.FromSlash(trimSlashes(path)))
	if err != nil {
		return nil, fmt.Errorf("store path: %w", err)
	}
	path, unlock, err := claim(path)
	if err != nil {
		return nil, err
	}
	s := &Store{unlock: unlock, now: time.Now}
	if s.w, err = sqliteDB(path, false); err != nil {
		return nil, errors.Join(err, unlock())
	}
	s.w.SetMaxOpenConns(1)
	if s.r, err = sqliteDB(path, true); err != nil {
		return nil, errors.Join(err, s.w.Close(), unlock())
	}
	s.r.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	s.asks, s.writes, s.turns = newStatements(s.r), newStatements(s.w), new(turns)
	if err := s.migrate(ctx, goose.DialectSQLite3, "sqlite"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// trimSlashes makes sqlite:///path the same as sqlite:/path.
func trimSlashes(path string) string {
	for len(path) > 1 && path[0] == '/' && path[1] == '/' {
		path = path[1:]
	}
	return path
}

// claim makes the file, readable by us only, and takes it for this process: a second
// gateway on the same file would not learn of our revocations. file is where it is: a
// link to it is the same file.
func claim(path string) (file string, unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", nil, fmt.Errorf("make the store's folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", nil, fmt.Errorf("make the store: %w", err)
	}
	// SQLite gives its -wal and -shm files the mode of this one.
	info, serr := f.Stat()
	if err := errors.Join(f.Chmod(0o600), serr, f.Close()); err != nil {
		return "", nil, fmt.Errorf("make the store private: %w", err)
	}
	if names(info) > 1 {
		// Under each name it would have a lock and a -wal file of its own
		// (https://www.sqlite.org/howtocorrupt.html, "Unlinking or renaming").
		return "", nil, hoop.Errorf(hoop.CodeConflict, "the store %s has another name, a hard link, by which another gateway may use it", path).
			WithHint("remove that link; a backup is a copy, made while the gateway does not run")
	}
	if file, err = filepath.EvalSymlinks(path); err != nil {
		return "", nil, fmt.Errorf("find the store: %w", err)
	}
	held := flock.New(file+".lock", flock.SetPermissions(0o600))
	switch ok, err := held.TryLock(); {
	case err != nil:
		return "", nil, fmt.Errorf("lock the store: %w", err)
	case !ok:
		return "", nil, hoop.Errorf(hoop.CodeConflict, "the store %s is in use by another gateway", path).
			WithHint("stop the other one, or give several gateways a postgres:// store")
	}
	return file, held.Unlock, nil
}

// sqliteDB opens a pool on path. Writers take their lock when the transaction begins
// (_txlock), so that no reader turns into a writer half way and fails with
// SQLITE_BUSY. synchronous(FULL) makes each commit durable; WAL keeps readers going
// meanwhile (https://www.sqlite.org/pragma.html).
func sqliteDB(path string, readOnly bool) (*sql.DB, error) {
	q := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "trusted_schema(0)"}}
	if readOnly {
		q.Add("_pragma", "query_only(1)")
	} else {
		q.Set("_txlock", "immediate")
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", path, err)
	}
	return db, nil
}

// openPostgres opens the database at rawURL. Where the URL says nothing about TLS, the
// server's certificate is verified, unless the server is on this machine; the modes
// that fall back to plaintext by themselves are refused.
func openPostgres(ctx context.Context, rawURL string) (*Store, error) {
	cfg, err := postgresConfig(rawURL)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(4)
	db.SetConnMaxIdleTime(5 * time.Minute)
	s := &Store{w: db, r: db, asks: db, shared: true, lock: " FOR UPDATE", now: time.Now}
	if err := s.migrate(ctx, goose.DialectPostgres, "postgres"); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Check reaches the store that rawURL names and changes nothing. A SQLite file is not looked
// at: opening it would make it.
func Check(ctx context.Context, rawURL string) error {
	if scheme, _, _ := strings.Cut(rawURL, ":"); scheme == "sqlite" {
		return nil
	}
	cfg, err := postgresConfig(rawURL)
	if err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return &hoop.Error{Code: hoop.CodeUnavailable, Message: "the store cannot be reached", Hint: "check store.url in gateway.yaml", Err: err}
	}
	return conn.Close(ctx)
}

func postgresConfig(rawURL string) (*pgx.ConnConfig, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		// The error of url.Parse quotes the URL, and with it the password.
		return nil, hoop.Errorf(hoop.CodeInvalid, "store URL: not a URL").
			WithHint("write postgres://user@host/database; escape special characters of the password as %%XX")
	}
	q := u.Query()
	if q.Get("application_name") == "" {
		q.Set("application_name", "hoop-gateway")
	}
	mode := q.Get("sslmode")
	switch mode {
	case "disable", "require", "verify-ca", "verify-full":
		return parsePostgres(u, q, mode)
	case "":
	default: // allow and prefer send everything in clear to whoever refuses TLS
		return nil, hoop.Errorf(hoop.CodeInvalid, "store URL: sslmode=%s is not offered", url.QueryEscape(mode)).
			WithHint("sslmode=verify-full, or disable on a network of your own")
	}
	cfg, err := parsePostgres(u, q, "verify-full")
	if err != nil || !local(cfg) {
		return cfg, err
	}
	return parsePostgres(u, q, "disable")
}

func parsePostgres(u *url.URL, q url.Values, sslmode string) (*pgx.ConnConfig, error) {
	q.Set("sslmode", sslmode)
	with := *u
	with.RawQuery = q.Encode()
	cfg, err := pgx.ParseConfig(with.String())
	if err != nil {
		return nil, &hoop.Error{Code: hoop.CodeInvalid, Message: "store URL: PostgreSQL's settings in it are wrong", Err: err}
	}
	return cfg, nil
}

// local reports whether every host of cfg is this machine: loopback, or a socket's
// folder. The host may come from the URL's authority, its query or PGHOST.
func local(cfg *pgx.ConnConfig) bool {
	hosts := []string{cfg.Host}
	for _, f := range cfg.Fallbacks {
		hosts = append(hosts, f.Host)
	}
	return !slices.ContainsFunc(hosts, func(host string) bool {
		ip := net.ParseIP(host)
		return host != "localhost" && !strings.HasPrefix(host, "/") && (ip == nil || !ip.IsLoopback())
	})
}

// migrate brings the tables up to date. Several gateways may start at once: the first
// one does the work and the others wait.
func (s *Store) migrate(ctx context.Context, dialect goose.Dialect, folder string) error {
	files, err := fs.Sub(migrations, "migrations/"+folder)
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", folder, err)
	}
	opts := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if s.shared {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return fmt.Errorf("migration lock: %w", err)
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, s.w, files, opts...)
	if err != nil {
		return fmt.Errorf("migrations of %s: %w", folder, err)
	}
	if _, err := p.Up(ctx); err != nil {
		return &hoop.Error{
			Code: hoop.CodeUnavailable, Message: "the gateway's store cannot be opened",
			Hint: "check store.url in gateway.yaml", Err: fmt.Errorf("migrate: %w", err),
		}
	}
	return s.born(ctx)
}
