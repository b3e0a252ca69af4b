package session_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"
	"github.com/jackc/pgx/v5"
	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/pkg/api"
	"github.com/hoopctl/hoopctl/pkg/hoop"
	"github.com/hoopctl/hoopctl/server"
	"github.com/hoopctl/hoopctl/server/auth/authtest"
	"github.com/hoopctl/hoopctl/server/servertest"
)

// issuer is an OpenID Connect provider at which everybody is kim, in a group that changes.
type issuer struct {
	oidctest.Server
	url, caFile string
	web         *httptest.Server
	key         *rsa.PrivateKey
	nonce       atomic.Value // of the sign-in under way
	group       atomic.Value
}

func newIssuer(t *testing.T, group string) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	i := &issuer{key: key, Server: oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k", Algorithm: "RS256"}}}}
	i.group.Store(group)
	i.web = httptest.NewTLSServer(i)
	t.Cleanup(i.web.Close)
	i.SetIssuer(i.web.URL)
	i.url, i.caFile = i.web.URL, filepath.Join(t.TempDir(), "issuer.pem")
	must(t, os.WriteFile(i.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.web.Certificate().Raw}), 0o600))
	return i
}

// ServeHTTP adds sign-in and tokens to what the library has.
func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/auth"):
		q := r.URL.Query()
		i.nonce.Store(q.Get("nonce"))
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"c"}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case strings.HasSuffix(r.URL.Path, "/token"):
		claims, err := json.Marshal(map[string]any{
			"iss": i.url, "aud": "hoop", "sub": "kim", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
			"nonce": i.nonce.Load(), "groups": []any{i.group.Load()},
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // fails only where the gateway went away
			"access_token": "a", "token_type": "Bearer", "refresh_token": "r", "id_token": oidctest.SignIDToken(i.key, "k", "RS256", string(claims)),
		})
	default:
		i.Server.ServeHTTP(w, r)
	}
}

// signIn signs kim in at g, who is an account of that name then, and gives what refreshes it.
func (i *issuer) signIn(t *testing.T, g *servertest.Gateway) (refresh func() error) {
	t.Helper()
	conf := oauth2.Config{ClientID: "hoopctl", Scopes: []string{"openid", "offline_access"}, Endpoint: oauth2.Endpoint{
		DeviceAuthURL: g.URL + "/oauth/device_authorization", TokenURL: g.URL + "/oauth/token", AuthStyle: oauth2.AuthStyleInParams,
	}}
	client := g.HTTP()
	trust := client.Transport.(*http.Transport).TLSClientConfig
	trust.ServerName, trust.RootCAs = "", trust.RootCAs.Clone() // the URLs name them
	trust.RootCAs.AddCert(i.web.Certificate())
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
	device, err := conf.DeviceAuth(ctx)
	must(t, err)
	must(t, authtest.SignIn(ctx, client, device.VerificationURIComplete, "", true))
	token, err := conf.DeviceAccessToken(ctx, device)
	must(t, err)
	g.Hold("kim", token.AccessToken)
	return func() error {
		next, err := conf.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
		if err == nil {
			g.Hold("kim", next.AccessToken)
		}
		return err
	}
}

