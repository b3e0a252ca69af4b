//go:build signin

package signin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/auth"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
	"github.com/hoopctl/hoopctl/server/journal"
	"github.com/hoopctl/hoopctl/server/pgparse"
	"github.com/hoopctl/hoopctl/server/pki"
)

// dir is what all tests share: a certificate authority for the identity providers,
// which the gateway trusts as one of its system's, and the programs.
var dir string

// shots is for people who look at the pages.
var shots = flag.String("shots", "", "`PREFIX` of files to keep screenshots of the pages in")

// insideDir names dir to a test that runs itself again.
const insideDir = "HOOP_TEST_SIGNIN_DIR"

func TestMain(m *testing.M) {
	pgparse.RunWorker()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	flag.Parse()
	if dir = os.Getenv(insideDir); dir != "" { // run again by a test: the other process made it
		os.Setenv("SSL_CERT_FILE", filepath.Join(dir, pki.CAFile))
		return m.Run()
	}
	var err error
	if dir, err = os.MkdirTemp("", "hoop-signin-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	os.Setenv("SSL_CERT_FILE", filepath.Join(dir, pki.CAFile)) // read at the first use
	build := exec.Command("go", "build", "-o", dir, "../../cmd/hoopctl")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// site serves h at https://localhost:PORT, under the shared authority.
func site(t *testing.T, h func(url string) http.Handler) string {
	t.Helper()
	cert, err := pki.Issue(journal.OS{}, dir, time.Now(), "localhost", "127.0.0.1")
	must(t, err)
	s := httptest.NewUnstartedServer(nil)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	u := strings.Replace("https://"+s.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	s.Config.Handler = h(u)
	s.StartTLS()
	t.Cleanup(s.Close)
	return u
}

// gateway is a hoop-gateway in this process, with sample users and identity providers.
type gateway struct {
	t        *testing.T
	url, ca  string
	pageHTTP *http.Client // as a browser has it, without cookies
}

func startGateway(t *testing.T, providers string) *gateway {
	t.Helper()
	home := t.TempDir()
	file := filepath.Join(home, "gateway.yaml")
	must(t, os.WriteFile(file, []byte("listen: 127.0.0.1:0\nidentity:\n  providers:\n"+providers), 0o600))
	cfg, err := server.LoadConfig(file)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	log, err := os.Create(filepath.Join(home, "gateway.log"))
	must(t, err)
	g, err := server.New(ctx, cfg, server.Options{
		Version: "test", Log: slog.New(slog.NewTextHandler(log, nil)),
		DevUsers: []auth.DevUser{{Name: "dana", Groups: []string{"developers"}}},
	})
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- g.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("the gateway's log:\n%s", b)
		}
	})
	roots := x509.NewCertPool()
	for _, f := range []string{g.CAFile(), filepath.Join(dir, pki.CAFile)} {
		if b, err := os.ReadFile(f); err == nil {
			roots.AppendCertsFromPEM(b)
		}
	}
	return &gateway{t: t, url: g.URL(), ca: g.CAFile(), pageHTTP: &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, Timeout: time.Minute,
	}}
}

func (g *gateway) browser() *authtest.Browser {
	jar, err := cookiejar.New(nil)
	must(g.t, err)
	c := *g.pageHTTP
	c.Jar = jar
	return &authtest.Browser{Client: &c}
}

// person is somebody with a config directory of their own.
type person struct {
	g   *gateway
	dir string
	env []string
}

func (g *gateway) person() *person { return &person{g: g, dir: g.t.TempDir()} }

func (p *person) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(dir, "hoopctl"), args...)
	cmd.Env = append(os.Environ(), "HOOPCTL_CONFIG_DIR="+p.dir, "HOOPCTL_GATEWAY="+p.g.url, "HOOPCTL_CA_FILE="+p.g.ca)
	cmd.Env = append(cmd.Env, p.env...)
	return cmd
}

func (p *person) run(args ...string) (string, error) {
	out, err := p.command(args...).CombinedOutput()
	return string(out), err
}

var told = regexp.MustCompile(`open\s+(https://\S+)\s+and enter the code (\S+)`)

// login runs hoopctl login; approve does what it says in a browser.
func (p *person) login(approve func(page, code string)) string {
	p.g.t.Helper()
	cmd := p.command("login", "--no-browser")
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	must(p.g.t, cmd.Start())
	var mu sync.Mutex
	var text strings.Builder
	found := make(chan []string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sent := false
		b := make([]byte, 4096)
		for {
			n, err := r.Read(b)
			mu.Lock()
			text.Write(b[:n])
			m := told.FindStringSubmatch(text.String())
			mu.Unlock()
			if m != nil && !sent {
				sent = true
				found <- m
			}
			if err != nil {
				close(found)
				return
			}
		}
	}()
	exit := make(chan error, 1)
	go func() { exit <- cmd.Wait(); w.Close() }()
	if m, ok := <-found; ok {
		approve(m[1], m[2])
	}
	err := <-exit
	<-ended
	if err != nil {
		p.g.t.Fatalf("hoopctl login: %v\n%s", err, text.String())
	}
	return text.String()
}

// openIDProvider is a real OpenID provider with one user, at the URL it returns. It says that
// it asked for the password long ago, unless it was told to ask again.
type openIDProvider struct{ *storage.Storage }

// longAgo is a sign-in that the provider remembers.
type longAgo struct{ op.AuthRequest }

func (r longAgo) GetAuthTime() time.Time { return r.AuthRequest.GetAuthTime().Add(-24 * time.Hour) }

func (p openIDProvider) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	r, err := p.Storage.AuthRequestByCode(ctx, code)
	if asked, ok := r.(*storage.AuthRequest); err == nil && (!ok || asked.MaxAuthAge == nil) {
		return longAgo{r}, nil
	}
	return r, err
}

func (p openIDProvider) SetUserinfoFromRequest(ctx context.Context, u *zoidc.UserInfo, r op.IDTokenRequest, scopes []string) error {
	u.AppendClaims("groups", []string{"agents"})
	return p.Storage.SetUserinfoFromRequest(ctx, u, r, scopes)
}

// startOpenID starts one; its sign-in page has a form with user and password. redirect
// is told later, since the gateway wants the provider's address first.
func startOpenID(t *testing.T, redirect *string) string {
	t.Helper()
	return site(t, func(issuer string) http.Handler {
		clients := map[string]*storage.Client{}
		p := openIDProvider{storage.NewStorageWithClients(storage.NewUserStore(issuer), clients)}
		provider, err := op.NewProvider(&op.Config{CodeMethodS256: true, GrantTypeRefreshToken: true}, p, op.StaticIssuer(issuer))
		must(t, err)
		mux := http.NewServeMux()
		mux.HandleFunc("/login/username", func(w http.ResponseWriter, r *http.Request) {
			id := r.FormValue("authRequestID")
			if r.Method == http.MethodPost {
				if err := p.CheckUsernamePassword(r.FormValue("username"), r.FormValue("password"), id); err == nil {
					http.Redirect(w, r, op.AuthCallbackURL(provider)(op.ContextWithIssuer(r.Context(), issuer), id), http.StatusFound)
					return
				}
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, `<!doctype html><title>Corp</title><form method="post" action="?">
<input type="hidden" name="authRequestID" value="%s"><input name="username"><input type="password" name="password"><button>Sign in</button></form>`, url.QueryEscape(id))
		})
		mux.Handle("/", provider)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if len(clients) == 0 && *redirect != "" {
				clients["hoop"] = storage.WebClient("hoop", "idp-client-secret", *redirect)
			}
			mux.ServeHTTP(w, r)
		})
	})
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}
