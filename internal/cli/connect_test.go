package cli

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hoopctl/hoopctl/internal/agent"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// connected runs connect until it has said that it is ready, then ends it by f.
func connected(t *testing.T, w *world, end func(cancel func()), args ...string) result {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &syncBuffer{saw: make(chan struct{})}
	done := make(chan result, 1)
	go func() { done <- proc{w: w, ctx: ctx, out: out}.run(append([]string{"connect"}, args...)...) }()
	select {
	case <-out.saw:
		end(cancel)
	case r := <-done:
		t.Fatalf("connect ended: %+v", r)
	}
	return <-done
}

func interrupt(cancel func()) { cancel() }

func TestConnect_JSONIsOneLine(t *testing.T) {
	w := newWorld(t)
	got := connected(t, w, interrupt, "pg-prod", "--json", "--duration", "1h", "--reason", "why")
	want := `{"target":"pg-prod","type":"postgres","host":"127.0.0.1","port":40001,"user":"hoop","password":"p/w@pg-prod",` +
		`"database":"clinic","dsn":"postgres://hoop:p%2Fw%40pg-prod@127.0.0.1:40001/clinic?sslmode=disable",` +
		`"grant":"g17","expires_at":"2026-11-23T13:00:00Z"}` + "\n"
	if diff := cmp.Diff(want, got.out); diff != "" || got.code != ExitDone || got.errOut != "" {
		t.Errorf("exit %d, %q, (-want +got)\n%s", got.code, got.errOut, diff)
	}
	if r := w.requests[17]; r.Reason != "why" || r.Duration != hoop.Duration(time.Hour) {
		t.Errorf("asked %+v", r)
	}
	if !w.tun.closed {
		t.Error("the tunnel is still open")
	}
}

