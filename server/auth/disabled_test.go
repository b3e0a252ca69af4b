package auth

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/hoopctl/hoopctl/server/auth/authtest"
)

// What an identity provider gave before somebody was disabled signs in nobody afterwards,
// wherever that was done; what was begun since then does.
func TestDisable_AnswersFromBefore(t *testing.T) {
	for what, at := range map[string]func(*world) *Server{
		"here": func(w *world) *Server { return w.Server },
		"at another gateway": func(w *world) *Server {
			w.store.shared = true
			return newNeighbour(w.t, w).Server
		},
	} {
		t.Run("SAML, "+what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, with := withSAML(t)
				w := newWorld(t, with)
				da := w.begin()
				b, response := w.atIDP(da.UserCode)
				advance(time.Second)
				if _, err := at(w).Disable(t.Context(), "clinic:jane-id", "left"); err != nil {
					t.Fatal(err)
				}
				if err := w.deliver(b, response); err == nil {
					t.Error("the answer was taken")
				}
				if a := w.poll(da.DeviceCode); a.Access != "" {
					t.Errorf("got %+v", a)
				}
				advance(2 * elsewhereBack)
				w.samlSignIn()
			})
		})
		t.Run("OIDC, "+what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newIDP(t)
				w := newWorld(t, withIDP(t, p))
				da := w.begin()
				p.authTime = func(now time.Time) time.Time { // the code is being used
					advance(time.Second)
					if _, err := at(w).Disable(t.Context(), "corp:id2", "left"); err != nil {
						t.Error(err)
					}
					return now
				}
				if err := authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "", true); err == nil {
					t.Error("the code was taken")
				}
				if a := w.poll(da.DeviceCode); a.Access != "" {
					t.Errorf("got %+v", a)
				}
				p.authTime = nil
				advance(2 * elsewhereBack)
				w.signIn("")
			})
		})
		t.Run("federation, "+what, func(t *testing.T) {
			i := newWorkloads(t, cluster)
			synctest.Test(t, func(t *testing.T) {
				w := federated(t, i)
				before := []string{i.token(t, nil), i.token(t, map[string]any{"iat": nil})}
				advance(assertionAhead / 2)
				before = append(before, i.token(t, map[string]any{"iat": time.Now().Add(assertionAhead / 2).Unix()}))
				advance(time.Second)
				if _, err := at(w).Disable(t.Context(), ServiceSubject("k8s-agent"), "rotated"); err != nil {
					t.Fatal(err)
				}
				for n, token := range before {
					if a := w.assert("k8s-agent", token); a.Error != "invalid_client" || a.Access != "" {
						t.Errorf("token %d: %+v", n, a)
					}
				}
				advance(3 * elsewhereBack)
				if a := w.assert("k8s-agent", i.token(t, nil)); a.Status != http.StatusOK {
					t.Errorf("one that was issued since then: %+v", a)
				}
				advance(assertionLife + time.Hour)
				if err := w.store.Sweep(t.Context(), time.Now().Add(-sweepAfter)); err != nil {
					t.Fatal(err)
				}
				if a := w.assert("k8s-agent", i.token(t, map[string]any{"iat": nil})); a.Status != http.StatusOK {
					t.Errorf("one that may be of any time, when all from before have ended: %+v", a)
				}
			})
		})
	}
}

// Who is disabled while an answer is being taken is not signed in by it either, and an answer
// is not taken where nobody can say whether it is from before.
func TestDisable_WhileAnAnswerIsTaken(t *testing.T) {
	for what, op := range map[string]string{"as it is looked for": "DisabledAt", "as the sign-in is stored": "AddFamily"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, with := withSAML(t)
				w := newWorld(t, with)
				da := w.begin()
				b, response := w.atIDP(da.UserCode)
				advance(time.Second)
				disabled := time.Now()
				w.store.failWith(func(now string) error {
					if now == op { // Disable has looked through devices and sign-ins already
						w.store.disabled["clinic:jane-id"] = disabled
					}
					return nil
				})
				_ = w.deliver(b, response)
				_ = b.Submit(t.Context(), "/device/confirm", map[string][]string{"action": {"approve"}})
				if a := w.poll(da.DeviceCode); a.Access != "" {
					t.Errorf("got %+v", a)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.failWith(func(op string) error {
			if op == "DisabledAt" {
				return errors.New("the store is away")
			}
			return nil
		})
		da := w.begin()
		_ = authtest.SignIn(t.Context(), w.http, da.VerificationURIComplete, "alice", true)
		var refused *oauth2.RetrieveError
		if tok, err := w.oauth().DeviceAccessToken(w.ctx(), da); err == nil || !errors.As(err, &refused) {
			t.Errorf("got %v, %v", tok, err)
		}
	})
}
