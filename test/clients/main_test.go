//go:build clients

package clients

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
)

//go:embed testdata/schema.sql
var schema string

//go:embed testdata/resources.yaml
var resources string

// pg is the PostgreSQL of all tests; each works in databases of its own.
var pg *pgserver.Server

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	var err error
	pg, err = pgserver.Start(ctx, pgserver.Options{Settings: map[string]string{"autovacuum": "off"}}) // which makes databases grow that psql lists
	if err == nil {
		defer pg.Stop() //nolint:errcheck // the tests are over
		err = errors.Join(pg.Exec(ctx, "postgres", "CREATE DATABASE template_clinic"), pg.Exec(ctx, "template_clinic", schema))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// route is a way to the database.
type route struct {
	name    string // in the names of tests
	letter  string // at the end of the database's name
	account string // "": past the gateway
	target  string
	masked  bool // protected values do not come through
	core    bool // the script leaves out what is opaque to the gateway, and so masked whole
}

// Everything is compared for somebody who sees everything; what the gateway can prove
// the origin of, also for somebody who does not.
var (
	direct  = route{name: "direct", letter: "a"}
	clear   = []route{{"strict", "b", "clear", "strict", false, false}, {"batched", "c", "clear", "batched", false, false}}
	core    = route{name: "direct core", letter: "d", core: true}
	masking = []route{{"strict masked", "e", "agent", "strict", true, true}, {"batched masked", "f", "agent", "batched", true, true}}
)

// bench is a gateway and the databases of one test.
type bench struct {
	gw   *servertest.Gateway
	name string
}

// start starts a gateway for databases called name_a to name_f.
func start(t *testing.T, name string) *bench {
	t.Helper()
	var databases []string
	for _, letter := range strings.Split("abcdef", "") {
		databases = append(databases, name+"_"+letter)
	}
	t.Cleanup(func() { // when the gateway has stopped
		for _, db := range databases {
			must(t, pg.Exec(context.Background(), "postgres", "DROP DATABASE IF EXISTS "+db+" WITH (FORCE)"))
		}
	})
	text := strings.ReplaceAll(resources, "${DATABASES}", strings.Join(databases, ", "))
	return &bench{servertest.Start(t, servertest.Options{PG: pg, Resources: text}), name}
}

// url makes the route's database anew and gives its URL.
func (b *bench) url(t *testing.T, r route) string {
	t.Helper()
	db := b.name + "_" + r.letter
	must(t, pg.Exec(t.Context(), "postgres", "CREATE DATABASE "+db+" TEMPLATE template_clinic"))
	if r.account == "" {
		return pg.DSN(db)
	}
	return strings.Replace(b.gw.Connect(r.account, r.target), "/postgres?", "/"+db+"?", 1)
}

// script does what a client's users do on a database, and gives what they see.
type script func(t *testing.T, dsn string, r route) string

// compare runs a script on all routes and compares what it gives. See null for what
// the client calls NULL.
func compare(t *testing.T, name, null string, run script) {
	t.Parallel()
	b := start(t, name)
	do := func(r route) (out string) {
		t.Run(r.name, func(t *testing.T) { out = b.normal(run(t, b.url(t, r), r)) })
		return out
	}
	want := do(direct)
	for _, r := range clear {
		t.Run(r.name, func(t *testing.T) { same(t, b.normal(run(t, b.url(t, r), r)), want) })
	}
	want = protect(do(core), null)
	for _, r := range masking {
		t.Run(r.name, func(t *testing.T) {
			got := b.normal(run(t, b.url(t, r), r))
			same(t, got, want)
			for _, raw := range raws {
				if strings.Contains(got, raw) {
					t.Errorf("%q came through", raw)
				}
			}
		})
	}
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if strings.TrimSpace(want) == "" {
		t.Fatal("the client printed nothing: the test compares nothing")
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("direct (-) and through the gateway (+):\n%s", diff)
	}
}

// normal takes out the names of databases, the numbers of processes and the like.
func (b *bench) normal(out string) string {
	out = regexp.MustCompile(`\b(PID |node:)\d+`).ReplaceAllString(out, "${1}N")
	out = regexp.MustCompile(`(?m)^(\\(?:un)?restrict) \w+$`).ReplaceAllString(out, "$1") // pg_dump's, random
	return regexp.MustCompile(`\b`+b.name+`_[a-f]\b`).ReplaceAllString(out, b.name+"_x")
}

// raws are the protected values, as everyone prints them; see schema.sql.
var raws = []string{"900-0001", "900-0002", "900-0003", "411111111", "422222222", "433333333", "1931-05-07", "1942-06-08", "1953-07-09"}

// protect makes of what a client printed what it must print where values are masked.
func protect(out, null string) string {
	var pairs []string
	for _, raw := range raws {
		switch masked := "[masked]"; raw[0] {
		case '1':
			pairs = append(pairs, raw, null)
		case '4':
			pairs = append(pairs, raw, "*****"+raw[5:])
		default:
			pairs = append(pairs, raw, masked)
		}
	}
	return strings.NewReplacer(pairs...).Replace(out)
}

// program runs a client and gives what it printed; it must succeed.
func program(t *testing.T, dsn string, r route, stdin string, argv ...string) string {
	t.Helper()
	out, err := attempt(t, dsn, r, stdin, argv...)
	if err != nil {
		lines := strings.Split(out, "\n")
		t.Errorf("%s: %v\n%s", strings.Join(argv, " "), err, strings.Join(lines[max(0, len(lines)-25):], "\n"))
	}
	return out
}

// attempt runs a client with the usual variables set, and gives what it printed.
func attempt(t *testing.T, dsn string, r route, stdin string, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = environment(t, dsn, r)
	cmd.Dir = t.TempDir()
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	return out.String(), err
}

// database is the name of the database in a URL.
func database(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	must(t, err)
	return strings.TrimPrefix(u.Path, "/")
}

// directly is the URL of the same database past the gateway.
func directly(t *testing.T, dsn string) string { return pg.DSN(database(t, dsn)) }

// eventually waits until a condition on the server holds.
func eventually(t *testing.T, dsn, condition string, args ...any) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), directly(t, dsn))
	must(t, err)
	defer c.Close(context.Background()) //nolint:errcheck // read only
	begun, tick := time.Now(), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for ; time.Since(begun) < 20*time.Second; <-tick.C {
		var ok bool
		must(t, c.QueryRow(t.Context(), "SELECT "+condition, args...).Scan(&ok))
		if ok {
			return
		}
	}
	t.Fatalf("it does not come to pass that %s", condition)
}

