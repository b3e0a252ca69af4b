package auth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

func TestRefresh_Rotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := w.signIn("alice")
		refresh := tok.RefreshToken
		seen := map[string]bool{refresh: true}
		for range 5 {
			advance(4 * time.Minute)
			a := w.refreshWith(refresh)
			if a.Status != http.StatusOK || seen[a.Refresh] || a.ExpiresIn != 300 {
				t.Fatalf("got %+v", a)
			}
			if got := w.who(a.Access); got != "alice" {
				t.Fatalf("identity: %s", got)
			}
			seen[a.Refresh], refresh = true, a.Refresh
		}
		if got := w.who(tok.AccessToken); got != "unauthenticated" {
			t.Errorf("the first access token still works: %s", got)
		}
	})
}

func TestRefresh_ReuseEndsTheFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := w.signIn("alice")
		a := w.refreshWith(tok.RefreshToken)
		if w.who(a.Access) != "alice" {
			t.Fatal("refresh failed")
		}
		advance(grace + time.Second)
		if got := w.refreshWith(tok.RefreshToken); got.Error != "invalid_grant" || got.Access != "" {
			t.Fatalf("got %+v", got)
		}
		for name, token := range map[string]string{"first": tok.AccessToken, "second": a.Access} {
			if got := w.who(token); got != "unauthenticated" {
				t.Errorf("%s access token: %s", name, got)
			}
		}
		if got := w.refreshWith(a.Refresh); got.Error != "invalid_grant" {
			t.Errorf("the successor still works: %+v", got)
		}
		if got := w.cut(); !slices.Equal(got, []string{"alice"}) {
			t.Errorf("sessions cut: %q", got)
		}
		if got := w.log.last(); got != "sign-out alice: refresh token used twice" {
			t.Errorf("event: %s", got)
		}
	})
}

func TestRefresh_LostAnswerIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := w.signIn("alice")
		first := w.refreshWith(tok.RefreshToken)
		advance(grace)
		again := w.refreshWith(tok.RefreshToken)
		if again.Refresh != first.Refresh || again.Access == "" || again.Access == first.Access {
			t.Fatalf("got %+v after %+v", again, first)
		}
		if w.who(first.Access) != "alice" || w.who(again.Access) != "alice" {
			t.Error("an access token does not work")
		}
		if next := w.refreshWith(again.Refresh); next.Status != http.StatusOK {
			t.Errorf("the successor: %+v", next)
		}
	})
}

func TestRefresh_GraceIsForTheSameAddressOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := w.signIn("alice")
		w.refreshWith(tok.RefreshToken)
		w.wire.from = "198.51.100.66"
		if a := w.refreshWith(tok.RefreshToken); a.Error != "invalid_grant" {
			t.Errorf("got %+v", a)
		}
		if len(w.cut()) != 1 {
			t.Error("the family lives on")
		}
	})
}

func TestRefresh_GraceIsForTheLastTokenOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := w.signIn("alice")
		a := w.refreshWith(tok.RefreshToken)
		w.refreshWith(a.Refresh)
		if got := w.refreshWith(tok.RefreshToken); got.Error != "invalid_grant" || len(w.cut()) != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestRefresh_AtOnce(t *testing.T) {
	w := newWorld(t)
	tok := refreshable(w)
	var wg sync.WaitGroup
	answers := make([]answer, 16)
	for i := range answers {
		wg.Go(func() { answers[i] = w.refreshWith(tok) })
	}
	wg.Wait()
	for _, a := range answers {
		if a.Status != http.StatusOK || a.Refresh != answers[0].Refresh {
			t.Errorf("got %+v", a)
		}
	}
	for _, f := range w.store.families {
		if f.Generation != 2 {
			t.Errorf("generation %d, want 2: it rotated more than once", f.Generation)
		}
	}
}

// refreshable is a refresh token of a sign-in that needed no browser.
func refreshable(w *world) string {
	w.t.Helper()
	id, _ := devUsers(w.o.DevUsers).find("alice")
	resp, err := w.Server.begin(w.t.Context(), Family{
		Identity: id, Provider: devProvider, Client: ClientID, Scopes: knownScopes(), RemoteIP: w.wire.from,
	}, "")
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.RefreshToken
}

func TestRefresh_AnotherGatewayIsBusy(t *testing.T) {
	w := newWorld(t)
	tok := refreshable(w)
	for id, f := range w.store.families {
		f.BusyUntil = w.now().Add(lease)
		w.store.families[id] = f
	}
	if a := w.refreshWith(tok); a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("got %+v", a)
	}
}

