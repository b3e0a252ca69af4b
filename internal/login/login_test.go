package login

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hoopctl/hoopctl/internal/keyring"
	"github.com/hoopctl/hoopctl/internal/login/logintest"
	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func noEnv(string) string { return "" }

func newSource(g *logintest.Gateway, dir string) *Source {
	return &Source{
		Gateway: g.URL, Dir: dir, HTTP: g.Client, Now: time.Now,
		Store: keyring.New(keyring.Options{Dir: dir, Getenv: noEnv}),
	}
}

// TestMain is also the other process of TestRenew_SeveralProcesses.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LOGINTEST_DIR"); dir != "" {
		os.Exit(renewOnce(dir))
	}
	os.Exit(m.Run())
}

func renewOnce(dir string) int {
	ca, err := os.ReadFile(os.Getenv("LOGINTEST_CA"))
	if err == nil {
		s := &Source{
			Gateway: os.Getenv("LOGINTEST_URL"), Dir: dir, HTTP: trusting(ca), Now: time.Now,
			Store: keyring.New(keyring.Options{Dir: dir, Getenv: noEnv}),
		}
		var token string
		if token, err = s.Token(context.Background()); err == nil {
			fmt.Println(token)
			return 0
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// Refresh tokens are used once: processes that renew at the same time must not spend
// the same one, or the gateway ends the sign-in.
func TestRenew_SeveralProcesses(t *testing.T) {
	g, dir := logintest.New(t), t.TempDir()
	s := newSource(g, dir)
	access, refresh := g.Issue()
	if err := s.keep(Kept{Kind: Device, Access: access, Refresh: refresh, Expiry: time.Now().Add(-time.Minute)}); err != nil {
		t.Fatal(err)
	}
	const processes = 6
	outs := make([]bytes.Buffer, processes)
	var cmds []*exec.Cmd
	for i := range processes {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "LOGINTEST_DIR="+dir, "LOGINTEST_CA="+g.CAFile, "LOGINTEST_URL="+g.URL)
		cmd.Stdout, cmd.Stderr = &outs[i], &outs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, outs[i].String())
		}
		if got, want := outs[i].String(), outs[0].String(); got != want {
			t.Errorf("process %d got %q, the first %q", i, got, want)
		}
	}
	g.Mu.Lock()
	defer g.Mu.Unlock()
	if g.Grants["refresh_token"] != 1 || g.Reused != 0 {
		t.Errorf("got %d renewals, %d refresh tokens twice, want 1 and 0", g.Grants["refresh_token"], g.Reused)
	}
}

func TestDevice(t *testing.T) {
	g := logintest.New(t)
	g.Pending = 1
	s := newSource(g, t.TempDir())
	var shown Code
	if err := s.Device(t.Context(), func(c Code) { shown = c }); err != nil {
		t.Fatal(err)
	}
	if shown.Code != "BCDF-GHJK" || shown.URL != g.URL+"/device" || !strings.Contains(shown.Complete, shown.Code) {
		t.Errorf("shown %+v", shown)
	}
	k, err := s.Kept()
	if err != nil || k.Kind != Device || k.Refresh == "" {
		t.Errorf("got %+v, %v", k, err)
	}
	token, err := s.Token(t.Context())
	if err != nil || !g.Live[token] {
		t.Errorf("got %q, %v", token, err)
	}
}

func TestDevice_Refused(t *testing.T) {
	for code, want := range map[string]hoop.Code{
		"access_denied":           hoop.CodeDenied,
		"expired_token":           hoop.CodeUnauthenticated,
		"temporarily_unavailable": hoop.CodeUnavailable, // it cannot record, say
		"server_error":            hoop.CodeUnavailable,
	} {
		t.Run(code, func(t *testing.T) {
			g := logintest.New(t)
			g.Deny = code
			err := newSource(g, t.TempDir()).Device(t.Context(), func(Code) {})
			if got := hoop.AsError(err).Code; got != want {
				t.Errorf("got %s (%v), want %s", got, err, want)
			}
		})
	}
}

