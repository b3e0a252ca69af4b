package auth

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func (w *world) secret(name, secret string) answer {
	return w.post(pathToken, url.Values{"grant_type": {"client_credentials"}, "client_id": {name}, "client_secret": {secret}})
}

func TestService_SignsInBySecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.setAccount("ci-agent", "s3cret", "agents")
		for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleAutoDetect, oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
			conf := clientcredentials.Config{ClientID: "ci-agent", ClientSecret: "s3cret", TokenURL: issuer + pathToken, AuthStyle: style}
			tok, err := conf.Token(w.ctx())
			if err != nil {
				t.Fatalf("style %d: %v", style, err)
			}
			if tok.RefreshToken != "" {
				t.Error("a service account got a refresh token")
			}
			id, err := w.Identify(t.Context(), tok.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			if id.Subject != "service:ci-agent" || id.Kind != hoop.Service || id.Owner != "data-team" || !slices.Equal(id.Groups, []string{"agents"}) {
				t.Errorf("identity: %+v", id)
			}
			advance(5 * time.Minute)
			if got := w.who(tok.AccessToken); got != "unauthenticated" {
				t.Errorf("after its life: %s", got)
			}
		}
		if got := w.log.types(); len(got) != 3 || got[0] != "sign-in service:ci-agent" {
			t.Errorf("events: %q", got)
		}
	})
}

func TestService_ChangesActAtOnce(t *testing.T) {
	w := newWorld(t)
	w.setAccount("ci-agent", "s3cret", "agents")
	tok := w.secret("ci-agent", "s3cret").Access
	w.setAccount("ci-agent", "s3cret", "dba")
	id, err := w.Identify(t.Context(), tok)
	if err != nil || !slices.Equal(id.Groups, []string{"dba"}) {
		t.Errorf("new groups: %v %v", id.Groups, err)
	}
	w.setAccount("ci-agent", "another", "dba")
	if got := w.who(tok); got != "unauthenticated" {
		t.Errorf("another secret: %s", got)
	}
	w.setAccount("ci-agent", "s3cret", "agents")
	if got := w.who(tok); got != "service:ci-agent" {
		t.Errorf("the old secret again: %s", got)
	}
	w.removeAccount("ci-agent")
	if got := w.who(tok); got != "unauthenticated" {
		t.Errorf("removed: %s", got)
	}
}

func TestService_WrongSecrets(t *testing.T) {
	w := newWorld(t)
	w.setAccount("ci-agent", "s3cret")
	w.mu.Lock()
	w.accounts["federated"] = ServiceAccount{Groups: []string{"agents"}} // has no secret
	w.mu.Unlock()
	wrong, unknown := w.secret("ci-agent", "guess"), w.secret("nobody", "guess")
	if wrong.Status != http.StatusUnauthorized || wrong.Error != "invalid_client" {
		t.Errorf("got %+v", wrong)
	}
	if unknown.Status != wrong.Status || unknown.Description != wrong.Description {
		t.Errorf("an unknown account can be told: %+v", unknown)
	}
	for _, s := range []string{"", "\x00", string(make([]byte, 32))} {
		if a := w.secret("federated", s); a.Access != "" {
			t.Errorf("an account without a secret signed in with %q", s)
		}
	}
	for _, e := range w.log.types() {
		if e != "sign-in-failed: wrong service account or secret" {
			t.Errorf("event: %s", e)
		}
	}
}

func TestService_BruteForceIsSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.setAccount("ci-agent", "s3cret")
		tried, begun := 0, time.Now()
		for time.Since(begun) < time.Hour {
			switch a := w.secret("ci-agent", fmt.Sprint("guess", tried)); {
			case a.Status == http.StatusUnauthorized:
				tried++
			case a.Status != http.StatusTooManyRequests || a.Error != "invalid_client":
				t.Fatalf("got %+v", a)
			}
			advance(time.Second)
		}
		for w.secret("ci-agent", "guess").Status != http.StatusUnauthorized {
			advance(time.Second)
		}
		if a := w.secret("ci-agent", "s3cret"); a.Status != http.StatusTooManyRequests {
			t.Errorf("the right secret needs not wait, so guessing costs nothing: %+v", a)
		}
		if tried > 25 {
			t.Errorf("%d guesses in an hour", tried)
		}
		w.wire.from = "198.51.100.1"
		if a := w.secret("ci-agent", "s3cret"); a.Status != http.StatusOK {
			t.Errorf("the account's own machine is locked out: %+v", a)
		}
		w.wire.from = "192.0.2.7"
		advance(time.Hour)
		if a := w.secret("ci-agent", "s3cret"); a.Status != http.StatusOK {
			t.Errorf("after an hour: %+v", a)
		}
	})
}

func TestService_SprayingNamesIsSlowed(t *testing.T) {
	w := newWorld(t)
	last := answer{}
	for i := range 60 {
		last = w.secret(fmt.Sprint("agent-", i), "hunter2")
	}
	if last.Status != http.StatusTooManyRequests {
		t.Errorf("got %+v", last)
	}
	if got := len(w.log.types()); got != 50 {
		t.Errorf("%d events, want 50: they are bounded", got)
	}
}

func TestService_NamesDoNotReachPeople(t *testing.T) {
	w := newWorld(t)
	w.setAccount("alice", "s3cret", "dba") // the name of a sample user
	tok := w.secret("alice", "s3cret").Access
	if got := w.who(tok); got != "service:alice" {
		t.Errorf("got %s", got)
	}
}

func TestOptions_Refused(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"plain http":            func(o *Options) { o.Issuer = "http://hoop.test" },
		"a path":                func(o *Options) { o.Issuer = "https://hoop.test/x" },
		"short secret":          func(o *Options) { o.Secret = []byte("short") },
		"no log":                func(o *Options) { o.Log = nil },
		"no store":              func(o *Options) { o.Store = nil },
		"half a second":         func(o *Options) { o.Interval = 500 * time.Millisecond },
		"user with a colon":     func(o *Options) { o.DevUsers = []DevUser{{Name: "service:x"}} },
		"provider named dev":    func(o *Options) { o.Providers = []OIDC{{Name: "dev", Issuer: "https://i", ClientID: "c"}} },
		"provider service":      func(o *Options) { o.Providers = []OIDC{{Name: "service", Issuer: "https://i", ClientID: "c"}} },
		"provider with a slash": func(o *Options) { o.Providers = []OIDC{{Name: "a/b", Issuer: "https://i", ClientID: "c"}} },
		"provider in clear":     func(o *Options) { o.Providers = []OIDC{{Name: "a", Issuer: "http://i", ClientID: "c"}} },
		"provider twice": func(o *Options) {
			p := OIDC{Name: "a", Issuer: "https://i", ClientID: "c"}
			o.Providers = []OIDC{p, p}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Issuer: issuer, Store: newMemStore(), Log: &memLog{}, Secret: make([]byte, 32)}
			change(&o)
			if _, err := New(o); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestRun_Stops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.begin()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Run(ctx) }()
		advance(2 * time.Hour)
		synctest.Wait()
		w.store.mu.Lock()
		left := len(w.store.devices)
		w.store.mu.Unlock()
		if left != 0 {
			t.Errorf("%d devices are left", left)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