// busy waits until a statement that contains text runs in the database.
func busy(t *testing.T, dsn, text string) {
	t.Helper()
	eventually(t, dsn, `EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
		AND pid <> pg_backend_pid() AND state = 'active' AND strpos(query, $1) > 0)`, text)
}

func environment(t *testing.T, dsn string, r route) []string {
	t.Helper()
	u, err := url.Parse(dsn)
	must(t, err)
	password, _ := u.User.Password()
	env := []string{
		"PATH=" + pg.BinDir + ":" + os.Getenv("PATH"), "HOME=" + os.TempDir(), "LC_ALL=C.UTF-8", "TZ=UTC", "PSQLRC=/dev/null", "PAGER=",
		"PGHOST=" + u.Hostname(), "PGPORT=" + u.Port(), "PGUSER=" + u.User.Username(), "PGPASSWORD=" + password,
		"PGDATABASE=" + strings.TrimPrefix(u.Path, "/"), "DATABASE_URL=" + dsn, "PYTHONDONTWRITEBYTECODE=1",
	}
	if r.core {
		env = append(env, "CORE=1")
	}
	return env
}

// testdata is the absolute path of a file beside the tests.
func testdata(t *testing.T, name ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"testdata"}, name...)...))
	must(t, err)
	return path
}

// printer gathers what a Go client sees.
type printer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (p *printer) say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(&p.b, format+"\n", args...)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