// A gateway that is not what it says must not send secrets elsewhere, nor make the
// browser open what is no web page.
func TestDiscover_OtherPlaces(t *testing.T) {
	for name, change := range map[string]map[string]string{
		"another issuer":               {"issuer": "https://evil.example"},
		"another token endpoint":       {"token_endpoint": "https://evil.example/token"},
		"plain http":                   {"token_endpoint": "http://127.0.0.1/token"},
		"another device endpoint":      {"device_authorization_endpoint": "https://evil.example/device"},
		"another revocation endpoint":  {"revocation_endpoint": "https://evil.example/revoke"},
		"a user part that looks right": {"token_endpoint": "https://127.0.0.1@evil.example/token"},
		"a file as the page":           {"verification_uri": "file:///etc/passwd"},
		"a program as the page":        {"verification_uri": "ms-calculator:"},
		"an option as the page":        {"verification_uri": "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			g := logintest.New(t)
			for k, v := range change {
				g.Discovery[k] = v
			}
			s := newSource(g, t.TempDir())
			err := s.Device(t.Context(), func(c Code) { t.Errorf("shown %+v", c) })
			if got := hoop.AsError(err).Code; got != hoop.CodeInvalid {
				t.Errorf("got %s (%v), want %s", got, err, hoop.CodeInvalid)
			}
		})
	}
}

