package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hoopctl/hoopctl/pkg/hoop"
)

// delegate starts an agent with a token of somebody. What only the server may say is
// forged.
func (w *world) delegate(token string, life time.Duration) (hoop.Identity, string, error) {
	return w.Delegate(w.t.Context(), token, "192.0.2.7", Agent{Name: "reporter", Life: life, Delegation: hoop.Delegation{
		Targets: []string{"pg"}, Scope: hoop.Scope{Effects: []hoop.Effect{hoop.EffectRead}},
		SignIn: "forged", ExpiresAt: time.Now().Add(1000 * time.Hour),
	}})
}

// An agent is who its starter is, under a name of its own, for as long as both last.
func TestDelegate_ActsForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		person := w.signIn("bob").AccessToken
		agent, token, err := w.delegate(person, 30*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		_, again, err := w.delegate(person, 30*time.Minute)
		if err != nil || again == token {
			t.Errorf("a second agent: %v", err)
		}
		got, err := w.Identify(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if got.Subject != agent.Subject || !strings.HasPrefix(got.Subject, "agent:") || got.Kind != hoop.Service || got.Provider != "agent" ||
			!slices.Equal(got.Chain, []string{"bob"}) || !slices.Equal(got.Groups, []string{"dba", "agents"}) || got.Name != "reporter" {
			t.Errorf("%+v", got)
		}
		d := got.Delegation
		if d == nil || d.SignIn == "forged" || d.ExpiresAt.After(time.Now().Add(30*time.Minute)) || !got.Reaches("pg") || got.Reaches("pg2") {
			t.Errorf("given: %+v", d)
		}
		if last := w.log.last(); last != "sign-in "+w.who(again) {
			t.Errorf("on record: %s", last)
		}
		// Access tokens of people last five minutes; an agent's as long as it was made for.
		advance(29 * time.Minute)
		if who := w.who(token); who != agent.Subject {
			t.Errorf("after 29 minutes: %s", who)
		}
		advance(time.Minute)
		if who := w.who(token); who != "unauthenticated" {
			t.Errorf("after 30 minutes: %s", who)
		}
	})
}

// Nobody gives on what was given to them, and programs give nothing.
func TestDelegate_OnlyByPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.setAccount("ci", "s3cret", "agents")
		_, token, err := w.delegate(w.signIn("bob").AccessToken, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		account := w.post(pathToken, map[string][]string{"client_id": {"ci"}, "client_secret": {"s3cret"}, "grant_type": {"client_credentials"}}).Access
		for what, from := range map[string]string{"an agent": token, "a service account": account} {
			if _, _, err := w.delegate(from, time.Minute); hoop.AsError(err).Code != hoop.CodeDenied {
				t.Errorf("%s: %v", what, err)
			}
		}
		refresh := w.signIn("bob").RefreshToken
		for what, from := range map[string]string{"no token": "", "nobody's": accessPrefix + random(), "a refresh token": refresh} {
			if _, _, err := w.delegate(from, time.Minute); hoop.AsError(err).Code != hoop.CodeUnauthenticated {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, _, err := w.delegate(w.signIn("bob").AccessToken, 0); hoop.AsError(err).Code != hoop.CodeInvalid {
			t.Errorf("for no time: %v", err)
		}
		if a := w.refreshWith(token); a.Error != "invalid_grant" {
			t.Errorf("refreshed with it: %+v", a)
		}
		person := w.signIn("bob").AccessToken
		before := len(w.store.tokens)
		w.log.Fail(errors.New("disk full"))
		if _, _, err := w.delegate(person, time.Minute); err == nil || len(w.store.tokens) != before {
			t.Errorf("unrecorded: %v", err)
		}
	})
}

// Whatever ends the sign-in ends its agents: signing out, its end, an administrator, a
// refresh token used twice; and their sessions, though the person is signed in elsewhere.
func TestDelegate_EndsWithTheSignIn(t *testing.T) {
	for what, end := range map[string]func(w *world, refresh string){
		"signed out": func(w *world, refresh string) {
			w.post(pathRevoke, map[string][]string{"client_id": {ClientID}, "token": {refresh}})
		},
		"disabled": func(w *world, _ string) {
			if _, err := w.Disable(w.t.Context(), "bob", "gone"); err != nil {
				w.t.Fatal(err)
			}
		},
		"used twice": func(w *world, refresh string) {
			w.refreshWith(refresh)
			advance(time.Minute)
			w.refreshWith(refresh)
		},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ended []string
				w := newWorld(t, func(w *world, o *Options) {
					o.OnSignInEnd = func(_ context.Context, signIn string) { ended = append(ended, signIn) }
				})
				w.signIn("bob") // elsewhere
				person := w.signIn("bob")
				agent, token, err := w.delegate(person.AccessToken, 10*time.Hour)
				if err != nil {
					t.Fatal(err)
				}
				if who := w.who(token); who != agent.Subject {
					t.Fatal(who)
				}
				end(w, person.RefreshToken)
				if who := w.who(token); who != "unauthenticated" {
					t.Errorf("the token is %s's", who)
				}
				if !slices.Contains(ended, agent.Delegation.SignIn) {
					t.Errorf("sessions cut of %v", ended)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		agent, token, err := w.delegate(w.signIn("bob").AccessToken, 1000*time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(agent.Delegation.ExpiresAt); left > 12*time.Hour {
			t.Errorf("it lasts %s, longer than the sign-in", left)
		}
		advance(12 * time.Hour)
		if who := w.who(token); who != "unauthenticated" {
			t.Errorf("after the sign-in's end: %s", who)
		}
	})
}

// Another gateway on the store ended the sign-in: its agents are noticed within a second,
// and their sessions are cut.
func TestDelegate_EndsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []string
		w := newWorld(t, func(w *world, o *Options) {
			w.store.shared = true
			o.OnSignInEnd = func(_ context.Context, signIn string) { ended = append(ended, signIn) }
		})
		agent, token, err := w.delegate(w.signIn("bob").AccessToken, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		w.who(token)
		if err := w.store.UpdateFamily(t.Context(), agent.Delegation.SignIn, func(f *Family) ([]Token, error) {
			f.EndedAt, f.CutAt = w.now(), w.now()
			return nil, nil
		}); err != nil {
			t.Fatal(err)
		}
		advance(cacheLife)
		if who := w.who(token); who != "unauthenticated" {
			t.Errorf("the token is %s's", who)
		}
		if err := w.meetElsewhere(t.Context()); err != nil || !slices.Contains(ended, agent.Delegation.SignIn) {
			t.Errorf("sessions cut of %v: %v", ended, err)
		}
	})
}