func TestConnect_PrintsDSN(t *testing.T) {
	w := newWorld(t)
	got := connected(t, w, interrupt, "pg-prod", "--port", "5433")
	if got.out != "postgres://hoop:p%2Fw%40pg-prod@127.0.0.1:5433/clinic?sslmode=disable\n" || got.code != ExitDone {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(got.errOut, "pg-prod is ready until") {
		t.Errorf("stderr: %q", got.errOut)
	}
}

func TestConnect_RoundsOfSCRAM(t *testing.T) {
	w := lists(t)
	connected(t, w, interrupt, "pg-prod")
	connected(t, w, interrupt, "pg-prod", "--scram-iterations", "1")
	if got, want := w.tun.rounds, []int{agent.DefaultIterations, 1}; !slices.Equal(got, want) {
		t.Errorf("rounds %v, want %v", got, want)
	}
	for _, n := range []string{"0", "-1", "1000001"} {
		got := w.pipe("connect", "pg-prod", "--scram-iterations", n)
		if got.code != ExitUsage || !strings.Contains(got.errOut, "--scram-iterations must be within 1 and 1000000") {
			t.Errorf("%s: %+v", n, got)
		}
	}
}

func TestConnect_UsesTheGrantInForce(t *testing.T) {
	w := lists(t)
	connected(t, w, interrupt, "pg-prod")
	if n := w.calls("POST "); n != 0 {
		t.Errorf("asked %d times: %v", n, w.got)
	}
}

// A grant that is in force is used whatever --duration says, and that is said.
func TestConnect_DurationWhereAGrantIsInForce(t *testing.T) {
	w := lists(t)
	got := connected(t, w, interrupt, "pg-prod", "--duration", "100h")
	if !strings.Contains(got.errOut, "--duration asks for nothing") || !strings.Contains(got.errOut, "hoopctl request pg-prod --renew --duration 100h") || w.calls("POST ") != 0 {
		t.Errorf("got %+v", got)
	}
	if got := connected(t, w, interrupt, "pg-prod"); strings.Contains(got.errOut, "--duration") {
		t.Errorf("got %+v", got)
	}
}

// A command that does not exist is noticed before anything is asked for.
func TestConnect_NoSuchCommand(t *testing.T) {
	w := newWorld(t)
	got := w.pipe("connect", "pg-prod", "--", "nosuchprogram")
	if got.code != ExitUsage || !strings.Contains(got.errOut, `hoopctl: error: exec: "nosuchprogram"`) || !strings.Contains(got.errOut, "hoopctl: hint: what comes after --") || len(w.got) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestConnect_NoWait(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		got := w.pipe("connect", "pg-pay", "--reason", "x", "--no-wait")
		if got.code != ExitPending || got.out != "" || !strings.Contains(got.errOut, "hoopctl approve 17") {
			t.Errorf("got %+v", got)
		}
	}
	if n := w.calls("POST /api/v1/requests"); n != 1 {
		t.Errorf("typed twice, asked %d times", n)
	}
	if w.requests[17].State != hoop.Pending {
		t.Errorf("the request is %s", w.requests[17].State)
	}
	if got := w.pipe("connect", "pg-pay", "--reason", "another", "--no-wait"); got.code != ExitPending || len(w.requests) != 2 {
		t.Errorf("another reason is another request: %+v", got)
	}
}

// In an emergency nobody is asked, even where a request waits already.
func TestConnect_BreakGlass(t *testing.T) {
	w := newWorld(t)
	if got := w.pipe("connect", "pg-pay", "--break-glass"); got.code != ExitUsage || !strings.Contains(got.errOut, "--reason") {
		t.Errorf("without a reason: %+v", got)
	}
	w.pipe("connect", "pg-pay", "--reason", "the ward is dark", "--no-wait")
	got := connected(t, w, interrupt, "pg-pay", "--reason", "the ward is dark", "--break-glass", "--json")
	if got.code != 0 || !strings.Contains(got.out, `"grant":"g18"`) {
		t.Errorf("got %+v", got)
	}
	if w.requests[17].BreakGlass || !w.requests[18].BreakGlass {
		t.Errorf("asked for %+v and %+v", w.requests[17], w.requests[18])
	}
}

func TestConnect_WaitsForApproval(t *testing.T) {
	w := newWorld(t)
	w.onAsk = func(w *world, r *hoop.Request) { go w.decideWhenAwaited(r, (*world).grant) }
	got := connected(t, w, interrupt, "pg-pay", "--reason", "x", "--json")
	if got.code != 0 || !strings.Contains(got.out, `"grant":"g17"`) || !strings.Contains(got.errOut, "waits for one of dba") {
		t.Errorf("got %+v", got)
	}
}

func TestConnect_Countdown(t *testing.T) {
	w := newWorld(t)
	w.onAsk = func(w *world, r *hoop.Request) {
		go w.decideWhenAwaited(r, func(_ *world, r *hoop.Request) { r.State = hoop.Expired })
	}
	got := w.terminal("connect", "pg-pay", "--reason", "x")
	if got.code != ExitDenied || !strings.Contains(got.errOut, "\r\x1b[Kwaiting for approval of request 17, 1h left") {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(got.errOut, "\r\x1b[Khoopctl: error: nobody decided request 17 in time\n") {
		t.Errorf("the countdown was not taken away: %q", got.errOut)
	}
}

func TestConnect_Denied(t *testing.T) {
	w := newWorld(t)
	w.onAsk = func(w *world, r *hoop.Request) {
		go w.decideWhenAwaited(r, func(_ *world, r *hoop.Request) {
			r.State = hoop.Denied
			r.Approvals = []hoop.Approval{{By: "alex", Name: "Alex", Reason: "not on a Friday"}}
		})
	}
	got := w.pipe("connect", "pg-pay", "--reason", "x")
	if got.code != ExitDenied || got.errOut[strings.Index(got.errOut, "hoopctl: error"):] != "hoopctl: error: request 17 was denied by Alex: not on a Friday\n" {
		t.Errorf("got %+v", got)
	}
}

// Whoever no longer waits must not be let in later.
func TestConnect_InterruptWithdrawsTheRequest(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-w.waits
		cancel()
	}()
	got := proc{w: w, ctx: ctx}.run("connect", "pg-pay", "--reason", "x")
	if got.code != ExitUsage || w.requests[17].State != hoop.Cancelled || !strings.Contains(got.errOut, "withdrew request 17") {
		t.Errorf("got %+v, %s", got, w.requests[17].State)
	}
}

func TestConnect_SeveralTargets(t *testing.T) {
	w := newWorld(t)
	w.targets[1].Approval = "none"
	got := proc{w: w}.run("connect", "pg-prod", "pg-pay", "--port", "6000", "--", "sh", "-c", `echo $PGPORT $DATABASE_URL_PG_PAY`)
	if want := "6000 postgres://hoop:p%2Fw%40pg-pay@127.0.0.1:6001/pay?sslmode=disable\n"; got.out != want || got.code != 0 {
		t.Errorf("got %+v, want %q", got, want)
	}
}

func TestConnect_RevokedAndExpired(t *testing.T) {
	t.Run("revoked", func(t *testing.T) {
		w := newWorld(t)
		got := connected(t, w, func(func()) {
			w.lock(func() { w.grants[0].RevokedAt, w.grants[0].RevokedBy, w.grants[0].Why = noon, "alex", "shift is over" })
		}, "pg-prod", "--json")
		if got.code != ExitDenied || !strings.Contains(got.errOut, "the grant on pg-prod was revoked by alex") || !strings.Contains(got.errOut, "shift is over") {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("expired, and the command ends by itself", func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		w.now = func() time.Time { return noon.Add(time.Since(began)) }
		got := w.pipe("connect", "pg-prod", "--duration", "1s", "--", "sh", "-c", "sleep 2; exit 7")
		if got.code != 7 || !strings.Contains(got.errOut, "hoopctl: error: the grant on pg-prod ended at ") {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("expired, and ends the command", func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		w.now = func() time.Time { return noon.Add(time.Since(began)) }
		got := w.pipe("connect", "pg-prod", "--duration", "2s", "--", "sleep", "60")
		if got.code != ExitDenied || !strings.Contains(got.errOut, "hoopctl: error: the grant on pg-prod ended at ") ||
			!strings.Contains(got.errOut, "hint: hoopctl connect pg-prod asks for another") || time.Since(began) > 20*time.Second {
			t.Errorf("got %+v", got)
		}
		if !strings.Contains(got.errOut, "the grant on pg-prod ends in ") {
			t.Errorf("no warning before the end: %q", got.errOut)
		}
	})
}

func TestConnect_CommandStatus(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		script string
		want   int
	}{{"exit 0", 0}, {"exit 42", 42}, {"kill -TERM $$", 128 + 15}} {
		got := w.pipe("connect", "pg-prod", "--", "sh", "-c", tc.script)
		if got.code != tc.want || got.errOut != "" {
			t.Errorf("%s: got %+v, want %d", tc.script, got, tc.want)
		}
	}
	w = newWorld(t)
	if got := w.pipe("connect", "pg-prod", "--", "no-such-program"); got.code != ExitUsage || w.calls("POST") != 0 {
		t.Errorf("a program that is not there: got %+v after %v", got, w.got)
	}
}

func TestConnect_Usage(t *testing.T) {
	w := newWorld(t)
	for _, args := range []string{
		"", "--", "-- psql", "pg-prod --", "pg-prod --json -- psql", "pg-prod pg-prod", "pg-prod --port -1", "pg-prod --port 65536",
		"pg-prod --duration -1h", "pg-prod --duration soon", "pg-prod pg-pay --port 65535",
	} {
		if got := w.pipe(append([]string{"connect"}, strings.Fields(args)...)...); got.code != ExitUsage {
			t.Errorf("connect %s: got %+v", args, got)
		}
	}
	if got := w.pipe("connect", "nowhere"); got.code != ExitDenied || !strings.Contains(got.errOut, `"nowhere"`) {
		t.Errorf("got %+v", got)
	}
	if got := w.pipe("connect", "web"); got.code != ExitFailed || !strings.Contains(got.errOut, `"http"`) {
		t.Errorf("got %+v", got)
	}
	if n := w.calls("POST"); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestCommandEnv(t *testing.T) {
	r := ready{Target: "pg-prod", Host: "127.0.0.1", Port: 5, User: "u", Password: "p", Database: "d", DSN: "dsn"}
	got := commandEnv([]string{
		"HOME=/h", "PGHOST=evil", "PGHOSTADDR=10.0.0.1", "PGSERVICE=other", "PGSSLMODE=verify-full", "PGCHANNELBINDING=require",
		"PGOPTIONS=-c x=y", "HOOPCTL_TOKEN=secret", "HOOPCTL_GATEWAY=g", "DATABASE_URL=evil",
	}, []ready{r})
	want := []string{
		"HOME=/h", "PGOPTIONS=-c x=y", "HOOPCTL_GATEWAY=g",
		"DATABASE_URL=dsn", "PGDATABASE=d", "PGHOST=127.0.0.1", "PGPASSWORD=p", "PGPORT=5", "PGSSLMODE=disable", "PGUSER=u",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// hoopctl is this test's program as hoopctl, in the world w.
func (w *world) hoopctl(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = []string{"HOOPCTL_TEST_MAIN=1", "TERM=xterm-256color"}
	for k, v := range w.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	return cmd
}

// A connect without a command stays until it is told to end, which is no failure.
func TestConnect_ProcessEndsOnSignal(t *testing.T) {
	w := newWorld(t)
	w.lock(func() { w.now = time.Now })
	cmd := w.hoopctl(t, "connect", "pg-prod", "--json")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var r ready
	if err := json.NewDecoder(out).Decode(&r); err != nil || r.Port == 0 || r.Password == "" {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v, want status 0", err)
	}
	if !slices.Contains(w.got, "POST /api/v1/requests") {
		t.Errorf("no grant was asked for: %v", w.got)
	}
}