func TestRefresh_EndsWithTheSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(_ *world, o *Options) { o.SignInLife = 7 * time.Minute })
		tok := w.signIn("alice")
		advance(4 * time.Minute)
		a := w.refreshWith(tok.RefreshToken)
		if a.ExpiresIn != 180 {
			t.Errorf("access token lives %d s, want no longer than the sign-in", a.ExpiresIn)
		}
		advance(3 * time.Minute)
		if got := w.who(a.Access); got != "unauthenticated" {
			t.Errorf("got %s", got)
		}
		if a := w.refreshWith(a.Refresh); a.Error != "invalid_grant" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestRefresh_StrangeTokens(t *testing.T) {
	w := newWorld(t)
	w.setAccount("ci-agent", "s3cret")
	tok := refreshable(w)
	access := w.refreshWith(tok).Access
	for name, token := range map[string]string{
		"access token":     access,
		"unknown":          refreshPrefix + random(),
		"longer":           tok + "x",
		"another prefix":   accessPrefix + tok[len(refreshPrefix):],
		"of a forged name": refreshPrefix + tok[len(refreshPrefix)+1:] + "A",
	} {
		if a := w.refreshWith(token); a.Error != "invalid_grant" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	a := w.post(pathToken, url.Values{"refresh_token": {tok}, "grant_type": {"refresh_token"}}, "ci-agent", "s3cret")
	if a.Error != "unauthorized_client" {
		t.Errorf("another client: %+v", a)
	}
	if got := w.who(tok); got != "unauthenticated" {
		t.Errorf("a refresh token identifies %s", got)
	}
}

// Rows that do not fit together are refused, whoever wrote them.
func TestRefresh_RowsThatDoNotFit(t *testing.T) {
	w := newWorld(t)
	tok := refreshable(w)
	access := w.refreshWith(tok)
	for h, row := range w.store.tokens {
		row.Kind = map[TokenKind]TokenKind{AccessToken: RefreshToken, RefreshToken: AccessToken}[row.Kind]
		w.store.tokens[h] = row
	}
	if a := w.refreshWith(access.Refresh); a.Error != "invalid_grant" {
		t.Errorf("wrong kind: %+v", a)
	}
	if got := w.who(access.Access); got != "unauthenticated" {
		t.Errorf("wrong kind: %s", got)
	}
	tok = refreshable(w)
	for id, row := range w.store.families {
		row.Client = "other"
		w.store.families[id] = row
	}
	if a := w.refreshWith(tok); a.Error != "invalid_grant" {
		t.Errorf("wrong client: %+v", a)
	}
}

// turncoat vouches for somebody else.
type turncoat struct{ devUsers }

func (p turncoat) check(context.Context, hoop.Identity, []byte) (hoop.Identity, []byte, error) {
	id, _ := p.find("bob")
	return id, nil, nil
}

func TestRefresh_ProviderNamesAnotherSubject(t *testing.T) {
	w := newWorld(t)
	tok := refreshable(w)
	w.providers[devProvider] = turncoat{devUsers(w.o.DevUsers)}
	if a := w.refreshWith(tok); a.Error != "invalid_grant" {
		t.Errorf("got %+v", a)
	}
}

func TestRefresh_SampleUserIsGone(t *testing.T) {
	w := newWorld(t)
	tok := refreshable(w)
	w.providers[devProvider] = devUsers{{Name: "bob"}}
	if a := w.refreshWith(tok); a.Error != "invalid_grant" {
		t.Errorf("got %+v", a)
	}
	if got := w.log.last(); got != "sign-out alice: refused by the identity provider" {
		t.Errorf("event: %s", got)
	}
}

func TestRevoke_EndsTheSignInAtOnce(t *testing.T) {
	for _, which := range []string{"access", "refresh"} {
		t.Run(which, func(t *testing.T) {
			w := newWorld(t)
			first := w.refreshWith(refreshable(w))
			if w.who(first.Access) != "alice" { // and now it is cached
				t.Fatal("no identity")
			}
			token := first.Access
			if which == "refresh" {
				token = first.Refresh
			}
			if a := w.post(pathRevoke, url.Values{"client_id": {ClientID}, "token": {token}}); a.Status != http.StatusOK {
				t.Fatalf("got %+v", a)
			}
			if got := w.who(first.Access); got != "unauthenticated" {
				t.Errorf("identity after: %s", got)
			}
			if a := w.refreshWith(first.Refresh); a.Error != "invalid_grant" {
				t.Errorf("refresh after: %+v", a)
			}
			if got := w.log.last(); got != "sign-out alice: signed out" {
				t.Errorf("event: %s", got)
			}
			if got := w.cut(); !slices.Equal(got, []string{"alice"}) {
				t.Errorf("cut: %q", got)
			}
			events := len(w.log.types())
			if a := w.post(pathRevoke, url.Values{"client_id": {ClientID}, "token": {token}}); a.Status != http.StatusOK || len(w.log.types()) != events {
				t.Errorf("a second time: %+v", a)
			}
		})
	}
}

func TestRevoke_LeavesOtherDevicesAlone(t *testing.T) {
	w := newWorld(t)
	laptop, desk := w.refreshWith(refreshable(w)), w.refreshWith(refreshable(w))
	w.post(pathRevoke, url.Values{"client_id": {ClientID}, "token": {laptop.Refresh}})
	if got := w.who(desk.Access); got != "alice" {
		t.Errorf("the other device: %s", got)
	}
	if got := w.cut(); len(got) != 0 {
		t.Errorf("cut: %q, though she is signed in elsewhere", got)
	}
	if _, err := w.Disable(t.Context(), "alice", "left the company"); err != nil {
		t.Fatal(err)
	}
	if got := w.who(desk.Access); got != "unauthenticated" {
		t.Errorf("disabled: %s", got)
	}
	if len(w.cut()) == 0 || w.log.last() != "sign-out alice: left the company" {
		t.Errorf("cut %q, event %s", w.cut(), w.log.last())
	}
}

func TestRevoke_UnknownAndForeign(t *testing.T) {
	w := newWorld(t)
	w.setAccount("ci-agent", "s3cret")
	tok := w.refreshWith(refreshable(w))
	for _, token := range []string{"x", accessPrefix + random(), refreshPrefix + random()} {
		if a := w.post(pathRevoke, url.Values{"client_id": {ClientID}, "token": {token}}); a.Status != http.StatusOK {
			t.Errorf("unknown token: %+v", a) // RFC 7009 §2.2
		}
	}
	a := w.post(pathRevoke, url.Values{"token": {tok.Access}}, "ci-agent", "s3cret")
	if a.Error != "invalid_grant" || w.who(tok.Access) != "alice" {
		t.Errorf("another client's token: %+v", a)
	}
}

func TestRevoke_UnrecordedStillEnds(t *testing.T) {
	w := newWorld(t)
	tok := w.refreshWith(refreshable(w))
	w.log.Fail(errors.New("disk full"))
	a := w.post(pathRevoke, url.Values{"client_id": {ClientID}, "token": {tok.Access}})
	if a.Status != http.StatusServiceUnavailable || w.who(tok.Access) != "unauthenticated" {
		t.Errorf("got %+v, %s", a, w.who(tok.Access))
	}
}

func TestIdentify_Errors(t *testing.T) {
	w := newWorld(t)
	tok := w.refreshWith(refreshable(w))
	for _, token := range []string{"", "x", accessPrefix, accessPrefix + random()} {
		if got := w.who(token); got != "unauthenticated" {
			t.Errorf("%q: %s", token, got)
		}
	}
	w.store.fail = func(string) error { return errors.New("store is down") }
	_, err := w.Identify(t.Context(), tok.Access)
	if e := hoop.AsError(err); e.Code != hoop.CodeUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestIdentify_CallersCannotChangeTheCache(t *testing.T) {
	w := newWorld(t)
	tok := w.refreshWith(refreshable(w))
	id, err := w.Identify(t.Context(), tok.Access)
	if err != nil {
		t.Fatal(err)
	}
	id.Groups[0] = "admins"
	if id, _ := w.Identify(t.Context(), tok.Access); id.Groups[0] != "agents" {
		t.Errorf("groups: %q", id.Groups)
	}
}

// A token ended through another gateway on the same store is refused a second later.
func TestIdentify_AnotherGatewayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		tok := w.signIn("alice")
		o := w.o
		other, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if w.who(tok.AccessToken) != "alice" {
			t.Fatal("no identity")
		}
		if _, err := other.Disable(t.Context(), "alice", "disabled"); err != nil {
			t.Fatal(err)
		}
		advance(cacheLife)
		if got := w.who(tok.AccessToken); got != "unauthenticated" {
			t.Errorf("got %s", got)
		}
	})
}

