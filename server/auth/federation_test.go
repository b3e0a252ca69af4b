package auth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

const (
	cluster         = "https://cluster.test"
	clusterAudience = "https://hoop.test"
	clusterSubject  = "system:serviceaccount:data:agent"
)

// workloads is a real issuer of workload tokens.
type workloads struct {
	oidctest.Server
	key   *rsa.PrivateKey
	asked atomic.Int64 // requests
}

func (i *workloads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.asked.Add(1)
	i.Server.ServeHTTP(w, r)
}

func newWorkloads(t *testing.T, issuer string) *workloads {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &workloads{key: key}
	i.PublicKeys = []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k1", Algorithm: "RS256"}}
	i.SetIssuer(issuer)
	return i
}

// federated is a gateway with an account k8s-agent, whose tokens i issues.
func federated(t *testing.T, i *workloads) *world {
	t.Helper()
	w := newWorld(t, func(w *world, o *Options) {
		o.IssuerClient = w.http
		w.wire.hosts["cluster.test"] = i
	})
	w.setFederation("k8s-agent", Federation{Issuer: cluster, Audience: clusterAudience, Subject: clusterSubject})
	return w
}

func (w *world) setFederation(name string, f Federation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accounts[name] = ServiceAccount{Groups: []string{"agents"}, Owner: "data-team", Federation: f}
}