// Once the identity provider says that somebody is in other groups, be it as they sign in
// once more, their sessions are cut, what they approved and that waits for more people must be
// asked for anew, and sign-ins of before have no other groups.
func TestSession_GroupsChangeAtTheProvider(t *testing.T) {
	i := newIssuer(t, "dba")
	g := servertest.Start(t, servertest.Options{Resources: asking(2), Config: func(c *server.Config) {
		c.Identity.Providers = []server.ProviderConfig{{Name: "corp", OIDC: &server.OIDCConfig{Issuer: i.url, ClientID: "hoop", GroupsClaim: "groups", CAFile: i.caFile}}}
	}})
	i.signIn(t, g)
	former, err := g.Token(t.Context(), "kim")
	must(t, err)
	asked, err := g.API("agent").NewRequest(t.Context(), api.NewRequest{Target: "pg-two"})
	must(t, err)
	if r, err := g.API("kim").Approve(t.Context(), asked.Request.ID, ""); err != nil || r.State != hoop.Pending || len(r.Approvals) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	conn, err := pgx.Connect(t.Context(), g.Connect("kim", "pg-prod"))
	must(t, err)
	defer conn.Close(context.Background())

	i.group.Store("interns")
	i.signIn(t, g)
	cutByGroups(t, conn)
	g.Hold("kim", former)
	regrouped := slices.IndexFunc(events(t, g), func(e hoop.Event) bool {
		return e.Type == hoop.EventRegroup && e.Subject == "corp:kim" && detail(e, "groups") == "interns" && detail(e, "former") == "dba"
	})
	approval := slices.IndexFunc(events(t, g), func(e hoop.Event) bool { return e.Type == hoop.EventApproval && detail(e, "groups") == "dba" })
	if approval < 0 || regrouped < approval {
		t.Errorf("approved by a group at %d, with other groups at %d", approval, regrouped)
	}
	recounted(t, g, "sign-ins with other groups from then on")
	if me, err := g.API("kim").Me(t.Context()); err != nil || !slices.Equal(me.Identity.Groups, []string{"interns"}) {
		t.Errorf("the former sign-in: %+v, %v", me, err)
	}
	_, err = g.API("dba").Approve(t.Context(), asked.Request.ID, "")
	if hoop.AsError(err).Code != hoop.CodeConflict || !strings.Contains(err.Error(), "corp:kim, who approved it, may not decide it any more") {
		t.Errorf("the second approval: %v", err)
	}
	again, err := g.API("agent").NewRequest(t.Context(), api.NewRequest{Target: "pg-two"})
	must(t, err)
	if _, err := g.API("kim").Approve(t.Context(), again.Request.ID, ""); err == nil {
		t.Error("kim decides in a group that does not")
	}
}

// Sessions at another gateway on the same store than the one that heard of it are cut, too,
// and nobody decides there as who they were a moment ago.
func TestSession_GroupsChangeAtAnotherGateway(t *testing.T) {
	pg, err := shared()
	must(t, err)
	for _, sql := range []string{"DROP DATABASE IF EXISTS groups_store", "CREATE DATABASE groups_store"} {
		must(t, pg.Exec(t.Context(), "postgres", sql))
	}
	i := newIssuer(t, "dba")
	config := func(c *server.Config) {
		c.Store.URL = pg.DSN("groups_store")
		c.Identity.Providers = []server.ProviderConfig{{Name: "corp", OIDC: &server.OIDCConfig{Issuer: i.url, ClientID: "hoop", GroupsClaim: "groups", CAFile: i.caFile}}}
	}
	a := servertest.Start(t, servertest.Options{PG: pg, Config: config, Resources: asking(2)})
	b := servertest.Start(t, servertest.Options{PG: pg, Config: config, Resources: asking(2), Beside: a})
	refresh := i.signIn(t, a)
	token, err := a.Token(t.Context(), "kim")
	must(t, err)
	conn, err := pgx.Connect(t.Context(), b.Connect("kim", "pg-prod"))
	must(t, err)
	defer conn.Close(context.Background())
	asked, err := a.API("dba").NewRequest(t.Context(), api.NewRequest{Target: "pg-two"})
	must(t, err)
	_, err = b.API("kim").Me(t.Context())
	must(t, err)
	i.group.Store("interns")
	must(t, refresh())
	a.Hold("kim", token) // which b has just seen
	if _, err := b.API("kim").Approve(t.Context(), asked.Request.ID, ""); hoop.AsError(err).Code != hoop.CodeNotFound {
		t.Errorf("kim decides with the groups of before: %v", err)
	}
	cutByGroups(t, conn)
}

// cutByGroups waits until kim's session is cut, and hears why.
func cutByGroups(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := conn.WaitForNotification(ctx); state(err) != "57P01" || !strings.Contains(err.Error(), "its groups have changed") {
		t.Errorf("kim's session: %v", err)
	}
}