// What is read before a revocation must not enter the cache after it.
func TestIdentify_RaceWithRevocation(t *testing.T) {
	w := newWorld(t)
	tok := w.refreshWith(refreshable(w))
	tk, f, err := w.store.Token(t.Context(), hash(tok.Access))
	if err != nil {
		t.Fatal(err)
	}
	mark := w.cache.mark()
	if _, err := w.Disable(t.Context(), "alice", "disabled"); err != nil {
		t.Fatal(err)
	}
	w.cache.put(tk.Hash, cached{family: f, until: tk.ExpiresAt}, mark)
	if got := w.who(tok.Access); got != "unauthenticated" {
		t.Errorf("got %s", got)
	}
	// Nor may what is read before somebody wants it read anew.
	mark = w.cache.mark()
	w.Forget(tok.Access)
	w.cache.put(tk.Hash, cached{family: f, until: tk.ExpiresAt}, mark)
	if got := w.who(tok.Access); got != "unauthenticated" {
		t.Errorf("read before it was forgotten: %s", got)
	}
}

func BenchmarkIdentify(b *testing.B) {
	w := newWorld(&testing.T{})
	w.t = &testing.T{}
	id, _ := devUsers(w.o.DevUsers).find("alice")
	resp, err := w.Server.begin(b.Context(), Family{Identity: id, Provider: devProvider, Client: ClientID, RemoteIP: "192.0.2.7"}, "")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := w.Identify(b.Context(), resp.AccessToken); err != nil {
			b.Fatal(err)
		}
	}
}
