package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/creack/pty"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hoopctl/hoopctl/server/auth/authtest"
	"github.com/hoopctl/hoopctl/server/pgserver"
)

// The scripts are the user's view: the real programs, a real PostgreSQL, real pages.
// One gateway serves all scripts; each script has people of its own (configuration
// folders), and may start a gateway of its own to break it.
func TestScripts(t *testing.T) {
	bin := t.TempDir()
	build := exec.Command("go", "build", "-o", bin, "./...")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	shared, err := startGateway(bin, t.TempDir(), nil, "dev", "--listen", "127.0.0.1:0", "--data-dir", "data")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.stop(); err != nil {
			t.Errorf("the shared gateway: %v", err)
		}
	})
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: "testdata/script",
			Setup: func(env *testscript.Env) error {
				env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
				env.Setenv("PSQLRC", "/dev/null")
				env.Setenv("PAGER", "")
				env.Setenv("NO_COLOR", "1")
				env.Setenv("BIN", bin)
				env.Values[gatewaysKey{}] = gateways{}
				shared.describe(env.Setenv)
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"gateway":    cmdGateway,
				"postgres":   cmdPostgres,
				"signin":     cmdSignIn,
				"as":         cmdAs,
				"await-held": cmdAwaitHeld,
				"issuer":     cmdIssuer,
				"flip":       cmdFlip,
				"terminal":   cmdTerminal,
			},
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
		})
	})
}

// gateway is a running hoop-gateway.
type gateway struct {
	cmd     *exec.Cmd
	url, ca string
	drained chan struct{}
}

func startGateway(bin, dir string, env []string, args ...string) (*gateway, error) {
	g := &gateway{cmd: exec.Command(filepath.Join(bin, "hoop-gateway"), args...), drained: make(chan struct{})}
	g.cmd.Dir, g.cmd.Env = dir, append(os.Environ(), env...)
	log, err := os.Create(filepath.Join(dir, "gateway.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	g.cmd.Stderr = log
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	g.ca = filepath.Join(dir, "data", "ca.pem")
	ready := make(chan string, 1)
	go func() {
		defer close(g.drained)
		defer close(ready)
		told, re := false, regexp.MustCompile(`is ready at (https://\S+)`)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := re.FindStringSubmatch(lines.Text()); m != nil && !told {
				told = true
				ready <- m[1]
			}
		}
	}()
	select {
	case url, ok := <-ready:
		if !ok {
			err := g.cmd.Wait()
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("the gateway did not start: %w\n%s", err, text)
		}
		g.url = url
		return g, nil
	case <-time.After(time.Minute):
		return nil, errors.Join(errors.New("the gateway was not ready within a minute"), g.stop())
	}
}

func (g *gateway) describe(set func(k, v string)) {
	set("GATEWAY", g.url)
	set("CA", g.ca)
	set("GATEWAY_PID", fmt.Sprint(g.cmd.Process.Pid))
}

func (g *gateway) stop() error {
	_ = g.cmd.Process.Signal(os.Interrupt) // fails only when it has ended
	<-g.drained
	return g.cmd.Wait()
}

// gateways are those that a script started, by process ID.
type gateways map[string]*gateway

// gatewaysKey is where a script keeps them.
type gatewaysKey struct{}

// gateway start ARG… starts one of the script's own in the script's folder, and makes it
// $GATEWAY; gateway stop PID stops one in order.
func cmdGateway(ts *testscript.TestScript, neg bool, args []string) {
	mine := ts.Value(gatewaysKey{}).(gateways)
	if !neg && len(args) == 2 && args[0] == "stop" {
		g := mine[args[1]]
		if g == nil {
			ts.Fatalf("no gateway %s was started", args[1])
		}
		ts.Check(g.stop())
		return
	}
	if len(args) < 2 || args[0] != "start" {
		ts.Fatalf("usage: gateway start dev|serve ARG..., gateway stop PID")
	}
	var env []string
	if ca := ts.Getenv("SSL_CERT_FILE"); ca != "" {
		env = []string{"SSL_CERT_FILE=" + ca}
	}
	g, err := startGateway(ts.Getenv("BIN"), ts.MkAbs("."), env, args[1:]...)
	if neg {
		if err == nil {
			_ = g.stop()
			ts.Fatalf("the gateway started")
		}
		ts.Logf("%v", err)
		return
	}
	ts.Check(err)
	ts.Defer(func() { _ = g.stop() }) // a script may have killed it
	g.describe(ts.Setenv)
	mine[ts.Getenv("GATEWAY_PID")] = g
}

// postgres FILE starts a PostgreSQL of the script's own at PG_ADDRESS, and writes the
// password of its superuser, PG_USER, into FILE.
func cmdPostgres(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: postgres FILE")
	}
	pg, err := pgserver.Start(context.Background(), pgserver.Options{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(pg.Stop()) })
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(pg.Password+"\n"), 0o600))
	ts.Setenv("PG_ADDRESS", pg.Address())
	ts.Setenv("PG_USER", pg.User)
}