// claimsOf are those of a good token, but for changes; nil leaves one out.
func claimsOf(t *testing.T, changes map[string]any) string {
	t.Helper()
	now := time.Now()
	c := map[string]any{
		"iss": cluster, "aud": []string{clusterAudience}, "sub": clusterSubject, "jti": "one",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(c, changes)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (i *workloads) token(t *testing.T, changes map[string]any) string {
	t.Helper()
	return oidctest.SignIDToken(i.key, "k1", "RS256", claimsOf(t, changes))
}

func assertionForm(name, token string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {name}, "scope": {"openid"},
		"client_assertion_type": {assertionType}, "client_assertion": {token},
	}
}

func (w *world) assert(name, token string) answer {
	return w.post(pathToken, assertionForm(name, token))
}

func TestFederation_SignsIn(t *testing.T) {
	i := newWorkloads(t, cluster)
	synctest.Test(t, func(t *testing.T) {
		w := federated(t, i)
		defer w.running()()
		i.asked.Store(0)
		token := i.token(t, nil)
		var access string
		for range 3 { // a workload's token may be used again until it ends
			a := w.assert("k8s-agent", token)
			if a.Status != http.StatusOK || a.Refresh != "" || a.ExpiresIn != 300 {
				t.Fatalf("got %+v", a)
			}
			access = a.Access
			synctest.Wait() // go-oidc keeps the keys a moment after it has told them
		}
		if n := i.asked.Load(); n != 2 {
			t.Errorf("%d requests to the issuer for three sign-ins, want discovery and keys once", n)
		}
		id, err := w.Identify(t.Context(), access)
		if err != nil || id.Subject != "service:k8s-agent" || id.Kind != hoop.Service || id.Owner != "data-team" || !slices.Equal(id.Groups, []string{"agents"}) {
			t.Errorf("identity: %+v %v", id, err)
		}
		if got := w.log.last(); got != "sign-in service:k8s-agent" {
			t.Errorf("event: %s", got)
		}
		// Revoking takes the token as signing in does.
		form := assertionForm("k8s-agent", token)
		form.Set("token", access)
		if a := w.post(pathRevoke, form); a.Status != http.StatusOK || w.who(access) != "unauthenticated" {
			t.Errorf("revoked: %+v", a)
		}

		// What a token gave does not outlive it.
		a := w.assert("k8s-agent", i.token(t, map[string]any{"exp": time.Now().Add(40 * time.Second).Unix()}))
		if a.Status != http.StatusOK || a.ExpiresIn > 40 {
			t.Fatalf("got %+v", a)
		}
		advance(41 * time.Second)
		if got := w.who(a.Access); got != "unauthenticated" {
			t.Errorf("after the end of the issuer's token: %s", got)
		}
		synctest.Wait()
		if got := w.cut(); len(got) != 0 {
			t.Errorf("cut while it is signed in by a later token: %q", got)
		}
		// Nor do sessions, once the issuer vouches for the account nowhere.
		advance(5 * time.Minute)
		synctest.Wait()
		if got := slices.Compact(w.cut()); !slices.Equal(got, []string{"service:k8s-agent"}) {
			t.Errorf("cut: %q", got)
		}

		// Another declaration ends what the one before gave, at once.
		access = w.assert("k8s-agent", token).Access
		w.setFederation("k8s-agent", Federation{Issuer: cluster, Audience: clusterAudience, Subject: "another"})
		if got := w.who(access); got != "unauthenticated" {
			t.Errorf("another subject is declared: %s", got)
		}
	})
}

func TestFederation_Refused(t *testing.T) {
	i, other := newWorkloads(t, cluster), newWorkloads(t, cluster)
	synctest.Test(t, func(t *testing.T) {
		ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(i.key.Public())
		if err != nil {
			t.Fatal(err)
		}
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		encode := func(s string) string { return encode([]byte(s)) }
		good := i.token(t, nil)
		parts := strings.Split(good, ".")
		now := time.Now()
		with := func(k string, v any) string { return i.token(t, map[string]any{k: v}) }
		signed := func(claims string) string { return oidctest.SignIDToken(i.key, "k1", "RS256", claims) }
		for _, c := range []struct {
			name, account, token string
			asks                 bool // the issuer, since nothing but the signature is wrong
		}{
			{"unknown account", "nobody", good, false},
			{"account with a secret", "ci-agent", good, false},
			{"account of another issuer", "elsewhere", good, false},
			{"account of another subject", "neighbour", good, false},
			{"account of another audience", "narrow", good, false},
			{"issuer", "k8s-agent", with("iss", "https://other.test"), false},
			{"issuer with a slash", "k8s-agent", with("iss", cluster+"/"), false},
			{"audience", "k8s-agent", with("aud", "https://kubernetes.default.svc"), false},
			{"several audiences", "k8s-agent", with("aud", []string{clusterAudience, "https://other.test"}), false},
			{"no audience", "k8s-agent", with("aud", nil), false},
			{"subject", "k8s-agent", with("sub", clusterSubject+"2"), false},
			{"no subject", "k8s-agent", with("sub", nil), false},
			{"expired", "k8s-agent", with("exp", now.Add(-time.Second).Unix()), false},
			{"never expires", "k8s-agent", with("exp", nil), false},
			{"too long", "k8s-agent", with("exp", now.Add(25*time.Hour).Unix()), false},
			{"not yet", "k8s-agent", with("nbf", now.Add(2*time.Minute).Unix()), false},
			{"issued in the future", "k8s-agent", with("iat", now.Add(2*time.Minute).Unix()), false},
			{"subject by another case", "k8s-agent", signed(strings.TrimSuffix(claimsOf(t, nil), "}") + `,"SUB":"mallory"}`), true},
			{"own subject, and the right one by another case", "k8s-agent", i.token(t, map[string]any{"sub": "mallory", "Sub": clusterSubject}), false},
			{"subject twice", "k8s-agent", signed(strings.Replace(claimsOf(t, nil), `"sub":`, `"sub":"mallory","sub":`, 1)), false},
			{"no algorithm", "k8s-agent", encode(`{"alg":"none"}`) + "." + parts[1] + ".", false},
			{"the public key as a secret", "k8s-agent", oidctest.SignIDToken(public, "k1", "HS256", claimsOf(t, nil)), false},
			{"another key of that name", "k8s-agent", oidctest.SignIDToken(other.key, "k1", "RS256", claimsOf(t, nil)), true},
			{"a key of an unknown name", "k8s-agent", oidctest.SignIDToken(other.key, "k2", "RS256", claimsOf(t, nil)), true},
			{"another kind of key", "k8s-agent", oidctest.SignIDToken(ec, "k1", "ES256", claimsOf(t, nil)), true},
			{"no signature", "k8s-agent", parts[0] + "." + parts[1] + ".", true},
			{"other claims under the signature", "k8s-agent", parts[0] + "." + encode(claimsOf(t, map[string]any{"jti": "two"})) + "." + parts[2], true},
			{"JSON serialization", "k8s-agent", fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, parts[1], parts[0], parts[2]), false},
			{"no JWT", "k8s-agent", "hoopa_x", false},
		} {
			w := federated(t, i)
			w.setAccount("ci-agent", "s3cret")
			w.setFederation("elsewhere", Federation{Issuer: "https://elsewhere.test", Audience: clusterAudience, Subject: clusterSubject})
			w.setFederation("neighbour", Federation{Issuer: cluster, Audience: clusterAudience, Subject: "neighbour"})
			w.setFederation("narrow", Federation{Issuer: cluster, Audience: "narrow", Subject: clusterSubject})
			i.asked.Store(0)
			a := w.assert(c.account, c.token)
			if a.Status != http.StatusUnauthorized || a.Error != "invalid_client" || a.Access != "" ||
				a.Description != "this service account is unknown, or the token does not stand for it" {
				t.Errorf("%s: got %+v", c.name, a)
			}
			if got := w.log.types(); len(got) != 1 || got[0] != "sign-in-failed: wrong service account or token" {
				t.Errorf("%s: events %q", c.name, got)
			}
			if n := i.asked.Load(); (n > 0) != c.asks {
				t.Errorf("%s: %d requests to the issuer", c.name, n)
			}
			if strings.Contains(w.logs.String(), c.token) {
				t.Errorf("%s: the log has the token", c.name)
			}
		}
		w := federated(t, i)
		if a := w.assert("k8s-agent", good); a.Status != http.StatusOK {
			t.Errorf("the good one: %+v", a)
		}
		if a := w.secret("k8s-agent", good); a.Status != http.StatusUnauthorized {
			t.Errorf("the token as a secret: %+v", a)
		}
	})
}