func TestService_RenewsWithoutPromptAndKeepsNoSecret(t *testing.T) {
	g, dir := logintest.New(t), t.TempDir()
	g.Secrets["ci-agent"] = "opensesame"
	g.Lifetime = 10 * time.Second // within the margin: ended at once
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("opensesame\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSource(g, dir)
	if err := s.Service(t.Context(), "ci-agent", file); err != nil {
		t.Fatal(err)
	}
	first, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := newSource(g, dir).Token(t.Context())
	if err != nil || second == first {
		t.Errorf("got %q, %v, want another token than %q", second, err, first)
	}
	v, err := s.Store.Get(g.URL)
	if err != nil || strings.Contains(v, "opensesame") || !strings.Contains(v, file) {
		t.Errorf("kept %q, %v: want the path and not the secret", v, err)
	}
	if err := os.WriteFile(file, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = newSource(g, dir).Token(t.Context())
	if e := hoop.AsError(err); e.Code != hoop.CodeUnauthenticated || strings.Contains(err.Error(), "changed") {
		t.Errorf("got %v, want unauthenticated and no secret", err)
	}
}

// The issuer's tokens rotate: the path is kept, and the file read anew.
func TestFederated_ReadsTheTokenAnewAndKeepsNone(t *testing.T) {
	g, dir := logintest.New(t), t.TempDir()
	g.Lifetime = 10 * time.Second // within the margin: ended at once
	file := filepath.Join(t.TempDir(), "token")
	put := func(v string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.Tokens["k8s-agent"] = "header.first.signature"
	g.Secrets["k8s-agent"] = "header.first.signature" // never asked for by token
	put("header.first.signature\n")
	s := newSource(g, dir)
	if err := s.Federated(t.Context(), "k8s-agent", file); err != nil {
		t.Fatal(err)
	}
	delete(g.Secrets, "k8s-agent")
	first, err := s.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.Tokens["k8s-agent"] = "header.second.signature"
	put("header.second.signature\n")
	second, err := newSource(g, dir).Token(t.Context()) // another process
	if err != nil || second == first {
		t.Errorf("got %q, %v, want another token than %q", second, err, first)
	}
	v, err := s.Store.Get(g.URL)
	if err != nil || strings.Contains(v, "header.") || !strings.Contains(v, file) {
		t.Errorf("kept %q, %v: want the path and not the token", v, err)
	}
	put("header.expired.signature")
	_, err = newSource(g, dir).Token(t.Context())
	if e := hoop.AsError(err); e.Code != hoop.CodeUnauthenticated || !strings.Contains(e.Hint, "expired") || strings.Contains(err.Error(), "header.") {
		t.Errorf("got %v (%s), want unauthenticated and no token", err, e.Hint)
	}
	put("header.second.signature")
	if err := newSource(g, dir).Logout(t.Context()); err != nil || g.Live[second] {
		t.Errorf("logout: %v, %q still lives: %v", err, second, g.Live[second])
	}
}

// A pipe would be gone, or would block, at the renewal minutes later.
func TestService_WantsARegularFile(t *testing.T) {
	g := logintest.New(t)
	err := newSource(g, t.TempDir()).Service(t.Context(), "ci-agent", os.DevNull)
	if e := hoop.AsError(err); e.Code != hoop.CodeInvalid || e.Hint == "" {
		t.Errorf("got %v, want invalid with a hint", err)
	}
}

func TestFile_IsReadAtEachUse(t *testing.T) {
	g := logintest.New(t)
	file := filepath.Join(t.TempDir(), "token")
	put := func(v string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(v), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("one\n")
	s := newSource(g, t.TempDir())
	if err := s.File(t.Context(), file, func(context.Context, string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one", "two"} {
		put(want)
		if got, err := s.Token(t.Context()); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	put("two\nlines")
	if _, err := s.Token(t.Context()); err == nil {
		t.Error("two lines: want an error")
	}
}

func TestToken_Environment(t *testing.T) {
	g := logintest.New(t)
	s := newSource(g, t.TempDir())
	s.Env = "from-env"
	if got, err := s.Token(t.Context()); err != nil || got != "from-env" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := s.Renew(t.Context(), "from-env"); hoop.AsError(err).Code != hoop.CodeUnauthenticated {
		t.Errorf("got %v", err)
	}
}

func TestToken_NotSignedIn(t *testing.T) {
	_, err := newSource(logintest.New(t), t.TempDir()).Token(t.Context())
	if e := hoop.AsError(err); e.Code != hoop.CodeUnauthenticated || e.Hint != "hoopctl login" {
		t.Errorf("got %v", err)
	}
}

func TestRenew_RevokedAtTheGateway(t *testing.T) {
	g := logintest.New(t)
	s := newSource(g, t.TempDir())
	if err := s.keep(Kept{Kind: Device, Access: "gone", Refresh: "gone-too", Expiry: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Renew(t.Context(), "gone")
	if e := hoop.AsError(err); e.Code != hoop.CodeUnauthenticated || e.Hint != "hoopctl login" {
		t.Errorf("got %v", err)
	}
}

// An interrupt in the middle of a renewal must not lose the new refresh token.
func TestRenew_SurvivesInterrupt(t *testing.T) {
	g := logintest.New(t)
	s := newSource(g, t.TempDir())
	access, refresh := g.Issue()
	if err := s.keep(Kept{Kind: Device, Access: access, Refresh: refresh, Expiry: time.Now().Add(-time.Hour)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.HTTP.Transport = &hook{s.HTTP.Transport, cancel}
	got, err := s.Token(ctx)
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.reload()
	if err != nil || k.Access != got || !g.Live[got] {
		t.Errorf("kept %+v, %v, want %s, live", k, err, got)
	}
}

// hook calls f before each request to the token endpoint.
type hook struct {
	http.RoundTripper
	f func()
}

func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		h.f()
	}
	return h.RoundTripper.RoundTrip(r)
}

func TestLogout_RevokesAndForgets(t *testing.T) {
	g := logintest.New(t)
	s := newSource(g, t.TempDir())
	access, refresh := g.Issue()
	if err := s.keep(Kept{Kind: Device, Access: access, Refresh: refresh, Expiry: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(g.Live) != 0 || len(g.Refresh) != 0 {
		t.Errorf("still live: %v %v", g.Live, g.Refresh)
	}
	if _, err := s.Token(t.Context()); hoop.AsError(err).Code != hoop.CodeUnauthenticated {
		t.Errorf("got %v", err)
	}
}

func TestLogout_GatewayDown(t *testing.T) {
	g := logintest.New(t)
	s := newSource(g, t.TempDir())
	if err := s.keep(Kept{Kind: Device, Access: "a", Refresh: "r", Expiry: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	down := errors.New("down")
	s.HTTP = &http.Client{Transport: failing{down}}
	if err := s.Logout(t.Context()); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Store.Get(g.URL); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("still kept: %v", err)
	}
}

type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestKept_StringHidesTokens(t *testing.T) {
	k := Kept{Kind: Device, Access: "access", Refresh: "refresh"}
	if s := fmt.Sprintf("%v %s %+v", k, k, k); strings.Contains(s, "access") || strings.Contains(s, "refresh") {
		t.Errorf("got %s", s)
	}
	if b, err := json.Marshal(k); err != nil || !bytes.Contains(b, []byte("access")) {
		t.Errorf("got %s, %v: it must be kept", b, err)
	}
}