// issuer FILE=SUBJECT... starts an issuer of workload tokens, whose URL is ISSUER and whose
// authority gateways trust from here on, and writes a token of it for each subject.
func cmdIssuer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: issuer FILE=SUBJECT...")
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	ts.Check(err)
	issuer := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: "RS256"}}}
	srv := httptest.NewTLSServer(issuer)
	ts.Defer(srv.Close)
	issuer.SetIssuer(srv.URL)
	ca := ts.MkAbs("issuer.pem")
	ts.Check(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	ts.Setenv("SSL_CERT_FILE", ca)
	ts.Setenv("ISSUER", srv.URL)
	for _, arg := range args {
		file, subject, _ := strings.Cut(arg, "=")
		claims := fmt.Sprintf(`{"iss":%q,"aud":"hoop","sub":%q,"exp":%d}`, srv.URL, subject, time.Now().Add(time.Hour).Unix())
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(oidctest.SignIDToken(key, "k", "RS256", claims)+"\n"), 0o600))
	}
}

// as USER makes USER the one who runs hoopctl from here on.
func cmdAs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: as USER")
	}
	ts.Setenv("HOOPCTL_CONFIG_DIR", ts.MkAbs(filepath.Join("people", args[0])))
}

// signin USER runs hoopctl login and plays USER at the browser; USER then runs hoopctl.
func cmdSignIn(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signin USER")
	}
	cmdAs(ts, false, args)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(ts.Getenv("BIN"), "hoopctl"), "login", "--gateway", ts.Getenv("GATEWAY"), "--ca-file", ts.Getenv("CA"), "--no-browser")
	cmd.Env = append(os.Environ(), "HOOPCTL_CONFIG_DIR="+ts.Getenv("HOOPCTL_CONFIG_DIR"))
	stderr, err := cmd.StderrPipe()
	ts.Check(err)
	client, err := browser(ts.Getenv("CA"))
	ts.Check(err)
	ts.Check(cmd.Start())
	var said strings.Builder
	page, done := regexp.MustCompile(`https://\S*user_code=\S+`), false
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if u := page.FindString(lines.Text()); u != "" && !done {
			done = true
			if err := authtest.SignIn(ctx, client, u, args[0], true); err != nil {
				_ = cmd.Process.Kill()
				ts.Fatalf("sign in: %v", err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("hoopctl login: %v\n%s", err, said.String())
	}
}

// terminal STEPS COMMAND runs a shell command on a pseudo-terminal of 80 columns and 24
// rows. A line of the file STEPS is "< TEXT", which must come on the screen, or "> KEYS",
// which are typed then; \r is the enter key. At the end the command must have ended well;
// what was on the screen is its stdout.
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: terminal STEPS COMMAND")
	}
	cmd := exec.Command("sh", "-c", args[1])
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "HOOPCTL_CONFIG_DIR="+ts.Getenv("HOOPCTL_CONFIG_DIR"), "TERM=xterm-256color", "NO_COLOR=1")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: 80, Rows: 24})
	ts.Check(err)
	watchdog := time.AfterFunc(3*time.Minute, func() { _ = cmd.Process.Kill() })
	defer func() {
		watchdog.Stop()
		_ = f.Close()
	}()
	var seen []byte // since keys were typed last
	buf := make([]byte, 4096)
	for step := range strings.Lines(ts.ReadFile(args[0])) {
		what, text, _ := strings.Cut(strings.TrimSuffix(step, "\n"), " ")
		if what == ">" {
			seen = nil
			_, err := f.WriteString(strings.ReplaceAll(text, `\r`, "\r"))
			ts.Check(err)
			continue
		}
		for !bytes.Contains(seen, []byte(text)) {
			n, err := f.Read(buf)
			if err != nil {
				ts.Fatalf("%v before %q: %q; the command: %v", err, text, seen, cmd.Wait())
			}
			seen = append(seen, buf[:n]...)
			_, _ = ts.Stdout().Write(buf[:n])
		}
	}
	_, _ = io.Copy(ts.Stdout(), f) // ends with EIO when the command has closed the terminal
	if err := cmd.Wait(); err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
}

func browser(ca string) (*http.Client, error) {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}, nil
}

// await-held VAR TEXT waits until a statement containing TEXT waits for approval, as
// the present user's inbox sees it and with all facts that this user gets, and sets VAR
// to its number.
func cmdAwaitHeld(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await-held VAR TEXT")
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(2 * time.Minute)
	for {
		cmd := exec.Command(filepath.Join(ts.Getenv("BIN"), "hoopctl"), "requests", "--json")
		cmd.Env = append(os.Environ(), "HOOPCTL_CONFIG_DIR="+ts.Getenv("HOOPCTL_CONFIG_DIR"))
		out, err := cmd.Output()
		ts.Check(err)
		var requests []struct {
			ID        int64
			State     string
			Statement string
			Facts     *struct{ Pending bool }
		}
		if err := json.Unmarshal(bytes.TrimSpace(out), &requests); err != nil {
			ts.Fatalf("hoopctl requests --json: %v\n%s", err, out)
		}
		for _, r := range requests {
			if r.State == "pending" && strings.Contains(r.Statement, args[1]) && (r.Facts == nil || !r.Facts.Pending) {
				ts.Setenv(args[0], fmt.Sprint(r.ID))
				return
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("no statement with %q is held; requests: %s", args[1], out)
		}
	}
}

// flip FILE flips one bit in the middle of FILE.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip FILE")
	}
	file := ts.MkAbs(args[0])
	b, err := os.ReadFile(file)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(file, b, 0o600))
}