func TestFederation_WrongTokensAreSlowed(t *testing.T) {
	i := newWorkloads(t, cluster)
	synctest.Test(t, func(t *testing.T) {
		w := federated(t, i)
		for range 5 {
			w.assert("k8s-agent", "guess")
		}
		if a := w.assert("k8s-agent", i.token(t, nil)); a.Status != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestFederation_OneWayOfAuthentication(t *testing.T) {
	i := newWorkloads(t, cluster)
	w := federated(t, i)
	for name, c := range map[string]struct {
		change func(url.Values)
		want   string
	}{
		"and a secret": {func(f url.Values) { f.Set("client_secret", "s") }, "invalid_request"},
		"another type": {func(f url.Values) {
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
		}, "invalid_client"},
		"no type":         {func(f url.Values) { f.Del("client_assertion_type") }, "invalid_client"},
		"type alone":      {func(f url.Values) { f.Del("client_assertion") }, "invalid_client"},
		"no account":      {func(f url.Values) { f.Del("client_id") }, "invalid_client"},
		"hoopctl":         {func(f url.Values) { f.Set("client_id", ClientID) }, "invalid_client"},
		"another grant":   {func(f url.Values) { f.Set("grant_type", "refresh_token") }, "unauthorized_client"},
		"assertion twice": {func(f url.Values) { f.Add("client_assertion", "x") }, "invalid_request"},
	} {
		f := assertionForm("k8s-agent", i.token(t, nil))
		c.change(f)
		if a := w.post(pathToken, f); a.Error != c.want || a.Access != "" {
			t.Errorf("%s: got %+v, want %s", name, a, c.want)
		}
	}
	if a := w.post(pathToken, assertionForm("k8s-agent", i.token(t, nil)), "k8s-agent", "s"); a.Error != "invalid_request" {
		t.Errorf("and Basic: got %+v", a)
	}
}

func TestFederation_IssuerOutOfReach(t *testing.T) {
	i := newWorkloads(t, cluster)
	keysElsewhere := func(uri string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, cluster, uri)
		}
	}
	for name, h := range map[string]http.HandlerFunc{
		"error":            func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"another issuer's": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"issuer":"https://other.test"}`) },
		"redirect to clear": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://cluster2.test/", http.StatusFound)
		},
		"redirect for ever":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, cluster+"/", http.StatusFound) },
		"keys in clear":       keysElsewhere("http://cluster2.test/keys"),
		"keys of a host gone": keysElsewhere("https://gone.test/keys"),
		"more than it can read": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":"https://keys.test/keys","x":%q}`, cluster, strings.Repeat("x", 1<<20))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := federated(t, i)
			asked := 0
			w.wire.hosts["cluster.test"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { asked++; h(rw, r) })
			w.wire.hosts["keys.test"] = i
			// Would give the right keys, if it were asked.
			w.wire.hosts["cluster2.test"] = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				t.Errorf("%s: asked in clear", name)
				r.URL.Path = "/keys"
				i.ServeHTTP(rw, r)
			})
			for range 7 { // nor does it count as a wrong token
				if a := w.assert("k8s-agent", i.token(t, nil)); a.Status != http.StatusServiceUnavailable || a.Error != "temporarily_unavailable" || !strings.Contains(a.Description, "issuer") {
					t.Fatalf("%s: got %+v", name, a)
				}
			}
			if asked > 10 { // a redirect is followed ten times by net/http
				t.Errorf("%s: %d requests", name, asked)
			}
			// Whoever does not know what is declared does not learn of it.
			if a := w.assert("k8s-agent", i.token(t, map[string]any{"sub": "guess"})); a.Status != http.StatusUnauthorized {
				t.Errorf("%s: a guess: %+v", name, a)
			}
			w.wire.hosts["cluster.test"] = i
			advance(issuerRest)
			if a := w.assert("k8s-agent", i.token(t, nil)); a.Status != http.StatusOK {
				t.Errorf("%s: when it answers again: %+v", name, a)
			}
		})
	}
}

