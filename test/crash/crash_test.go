package crash

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hoopctl/hoopctl/server/pgserver"
	"github.com/hoopctl/hoopctl/server/servertest"
	"github.com/hoopctl/hoopctl/server/servertest/claims"
)

const (
	clients = 4
	// perFolder is how many rounds go on in one data folder: all of its evidence is
	// verified after each.
	perFolder = 25
)

// number is a number in the environment.
func number(t *testing.T, name string, usual int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return usual
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// resources lets one account work and another read all of the evidence.
func resources(pg *pgserver.Server) string {
	return strings.NewReplacer("${ADDRESS}", pg.Address(), "${PASSWORD}", pg.Password).Replace(
		strings.Replace(servertest.Resources, "role: auditor", "role: auditor, literals: true", 1))
}

// gateway is the program, and where it works.
type gateway struct {
	bin, dir string
	cmd      *exec.Cmd
	url      string
}

func (g *gateway) ca() string { return filepath.Join(g.dir, "data", "ca.pem") }

// launch starts the program; said gives what it prints.
func (g *gateway) launch(t *testing.T) (said *bufio.Scanner) {
	t.Helper()
	g.cmd = exec.Command(g.bin, "serve", "--config", filepath.Join(g.dir, "gateway.yaml"))
	log, err := os.OpenFile(filepath.Join(g.dir, "gateway.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	g.cmd.Stderr = log
	out, err := g.cmd.StdoutPipe()
	if err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewScanner(out)
}

// start starts it and waits until it is ready.
func (g *gateway) start(t *testing.T) {
	t.Helper()
	said := g.launch(t)
	for said.Scan() {
		if _, url, ok := strings.Cut(said.Text(), "is ready at "); ok {
			g.url = url
			return
		}
	}
	err := g.cmd.Wait()
	g.cmd = nil
	text, _ := os.ReadFile(filepath.Join(g.dir, "gateway.log"))
	t.Fatalf("the gateway did not start: %v\n%s", err, text[max(0, len(text)-4000):])
}

// kill is kill -9; it returns when the process is gone.
func (g *gateway) kill() {
	if g == nil || g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
	g.cmd = nil
}

// interrupted starts it and kills it at a random moment on the way: while it takes from
// the journal what the former left, recovers sessions, or later.
func (g *gateway) interrupted(t *testing.T, after time.Duration) {
	t.Helper()
	said := g.launch(t)
	at := time.AfterFunc(after, func() { _ = g.cmd.Process.Kill() })
	for said.Scan() {
	}
	at.Stop()
	g.kill()
}

func newGateway(t *testing.T, bin, dir string, pg *pgserver.Server) *gateway {
	t.Helper()
	g := &gateway{bin: bin, dir: dir}
	for name, text := range map[string]string{
		"gateway.yaml":   "listen: 127.0.0.1:0\npublic_url: https://localhost:0\ndata_dir: data\nresources: [resources.yaml]\n",
		"resources.yaml": resources(pg),
	} {
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// settled waits until PostgreSQL has done what the gateway that is gone had forwarded.
func settled(t *testing.T, pg *pgserver.Server) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.DSN("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	for others := 1; others > 0; {
		err := conn.QueryRow(t.Context(), `SELECT count(*), pg_sleep(0.01) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// load has clients work until the gateway is killed: when so many answers have come.
func (g *gateway) load(t *testing.T, c *claims.Claims, r *rand.Rand) {
	t.Helper()
	reach := servertest.Reach(t, g.url, g.ca())
	dsn := reach.Connect("agent", "pg-prod")
	c.Limit, c.After = 1+r.IntN(200), func() { _ = g.cmd.Process.Kill() }
	var all sync.WaitGroup
	for i := range clients {
		own := rand.New(rand.NewPCG(r.Uint64(), uint64(i)))
		all.Go(func() {
			if err := c.Run(t.Context(), dsn, i, own); err == nil {
				t.Error("a client came to its end")
			}
		})
	}
	all.Wait()
	g.kill()
}

// The real gateway is killed under load, again and again, also while it starts after a
// kill. After each round every answer that a client received is on record, every row that
// the target holds was on record before it was written, sessions that were killed have
// their recovery events, and the log verifies and contains what it had before.
func TestGateway_Kill(t *testing.T) {
	pg, err := pgserver.Start(t.Context(), pgserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := pg.Exec(t.Context(), "postgres", claims.Schema); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(t.TempDir(), "hoop-gateway")
	build := exec.Command("go", "build", "-o", bin, "github.com/hoopctl/hoopctl/cmd/hoop-gateway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	seed := number(t, "HOOP_CRASH_SEED", 1)
	var total struct{ statements, cells, rows, recovered, restarts int }
	var g *gateway
	var e *claims.Evidence
	t.Cleanup(func() { g.kill() })
	whole := t
	for round := range number(t, "HOOP_CRASH_ROUNDS", 4) {
		ok := t.Run(fmt.Sprintf("round %d", round), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), uint64(round)))
			if round%perFolder == 0 {
				g.kill()
				g, e = newGateway(t, bin, whole.TempDir(), pg), new(claims.Evidence)
				g.start(t)
			}
			c := claims.New(round)
			g.load(t, c, r)
			settled(t, pg)
			for range r.IntN(3) * r.IntN(2) {
				total.restarts++
				g.interrupted(t, time.Duration(r.IntN(1500))*time.Millisecond)
			}
			g.start(t)
			found, err := c.Check(t.Context(), servertest.Reach(t, g.url, g.ca()).API("auditor"), pg.DSN("postgres"), e)
			if err != nil {
				t.Fatalf("seed %d, killed after %d answers: %v", seed, c.Limit, err)
			}
			statements, cells := c.Answers()
			if statements+cells == 0 || found.Sessions < clients && found.Recovered == 0 {
				t.Errorf("no load: %d statements and %d cells answered, %+v", statements, cells, found)
			}
			total.statements, total.cells = total.statements+statements, total.cells+cells
			total.rows, total.recovered = total.rows+found.Rows, total.recovered+found.Recovered
		})
		if !ok {
			return
		}
	}
	t.Logf("%+v", total)
}