// A key that the issuer withdrew stops being believed, though nothing asks for another.
func TestFederation_WithdrawnKey(t *testing.T) {
	i := newWorkloads(t, cluster)
	synctest.Test(t, func(t *testing.T) {
		w := federated(t, i)
		stolen := i.token(t, nil)
		if a := w.assert("k8s-agent", stolen); a.Status != http.StatusOK {
			t.Fatalf("got %+v", a)
		}
		synctest.Wait()
		next := newWorkloads(t, cluster)
		next.PublicKeys[0].KeyID = "k2"
		w.wire.hosts["cluster.test"] = next
		if a := w.assert("k8s-agent", stolen); a.Status != http.StatusOK {
			t.Errorf("the keys are not kept: %+v", a)
		}
		advance(10 * time.Minute)
		if a := w.assert("k8s-agent", stolen); a.Status != http.StatusUnauthorized {
			t.Errorf("the withdrawn key: %+v", a)
		}
		synctest.Wait() // go-oidc keeps the keys a moment after it has told them
		// A key of a new name is found at once.
		w.wire.hosts["cluster.test"] = i
		if a := w.assert("k8s-agent", stolen); a.Status != http.StatusOK {
			t.Errorf("the new key: %+v", a)
		}
	})
}

func FuzzFederation_Claimed(f *testing.F) {
	f.Add("a.b.c")
	f.Add(encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(`{"iss":"i","aud":"a","sub":"s","exp":4e9}`)) + ".AAAA")
	declared, now := Federation{Issuer: "i", Audience: "a", Subject: "s"}, time.Unix(3_999_999_000, 0)
	f.Fuzz(func(t *testing.T, token string) {
		if of, err := declared.claimed(token, now); err == nil && (!of.end.After(now) || of.end.Sub(now) > assertionLife+assertionAhead) {
			t.Errorf("accepted until %s", of.end)
		}
		if _, err := (Federation{}).claimed(token, now); err == nil {
			t.Error("accepted for an account that no token stands for")
		}
	})
}
